// Which earlier restore a request is: one that was killed and is carried on, or one that had ended just before it was asked for
// again. Restores whose topics are all gone, or have been made anew, are left alone: the request begins afresh then.

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
  | ({ readonly kind: 'complete'; readonly restore: KnownRestore; readonly deleted: readonly string[] } & Complete)
  /** Complete, and since then others have written to its target, or have deleted some of its topics. */
  | ({ readonly kind: 'overtaken' } & Complete);

interface Complete {
  readonly report: RestoreReport;
  /** Target topics that still hold records of it. */
  readonly holding: readonly string[];
}

/** `known`: newest first. `planId` undefined: whatever the plan was. @throws OBJECT_MISSING where it cannot be told. */
export async function findEarlier(
  known: readonly KnownRestore[],
  request: RestoreRequest,
  sink: RestoreSink,
  planId?: string,
): Promise<EarlierRestore> {
  const text = requestText(request);
  let overtaken: EarlierRestore | undefined;
  for (const restore of known) {
    const { intent, journal, isComplete, isGivenUp } = restore;
    const isSame =
      !isGivenUp &&
      intent.target.clusterId === sink.clusterId &&
      (planId === undefined || planId === intent.planId) &&
      requestText(intent.request) === text;
    if (!isSame) continue;
    const producers = await journal.producers();
    // Elsewhere the target has to be empty, and whatever was restored to it stops the request.
    if (isComplete && producers === undefined && request.intoExisting === 'append') throw journal.lostProducers();
    const there = producers === undefined ? [] : await stillThere(producers, sink);
    const isAllThere = producers === undefined || there.length === producers.topics.length;
    if (!isComplete && isAllThere) return { kind: 'unfinished', restore };
    const report = isComplete && there.length > 0 ? await journal.report() : undefined;
    if (report === undefined) continue;
    const holding = await topicsHolding(report, there, sink);
    if (isAllThere && (await endsAsReported(report, sink))) {
      return { kind: 'complete', restore, report, holding, deleted: await deletedOf(report, sink) };
    }
    if (holding.length > 0) overtaken ??= { kind: 'overtaken', report, holding };
  }
  return overtaken ?? { kind: 'none' };
}

/** The topics of which the same lives are there. */
async function stillThere({ topics }: RestoreProducers, sink: RestoreSink): Promise<readonly string[]> {
  const listing = await sink.describeTopics(topics.map(({ topic }) => topic));
  const ids = new Map(listing.topics.map(({ topic, topicId }) => [topic, topicId]));
  return topics.flatMap(({ topic, topicId }) => (ids.get(topic) === topicId ? [topic] : []));
}

/** Those of the topics that have not deleted all that was restored to them. */
async function topicsHolding(
  { targets }: RestoreReport,
  topics: readonly string[],
  sink: RestoreSink,
): Promise<readonly string[]> {
  const filled = targets.filter(({ topic, recordCount }) => recordCount > 0 && topics.includes(topic));
  const starts = await sink.listOffsets(filled, 'earliest');
  const held = filled.filter(
    (target) => (starts.get(partitionName(target)) ?? 0n) < target.startOffset + BigInt(target.recordCount),
  );
  return [...new Set(held.map(({ topic }) => topic))];
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
