// Segments that exist only in what the catalog and their footers say of them.

import type { SegmentFooter, SegmentSummary, TransactionFacts } from '../../../src/model/segment/segment.ts';

const HASH = '0'.repeat(64);

/** A segment of partition t/0 with the offsets `[baseOffset, nextOffset)`. */
export function segmentOf(
  baseOffset: bigint,
  nextOffset: bigint,
  change: Partial<SegmentSummary> = {},
): SegmentSummary {
  return {
    topic: 't',
    topicId: 'id',
    partition: 0,
    key: `segment ${baseOffset}`,
    codec: 'none',
    baseOffset,
    nextOffset,
    recordCount: Number(nextOffset - baseOffset),
    batchCount: 1,
    rawSizeBytes: 1000,
    storedSizeBytes: 1500,
    frameCount: 1,
    footerSizeBytes: 500,
    footerSha256: HASH,
    minTimestampMs: null,
    maxTimestampMs: 0,
    timestampType: 'CreateTime',
    leaderEpoch: 0,
    isTransactional: false,
    decidedOffset: 0n,
    maxBatchSizeBytes: 1000,
    maxIndivisibleBatchSizeBytes: 0,
    capturedAtMs: 0,
    reachedLogEnd: true,
    timeline: 0,
    ...change,
  };
}

export function footerOf(segment: SegmentSummary, transactions: TransactionFacts): SegmentFooter {
  return {
    description: segment,
    bodySizeBytes: 1000,
    leaderEpochs: [],
    transactions,
    producerCodecs: [],
    frames: [],
  };
}
