// What two plans must have in common to give the same result, as a hash and in words. Only what decides counts: the version of the
// catalog does not, nor does what was added to the backup past the recovery target.

import { createHash } from 'node:crypto';
import { toJson } from '../../model/json-fields.ts';
import type { PartitionRestorePlan, RestoreLane, RestorePlan, TopicRestorePlan } from '../restore-plan.ts';
import { sourcesOf } from '../restore-plan.ts';

export type PlanContent = Omit<
  RestorePlan,
  'contentHash' | 'facts' | 'catalogVersion' | 'newestCaptureMs' | 'unusedMappings'
>;

/** What decides the result besides the plan's own content. */
interface Settings {
  readonly replicationFactor: number;
  /** What the request wants otherwise than the agent is configured, as text; absent where it says nothing. */
  readonly asked?: string;
}

export function hashContent({ topics, ...content }: PlanContent, settings: Settings): string {
  const hash = createHash('sha256').update(toJson([content, settings]));
  for (const topic of topics) {
    hash.update(toJson(topicContent(topic)));
    for (const lane of topic.lanes) {
      hash.update(toJson(laneContent(lane)));
      for (const source of lane.sources) hash.update(hashSource(source));
    }
  }
  return hash.digest('hex');
}

/** By what each fact is about. */
export function planFacts(
  { topics, isolation, ...content }: PlanContent,
  { replicationFactor, ...asked }: Settings,
): Readonly<Record<string, string>> {
  const facts: Record<string, string> = {
    request: shortHash([content, asked]),
    isolation,
    default_replication_factor: String(replicationFactor),
  };
  for (const topic of topics) {
    facts[`topic ${topic.topic}`] =
      `id ${topic.topicId}, to ${topic.targetTopic} with ${topic.targetPartitions} partition(s) (${shortHash([topic.observation.replicationFactor, topic.lanes.map(laneContent)])})`;
    facts[`configuration of ${topic.targetTopic}`] = configsText(topic);
    for (const source of sourcesOf(topic)) {
      const last = source.segments.at(-1);
      facts[`partition ${topic.topic}/${source.source.partition}`] =
        `${source.segments.length} object(s) up to offset ${last === undefined ? 'none' : last.toOffset - 1n} (${hashSource(source).slice(0, 8)})`;
    }
  }
  return facts;
}

function topicContent(plan: TopicRestorePlan) {
  const { topic, topicId, targetTopic, targetPartitions, observation } = plan;
  const { replicationFactor } = observation;
  return { topic, topicId, targetTopic, targetPartitions, replicationFactor, configs: sortedConfigs(plan) };
}

function configsText(plan: TopicRestorePlan): string {
  return sortedConfigs(plan)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}

function sortedConfigs({ configs }: TopicRestorePlan): (readonly [string, string])[] {
  return Object.entries(configs).sort(([a], [b]) => (a < b ? -1 : 1));
}

function laneContent({ sources, targets, partitioning }: RestoreLane) {
  return { sources: sources.map(({ source }) => source.partition), targets, partitioning };
}

function hashSource(plan: PartitionRestorePlan): string {
  const { recoveryTarget, segments, transactionalSegments, decidedBelow, missing, cutBefore } = plan;
  const hash = createHash('sha256').update(toJson([recoveryTarget, missing]));
  for (const { segment, fromOffset, toOffset } of segments) hash.update(`${segment.key} ${fromOffset} ${toOffset}\n`);
  for (const { segment, toOffset } of cutBefore) hash.update(`cut before ${segment.key} ${toOffset}\n`);
  // Where transactions play no part, what is known of them does not count.
  if (!segments.some(({ segment }) => segment.isTransactional)) return hash.digest('hex');
  const end = segments.at(-1)?.toOffset ?? 0n;
  hash.update(`decided below ${decidedBelow < end ? decidedBelow : end}\n`);
  for (const { segment, toOffset } of transactionalSegments.slice(0, decidingCount(plan))) {
    hash.update(`${segment.key} ${toOffset}\n`);
  }
  return hash.digest('hex');
}

/**
 * How many of the transactional segments can hold a marker that keeps a record. A commit past the target drops what it commits, as
 * does an abort and no marker at all, so later segments change nothing.
 */
function decidingCount({ recoveryTarget, transactionalSegments, cutBelow }: PartitionRestorePlan): number {
  const { toMs, toOffset } = recoveryTarget;
  return (
    1 +
    transactionalSegments.findLastIndex(({ segment, fromOffset }) => {
      const isInTime = toMs === undefined || segment.minTimestampMs === null || segment.minTimestampMs <= toMs;
      const isBeforeCut = cutBelow === null || fromOffset < cutBelow;
      return isInTime && isBeforeCut && (toOffset === undefined || fromOffset < toOffset);
    })
  );
}

function shortHash(value: unknown): string {
  return createHash('sha256').update(toJson(value)).digest('hex').slice(0, 8);
}
