// What "outside-window" means where nobody asked for a window: batches are stored whole, and the log may begin inside one, or have
// lost its end.

import type { PlanSummary } from '../../../../restore/restore-job.ts';

const OUTSIDE_LOG =
  'outside-window, without a window: no longer in the log of the source (before its start, or cut off its end), or outside of offsets asked for';

/** In a list, for what is said of `topics`; empty where a window or nothing explains it. */
export function outsideLogLines(plan: PlanSummary | null, isDropped: (topic: string) => boolean): string[] {
  const latest = plan?.topics.filter(
    ({ recoveryTarget: { fromMs, toMs } }) => fromMs === undefined && toMs === undefined,
  );
  return latest?.some(({ topic }) => isDropped(topic)) === true ? [OUTSIDE_LOG] : [];
}
