// When a segment is full. Pure. Sizes are of the batches before compression, as in the peer; the age is of the oldest record
// held, counted from its arrival, across fetches.

export interface SealLimits {
  readonly maxBytes: number;
  readonly maxIntervalMs: number;
  readonly maxRecords: number | null;
}

export type SealReason = 'size' | 'records' | 'interval' | 'end' | 'shutdown' | 'log-change' | 'request' | 'memory';

export interface OpenSegmentFacts {
  readonly rawSizeBytes: number;
  readonly recordCount: number;
  /** Arrival of the oldest record, by a monotonic clock. */
  readonly oldestArrivalMs: number;
}

/** The reason to seal now, or undefined. */
export function sealReason(segment: OpenSegmentFacts, limits: SealLimits, nowMs: number): SealReason | undefined {
  if (segment.rawSizeBytes >= limits.maxBytes) return 'size';
  if (limits.maxRecords !== null && segment.recordCount >= limits.maxRecords) return 'records';
  if (nowMs - segment.oldestArrivalMs >= limits.maxIntervalMs) return 'interval';
  return undefined;
}
