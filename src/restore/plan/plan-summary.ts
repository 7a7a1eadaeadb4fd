// A plan and what its preflight found, as people and machines are shown them.

import { type DropReason, NO_DROPS } from '../../model/restore/recovery-target.ts';
import { estimate } from './plan-estimate.ts';
import type { PreflightResult } from '../preflight.ts';
import type { PlannedAmount, PlannedDrops, PlannedPartition, PlannedTopic, PlanSummary } from '../restore-job.ts';
import type { PartitionRestorePlan, RestorePlan, TopicRestorePlan } from '../restore-plan.ts';

/** What the plan and its checks say, as it is printed and kept with the job. */
export function summarizePlan(plan: RestorePlan, checked: PreflightResult): PlanSummary {
  const { catalogVersion, recoveryTarget } = plan;
  const topics = plan.topics.map((topic) => summarizeTopic(topic, plan, checked));
  return { planId: checked.planId, catalogVersion, recoveryTarget, topics, checks: checked.checks };
}

function summarizeTopic(topic: TopicRestorePlan, plan: RestorePlan, { existing }: PreflightResult): PlannedTopic {
  const { targetTopic, lanes } = topic;
  const found = existing.get(targetTopic);
  const partitionPlans = lanes.flatMap(({ sources, targets }) =>
    sources.map((source) => summarizeSource(source, targets, plan)),
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
): PlannedPartition {
  const { segments, missing } = source;
  const estimated = estimate(source, plan.filter === null);
  return {
    partition: source.source.partition,
    targetPartitions,
    segments: segments.length,
    firstOffset: segments[0]?.fromOffset ?? null,
    nextOffset: segments.at(-1)?.toOffset ?? null,
    ...estimated,
    dropped: plannedDrops(source, plan, estimated.records),
    storedBytes: segments.reduce((bytes, { segment }) => bytes + segment.storedSizeBytes, 0),
    gaps: missing,
  };
}

/** What of the selected segments is not restored, as far as that is known without reading them. */
function plannedDrops({ segments }: PartitionRestorePlan, plan: RestorePlan, records: number): PlannedDrops {
  const selected = segments.reduce((count, { segment }) => count + segment.recordCount, 0);
  const ofTransactions = segments.some(({ segment }) => segment.isTransactional) ? null : 0;
  const undone = plan.isolation === 'read_uncommitted' ? 0 : ofTransactions;
  return {
    'outside-window': Math.max(0, selected - records),
    'aborted-transaction': undone,
    'undecided-transaction': undone,
    'decided-after-target': undone,
    'control-batch': ofTransactions,
    filtered: plan.filter === null ? 0 : null,
  };
}

function addPlannedDrops(a: PlannedDrops, b: PlannedDrops): PlannedDrops {
  const sum = (one: number | null, other: number | null): number | null =>
    one === null || other === null ? null : one + other;
  const reasons = Object.keys(NO_DROPS) as DropReason[];
  return Object.fromEntries(reasons.map((reason) => [reason, sum(a[reason], b[reason])])) as PlannedDrops;
}

function total(amounts: readonly PlannedAmount[]): PlannedAmount {
  const sum = (of: (amount: PlannedAmount) => number): number => amounts.reduce((all, one) => all + of(one), 0);
  const ends = amounts.flatMap(({ fromMs, toMs }) => (fromMs === null || toMs === null ? [] : [{ fromMs, toMs }]));
  return {
    segments: sum(({ segments }) => segments),
    records: sum(({ records }) => records),
    dropped: amounts.map(({ dropped }) => dropped).reduce(addPlannedDrops, NO_DROPS),
    isExact: amounts.every(({ isExact }) => isExact),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    bytesToRead: sum(({ bytesToRead }) => bytesToRead),
    fromMs:
      ends.length === 0 ? null : ends.reduce((low, { fromMs }) => Math.min(low, fromMs), Number.POSITIVE_INFINITY),
    toMs: ends.length === 0 ? null : ends.reduce((high, { toMs }) => Math.max(high, toMs), Number.NEGATIVE_INFINITY),
  };
}
