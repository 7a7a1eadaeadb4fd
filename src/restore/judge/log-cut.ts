// Makes a cut by the log (`cut: log`) one by offset: finds the first record past the instant, of whatever kind, and ends the log
// before it. From then on offsets alone decide: a transaction is kept when its commit marker lies before the cut, whatever time
// the marker or its neighbours tell, and dropped when it lies behind. Only frames that the footers suspect are read.

import type { CurrentSegment } from '../../catalog/catalog-state.ts';
import type { FrameEntry, SegmentFooter, SegmentSummary } from '../../model/segment/segment.ts';
import type { PartitionRestorePlan } from '../restore-plan.ts';

/** How the backup is looked at. */
export interface CutSources {
  readonly readFooter: (segment: SegmentSummary) => Promise<SegmentFooter>;
  /** Offset of the first record in the frame and that part of the segment with a timestamp greater than `toMs`; null for none. */
  readonly firstPast: (current: CurrentSegment, frame: FrameEntry, toMs: number) => Promise<bigint | null>;
}

/** A plan with `cut: log` as one that ends at an offset; others as they are. @throws what the sources do. */
export async function cutPlan(plan: PartitionRestorePlan, sources: CutSources): Promise<PartitionRestorePlan> {
  const { toMs, ...target } = plan.recoveryTarget;
  if (target.cut === 'timestamp' || toMs === undefined) return plan;
  const cut = (await findCut([...plan.cutBefore, ...plan.segments], toMs, sources)) ?? plan.cutBelow;
  const { toOffset: asked } = target;
  if (cut === null || (asked !== undefined && asked < cut)) return { ...plan, recoveryTarget: target };
  const segments = plan.segments
    .filter(({ fromOffset }) => fromOffset < cut)
    .map((current) => (current.toOffset <= cut ? current : { ...current, toOffset: cut }));
  const missing = plan.missing.filter(({ baseOffset }) => baseOffset < cut);
  return { ...plan, segments, missing, recoveryTarget: { ...target, toOffset: cut } };
}

async function findCut(
  segments: readonly CurrentSegment[],
  toMs: number,
  { readFooter, firstPast }: CutSources,
): Promise<bigint | null> {
  for (const current of segments) {
    if (current.segment.maxTimestampMs <= toMs) continue;
    const { frames } = await readFooter(current.segment);
    for (const frame of frames) {
      const isInRange = frame.lastOffset >= current.fromOffset && frame.baseOffset < current.toOffset;
      if (!isInRange || frame.maxTimestampMs <= toMs) continue;
      // A highest timestamp can outlive its record, which compaction took: then the next frame is looked at.
      const offset = await firstPast(current, frame, toMs);
      if (offset !== null) return offset;
    }
  }
  return null;
}
