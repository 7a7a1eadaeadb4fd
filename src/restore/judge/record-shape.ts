// Carries a record shape out on one record after the other: whether the filter wants it, which target its key chooses, and the
// headers that tell where it came from. Names and encodings of those headers are the peer's, so that its users' consumers find
// them: the offset and timestamp as 64-bit, the partition as 32-bit little-endian integers.

import { BackupError, messageOf } from '../../model/errors.ts';
import type { RecordFilter } from '../../model/restore/record-filter.ts';
import { partitionOfKey } from '../../record/murmur2.ts';
import type { RecordCursor } from '../../record/record-cursor.ts';
import { varintSize, writeVarint } from '../../record/varint.ts';
import type { RecordShape } from './judge-task.ts';

const ORIGIN_HEADERS = [
  { name: 'x-original-offset', sizeBytes: 8 },
  { name: 'x-original-timestamp', sizeBytes: 8 },
  { name: 'x-source-partition', sizeBytes: 4 },
] as const;

/** The part of a record that stays the same when it moves, as a cursor that stands on it shows it. */
export type RecordPayload = Pick<RecordCursor, 'bytes' | 'payloadPosition' | 'end'>;

export class RecordShaper {
  readonly #shape: RecordShape;
  readonly #filter: CompiledFilter | null;
  readonly #origin: OriginHeaders | null;

  /** @throws USAGE_INVALID when a pattern of the filter is no regular expression. */
  constructor(shape: RecordShape) {
    this.#shape = shape;
    this.#filter = shape.filter === null ? null : new CompiledFilter(shape.filter);
    this.#origin = shape.provenance === null ? null : new OriginHeaders(shape.provenance.sourcePartition);
  }

  wants(record: RecordCursor): boolean {
    return this.#filter === null || this.#filter.matches(record);
  }

  targetIndexOf(record: RecordCursor): number {
    const { partitions, unkeyedTarget } = this.#shape;
    if (partitions === null) return 0;
    const key = record.key();
    return key === null ? unkeyedTarget : partitionOfKey(key, partitions);
  }

  /** The record as it is to be written; valid until the next call. */
  payloadOf(record: RecordCursor, offset: bigint, timestamp: number | bigint): RecordPayload {
    return this.#origin === null ? record : this.#origin.addedTo(record, offset, timestamp);
  }
}

class CompiledFilter {
  readonly #key: RegExp | null;
  readonly #header: { readonly name: Buffer; readonly value: RegExp | null } | null;

  constructor({ keyRegex, header }: RecordFilter) {
    this.#key = compile(keyRegex);
    this.#header = header === null ? null : { name: Buffer.from(header.name), value: compile(header.valueRegex) };
  }

  matches(record: RecordCursor): boolean {
    return this.#matchesKey(record) && this.#matchesHeader(record);
  }

  #matchesKey(record: RecordCursor): boolean {
    if (this.#key === null) return true;
    const key = record.key();
    return key !== null && this.#key.test(textOf(key));
  }

  #matchesHeader(record: RecordCursor): boolean {
    if (this.#header === null) return true;
    const { name, value: wanted } = this.#header;
    return record
      .decode()
      .headers.some(
        ({ key, value }) => name.equals(key) && (wanted === null || (value !== null && wanted.test(textOf(value)))),
      );
  }
}

function compile(source: string | null): RegExp | null {
  if (source === null) return null;
  try {
    return new RegExp(source, 'u');
  } catch (cause) {
    throw new BackupError('USAGE_INVALID', `the record filter has no valid regular expression: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Bytes that are not UTF-8 become U+FFFD. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Writes the payload of a record anew, with three more headers at its end. */
class OriginHeaders {
  /** The three headers, encoded, with room for the values. */
  readonly #trailer: Buffer;
  readonly #valuePositions: readonly number[];
  #bytes = new Uint8Array(4096);

  constructor(sourcePartition: number) {
    const parts: Buffer[] = [];
    const positions: number[] = [];
    let end = 0;
    for (const { name, sizeBytes } of ORIGIN_HEADERS) {
      const header = Buffer.concat([
        varint(name.length),
        Buffer.from(name),
        varint(sizeBytes),
        Buffer.alloc(sizeBytes),
      ]);
      parts.push(header);
      end += header.byteLength;
      positions.push(end - sizeBytes);
    }
    this.#trailer = Buffer.concat(parts);
    this.#valuePositions = positions;
    this.#trailer.writeInt32LE(sourcePartition, positions[2]);
  }

  addedTo(record: RecordCursor, offset: bigint, timestamp: number | bigint): RecordPayload {
    const { payloadPosition, end } = record;
    const { position, headersPosition, count } = record.headerSection();
    const newCount = count + ORIGIN_HEADERS.length;
    const [offsetAt = 0, timestampAt = 0] = this.#valuePositions;
    this.#trailer.writeBigInt64LE(offset, offsetAt);
    this.#trailer.writeBigInt64LE(BigInt(timestamp), timestampAt);
    const sizeBytes = end - payloadPosition + varintSize(newCount) + this.#trailer.byteLength;
    if (sizeBytes > this.#bytes.byteLength) this.#bytes = new Uint8Array(sizeBytes * 2);
    const bytes = this.#bytes;
    bytes.set(record.bytes.subarray(payloadPosition, position));
    let at = writeVarint(bytes, position - payloadPosition, newCount);
    bytes.set(record.bytes.subarray(headersPosition, end), at);
    at += end - headersPosition;
    bytes.set(this.#trailer, at);
    return { bytes, payloadPosition: 0, end: at + this.#trailer.byteLength };
  }
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintSize(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
