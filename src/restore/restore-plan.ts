// What a restore will do, worked out from the catalog alone: pure, deterministic, and printed before anything is done. The id of
// a plan is the hash of all it says.

import { createHash } from 'node:crypto';
import type { CatalogState, CurrentSegment, IncarnationHistory, PartitionHistory } from '../catalog/catalog-state.ts';
import type { TopicObservation } from '../catalog/commit.ts';
import { BackupError } from '../model/errors.ts';
import { toJson } from '../model/json-fields.ts';
import type { Isolation, RecoveryTarget } from '../model/recovery-target.ts';
import type { Gap, PartitionIdentity } from '../model/segment.ts';
import { TopicSelection } from '../model/topic-selection.ts';
import type { RestoreRequest } from './restore-job.ts';

export interface RestorePlan {
  readonly planId: string;
  readonly backupId: string;
  readonly catalogVersion: number;
  readonly recoveryTarget: RecoveryTarget;
  readonly isolation: Isolation;
  readonly topics: readonly TopicRestorePlan[];
}

export interface TopicRestorePlan {
  readonly topic: string;
  readonly topicId: string;
  readonly targetTopic: string;
  /** The topic as it was at the recovery target. */
  readonly observation: TopicObservation;
  readonly partitions: readonly PartitionRestorePlan[];
}

export interface PartitionRestorePlan {
  readonly source: PartitionIdentity;
  readonly targetTopic: string;
  readonly targetPartition: number;
  /** Those that can hold wanted records, in offset order. */
  readonly segments: readonly CurrentSegment[];
  /** All current segments with transaction facts: a marker decides records of segments before it. */
  readonly transactionalSegments: readonly CurrentSegment[];
  /** Below this a transactional batch without a marker was committed. */
  readonly decidedBelow: bigint;
  readonly gaps: readonly Gap[];
}

/** Which partitions of every topic; null for all. */
export interface PlanOptions {
  readonly isolation: Isolation;
  readonly partitions: readonly number[] | null;
}

/** @throws NOTHING_TO_RESTORE, USAGE_INVALID when two topics would go to one target. */
export function planRestore(
  state: CatalogState,
  backupId: string,
  request: RestoreRequest,
  options: PlanOptions,
): RestorePlan {
  const selection = new TopicSelection({ include: request.includeTopics, exclude: request.excludeTopics });
  const byTopic = Map.groupBy(
    state.incarnations.filter(({ topic, observations }) => observations.length > 0 && selection.matches(topic)),
    ({ topic }) => topic,
  );
  for (const literal of selection.literals) {
    if (!byTopic.has(literal))
      throw new BackupError('NOTHING_TO_RESTORE', `backup ${backupId} holds no topic ${literal}`);
  }
  if (byTopic.size === 0)
    throw new BackupError('NOTHING_TO_RESTORE', `backup ${backupId} holds no topic that was asked for`);
  const topics = [...byTopic.values()]
    .map((incarnations) => planTopic(incarnationAt(incarnations, request.recoveryTarget), request, options))
    .sort((a, b) => (a.topic < b.topic ? -1 : 1));
  assertDistinctTargets(topics);
  const { recoveryTarget } = request;
  const plan = { backupId, catalogVersion: state.version, recoveryTarget, isolation: options.isolation, topics };
  return { planId: createHash('sha256').update(toJson(plan)).digest('hex').slice(0, 12), ...plan };
}

/** The life of the topic that was under way at the target; the first one when the target is before them all. */
function incarnationAt(incarnations: readonly IncarnationHistory[], { toMs }: RecoveryTarget): IncarnationHistory {
  const alive =
    toMs === undefined
      ? incarnations
      : incarnations.filter(({ observations }) => (observations[0]?.observedAtMs ?? 0) <= toMs);
  const chosen = alive.at(-1) ?? incarnations[0];
  if (chosen === undefined) throw new BackupError('NOTHING_TO_RESTORE', 'a topic without an incarnation');
  return chosen;
}

function planTopic(incarnation: IncarnationHistory, request: RestoreRequest, options: PlanOptions): TopicRestorePlan {
  const { topic, topicId, observations } = incarnation;
  const { toMs } = request.recoveryTarget;
  const past = toMs === undefined ? observations : observations.filter(({ observedAtMs }) => observedAtMs <= toMs);
  const observation = past.at(-1) ?? observations[0];
  if (observation === undefined) throw new BackupError('NOTHING_TO_RESTORE', `topic ${topic} was never observed`);
  const targetTopic = request.topicMapping[topic] ?? topic;
  const partitions = [...incarnation.partitions]
    .filter(([partition]) => options.partitions === null || options.partitions.includes(partition))
    .sort(([a], [b]) => a - b)
    .map(([, history]) => planPartition(history, targetTopic, request.recoveryTarget));
  return { topic, topicId, targetTopic, observation, partitions };
}

function planPartition(history: PartitionHistory, targetTopic: string, target: RecoveryTarget): PartitionRestorePlan {
  const current = history.currentSegments();
  const stable = current.map(({ segment, toOffset }) =>
    segment.decidedOffset < toOffset ? segment.decidedOffset : toOffset,
  );
  return {
    source: history.identity,
    targetTopic,
    targetPartition: history.identity.partition,
    segments: current.filter(({ segment }) => canHoldWanted(segment, target)),
    transactionalSegments: current.filter(({ segment }) => segment.isTransactional),
    decidedBelow: stable.reduce((highest, offset) => (offset > highest ? offset : highest), 0n),
    gaps: history.gaps,
  };
}

/** False only where the timestamps prove that no record is wanted. */
export function canHoldWanted(
  { minTimestampMs, maxTimestampMs }: { readonly minTimestampMs: number | null; readonly maxTimestampMs: number },
  { fromMs, toMs, cut }: RecoveryTarget,
): boolean {
  if (fromMs !== undefined && maxTimestampMs < fromMs) return false;
  // A prefix ends at the first record past the target, which has to be looked for in the order of the log.
  if (cut === 'log') return true;
  return toMs === undefined || minTimestampMs === null || minTimestampMs <= toMs;
}

function assertDistinctTargets(topics: readonly TopicRestorePlan[]): void {
  for (const [target, sources] of Map.groupBy(topics, ({ targetTopic }) => targetTopic)) {
    if (sources.length > 1) {
      const names = sources.map(({ topic }) => topic).join(' and ');
      throw new BackupError('USAGE_INVALID', `topic_mapping sends ${names} to one topic ${target}`);
    }
  }
}
