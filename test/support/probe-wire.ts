// Between the probe's nouns and its JSON lines: bytes are base64 there, offsets and bigints decimal strings.
import type { ListedRecord, PartitionDigest, RecordToSend } from './kafka-probe-types.ts';

type Offsets = 'firstOffset' | 'lastOffset' | 'startOffset' | 'endOffset';
type WirePartition = Omit<PartitionDigest, Offsets> & {
  readonly firstOffset: string | null;
  readonly lastOffset: string | null;
  readonly startOffset: string;
  readonly endOffset: string;
};

export type WireDigest = Readonly<Record<string, WirePartition>>;
export type WireListed = Omit<ListedRecord, 'offset' | 'key' | 'value' | 'headers'> & {
  readonly offset: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
};

export function encodeBytes(bytes: Uint8Array | string | null | undefined): string | null {
  if (bytes === null || bytes === undefined) return null;
  return (typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)).toString('base64');
}

export function encodeRecord(record: RecordToSend): object {
  const headers = (record.headers ?? []).map(({ key, value }) => ({ key, value: encodeBytes(value) }));
  const timestampMs = typeof record.timestampMs === 'bigint' ? record.timestampMs.toString() : record.timestampMs;
  return { ...record, timestampMs, key: encodeBytes(record.key), value: encodeBytes(record.value), headers };
}

export function decodeDigest(digest: WireDigest): Map<number, PartitionDigest> {
  const decoded = Object.entries(digest).map(([partition, wire]): [number, PartitionDigest] => [
    Number(partition),
    {
      ...wire,
      firstOffset: wire.firstOffset === null ? null : BigInt(wire.firstOffset),
      lastOffset: wire.lastOffset === null ? null : BigInt(wire.lastOffset),
      startOffset: BigInt(wire.startOffset),
      endOffset: BigInt(wire.endOffset),
    },
  ]);
  return new Map(decoded);
}

export function decodeListed(wire: WireListed): ListedRecord {
  return {
    ...wire,
    offset: BigInt(wire.offset),
    key: decodeBytes(wire.key),
    value: decodeBytes(wire.value),
    headers: wire.headers.map(({ key, value }) => ({ key, value: decodeBytes(value) })),
  };
}

function decodeBytes(base64: string | null): Buffer | null {
  return base64 === null ? null : Buffer.from(base64, 'base64');
}
