// Backups of OSO kafka-backup, written byte by byte after its container version 1 (magic KBAK) and its manifest, without the code
// under test: what a test cannot make the program itself do (holes, repeats, damage). test/fixtures/peer-backup holds real ones.
import { crc32, zstdCompressSync } from 'node:zlib';
import { compressSync } from 'lz4-napi';
import type { ObjectStore } from '../../src/storage/object-store.ts';

export type PeerCodec = 'none' | 'zstd' | 'lz4';

export interface PeerHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface PeerRecord {
  readonly offset: bigint;
  readonly timestamp: bigint;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly PeerHeader[];
}

/** A record at `offset`, unremarkable but for `change`. */
export function peerRecord(offset: bigint, change: Partial<PeerRecord> = {}): PeerRecord {
  return {
    offset,
    timestamp: 1_700_000_000_000n + offset,
    key: Buffer.from(`key-${offset % 3n}`),
    value: Buffer.from(JSON.stringify({ order: Number(offset), state: 'shipped' })),
    headers: [],
    ...change,
  };
}

/** `count` of them. */
export function peerRecords(from: bigint, count: number): PeerRecord[] {
  return Array.from({ length: count }, (_, index) => peerRecord(from + BigInt(index)));
}

/** The headers that the program adds with `include_offset_headers`, and with `source_cluster_id`. */
export function addedHeaders({ offset, timestamp }: PeerRecord, cluster?: string): PeerHeader[] {
  return [
    { key: 'x-original-offset', value: i64(offset) },
    { key: 'x-original-timestamp', value: i64(timestamp) },
    ...(cluster === undefined ? [] : [{ key: 'x-source-cluster', value: Buffer.from(cluster) }]),
  ];
}

export function i64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}

export function encodePeerRecord({ offset, timestamp, key, value, headers }: PeerRecord): Buffer {
  const parts = headers.flatMap((header) => [
    u16(Buffer.byteLength(header.key)),
    Buffer.from(header.key),
    nullable(header.value),
  ]);
  const body = Buffer.concat([
    i64(timestamp),
    i64(offset),
    nullable(key),
    nullable(value),
    u16(headers.length),
    ...parts,
  ]);
  return Buffer.concat([u32(body.byteLength), body]);
}

export interface PeerSegmentForm {
  readonly codec?: PeerCodec;
  /** Instead of what the records say. */
  readonly recordCount?: number;
  readonly firstOffset?: bigint;
  readonly lastOffset?: bigint;
  /** Instead of the records' bytes, before compression. */
  readonly expanded?: Buffer;
}

/** A whole file. */
export function encodePeerSegment(records: readonly PeerRecord[], form: PeerSegmentForm = {}): Buffer {
  const { codec = 'zstd', expanded = Buffer.concat(records.map(encodePeerRecord)) } = form;
  const { recordCount = records.length, firstOffset = records[0]!.offset, lastOffset = records.at(-1)!.offset } = form;
  const head = Buffer.alloc(32);
  head.write('KBAK', 'latin1');
  head.writeUInt8(1, 4);
  head.writeUInt8(['none', 'zstd', 'lz4'].indexOf(codec), 5);
  head.writeBigUInt64LE(BigInt(recordCount), 8);
  head.writeBigInt64LE(firstOffset, 16);
  head.writeBigInt64LE(lastOffset, 24);
  return sealPeerSegment(Buffer.concat([head, compressed(codec, expanded)]));
}

/** `bytes`, up to where the trailer belongs, with a trailer that fits them. */
export function sealPeerSegment(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, u32(crc32(bytes)), Buffer.from('BKAE', 'latin1')]);
}

function compressed(codec: PeerCodec, bytes: Buffer): Buffer {
  if (codec === 'none') return bytes;
  return codec === 'zstd' ? zstdCompressSync(bytes) : compressSync(bytes);
}

function nullable(bytes: Uint8Array | null): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32LE(bytes === null ? -1 : bytes.byteLength);
  return Buffer.concat([length, bytes ?? Buffer.alloc(0)]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

interface Entry {
  readonly topic: string;
  readonly partition: number;
  readonly segment: Readonly<Record<string, unknown>> & { readonly start_offset: number };
}

/** A store of the program with one backup; {@link save} writes its manifest, again after each change. */
export class PeerBackup {
  readonly store: ObjectStore;
  readonly backupId: string;
  /** Further fields of topics and partitions, by `topic` and by `topic/partition`. */
  readonly fields = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #entries: Entry[] = [];

  constructor(store: ObjectStore, backupId = 'theirs') {
    this.store = store;
    this.backupId = backupId;
  }

  /** Writes a file and an entry for it, which `entry` may falsify. @returns its key */
  async add(
    records: readonly PeerRecord[],
    options: {
      readonly topic?: string;
      readonly partition?: number;
      readonly form?: PeerSegmentForm;
      readonly entry?: Readonly<Record<string, unknown>>;
    } = {},
  ): Promise<string> {
    const { topic = 'orders', partition = 0, form = {}, entry = {} } = options;
    const [first, last] = [records[0]!, records.at(-1)!];
    const suffix = { none: '', zstd: '.zst', lz4: '.lz4' }[form.codec ?? 'zstd'];
    const name = `segment-${first.offset.toString().padStart(20, '0')}.bin${suffix}`;
    const key = `${this.backupId}/topics/${topic}/partition=${partition}/${name}`;
    const bytes = encodePeerSegment(records, form);
    await this.replace(key, bytes);
    const segment = {
      key,
      start_offset: Number(first.offset),
      end_offset: Number(last.offset),
      start_timestamp: Number(first.timestamp),
      end_timestamp: Number(last.timestamp),
      record_count: records.length,
      uncompressed_size: 1,
      compressed_size: bytes.byteLength,
      ...entry,
    };
    this.#entries.push({ topic, partition, segment });
    return key;
  }

  /** Puts a file in the place of the one there, as a second run of the program does; `undefined` takes it away. */
  async replace(key: string, bytes: Uint8Array | undefined): Promise<void> {
    await this.store.delete(key);
    if (bytes !== undefined) await this.store.putIfAbsent(key, [bytes]);
  }

  async bytes(key: string): Promise<Buffer> {
    return Buffer.from((await this.store.get(key))!);
  }

  async save(): Promise<void> {
    const topics = [...Map.groupBy(this.#entries, ({ topic }) => topic)].map(([name, entries]) => ({
      name,
      original_partition_count: null,
      partitions: [...Map.groupBy(entries, ({ partition }) => partition)].map(([partition, segments]) => ({
        partition_id: partition,
        segments: segments.map(({ segment }) => segment).sort((a, b) => a.start_offset - b.start_offset),
        ...this.fields.get(`${name}/${partition}`),
      })),
      ...this.fields.get(name),
    }));
    const manifest = {
      backup_id: this.backupId,
      created_at: 1_795_000_000_000,
      source_cluster_id: null,
      compression: 'zstd',
      topics,
    };
    await this.replace(`${this.backupId}/manifest.json`, Buffer.from(JSON.stringify(manifest, null, 2)));
  }
}
