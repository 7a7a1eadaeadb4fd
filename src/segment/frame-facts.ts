// What the batches of a frame say of themselves: gathered when the frame is packed, for the footer, and again when it is
// verified, to be held against the footer.

import type { ProducerCodec } from '../model/codec.ts';
import type { CodecRun, TransactionMarker, TransactionStart } from '../model/segment/segment.ts';
import {
  BATCH_HEADER_BYTES,
  codecOf,
  hasExactTimestamps,
  isControl,
  isLogAppendTime,
  isTransactional,
  type RecordBatchHeader,
  viewOf,
} from '../record/batch-header.ts';
import { BatchCursor } from '../record/batch-cursor.ts';
import { RecordCursor, timestampsOf } from '../record/record-cursor.ts';
import { lowestTimestampDelta } from '../record/timestamp-scan.ts';

/** What a frame's batches say of themselves, in offset order. */
export interface FrameFacts {
  /** Of its whole batches. */
  readonly sizeBytes: number;
  /** Of those that came compressed. */
  readonly compressedBytes: number;
  readonly minTimestampMs: number | null;
  readonly maxTimestampMs: number;
  readonly hasCreateTime: boolean;
  readonly hasLogAppendTime: boolean;
  readonly maxBatchSizeBytes: number;
  readonly maxIndivisibleBatchSizeBytes: number;
  readonly leaderEpochs: readonly { readonly epoch: number; readonly baseOffset: bigint }[];
  /** First transactional batch of a producer in this frame, and again after each of its markers, with the records up to there. */
  readonly transactionStarts: readonly TransactionStart[];
  readonly transactionMarkers: readonly TransactionMarker[];
  readonly producerCodecs: readonly CodecRun[];
}

/**
 * Checks batches as they came against their CRC, each right before it is read: what the one has brought near, the other finds.
 * `source`: the same batches as they came, where they are stored expanded: the producer's codec and size stand there.
 * @throws BATCH_CORRUPT.
 */
export function gatherFacts(stored: Uint8Array, source: Uint8Array = stored): FrameFacts {
  let minTimestampMs: number | null = Number.POSITIVE_INFINITY;
  let maxTimestampMs = Number.MIN_SAFE_INTEGER;
  const sizes: SourceSizes = { compressedBytes: 0, maxBatchSizeBytes: 0, maxIndivisibleBatchSizeBytes: 0 };
  const leaderEpochs: { epoch: number; baseOffset: bigint }[] = [];
  const transactionStarts: TransactionStart[] = [];
  const transactionMarkers: TransactionMarker[] = [];
  const producerCodecs: { baseOffset: bigint; codec: ProducerCodec }[] = [];
  const open = new Map<bigint, TransactionStart & { recordCount: number }>();
  let leaderEpoch: number | undefined;
  let producerCodec: ProducerCodec | undefined;
  let hasCreateTime = false;
  let hasLogAppendTime = false;
  const header = new BatchCursor(stored);
  const sourceHeader = source === stored ? header : new BatchCursor(source);
  while (header.next()) {
    if (sourceHeader === header) header.verifyCrc();
    else sourceHeader.next();
    addSizes(sizes, sourceHeader);
    const lowest = minTimestampOf(stored, header);
    if (lowest === null) minTimestampMs = null;
    else if (minTimestampMs !== null && lowest < minTimestampMs) minTimestampMs = lowest;
    // What no exact number can hold is bounded by the largest one: JSON carries it, and it is past any recovery target.
    maxTimestampMs = Math.min(Math.max(maxTimestampMs, header.maxTimestampMs), Number.MAX_SAFE_INTEGER);
    if (isLogAppendTime(header)) hasLogAppendTime = true;
    else hasCreateTime = true;
    if (header.partitionLeaderEpoch !== leaderEpoch) {
      leaderEpoch = header.partitionLeaderEpoch;
      leaderEpochs.push({ epoch: leaderEpoch, baseOffset: header.baseOffset });
    }
    if (!isControl(header) && codecOf(sourceHeader) !== producerCodec) {
      producerCodec = codecOf(sourceHeader);
      producerCodecs.push({ baseOffset: header.baseOffset, codec: producerCodec });
    }
    if (!isTransactional(header)) continue;
    if (isControl(header)) {
      const marker = markerOf(stored, header);
      if (marker !== undefined) transactionMarkers.push(marker);
      open.delete(header.producerId);
      continue;
    }
    const { producerId, recordCount } = header;
    const run = open.get(producerId);
    if (run !== undefined) {
      run.recordCount += recordCount;
      continue;
    }
    const start = { producerId, firstOffset: header.baseOffset, recordCount };
    open.set(producerId, start);
    transactionStarts.push(start);
  }
  return {
    sizeBytes: header.end,
    ...sizes,
    minTimestampMs: minTimestampMs === Number.POSITIVE_INFINITY ? null : minTimestampMs,
    maxTimestampMs,
    hasCreateTime,
    hasLogAppendTime,
    leaderEpochs,
    transactionStarts,
    transactionMarkers,
    producerCodecs,
  };
}

