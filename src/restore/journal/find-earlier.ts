// Which earlier restore a request is: one that was killed and is carried on, or one that had ended just before it was asked for
// again. Restores whose topics are gone, or have been made anew, are left alone: the request begins afresh then.

import type { RestoreSink } from '../../kafka/restore-sink.ts';
import { partitionName } from '../../model/topic/topic-partition.ts';
import type { RestoreProducers } from './restore-intent.ts';
import type { KnownRestore } from './restore-journal.ts';
import type { RestoreReport } from './restore-report.ts';
import { requestText } from '../request-json.ts';
import type { RestoreRequest } from '../restore-job.ts';

export type EarlierRestore =
  | { readonly kind: 'none' }
  | { readonly kind: 'unfinished'; readonly restore: KnownRestore }
  /** Complete, and nobody has written to its target since. `deleted`: in words, what the target has deleted of it. */
  | {
      readonly kind: 'complete';
      readonly restore: KnownRestore;
      readonly report: RestoreReport;
      readonly deleted: readonly string[];
    };

/** `known`: newest first. `planId` undefined: whatever the plan was. */
export async function findEarlier(
  known: readonly KnownRestore[],
  request: RestoreRequest,
  sink: RestoreSink,
  planId?: string,
): Promise<EarlierRestore> {
  const text = requestText(request);
  for (const restore of known) {
    const { intent, journal, isComplete, isGivenUp } = restore;
    const isSame =
      !isGivenUp &&
      intent.target.clusterId === sink.clusterId &&
      (planId === undefined || planId === intent.planId) &&
      requestText(intent.request) === text;
    if (!isSame) continue;
    const producers = await journal.producers();
    if (producers !== undefined && !(await areThere(producers, sink))) continue;
    if (!isComplete) return { kind: 'unfinished', restore };
    const report = await journal.report();
    if (report === undefined || !(await endsAsReported(report, sink))) return { kind: 'none' };
    return { kind: 'complete', restore, report, deleted: await deletedOf(report, sink) };
  }
  return { kind: 'none' };
}

async function areThere({ topics }: RestoreProducers, sink: RestoreSink): Promise<boolean> {
  const listing = await sink.describeTopics(topics.map(({ topic }) => topic));
  const ids = new Map(listing.topics.map(({ topic, topicId }) => [topic, topicId]));
  return topics.every(({ topic, topicId }) => ids.get(topic) === topicId);
}

async function endsAsReported({ targets }: RestoreReport, sink: RestoreSink): Promise<boolean> {
  const ends = await sink.listOffsets(targets, 'latest');
  return targets.every((target) => ends.get(partitionName(target)) === target.startOffset + BigInt(target.recordCount));
}

/** What is gone from the start of the logs, as retention and whoever deletes records leave them. */
export async function deletedOf({ targets }: RestoreReport, sink: RestoreSink): Promise<readonly string[]> {
  const starts = await sink.listOffsets(targets, 'earliest');
  return targets.flatMap((target) => {
    const { topic, partition, startOffset, recordCount } = target;
    const start = starts.get(partitionName(target)) ?? 0n;
    if (recordCount === 0 || start <= startOffset) return [];
    const end = startOffset + BigInt(recordCount);
    return [`${topic}/${partition} offsets ${startOffset}..${(start < end ? start : end) - 1n}`];
  });
}
