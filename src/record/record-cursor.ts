// Walks the records of one batch (format v2) without copying them. A record is: length varint, attributes i8, timestampDelta
// varlong, offsetDelta varint, key length varint (-1 null) + key, value length varint (-1 null) + value, header count varint,
// then per header key length varint + key, value length varint (-1 null) + value (DefaultRecord).

import { BackupError } from '../model/errors.ts';
import { BATCH_FIELD, isLogAppendTime, type RecordBatchHeader, viewOf } from './batch-header.ts';
import { VarintReader } from './varint.ts';

/** One decoded record. The byte arrays are views into the batch; null and empty are told apart. */
export interface DecodedRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[];
}

const NO_BYTES = new Uint8Array(0);

/**
 * Stands on one record at a time; its fields change with each {@link next}. `bytes` hold the uncompressed records section.
 * @throws BATCH_CORRUPT from any method when a length reaches past its record.
 */
export class RecordCursor {
  /** Of the record's first byte (its length). */
  start = 0;
  /** Of the byte after the record. */
  end = 0;
  /** Of the key length: from here to `end` a record stays the same when it moves to another batch. */
  payloadPosition = 0;
  /** Rounded beyond 2^53: {@link timestampFrom} and {@link exactTimestampFrom} make a timestamp of it. */
  timestampDelta = 0;
  offsetDelta = 0;
  bytes: Uint8Array = NO_BYTES;
  readonly #reader = new VarintReader(NO_BYTES, 0, 0);
  /** Of the byte after the section. */
  #sectionEnd = 0;
  #remaining = 0;

  /** Before the first record of a section of `recordCount`; without one, use {@link enter}. */
  constructor(bytes: Uint8Array = NO_BYTES, recordCount = 0) {
    this.enter(bytes, 0, bytes.byteLength, recordCount);
  }

  /** Goes before the first record of another section, `bytes[from, end)`: one cursor serves many batches. */
  enter(bytes: Uint8Array, from: number, end: number, recordCount: number): void {
    this.bytes = bytes;
    this.#reader.bytes = bytes;
    this.#reader.end = end;
    this.end = from;
    this.#sectionEnd = end;
    this.#remaining = recordCount;
  }

  /** Moves to the next record; false after the last. */
  next(): boolean {
    const reader = this.#reader;
    const start = this.end;
    reader.position = start;
    if (this.#remaining === 0) {
      if (start !== this.#sectionEnd)
        throw new BackupError('BATCH_CORRUPT', 'a batch holds more bytes than its records');
      return false;
    }
    this.#remaining -= 1;
    const length = reader.readVarint();
    const bodyStart = reader.position;
    reader.skip(length);
    this.start = start;
    this.end = reader.position;
    reader.position = bodyStart + 1;
    this.timestampDelta = reader.readVarlong();
    this.offsetDelta = reader.readVarint();
    this.payloadPosition = reader.position;
    if (this.payloadPosition > this.end) throw new BackupError('BATCH_CORRUPT', 'a record is shorter than its fields');
    return true;
  }

  /**
   * Timestamp of the current record in a batch with that base timestamp, a safe integer; rounded, so none itself, where no number
   * holds it.
   */
  timestampFrom(baseTimestampMs: number): number {
    const timestampMs = baseTimestampMs + this.timestampDelta;
    if (Number.isSafeInteger(this.timestampDelta)) return timestampMs;
    return Number(this.exactTimestampFrom(BigInt(baseTimestampMs)));
  }

  /** The same, exact, of any base timestamp. What overflows does so as in Kafka's own sum, which has 64 bits. */
  exactTimestampFrom(baseTimestampMs: bigint): bigint {
    const reader = new VarintReader(this.bytes, this.start, this.end);
    reader.readVarint();
    reader.skip(1);
    return BigInt.asIntN(64, baseTimestampMs + reader.readBigVarlong());
  }

  /** Key of the current record, without a look at the rest of it. */
  key(): Uint8Array | null {
    return takeNullable(this.#payloadReader());
  }

  /** Where the headers of the current record begin: the position of their count, of the first one behind it, and the count. */
  headerSection(): { readonly position: number; readonly headersPosition: number; readonly count: number } {
    const reader = this.#payloadReader();
    skipNullable(reader);
    skipNullable(reader);
    const { position } = reader;
    const count = headerCount(reader);
    return { position, headersPosition: reader.position, count };
  }

  /** Key, value and headers of the current record. */
  decode(): DecodedRecord {
    const reader = this.#payloadReader();
    const key = takeNullable(reader);
    const value = takeNullable(reader);
    const headers = [];
    for (let left = headerCount(reader); left > 0; left -= 1) {
      headers.push({ key: take(reader, reader.readVarint()), value: takeNullable(reader) });
    }
    if (reader.position !== this.end) throw new BackupError('BATCH_CORRUPT', 'a record is longer than its fields');
    return { key, value, headers };
  }

  #payloadReader(): VarintReader {
    return new VarintReader(this.bytes, this.payloadPosition, this.end);
  }
}

/**
 * What gives the timestamp of each record of a batch: epoch milliseconds, a bigint where no number holds it exactly. Where the
 * broker stamped, all records carry the time of the batch. `bytes` are what `header` was parsed from.
 */
export function timestampsOf(bytes: Uint8Array, header: RecordBatchHeader): (cursor: RecordCursor) => number | bigint {
  const { position, baseTimestampMs, maxTimestampMs } = header;
  const view = viewOf(bytes);
  if (isLogAppendTime(header)) {
    const isExact = Number.isSafeInteger(maxTimestampMs);
    const appended = isExact ? maxTimestampMs : view.getBigInt64(position + BATCH_FIELD.maxTimestamp);
    return () => appended;
  }
  const base = view.getBigInt64(position + BATCH_FIELD.baseTimestamp);
  const isExact = Number.isSafeInteger(baseTimestampMs);
  return (cursor) => {
    const exactly = isExact ? undefined : cursor.exactTimestampFrom(base);
    const timestampMs = exactly === undefined ? cursor.timestampFrom(baseTimestampMs) : Number(exactly);
    return Number.isSafeInteger(timestampMs) ? timestampMs : (exactly ?? cursor.exactTimestampFrom(base));
  };
}

function take(reader: VarintReader, length: number): Uint8Array {
  const from = reader.position;
  reader.skip(length);
  return reader.bytes.subarray(from, from + length);
}

function takeNullable(reader: VarintReader): Uint8Array | null {
  const length = reader.readVarint();
  return length < 0 ? null : take(reader, length);
}

function skipNullable(reader: VarintReader): void {
  const length = reader.readVarint();
  if (length > 0) reader.skip(length);
}

function headerCount(reader: VarintReader): number {
  const count = reader.readVarint();
  if (count < 0) throw new BackupError('BATCH_CORRUPT', 'a record has a negative number of headers');
  return count;
}