/** Of batches as they came. */
interface SourceSizes {
  compressedBytes: number;
  maxBatchSizeBytes: number;
  maxIndivisibleBatchSizeBytes: number;
}

function addSizes(sizes: SourceSizes, header: RecordBatchHeader): void {
  const { sizeBytes, recordCount, lastOffsetDelta } = header;
  sizes.maxBatchSizeBytes = Math.max(sizes.maxBatchSizeBytes, sizeBytes);
  if (codecOf(header) !== 'none') sizes.compressedBytes += sizeBytes;
  // One record makes a batch as large again, wherever it goes; of what the cleaner left of a larger batch it may be a smaller one.
  else if (recordCount === 1 && lastOffsetDelta === 0) {
    sizes.maxIndivisibleBatchSizeBytes = Math.max(sizes.maxIndivisibleBatchSizeBytes, sizeBytes);
  }
}

/** A lower bound of a batch's record timestamps, infinite where it has none; null where only decompressing it would tell one. */
function minTimestampOf(stored: Uint8Array, header: RecordBatchHeader): number | null {
  // The cleaner stamps a batch that it emptied with -1.
  if (header.recordCount === 0) return Number.POSITIVE_INFINITY;
  if (isLogAppendTime(header)) return lowerBound(header.maxTimestampMs);
  if (header.recordCount === 1 && header.lastOffsetDelta === 0) return lowerBound(header.maxTimestampMs);
  if (codecOf(header) !== 'none') return null;
  if (!hasExactTimestamps(header)) return lowerBound(lowestTimestamp(stored, header));
  const delta = lowestTimestampDelta(recordsOf(stored, header), header.recordCount);
  return Number.isSafeInteger(delta) ? lowerBound(header.baseTimestampMs + delta) : null;
}

/** Of an uncompressed batch, one by one: rounded where no number holds it. */
function lowestTimestamp(stored: Uint8Array, header: RecordBatchHeader): number {
  const cursor = new RecordCursor(recordsOf(stored, header), header.recordCount);
  const timestampAt = timestampsOf(stored, header);
  let lowest = Number.POSITIVE_INFINITY;
  while (cursor.next()) lowest = Math.min(lowest, Number(timestampAt(cursor)));
  return lowest;
}

/** What is beyond the largest exact number is bounded by it, as above; below the smallest there is no bound. */
function lowerBound(timestampMs: number): number | null {
  return timestampMs < Number.MIN_SAFE_INTEGER ? null : Math.min(timestampMs, Number.MAX_SAFE_INTEGER);
}

function recordsOf(stored: Uint8Array, header: RecordBatchHeader): Uint8Array {
  return stored.subarray(header.position + BATCH_HEADER_BYTES, header.position + header.sizeBytes);
}

/** The end of a transaction, from the key of the control record: version i16, type i16 (0 abort, 1 commit; ControlRecordType). */
function markerOf(stored: Uint8Array, header: RecordBatchHeader): TransactionMarker | undefined {
  const cursor = new RecordCursor(recordsOf(stored, header), header.recordCount);
  if (!cursor.next()) return undefined;
  const { key } = cursor.decode();
  if (key === null || key.byteLength < 4) return undefined;
  const type = viewOf(key).getInt16(2);
  if (type !== 0 && type !== 1) return undefined;
  return {
    producerId: header.producerId,
    offset: header.baseOffset,
    timestampMs: header.maxTimestampMs,
    outcome: type === 1 ? 'commit' : 'abort',
  };
}
