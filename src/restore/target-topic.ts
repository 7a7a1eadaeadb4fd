// The target topic's configuration in the course of a restore. Retention and compaction would eat what was just acknowledged,
// and a broker's timestamp rules would refuse old or odd ones: so a topic is filled with those switched off, and its real
// configuration is put on last.

import type { RestoreSink, TopicSpec } from '../kafka/restore-sink.ts';
import type { TopicConfigs } from '../model/topic-description.ts';
import type { TopicRestorePlan } from './restore-plan.ts';
import type { RestoreSettings } from './restore-settings.ts';

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
    partitions: observation.partitions,
    replicationFactor: settings.replicationFactor > 0 ? settings.replicationFactor : asItWas,
    configs: { ...carriedConfigs(topic), ...RESTORE_CONFIGS },
  };
}

/** Puts an existing, empty topic into the state for filling; returns what undoes it. */
export async function prepareExisting(
  sink: RestoreSink,
  topic: string,
): Promise<Readonly<Record<string, string | null>>> {
  const configs = await sink.describeEffectiveConfigs(topic);
  const undo: Record<string, string | null> = {};
  const changes: Record<string, string> = {};
  for (const [name, value] of Object.entries(RESTORE_CONFIGS)) {
    const present = configs.get(name);
    if (present === undefined || present.value === value) continue;
    changes[name] = value;
    undo[name] = present.isSetOnTopic ? present.value : null;
  }
  await sink.alterTopicConfigs(topic, changes);
  return undo;
}

/** What puts a created topic's own configuration on. */
export function finalConfigs(topic: TopicRestorePlan): Readonly<Record<string, string | null>> {
  const carried = carriedConfigs(topic);
  return Object.fromEntries(Object.keys(RESTORE_CONFIGS).map((name) => [name, carried[name] ?? null]));
}

function carriedConfigs({ observation }: TopicRestorePlan): TopicConfigs {
  return Object.fromEntries(Object.entries(observation.configs ?? {}).filter(([name]) => !NOT_CARRIED.has(name)));
}
