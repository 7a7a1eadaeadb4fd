// Works out what a restore will do from the catalog alone: pure and deterministic, no object is read for it. What was asked for
// and cannot be meant, because the backup has no such topic, partition or offset, or because two sources would go to one place,
// is refused here with the name of what was asked.

import type { CatalogState, IncarnationHistory } from '../../catalog/catalog-state.ts';
import type { TopicObservation } from '../../catalog/commit.ts';
import { BackupError } from '../../model/errors.ts';
import type { Isolation, RecoveryTarget } from '../../model/restore/recovery-target.ts';
import { TopicSelection } from '../../model/topic/topic-selection.ts';
import type { RestoreRequest } from '../restore-job.ts';
import { askedSettings } from '../request-json.ts';
import type { RestorePlan, TopicRestorePlan } from '../restore-plan.ts';
import type { TopicConfigOverrides } from '../restore-settings.ts';
import { plannedConfigs } from '../target-topic.ts';
import { checkTargets, checkTopicNames, unusedMappings } from './check-request.ts';
import { hashContent, planFacts } from './plan-content.ts';
import { planLanes } from './plan-lanes.ts';
import { type PlannedSources, planSources } from './plan-sources.ts';
import { doubtAbout, lifeAt, otherLivesIn } from './topic-lives.ts';
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
  const selected = selectTopics(state, backupId, request);
  const topics = [...selected]
    .map(([topic, incarnations]) => planTopic(topic, incarnations, request, options))
    .sort((a, b) => (a.topic < b.topic ? -1 : 1));
  assertDistinctTargets(topics);
  checkTopicNames(request, topics);
  const { recoveryTarget, filter, includeOriginalOffsetHeader, intoExisting } = request;
  const { isolation, replicationFactor } = options;
  const content = { backupId, recoveryTarget, isolation, filter, includeOriginalOffsetHeader, intoExisting, topics };
  const settings = { replicationFactor, ...askedSettings(request) };
  return {
    contentHash: hashContent(content, settings),
    facts: planFacts(content, settings),
    catalogVersion: state.version,
    newestCaptureMs: newestCapture(selected.values()),
    unusedMappings: unusedMappings(request, topics),
    ...content,
  };
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
  const incarnation = lifeAt(incarnations, recoveryTarget);
  const observation = observationAt(incarnation, recoveryTarget);
  const targetTopic = new TopicMapper(request).targetOf(topic);
  const sources: PlannedSources = planSources(incarnation, observation, recoveryTarget, request);
  const { lanes, ...partitions } = planLanes(sources, observation, targetTopic, request);
  const configs = plannedConfigs(observation, targetTopic, options.topicConfigs);
  const { topicId } = incarnation;
  const otherLives = otherLivesIn(incarnations, incarnation, recoveryTarget);
  const doubt = doubtAbout(incarnations, incarnation, recoveryTarget);
  const target = { targetTopic, recoveryTarget, ...partitions, configs };
  return { topic, topicId, ...target, observation, otherLives, doubt, lanes };
}

/**
 * The topic as it was at the target, or as it was first seen after it. Its configuration may not have been read each time: then it
 * is the one that was read last.
 */
function observationAt({ topic, observations }: IncarnationHistory, { toMs }: RecoveryTarget): TopicObservation {
  const past = toMs === undefined ? observations : observations.filter(({ observedAtMs }) => observedAtMs <= toMs);
  const seen = past.length > 0 ? past : observations.slice(0, 1);
  const observation = seen.at(-1);
  if (observation === undefined) throw new BackupError('NOTHING_TO_RESTORE', `topic ${topic} was never observed`);
  const { configs } = seen.findLast((one) => one.configs !== null) ?? observation;
  return { ...observation, configs };
}

/** When the newest of all segments that could have been planned was captured. */
function newestCapture(topics: Iterable<readonly IncarnationHistory[]>): number | null {
  let newest: number | null = null;
  for (const life of [...topics].flat()) {
    for (const { position } of life.partitions.values()) {
      if (position.capturedAtMs !== null) newest = Math.max(newest ?? position.capturedAtMs, position.capturedAtMs);
    }
  }
  return newest;
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
