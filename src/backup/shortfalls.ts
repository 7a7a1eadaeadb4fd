// What a backup that ends leaves undone, in words: success is never claimed falsely.

import { messageOf } from '../model/errors.ts';
import type { OpeningSide } from './backup-opening.ts';
import type { BackupProgress } from './progress/backup-progress.ts';
import type { TrackedPartition } from './roster/tracked-partition.ts';

export interface BackupEnd {
  readonly partitions: readonly TrackedPartition[];
  /** Gone from the source while the backup ran. */
  readonly retired: readonly TrackedPartition[];
  readonly progress: BackupProgress;
  readonly isContinuous: boolean;
  /** What had not answered when it was stopped; empty once it knew what there is to back up. */
  readonly unreached: readonly OpeningSide[];
  /** The time for draining ended first. */
  readonly isTimedOut: boolean;
  /** It was told to stop. */
  readonly isShutdown: boolean;
}

/** Empty when everything wanted is committed. */
export function shortfallsOf({
  partitions,
  retired,
  progress,
  isContinuous,
  unreached,
  isTimedOut,
  isShutdown,
}: BackupEnd): string[] {
  const shortfalls: string[] = [];
  if (unreached.length > 0) {
    const what = unreached.length === 1 ? `the ${unreached[0]} was` : 'source and store were';
    shortfalls.push(`stopped before ${what} reached`);
  }
  if (isTimedOut) shortfalls.push('the shutdown time ended before everything in hand was committed');
  shortfalls.push(...partitions.flatMap((partition) => shortfallOf(partition, isShutdown) ?? []));
  shortfalls.push(...progress.deniedTopics.map((topic) => `${topic}: TOPIC_AUTHORIZATION_FAILED`));
  const lives = new Map(partitions.map(({ backup: { identity } }) => [identity.topic, identity.topicId]));
  for (const partition of retired) {
    const { topic, topicId } = partition.backup.identity;
    // Where the topic has another life, a gap tells what was lost of this one.
    if ((lives.get(topic) ?? topicId) === topicId) shortfalls.push(...lossOf(partition));
  }
  if (isContinuous) return shortfalls;
  const { gaps, gapRecords } = progress.counters;
  if (gaps > 0) shortfalls.push(`${gapRecords} offsets in ${gaps} gap(s): deleted at the source before they were read`);
  shortfalls.push(...progress.leaderless.map((name) => `${name}: has no leader`));
  shortfalls.push(...progress.missingTopics.map((topic) => `${topic}: no such topic`));
  return shortfalls;
}

/** No gap tells of it in the catalog, since the topic may come back. */
function lossOf({ name, backup, endOffset = backup.highWatermark }: TrackedPartition): string[] {
  const { nextOffset } = backup;
  return nextOffset < endOffset ? [`${name}: gone from the source, read up to ${nextOffset} of ${endOffset}`] : [];
}

function shortfallOf(partition: TrackedPartition, isShutdown: boolean): string | undefined {
  const { name, state, failure, backup, committedOffset, givenUpOffset, endOffset } = partition;
  if (state === 'failed' || state === 'fenced') return `${name}: ${failure ?? state}`;
  if (backup.failure !== undefined) return `${name}: ${messageOf(backup.failure)}`;
  if (isShutdown && endOffset !== undefined && committedOffset < endOffset) {
    return `${name}: stopped at offset ${committedOffset} of ${endOffset}`;
  }
  if (committedOffset < givenUpOffset) {
    return `${name}: read up to offset ${givenUpOffset}, stored up to ${committedOffset}: ${failure ?? state}`;
  }
  return partition.isFetching && failure !== null ? `${name}: ${failure}` : undefined;
}
