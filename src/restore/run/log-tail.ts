// Whether the end of a target partition is what a restore left there. One batch proves it: it is our producer's, its sequence
// says how many records our producer has written before it, and that is how far behind the start it lies. So nothing else was
// written in between, and nothing is missing. Its content then shows that the plan makes the same batches still.

import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  codecOf,
  parseBatchHeader,
  type RecordBatchHeader,
  viewOf,
} from '../../record/batch-header.ts';
import { expandRecords } from '../../record/producer-compression.ts';
import { type ProducerIdentity, producerOf, sequenceOf } from '../../record/producer-fields.ts';
import { RecordCursor } from '../../record/record-cursor.ts';

export interface ExpectedTail {
  readonly identity: ProducerIdentity;
  readonly startOffset: bigint;
  /** The partition's log end. */
  readonly endOffset: bigint;
}

/** Undefined when the last batch of the log, whole, is ours and in its place; else what is wrong with it. */
export function foreignTail(batch: Uint8Array, { identity, startOffset, endOffset }: ExpectedTail): string | undefined {
  const header = parseBatchHeader(viewOf(batch), 0);
  if (header === undefined) return 'ends with a batch that cannot be read';
  const { producerId, baseSequence } = producerOf(batch);
  if (producerId !== identity.producerId) {
    return `ends with a batch of ${producerId < 0n ? 'another producer' : `producer ${producerId}`} at offset ${header.baseOffset}`;
  }
  const recordsBefore = header.baseOffset - startOffset;
  if (recordsBefore < 0n || baseSequence !== sequenceOf(recordsBefore) || header.lastOffset + 1n !== endOffset) {
    return `ends at offset ${endOffset} with our batch of sequence ${baseSequence}, which does not belong there`;
  }
  return undefined;
}

/**
 * True when both batches hold the same records. Equal bytes have equal checksums; a broker whose topic has a compression of its
 * own (compression.type) has written the batch anew, so then the records decide.
 */
export function isSameBatch(planned: Uint8Array, found: Uint8Array): boolean {
  const [a, b] = [parseBatchHeader(viewOf(planned), 0), parseBatchHeader(viewOf(found), 0)];
  if (a === undefined || b === undefined || a.recordCount !== b.recordCount) return false;
  if (a.crc === b.crc && a.sizeBytes === b.sizeBytes) return true;
  const [left, right] = [recordsOf(planned, a), recordsOf(found, b)];
  const [leftCursor, rightCursor] = [new RecordCursor(left, a.recordCount), new RecordCursor(right, b.recordCount)];
  const [leftBase, rightBase] = [baseTimestampOf(planned), baseTimestampOf(found)];
  while (leftCursor.next() && rightCursor.next()) {
    const isSameTime =
      leftCursor.exactTimestampFrom(leftBase) === rightCursor.exactTimestampFrom(rightBase) &&
      leftCursor.offsetDelta === rightCursor.offsetDelta;
    const payload = left.subarray(leftCursor.payloadPosition, leftCursor.end);
    if (!isSameTime || Buffer.compare(payload, right.subarray(rightCursor.payloadPosition, rightCursor.end)) !== 0) {
      return false;
    }
  }
  return true;
}

function baseTimestampOf(batch: Uint8Array): bigint {
  return viewOf(batch).getBigInt64(BATCH_FIELD.baseTimestamp);
}

function recordsOf(batch: Uint8Array, header: RecordBatchHeader): Uint8Array {
  return expandRecords(codecOf(header), batch.subarray(BATCH_HEADER_BYTES, header.sizeBytes));
}
