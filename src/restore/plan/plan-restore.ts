// Works out what a restore will do from the catalog alone: pure and deterministic, no object is read for it. What was asked for
// and cannot be meant, because the backup has no such topic, partition or offset, or because two sources would go to one place,
// is refused here with the name of what was asked.

import type { CatalogState, IncarnationHistory } from '../../catalog/catalog-state.ts';
import type { TopicObservation } from '../../catalog/commit.ts';
import { BackupError } from '../../model/errors.ts';
import type { Isolation, RecoveryTarget } from '../../model/restore/recovery-target.ts';
import { TopicSelection } from '../../model/topic/topic-selection.ts';
import type { RestoreRequest } from '../restore-job.ts';
import type { RestorePlan, TopicRestorePlan } from '../restore-plan.ts';
import type { TopicConfigOverrides } from '../restore-settings.ts';
import { plannedConfigs } from '../target-topic.ts';
import { checkTargets, checkTopicNames } from './check-request.ts';
import { hashContent, planFacts } from './plan-content.ts';
import { planLanes } from './plan-lanes.ts';
import { type PlannedSources, planSources } from './plan-sources.ts';
import { TopicMapper } from './topic-mapper.ts';

/** What of the settings decides the result. */
export interface PlanOptions {
  readonly isolation: Isolation;
  /** -1: as it was. */
  readonly replicationFactor: number;
  readonly topicConfigs: TopicConfigOverrides;
  readonly nowMs: number;
}

/**
 * `state` must hold the topics that the request selects, as of the catalog version that it names.
 * @throws NOTHING_TO_RESTORE when the backup has no such topic, partition or offset; USAGE_INVALID when the request contradicts
 * itself or lies in the future.
 */
export function planRestore(
  state: CatalogState,
  backupId: string,
  request: RestoreRequest,
  options: PlanOptions,
): RestorePlan {
  checkTargets(request, options.nowMs);
  const topics = [...selectTopics(state, backupId, request)]
    .map(([topic, incarnations]) => planTopic(topic, incarnations, request, options))
    .sort((a, b) => (a.topic < b.topic ? -1 : 1));
  assertDistinctTargets(topics);
  checkTopicNames(request, topics);
  const { recoveryTarget, filter, includeOriginalOffsetHeader, intoExisting } = request;
  const { isolation, replicationFactor } = options;
  const content = { backupId, recoveryTarget, isolation, filter, includeOriginalOffsetHeader, intoExisting, topics };
  const contentHash = hashContent(content, { replicationFactor });
  return { contentHash, facts: planFacts(content, { replicationFactor }), catalogVersion: state.version, ...content };
}

/** Topics that a message names. */
const NAMES_SHOWN = 10;

/** The lives of every topic that the request selects. */
function selectTopics(
  state: CatalogState,
  backupId: string,
  request: RestoreRequest,
): ReadonlyMap<string, readonly IncarnationHistory[]> {
  const selection = new TopicSelection({ include: request.includeTopics, exclude: request.excludeTopics });
  const byTopic = Map.groupBy(
    state.incarnations.filter(({ topic, observations }) => observations.length > 0 && selection.matches(topic)),
    ({ topic }) => topic,
  );
  const at = `backup ${backupId} at catalog version ${state.version}`;
  const names = [...new Set(state.incarnations.map(({ topic }) => topic))].sort();
  const held = names.length === 0 ? 'nothing yet' : names.slice(0, NAMES_SHOWN).join(', ');
  const there = `; it holds ${held}${names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''}`;
  const absent = selection.literals.filter((topic) => !request.excludeTopics.includes(topic) && !byTopic.has(topic));
  if (absent.length > 0)
    throw new BackupError('NOTHING_TO_RESTORE', `${at} holds no topic ${absent.join(', ')}${there}`);
  if (byTopic.size === 0)
    throw new BackupError('NOTHING_TO_RESTORE', `${at} holds no topic that was asked for${there}`);
  return byTopic;
}

function planTopic(
  topic: string,
  incarnations: readonly IncarnationHistory[],
  request: RestoreRequest,
  options: PlanOptions,
): TopicRestorePlan {
  const recoveryTarget = own(request.topicTargets, topic) ?? request.recoveryTarget;
  const incarnation = incarnationAt(incarnations, recoveryTarget);
  const observation = observationAt(incarnation, recoveryTarget);
  const targetTopic = new TopicMapper(request).targetOf(topic);
  const sources: PlannedSources = planSources(incarnation, observation, recoveryTarget, request);
  const { lanes, targetPartitions } = planLanes(sources, observation, targetTopic, request);
  const configs = plannedConfigs(observation, targetTopic, options.topicConfigs);
  const { topicId } = incarnation;
  return { topic, topicId, targetTopic, recoveryTarget, targetPartitions, configs, observation, lanes };
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

/** The topic as it was at the target, or as it was first seen after it. */
function observationAt({ topic, observations }: IncarnationHistory, { toMs }: RecoveryTarget): TopicObservation {
  const past = toMs === undefined ? observations : observations.filter(({ observedAtMs }) => observedAtMs <= toMs);
  const observation = past.at(-1) ?? observations[0];
  if (observation === undefined) throw new BackupError('NOTHING_TO_RESTORE', `topic ${topic} was never observed`);
  return observation;
}

function assertDistinctTargets(topics: readonly TopicRestorePlan[]): void {
  for (const [target, sources] of Map.groupBy(topics, ({ targetTopic }) => targetTopic)) {
    if (sources.length > 1) {
      const names = sources.map(({ topic }) => topic).join(' and ');
      throw new BackupError('USAGE_INVALID', `topic_mapping sends ${names} to one topic ${target}`);
    }
  }
}

function own<T>(map: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
