// What "outside-window" means where nobody asked for a window: batches are stored whole, and the log may begin inside one, or have
// lost its end.

import type { PlanSummary } from '../../../../restore/restore-job.ts';

const OUTSIDE_LOG =
  'outside-window, without a window: no longer in the log of the source (before its start, or cut off its end), or outside of offsets asked for';

type PlannedTopic = PlanSummary['topics'][number];

/** In a list, where records of a topic without a window are dropped for it; empty where a window or nothing explains it. */
export function outsideLogLines(plan: PlanSummary | null, isDropped: (topic: PlannedTopic) => boolean): string[] {
  const latest = plan?.topics.filter(
    ({ recoveryTarget: { fromMs, toMs } }) => fromMs === undefined && toMs === undefined,
  );
  return latest?.some(isDropped) === true ? [OUTSIDE_LOG] : [];
}
