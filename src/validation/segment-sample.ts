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
  const ranks = Float64Array.from(segments, ({ key }) => rankOf(`${seed}/${key}`));
  const last = ranks.toSorted()[Math.ceil(segments.length * share) - 1] ?? 0;
  return segments.filter((_, index) => (ranks[index] ?? 0) <= last);
}

/** 48 bits, as many as a number holds in whole bytes: a tie takes one segment more. */
function rankOf(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6);
}
