// The records of a stored batch, decoded for people: what `cat` shows. Everything that is stored, whatever became of its
// transaction; control batches too, for those who ask.

import {
  BATCH_HEADER_BYTES,
  codecOf,
  isControl,
  isLogAppendTime,
  isTransactional,
  type RecordBatchHeader,
} from '../record/batch-header.ts';
import { expandRecords } from '../record/producer-compression.ts';
import { RecordCursor, timestampsOf } from '../record/record-cursor.ts';

/** Byte arrays are views into the batch, or into its expanded records. */
export interface StoredRecord {
  readonly offset: bigint;
  /** Epoch milliseconds; a bigint where no number holds it exactly. */
  readonly timestamp: number | bigint;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[];
  /** Producer id, for records of transactions. */
  readonly transaction: bigint | null;
  readonly isControl: boolean;
}

/** In order. `raw` is what `header` was parsed from. @throws BATCH_CORRUPT. */
export function* recordsOf(raw: Uint8Array, header: RecordBatchHeader): Generator<StoredRecord, void, undefined> {
  const section = raw.subarray(header.position + BATCH_HEADER_BYTES, header.position + header.sizeBytes);
  const cursor = new RecordCursor(expandRecords(codecOf(header), section), header.recordCount);
  const shared = {
    timestampType: isLogAppendTime(header) ? ('LogAppendTime' as const) : ('CreateTime' as const),
    transaction: isTransactional(header) ? header.producerId : null,
    isControl: isControl(header),
  };
  const timestampAt = timestampsOf(raw, header);
  while (cursor.next()) {
    const offset = header.baseOffset + BigInt(cursor.offsetDelta);
    yield { offset, timestamp: timestampAt(cursor), ...shared, ...cursor.decode() };
  }
}
