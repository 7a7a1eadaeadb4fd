// Whether the target is still what the restore wrote down of it, and ends where the plan ends: nobody else wrote, nothing was
// deleted, no topic was made anew under the same name.

import { BackupError } from '../../model/errors.ts';
import { partitionName } from '../../model/topic/topic-partition.ts';
import type { RestoreProducers } from '../journal/restore-intent.ts';
import type { LaneTarget } from './lane-target.ts';
import type { PatientTarget } from './patience/patient-target.ts';

/** @throws TARGET_CHANGED when a topic is gone or another one has its name. */
export async function verifyIdentities({ topics }: RestoreProducers, target: PatientTarget): Promise<void> {
  const described = await target.describe(topics.map(({ topic }) => topic));
  for (const { topic, topicId } of topics) {
    const found = described.get(topic)?.topicId;
    if (found === topicId) continue;
    throw new BackupError(
      'TARGET_CHANGED',
      found === undefined
        ? `topic ${topic} (id ${topicId}), which the restore was filling, is gone`
        : `topic ${topic} has id ${found}: the one that the restore was filling had id ${topicId}`,
      { context: { topic } },
    );
  }
}

/**
 * Topics that the restore has made, and only filled in part, hold nothing elsewhere. Into one that was there before others may
 * write what they like beside it. @throws TARGET_CHANGED.
 */
export async function verifyUnfilled(
  { topics }: RestoreProducers,
  { made, filled }: { readonly made: ReadonlySet<string>; readonly filled: readonly LaneTarget[] },
  target: PatientTarget,
): Promise<void> {
  const names = new Set(filled.map(({ partition }) => partitionName(partition)));
  const unfilled = topics
    .filter(({ topic }) => made.has(topic))
    .flatMap(({ topic, startOffsets }) => startOffsets.map((_, partition) => ({ topic, partition })))
    .filter((partition) => !names.has(partitionName(partition)));
  if (unfilled.length === 0) return;
  const ends = await target.offsets(unfilled, 'latest');
  for (const partition of unfilled) {
    const [name, end] = [partitionName(partition), ends.get(partitionName(partition)) ?? 0n];
    if (end === 0n) continue;
    throw new BackupError(
      'TARGET_CHANGED',
      `${name}, which the restore was to leave empty, ends at offset ${end}: somebody else has written to it`,
      { context: partition },
    );
  }
}

/** Call when all is acknowledged. @throws TARGET_CHANGED. */
export async function verifyEnds(targets: readonly LaneTarget[], target: PatientTarget): Promise<void> {
  const partitions = targets.map(({ partition }) => partition);
  const [latest, earliest] = await Promise.all([
    target.offsets(partitions, 'latest'),
    target.offsets(partitions, 'earliest'),
  ]);
  for (const { partition, startOffset, expectedEnd, recordCount } of targets) {
    const name = partitionName(partition);
    const [start, end] = [earliest.get(name), latest.get(name)];
    if (end !== expectedEnd) {
      throw new BackupError(
        'TARGET_CHANGED',
        `${name} ends at offset ${end}; the ${recordCount} restored records end at ${expectedEnd}`,
        { context: partition },
      );
    }
    if (recordCount > 0n && start !== undefined && start > startOffset) {
      throw new BackupError(
        'TARGET_CHANGED',
        `${name} begins at offset ${start}: restored records from ${startOffset} on were deleted`,
        { context: partition },
      );
    }
  }
}
