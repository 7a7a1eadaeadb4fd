// The records of one whole batch as a consumer sees them, one at a time, and the comparison of two of them. What producers and
// brokers may do to a batch on its way (its compression, how it is cut) makes no difference here; every byte of a record does.

import { BATCH_HEADER_BYTES, codecOf, isControl, type RecordBatchHeader } from '../record/batch-header.ts';
import { expandRecords } from '../record/producer-compression.ts';
import { type DecodedRecord, RecordCursor, timestampsOf } from '../record/record-cursor.ts';

/** Stands on one record at a time. @throws BATCH_CORRUPT from any method. */
export class BatchRecords {
  readonly header: RecordBatchHeader;
  readonly isControl: boolean;
  readonly #cursor: RecordCursor;
  readonly #timestampAt: (cursor: RecordCursor) => number | bigint;

  /** `bytes` hold the batch at the header's position; they must stay while it is read. */
  constructor(bytes: Uint8Array, header: RecordBatchHeader) {
    this.header = header;
    this.isControl = isControl(header);
    const section = bytes.subarray(header.position + BATCH_HEADER_BYTES, header.position + header.sizeBytes);
    this.#cursor = new RecordCursor(expandRecords(codecOf(header), section), header.recordCount);
    this.#timestampAt = timestampsOf(bytes, header);
  }

  /** False after the last one. */
  next(): boolean {
    return this.#cursor.next();
  }

  get offset(): bigint {
    return this.header.baseOffset + BigInt(this.#cursor.offsetDelta);
  }

  /** Epoch milliseconds; a bigint where no number holds it exactly. */
  get timestamp(): number | bigint {
    return this.#timestampAt(this.#cursor);
  }

  /** Key, value and headers as they lie in the batch. */
  get payload(): Uint8Array {
    const { bytes, payloadPosition, end } = this.#cursor;
    return bytes.subarray(payloadPosition, end);
  }

  decode(): DecodedRecord {
    return this.#cursor.decode();
  }
}

/** What of two records differs. The texts name sizes and hashes, never what was in a key or value. */
export interface FieldDifference {
  readonly field: 'timestamp' | 'key' | 'value' | 'headers';
  readonly expected: Uint8Array | string | null;
  readonly found: Uint8Array | string | null;
}

/** Of the records on which both stand, but for their offsets; undefined when they are equal. */
export function differenceOf(expected: BatchRecords, found: BatchRecords): FieldDifference | undefined {
  const [wanted, there] = [expected.timestamp, found.timestamp];
  if (wanted !== there && BigInt(wanted) !== BigInt(there)) {
    return { field: 'timestamp', expected: String(wanted), found: String(there) };
  }
  if (Buffer.compare(expected.payload, found.payload) === 0) return undefined;
  const [a, b] = [expected.decode(), found.decode()];
  if (!isSame(a.key, b.key)) return { field: 'key', expected: a.key, found: b.key };
  if (!isSame(a.value, b.value)) return { field: 'value', expected: a.value, found: b.value };
  const [left, right] = [a.headers, b.headers];
  const isEqual =
    left.length === right.length &&
    left.every((one, index) => isSame(one.key, right[index]?.key) && isSame(one.value, right[index]?.value));
  if (isEqual) return undefined;
  return { field: 'headers', expected: headersText(left), found: headersText(right) };
}

function isSame(a: Uint8Array | null, b: Uint8Array | null | undefined): boolean {
  if (a === null || b === null || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}

function headersText(headers: DecodedRecord['headers']): string {
  const sizes = headers.map(({ value }) => (value === null ? 'null' : `${value.byteLength} B`));
  return `${headers.length} header(s)${headers.length === 0 ? '' : ` of ${sizes.join(', ')}`}`;
}
