// Plans of one partition a/0, and what the footers of its segments say of transactions.

import type { CatalogAction } from '../../../../../src/catalog/commit.ts';
import type {
  FrameEntry,
  SegmentFooter,
  SegmentSummary,
  TransactionMarker,
} from '../../../../../src/model/segment/segment.ts';
import type { RestoreRequest } from '../../../../../src/restore/restore-job.ts';
import type { RestorePlan } from '../../../../../src/restore/restore-plan.ts';
import { partition, plan, seen, stateOf, stored, T0 } from '../plan-fixture.ts';

const A0 = partition('a', 0);

export type Run = readonly [producer: number, firstOffset: number, recordCount: number | null];
export type End = readonly [producer: number, offset: number, outcome: 'commit' | 'abort', timeMs?: number];

export interface SegmentSketch {
  readonly offsets: readonly [base: number, next: number];
  /** Highest and lowest record timestamp of each frame of ten offsets, from {@link T0}; all 0 unless given. */
  readonly frameTimes?: readonly number[];
  readonly runs: readonly Run[];
  readonly ends: readonly End[];
  readonly decidedOffset?: number;
}

export interface Sketched {
  readonly plan: RestorePlan;
  /** By key. */
  readonly footers: ReadonlyMap<string, SegmentFooter>;
}

export function sketch(segments: readonly SegmentSketch[], request: Partial<RestoreRequest> = {}): Sketched {
  const footers = new Map<string, SegmentFooter>();
  const actions = segments.map((one): CatalogAction => {
    const [base, next] = one.offsets;
    const frames = framesOf(one);
    const action = stored(A0, BigInt(base), BigInt(next), {
      isTransactional: true,
      recordCount: next - base,
      frameCount: frames.length,
      decidedOffset: BigInt(one.decidedOffset ?? base),
      minTimestampMs: Math.min(...frames.map(({ minTimestampMs }) => minTimestampMs!)),
      maxTimestampMs: Math.max(...frames.map(({ maxTimestampMs }) => maxTimestampMs)),
    });
    if (action.kind === 'segment') footers.set(action.segment.key, footerOf(action.segment, frames, one));
    return action;
  });
  return { plan: plan(stateOf(seen('a', 1), ...actions), request), footers };
}

function framesOf({ offsets: [base, next], frameTimes = [] }: SegmentSketch): FrameEntry[] {
  return Array.from({ length: Math.ceil((next - base) / 10) }, (_, index) => ({
    position: index,
    storedSizeBytes: 1,
    rawSizeBytes: 10,
    baseOffset: BigInt(base + index * 10),
    lastOffset: BigInt(Math.min(next, base + index * 10 + 10) - 1),
    recordCount: 10,
    batchCount: 10,
    minTimestampMs: T0 + (frameTimes[index] ?? 0),
    maxTimestampMs: T0 + (frameTimes[index] ?? 0),
    sha256: '',
  }));
}

function footerOf(
  segment: SegmentSummary,
  frames: readonly FrameEntry[],
  { runs, ends }: SegmentSketch,
): SegmentFooter {
  const markers = ends.map(([producer, offset, outcome, timeMs = 0]): TransactionMarker => {
    return { producerId: BigInt(producer), offset: BigInt(offset), outcome, timestampMs: T0 + timeMs };
  });
  const starts = runs.map(([producer, firstOffset, recordCount]) => {
    return { producerId: BigInt(producer), firstOffset: BigInt(firstOffset), recordCount };
  });
  const transactions = { starts, markers };
  return { description: segment, bodySizeBytes: 0, leaderEpochs: [], transactions, producerCodecs: [], frames };
}
