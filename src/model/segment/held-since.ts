// From when on a segment holds records, as far as the catalog tells: for windows that people are shown and for metrics.

import { LAST_INSTANT_MS } from '../instant.ts';
import type { SegmentSummary } from './segment.ts';

/** What Kafka writes where there is no timestamp (RecordBatch.NO_TIMESTAMP). */
const NO_TIMESTAMP_MS = -1;

/**
 * The lowest timestamp of a segment. Where it is unknown or beyond any date, the first instant, epoch milliseconds, at which records of
 * it are known to have been there: the highest timestamp is one, their capture another.
 */
export function heldSinceMs({
  minTimestampMs,
  maxTimestampMs,
  capturedAtMs,
}: Pick<SegmentSummary, 'minTimestampMs' | 'maxTimestampMs' | 'capturedAtMs'>): number {
  if (minTimestampMs !== null && minTimestampMs <= LAST_INSTANT_MS) return minTimestampMs;
  return maxTimestampMs === NO_TIMESTAMP_MS ? capturedAtMs : Math.min(maxTimestampMs, capturedAtMs);
}
