// One record as the peer's segments hold it (the layout stands in peer-segment.ts), read field by field, and what it becomes: the
// part of a Kafka record that begins with the length of its key.
//
// The peer adds headers of its own to every record that it backs up, behind the producer's (`backup.include_offset_headers`, on by
// default): x-original-offset and x-original-timestamp, i64 little endian, and x-source-cluster where `source_cluster_id` is set. They
// are recognised by their place and by their value, which is that of this very record: headers of those names that came with the
// record, out of an earlier restore of the peer, are the producer's and stay.

import { BackupError } from '../../model/errors.ts';
import { viewOf } from '../../record/batch-header.ts';
import { varintSize, writeVarint } from '../../record/varint.ts';

/** Positions in a record, and the size of one without key, value and headers. */
export const PEER_RECORD = { length: 4, timestamp: 4, offset: 12, key: 20, smallest: 30 } as const;

const OFFSET_HEADER = Buffer.from('x-original-offset');
const TIMESTAMP_HEADER = Buffer.from('x-original-timestamp');
const CLUSTER_HEADER = Buffer.from('x-source-cluster');
const I64_BYTES = 8;
/** A control record: key version i16 and type i16 (0 abort, 1 commit), value version i16 and coordinator epoch i32. */
const MARKER_KEY_BYTES = 4;
const MARKER_VALUE_BYTES = 6;

/** Bytes `[from, to)` of the block; null where `to` is -1. */
interface Field {
  from: number;
  to: number;
}

interface HeaderField {
  readonly name: Field;
  readonly value: Field;
}

/** Stands on one record of a block at a time. */
export class PeerRecordCursor {
  offset = 0n;
  timestamp = 0n;
  /** Headers that the peer added to this record. */
  addedHeaders = 0;
  /** True when the record looks like the end of a transaction, which the peer stores as if it were data. */
  isMarker = false;
  readonly #block: Buffer;
  readonly #view: DataView;
  readonly #key: Field = { from: 0, to: -1 };
  readonly #value: Field = { from: 0, to: -1 };
  #headers: HeaderField[] = [];
  #end = 0;
  #at = 0;

  /** `block` is whole records back to back. */
  constructor(block: Uint8Array) {
    this.#block = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
    this.#view = viewOf(block);
  }

  /** Moves to the next record; false after the last. @throws SOURCE_DAMAGED when its lengths do not fill it. */
  next(): boolean {
    const start = this.#end;
    if (start === this.#block.byteLength) return false;
    this.#end = start + PEER_RECORD.length + this.#view.getUint32(start, true);
    this.timestamp = this.#view.getBigInt64(start + PEER_RECORD.timestamp, true);
    this.offset = this.#view.getBigInt64(start + PEER_RECORD.offset, true);
    this.#at = start + PEER_RECORD.key;
    this.#nullable(this.#key);
    this.#nullable(this.#value);
    this.#readHeaders();
    if (this.#at !== this.#end) throw this.#corrupt();
    this.addedHeaders = this.#countAdded();
    this.isMarker = this.#looksLikeMarker();
    return true;
  }

  /** Bytes that {@link encode} writes. */
  payloadSize(keepsAddedHeaders: boolean): number {
    const headers = this.#kept(keepsAddedHeaders);
    let size = fieldSize(this.#key) + fieldSize(this.#value) + varintSize(headers.length);
    for (const { name, value } of headers) size += fieldSize(name) + fieldSize(value);
    return size;
  }

  /** Writes the record from its key's length on into `target`, which has room for it. */
  encode(target: Uint8Array, keepsAddedHeaders: boolean): void {
    const headers = this.#kept(keepsAddedHeaders);
    let at = this.#write(target, 0, this.#key);
    at = writeVarint(target, this.#write(target, at, this.#value), headers.length);
    for (const { name, value } of headers) at = this.#write(target, this.#write(target, at, name), value);
  }

  #kept(keepsAddedHeaders: boolean): readonly HeaderField[] {
    if (keepsAddedHeaders || this.addedHeaders === 0) return this.#headers;
    return this.#headers.slice(0, this.#headers.length - this.addedHeaders);
  }

  #write(target: Uint8Array, at: number, { from, to }: Field): number {
    if (to < 0) return writeVarint(target, at, -1);
    const start = writeVarint(target, at, to - from);
    target.set(this.#block.subarray(from, to), start);
    return start + to - from;
  }

  #readHeaders(): void {
    const count = this.#length(2);
    this.#headers = [];
    for (let index = 0; index < count; index += 1) {
      const name: Field = { from: 0, to: -1 };
      const value: Field = { from: 0, to: -1 };
      this.#take(name, this.#length(2));
      this.#nullable(value);
      this.#headers.push({ name, value });
    }
  }

  #nullable(field: Field): void {
    this.#take(field, this.#length(4));
  }

  /** An i32, or a u16 for `bytes` 2. */
  #length(bytes: 2 | 4): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw this.#corrupt();
    this.#at += bytes;
    return bytes === 2 ? this.#view.getUint16(at, true) : this.#view.getInt32(at, true);
  }

  #take(field: Field, length: number): void {
    if (length < -1 || this.#at + length > this.#end) throw this.#corrupt();
    field.from = this.#at;
    field.to = length < 0 ? -1 : this.#at + length;
    if (length > 0) this.#at += length;
  }

  #countAdded(): number {
    const last = this.#headers.length - 1;
    if (last < 1) return 0;
    if (this.#isAddedPair(last - 1)) return 2;
    const isOfCluster = last >= 2 && this.#is(this.#headers[last]?.name, CLUSTER_HEADER);
    return isOfCluster && this.#isAddedPair(last - 2) ? 3 : 0;
  }

  /** True when the header at `index` and the next one hold this record's own offset and timestamp. */
  #isAddedPair(index: number): boolean {
    const [first, second] = [this.#headers[index], this.#headers[index + 1]];
    return (
      this.#is(first?.name, OFFSET_HEADER) &&
      this.#is(second?.name, TIMESTAMP_HEADER) &&
      this.#isI64(first?.value, this.offset) &&
      this.#isI64(second?.value, this.timestamp)
    );
  }

  #is(field: Field | undefined, wanted: Buffer): boolean {
    if (field === undefined || field.to - field.from !== wanted.byteLength) return false;
    return this.#block.compare(wanted, 0, wanted.byteLength, field.from, field.to) === 0;
  }

  #isI64(field: Field | undefined, wanted: bigint): boolean {
    return (
      field !== undefined && field.to - field.from === I64_BYTES && this.#view.getBigInt64(field.from, true) === wanted
    );
  }

  #looksLikeMarker(): boolean {
    const [key, value] = [this.#key, this.#value];
    if (key.to - key.from !== MARKER_KEY_BYTES || value.to - value.from !== MARKER_VALUE_BYTES) return false;
    if (this.#headers.length !== this.addedHeaders) return false;
    const [version, type] = [this.#view.getInt16(key.from), this.#view.getInt16(key.from + 2)];
    return version === 0 && (type === 0 || type === 1) && this.#view.getInt16(value.from) === 0;
  }

  #corrupt(): BackupError {
    return new BackupError('SOURCE_DAMAGED', `the lengths in record ${this.offset} do not fill it`);
  }
}

function fieldSize({ from, to }: Field): number {
  return to < 0 ? varintSize(-1) : varintSize(to - from) + to - from;
}
