// The target topic's configuration in the course of a restore. Retention and compaction would eat what was just acknowledged,
// and a broker's timestamp rules would refuse old or odd ones: so a topic is filled with those switched off, and its real
// configuration is put on last.

import type { TopicObservation } from '../catalog/commit.ts';
import type { EffectiveConfig, TopicSpec } from '../kafka/restore-sink.ts';
import type { TopicConfigs } from '../model/topic/topic-description.ts';
import type { TopicRestorePlan } from './restore-plan.ts';
import { ALL_TOPICS, type RestoreSettings, type TopicConfigOverrides } from './restore-settings.ts';

const ANY_DISTANCE_MS = '9223372036854775807';

/** In force while a topic is filled. */
export const RESTORE_CONFIGS: TopicConfigs = {
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': ANY_DISTANCE_MS,
  'message.timestamp.after.max.ms': ANY_DISTANCE_MS,
};

/** Entries that name things of the source cluster, which another cluster cannot honour. */
const NOT_CARRIED = new Set([
  'leader.replication.throttled.replicas',
  'follower.replication.throttled.replicas',
  // Gone from Kafka 4; what it limited is `message.timestamp.*.max.ms`.
  'message.timestamp.difference.max.ms',
  'message.format.version',
]);

/** What the topic is created as, before it is filled. */
export function creationSpec(topic: TopicRestorePlan, settings: RestoreSettings, brokerCount: number): TopicSpec {
  const { observation, targetTopic } = topic;
  const asItWas = Math.min(observation.replicationFactor, Math.max(1, brokerCount));
  return {
    topic: targetTopic,
    partitions: topic.targetPartitions,
    replicationFactor: settings.replicationFactor > 0 ? settings.replicationFactor : asItWas,
    configs: { ...topic.configs, ...RESTORE_CONFIGS },
  };
}

/** What the topic is in the end: what the target has to accept, though it is put on last. */
export function lastingSpec(topic: TopicRestorePlan, settings: RestoreSettings, brokerCount: number): TopicSpec {
  return { ...creationSpec(topic, settings, brokerCount), configs: topic.configs };
}

/** What has to change of an existing topic's configuration before it is filled. */
export function neededConfigs(present: ReadonlyMap<string, EffectiveConfig>): TopicConfigs {
  return Object.fromEntries(changing(present).map(([name, value]) => [name, value]));
}

/** What puts that back. */
export function undoneConfigs(present: ReadonlyMap<string, EffectiveConfig>): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    changing(present).map(([name, , config]) => [name, config.isSetOnTopic ? config.value : null]),
  );
}

/** Whether every entry that the broker knows is set on the topic itself as a restore creates it: nobody else sets all of them. */
export function isAsCreated(present: ReadonlyMap<string, EffectiveConfig>): boolean {
  return Object.entries(RESTORE_CONFIGS).every(([name, value]) => {
    const config = present.get(name);
    return config === undefined || (config.isSetOnTopic && config.value === value);
  });
}

/** Entries that the broker knows, and that are not as a restore needs them. */
function changing(present: ReadonlyMap<string, EffectiveConfig>): (readonly [string, string, EffectiveConfig])[] {
  return Object.entries(RESTORE_CONFIGS).flatMap(([name, value]) => {
    const config = present.get(name);
    return config === undefined || config.value === value ? [] : [[name, value, config] as const];
  });
}

/** What puts a created topic's own configuration on. */
export function finalConfigs({ configs }: TopicRestorePlan): Readonly<Record<string, string | null>> {
  return Object.fromEntries(Object.keys(RESTORE_CONFIGS).map((name) => [name, configs[name] ?? null]));
}

/** What a topic that is created gets as its own: what it had at the recovery target, then what is said of all, then of it. */
export function plannedConfigs(
  { configs }: TopicObservation,
  targetTopic: string,
  overrides: TopicConfigOverrides,
): TopicConfigs {
  const planned = new Map<string, string | null>(
    Object.entries(configs ?? {}).filter(([name]) => !NOT_CARRIED.has(name)),
  );
  for (const layer of [ALL_TOPICS, targetTopic]) {
    if (!Object.hasOwn(overrides, layer)) continue;
    for (const [name, value] of Object.entries(overrides[layer] ?? {})) planned.set(name, value);
  }
  return Object.fromEntries([...planned].filter((entry): entry is [string, string] => entry[1] !== null));
}
