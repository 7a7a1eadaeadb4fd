// From when to when a segment holds records, as far as the catalog tells: for windows that people are shown and for metrics.

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

/** Up to which instant, epoch milliseconds, a segment and those before it hold what the log held: one that stopped short of its end proves no more than its records. */
export function heldToMs({
  maxTimestampMs,
  capturedAtMs,
  reachedLogEnd,
}: Pick<SegmentSummary, 'maxTimestampMs' | 'capturedAtMs' | 'reachedLogEnd'>): number {
  return reachedLogEnd ? capturedAtMs : Math.min(capturedAtMs, maxTimestampMs);
}
