// What an existing topic will be configured as once the restore is done. One that a restore has left in the state for filling keeps
// everything as it is now; its own configuration comes back at the end, and that is what its records have to live with.

import type { EffectiveConfig, TopicSpec } from '../../kafka/restore-sink.ts';
import type { TopicDescription } from '../../model/topic/topic-description.ts';
import type { ConfigChanges } from '../journal/restore-intent.ts';
import type { CheckList, PreflightInput } from './check-list.ts';

type Configs = ReadonlyMap<string, EffectiveConfig>;

const NONE: Configs = new Map();
/** A name for a topic that is only asked about. Kafka takes 249 characters. */
const MOST_OF_NAME = 200;

export async function lastingConfigs(
  description: TopicDescription,
  present: Configs,
  input: PreflightInput,
  list: CheckList,
): Promise<Configs> {
  const { topic } = description;
  const changes = await input.leftConfigs(topic, present);
  const changed = Object.entries(changes);
  if (changed.length === 0) return present;
  const own = changed.map(([name, value]) => `${name}=${value ?? 'the default'}`).join(', ');
  const how = input.resumed === null ? '' : `; until then nothing else that is set of these lasts`;
  list.ok('configuration', `${topic} is in the state for filling, and gets its own back at the end: ${own}${how}`);
  const lasting = new Map(present);
  const inherited = changed.filter(([name, value]) => value === null && present.get(name)?.isSetOnTopic === true);
  const defaults = inherited.length === 0 ? NONE : await defaultsOf(description, present, changes, input);
  for (const [name, value] of changed) if (value !== null) lasting.set(name, { value, isSetOnTopic: true });
  for (const [name] of inherited) {
    const inForce = defaults.get(name);
    if (inForce === undefined) lasting.delete(name);
    else lasting.set(name, inForce);
  }
  const untold = inherited.map(([name]) => name).filter((name) => !defaults.has(name));
  if (untold.length > 0) {
    list.warn(
      'retention',
      `${topic} gets the defaults of the target for ${untold.join(', ')}, and the target does not tell them: whether records are deleted then was not looked at`,
    );
  }
  return lasting;
}

/** A broker tells no topic what its default would be: it is asked about one of another name that is configured alike. */
async function defaultsOf(
  { topic, topicId, partitions, replicationFactor }: TopicDescription,
  present: Configs,
  changes: ConfigChanges,
  { sink }: PreflightInput,
): Promise<Configs> {
  const own = [...present].flatMap(([name, { value, isSetOnTopic }]) => (isSetOnTopic ? [[name, value] as const] : []));
  const after = new Map<string, string | null>([...own, ...Object.entries(changes)]);
  const set = [...after].filter((entry): entry is [string, string] => entry[1] !== null);
  const spec: TopicSpec = {
    topic: `${topic.slice(0, MOST_OF_NAME)}-${topicId}`,
    partitions: partitions.length,
    replicationFactor,
    configs: Object.fromEntries(set),
  };
  const answer = await sink.validateTopic(spec);
  return answer.kind === 'accepted' ? answer.configs : NONE;
}
