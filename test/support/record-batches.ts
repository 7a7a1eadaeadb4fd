// Record batches (format v2) as brokers hold them, built and read without the code under test: field by field after
// DefaultRecordBatch and DefaultRecord. Only the compression of the records section is borrowed; it has its own tests.

import { PRODUCER_CODECS, type ProducerCodec } from '../../src/model/codec.ts';
import { compressRecords, expandRecords } from '../../src/record/producer-compression.ts';

export interface TestHeader {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface TestRecord {
  /** From the base offset; by default one after the record before. */
  readonly offsetDelta?: number;
  readonly timestampMs: number;
  /** In place of `timestampMs` where no number holds it. */
  readonly timestamp?: bigint;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly TestHeader[];
}

export interface TestBatch {
  readonly baseOffset: bigint;
  readonly records: readonly TestRecord[];
  readonly codec?: ProducerCodec;
  /** By default that of the last record; larger where compaction took the end of the batch. */
  readonly lastOffsetDelta?: number;
  readonly leaderEpoch?: number;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  /** The broker's own time: the records keep theirs, hidden behind it. */
  readonly logAppendTimeMs?: number;
  /** Set by the cleaner: stands in the place of the base timestamp, and the deltas count from it. */
  readonly deleteHorizonMs?: number;
}

/** A record as a consumer sees it. */
export interface SeenRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  /** Only where `timestampMs` is rounded, since no number holds it. */
  readonly timestamp?: bigint;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [key: string, value: string | null])[];
}

export function text(value: string): Uint8Array {
  return Buffer.from(value);
}

/** Zig-zag and base-128, in bigints. */
export function varint(value: number | bigint): Buffer {
  const signed = BigInt(value);
  let rest = BigInt.asUintN(64, (signed << 1n) ^ (signed >> 63n));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function nullable(bytes: Uint8Array | null): Buffer {
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.byteLength), bytes]);
}

/** Key, value and headers: the part of a record that survives a move. */
export function encodePayload({ key, value, headers = [] }: Pick<TestRecord, 'key' | 'value' | 'headers'>): Buffer {
  const parts = headers.map((header) =>
    Buffer.concat([varint(header.key.byteLength), header.key, nullable(header.value)]),
  );
  return Buffer.concat([nullable(key), nullable(value), varint(headers.length), ...parts]);
}

export function encodeRecord(record: TestRecord, offsetDelta: number, timestampDelta: number | bigint): Buffer {
  const body = Buffer.concat([Buffer.from([0]), varint(timestampDelta), varint(offsetDelta), encodePayload(record)]);
  return Buffer.concat([varint(body.byteLength), body]);
}

/** The batch as it lies in a log segment and in a fetch response. */
export function encodeBatch(batch: TestBatch): Buffer {
  const { records, codec = 'none' } = batch;
  const timestamps = records.map((record) => record.timestamp ?? BigInt(record.timestampMs));
  const baseTimestamp = batch.deleteHorizonMs === undefined ? (timestamps[0] ?? -1n) : BigInt(batch.deleteHorizonMs);
  const latest = timestamps.reduce((max, one) => (one > max ? one : max), -1n);
  const maxTimestamp = batch.logAppendTimeMs === undefined ? latest : BigInt(batch.logAppendTimeMs);
  let offsetDelta = -1;
  const encoded = records.map((record, index) => {
    offsetDelta = record.offsetDelta ?? offsetDelta + 1;
    // Kafka's arithmetic has 64 bits: what overflows in the delta, overflows back in the sum.
    return encodeRecord(record, offsetDelta, BigInt.asIntN(64, timestamps[index]! - baseTimestamp));
  });
  const section = encoded.length === 0 ? Buffer.alloc(0) : compressRecords(codec, Buffer.concat(encoded));
  const bytes = Buffer.alloc(61 + section.byteLength);
  bytes.writeBigInt64BE(batch.baseOffset, 0);
  bytes.writeInt32BE(bytes.byteLength - 12, 8);
  bytes.writeInt32BE(batch.leaderEpoch ?? 0, 12);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(attributesOf(batch, codec), 21);
  bytes.writeInt32BE(batch.lastOffsetDelta ?? offsetDelta, 23);
  bytes.writeBigInt64BE(baseTimestamp, 27);
  bytes.writeBigInt64BE(maxTimestamp, 35);
  bytes.writeBigInt64BE(batch.producerId ?? -1n, 43);
  bytes.writeInt16BE(batch.producerEpoch ?? -1, 51);
  bytes.writeInt32BE(batch.baseSequence ?? -1, 53);
  bytes.writeInt32BE(records.length, 57);
  bytes.set(section, 61);
  return sealCrc(bytes);
}

