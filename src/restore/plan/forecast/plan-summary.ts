// A plan and what its preflight found, as people and machines are shown them.

import type { PreflightResult } from '../../preflight.ts';
import type { PlannedAmount, PlannedPartition, PlannedTopic, PlanSummary } from '../../restore-job.ts';
import type { PartitionRestorePlan, RestorePlan, TopicRestorePlan } from '../../restore-plan.ts';
import { estimate } from './plan-estimate.ts';
import { addPlannedDrops, exactly, NOTHING_DROPPED, UNKNOWN } from './planned-counts.ts';
import type { TransactionDrops } from './transaction-drops.ts';

/** What of each source is dropped for its transactions. */
export type DropsOf = (source: PartitionRestorePlan) => TransactionDrops;

/** What the plan and its checks say, as it is printed and kept with the job. */
export function summarizePlan(plan: RestorePlan, checked: PreflightResult, dropsOf: DropsOf): PlanSummary {
  const { catalogVersion, recoveryTarget } = plan;
  const topics = plan.topics.map((topic) => summarizeTopic(topic, plan, checked, dropsOf));
  return { planId: checked.planId, catalogVersion, recoveryTarget, topics, checks: checked.checks };
}

function summarizeTopic(
  topic: TopicRestorePlan,
  plan: RestorePlan,
  { existing }: PreflightResult,
  dropsOf: DropsOf,
): PlannedTopic {
  const { targetTopic, lanes } = topic;
  const found = existing.get(targetTopic);
  const partitionPlans = lanes.flatMap(({ sources, targets }) =>
    sources.map((source) => summarizeSource(source, targets, plan, dropsOf(source))),
  );
  return {
    topic: topic.topic,
    targetTopic,
    action: found === undefined ? 'create' : 'use',
    recoveryTarget: topic.recoveryTarget,
    partitions: partitionPlans.length,
    targetPartitions: found?.partitions.length ?? topic.targetPartitions,
    ...total(partitionPlans),
    gaps: partitionPlans.reduce((count, { gaps }) => count + gaps.length, 0),
    partitionPlans,
  };
}

function summarizeSource(
  source: PartitionRestorePlan,
  targetPartitions: readonly number[],
  plan: RestorePlan,
  drops: TransactionDrops,
): PlannedPartition {
  const { segments, missing } = source;
  const { outside, ...estimated } = estimate(source, plan.filter === null, drops);
  return {
    partition: source.source.partition,
    targetPartitions,
    segments: segments.length,
    firstOffset: segments[0]?.fromOffset ?? null,
    nextOffset: segments.at(-1)?.toOffset ?? null,
    ...estimated,
    dropped: { ...drops, 'outside-window': outside, filtered: plan.filter === null ? exactly(0) : UNKNOWN },
    storedBytes: segments.reduce((bytes, { segment }) => bytes + segment.storedSizeBytes, 0),
    gaps: missing,
  };
}

function total(amounts: readonly PlannedAmount[]): PlannedAmount {
  const sum = (of: (amount: PlannedAmount) => number): number => amounts.reduce((all, one) => all + of(one), 0);
  const ends = amounts.flatMap(({ fromMs, toMs }) => (fromMs === null || toMs === null ? [] : [{ fromMs, toMs }]));
  return {
    segments: sum(({ segments }) => segments),
    records: sum(({ records }) => records),
    dropped: amounts.map(({ dropped }) => dropped).reduce(addPlannedDrops, NOTHING_DROPPED),
    isExact: amounts.every(({ isExact }) => isExact),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    bytesToRead: sum(({ bytesToRead }) => bytesToRead),
    fromMs:
      ends.length === 0 ? null : ends.reduce((low, { fromMs }) => Math.min(low, fromMs), Number.POSITIVE_INFINITY),
    toMs: ends.length === 0 ? null : ends.reduce((high, { toMs }) => Math.max(high, toMs), Number.NEGATIVE_INFINITY),
  };
}
