// Which life of a topic a restore takes. A topic that was deleted and made anew has a new id, and offsets that begin anew. Kafka
// does not say when a topic was made: a life is known from when it was first seen, and up to when it was last seen. Between the two
// its records tell, and where the answer is not certain the plan says so.

import type { IncarnationHistory } from '../../catalog/catalog-state.ts';
import { BackupError } from '../../model/errors.ts';
import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import { canHoldWanted, type LifeDoubt, type OtherLife } from '../restore-plan.ts';

/** The life that was under way at the target; the first one when the target is before them all. */
export function lifeAt(lives: readonly IncarnationHistory[], { toMs }: RecoveryTarget): IncarnationHistory {
  const [first, ...later] = lives;
  if (first === undefined) throw new BackupError('NOTHING_TO_RESTORE', 'a topic without an incarnation');
  let chosen = first;
  for (const life of later) {
    if (toMs !== undefined && !isSeenBy(life, toMs) && !isProvedBy(life, lastSeenMs(chosen), toMs)) break;
    chosen = life;
  }
  return chosen;
}

/** The other life that may have been the one under way at the target; null where there is no doubt. */
export function doubtAbout(
  lives: readonly IncarnationHistory[],
  chosen: IncarnationHistory,
  { toMs }: RecoveryTarget,
): LifeDoubt | null {
  if (toMs === undefined) return null;
  const at = lives.indexOf(chosen);
  const isUnseen = !isSeenBy(chosen, toMs);
  const [older, newer] = isUnseen ? [lives[at - 1], chosen] : [chosen, lives[at + 1]];
  if (older === undefined || newer === undefined || lastSeenMs(older) >= toMs) return null;
  const other = isUnseen ? older : newer;
  return {
    otherTopicId: other.topicId,
    lastSeenMs: lastSeenMs(older),
    firstSeenMs: firstSeenMs(newer),
    isNewerTaken: isUnseen,
  };
}

/** Lives that are not restored, though they hold records of a window that begins and ends where it was asked to. */
export function otherLivesIn(
  lives: readonly IncarnationHistory[],
  chosen: IncarnationHistory,
  target: RecoveryTarget,
): OtherLife[] {
  // Without a beginning the topic is wanted as it was at the end, which lives before have no part in.
  if (target.fromMs === undefined) return [];
  return lives.flatMap((life) => {
    if (life === chosen) return [];
    const held = [...life.partitions.values()].flatMap((partition) =>
      partition.currentSegments().flatMap(({ segment }) => (canHoldWanted(segment, target) ? [segment] : [])),
    );
    if (held.length === 0) return [];
    const fromMs = held.reduce((low, one) => Math.min(low, one.minTimestampMs ?? one.maxTimestampMs), Infinity);
    const toMs = held.reduce((high, { maxTimestampMs }) => Math.max(high, maxTimestampMs), -Infinity);
    return [{ topicId: life.topicId, fromMs, toMs }];
  });
}

function firstSeenMs({ observations }: IncarnationHistory): number {
  return observations[0]?.observedAtMs ?? 0;
}

function isSeenBy(life: IncarnationHistory, atMs: number): boolean {
  return firstSeenMs(life) <= atMs;
}

function lastSeenMs({ observations, partitions }: IncarnationHistory): number {
  const captures = [...partitions.values()].map(({ position }) => position.capturedAtMs ?? 0);
  return captures.reduce((latest, one) => Math.max(latest, one), observations.at(-1)?.observedAtMs ?? 0);
}

/** Whether a life that was not seen yet holds records from after the one before it was last seen, up to the target. */
function isProvedBy(life: IncarnationHistory, afterMs: number, toMs: number): boolean {
  return [...life.partitions.values()].some((partition) =>
    partition.currentSegments().some(({ segment: { minTimestampMs } }) => {
      return minTimestampMs !== null && minTimestampMs > afterMs && minTimestampMs <= toMs;
    }),
  );
}