/** A batch whose timestamps no number holds: a record for each of `deltas`, which count from `baseTimestampMs`. */
export function encodeSpread(baseOffset: bigint, baseTimestampMs: bigint, deltas: readonly bigint[]): Buffer {
  const records = deltas.map((delta, index) => encodeRecord({ timestampMs: 0, key: null, value: null }, index, delta));
  const frame = encodeBatch({ baseOffset, records: [], lastOffsetDelta: deltas.length - 1 });
  const bytes = Buffer.concat([frame, ...records]);
  bytes.writeInt32BE(bytes.byteLength - 12, 8);
  bytes.writeBigInt64BE(baseTimestampMs, 27);
  const highest = deltas.reduce((max, delta) => (delta > max ? delta : max));
  bytes.writeBigInt64BE(BigInt.asIntN(64, baseTimestampMs + highest), 35);
  bytes.writeInt32BE(deltas.length, 57);
  return sealCrc(bytes);
}

/** The control batch that ends a transaction (EndTransactionMarker: version 0, coordinator epoch). */
export function encodeMarker(marker: {
  readonly baseOffset: bigint;
  readonly producerId: bigint;
  readonly outcome: 'commit' | 'abort';
  readonly timestampMs: number;
}): Buffer {
  const { baseOffset, producerId, outcome, timestampMs } = marker;
  const key = Buffer.from([0, 0, 0, outcome === 'commit' ? 1 : 0]);
  const records = [{ timestampMs, key, value: Buffer.alloc(6) }];
  return encodeBatch({ baseOffset, producerId, producerEpoch: 0, transactional: true, control: true, records });
}

/** Makes the CRC of one whole batch right again after its bytes were changed. */
export function sealCrc(batch: Buffer): Buffer {
  batch.writeUInt32BE(slowCrc32c(batch.subarray(21)), 17);
  return batch;
}

function attributesOf(batch: TestBatch, codec: ProducerCodec): number {
  return (
    PRODUCER_CODECS.indexOf(codec) |
    (batch.logAppendTimeMs === undefined ? 0 : 0x08) |
    (batch.transactional === true ? 0x10 : 0) |
    (batch.control === true ? 0x20 : 0) |
    (batch.deleteHorizonMs === undefined ? 0 : 0x40)
  );
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  return crc;
});

/** CRC-32C by table (RFC 3720, B.4). */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

/** Reads forward through one batch's bytes. */
class Bytes {
  position = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.position === this.#bytes.byteLength;
  }

  varint(): number {
    return Number(this.varlong());
  }

  varlong(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes.readUInt8(this.position);
      this.position += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n);
    }
  }

  take(length: number): Buffer {
    const from = this.position;
    this.position += length;
    if (this.position > this.#bytes.byteLength) throw new Error('a batch ends in the middle of a record');
    return this.#bytes.subarray(from, this.position);
  }

  nullable(): string | null {
    const length = this.varint();
    return length < 0 ? null : this.take(length).toString('latin1');
  }
}

/** The records of one whole batch as a consumer that reads everything sees them; byte strings in Latin-1. */
export function readBatch(batch: Uint8Array): SeenRecord[] {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
  const attributes = bytes.readInt16BE(21);
  const codec = PRODUCER_CODECS[attributes & 7];
  if (codec === undefined || bytes.readInt32BE(8) + 12 !== bytes.byteLength) throw new Error('not one whole batch');
  const section = new Bytes(expandRecords(codec, bytes.subarray(61)));
  const records: SeenRecord[] = [];
  for (let index = 0; index < bytes.readInt32BE(57); index += 1) {
    const length = section.varint();
    const end = section.position + length;
    section.take(1);
    const created = BigInt.asIntN(64, bytes.readBigInt64BE(27) + section.varlong());
    const offset = bytes.readBigInt64BE(0) + BigInt(section.varint());
    const key = section.nullable();
    const value = section.nullable();
    const headers: [string, string | null][] = [];
    for (let left = section.varint(); left > 0; left -= 1) headers.push([section.nullable() ?? '', section.nullable()]);
    if (section.position !== end) throw new Error('a record is not as long as it says');
    const timestamp = (attributes & 0x08) === 0 ? created : bytes.readBigInt64BE(35);
    const timestampMs = Number(timestamp);
    const exactly = Number.isSafeInteger(timestampMs) ? {} : { timestamp };
    records.push({ offset, timestampMs, ...exactly, key, value, headers });
  }
  if (!section.isAtEnd) throw new Error('a batch holds more than its records');
  return records;
}

/** `bytes` in one piece of shared memory, as the threads are given it. */
export function shared(...parts: readonly Uint8Array[]): SharedArrayBuffer {
  const joined = Buffer.concat(parts);
  const buffer = new SharedArrayBuffer(joined.byteLength);
  new Uint8Array(buffer).set(joined);
  return buffer;
}
