// Which segments a validation by sample looks into: a share of them in an order that the seed decides, so that the same seed means the
// same segments as long as the backup does not change.

import { createHash } from 'node:crypto';
import type { SegmentSummary } from '../model/segment/segment.ts';

export interface SampleChoice {
  /** Above 0, at most 1. */
  readonly share: number;
  readonly seed: number;
}

/** At least one where there is any, in the order of `segments`. */
export function sampleOf(
  segments: readonly SegmentSummary[],
  { share, seed }: SampleChoice,
): readonly SegmentSummary[] {
  const ranked = segments.map(({ key }) => ({
    key,
    rank: createHash('sha256').update(`${seed}/${key}`).digest('hex'),
  }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const chosen = new Set(ranked.slice(0, Math.ceil(segments.length * share)).map(({ key }) => key));
  return segments.filter(({ key }) => chosen.has(key));
}
