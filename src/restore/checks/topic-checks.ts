// Whether the target topics can be had: created as they were, or used as they are. What the broker would refuse, now or when the
// topic's own configuration is put on at the end, blocks before anything is written.

import type { TopicOperation } from '../../kafka/restore-sink.ts';
import { BackupError } from '../../model/errors.ts';
import type { TopicConfigs, TopicDescription } from '../../model/topic/topic-description.ts';
import { isInternalTopic, isTopicName, partitionName } from '../../model/topic/topic-partition.ts';
import type { RestoreIntent } from '../journal/restore-intent.ts';
import type { TargetState, TopicRestorePlan } from '../restore-plan.ts';
import { ALL_TOPICS } from '../restore-settings.ts';
import { creationSpec, lastingSpec } from '../target-topic.ts';
import { type CheckList, type LastingTopic, numberOf, type PreflightInput } from './check-list.ts';
import { lastingConfigs } from './lasting-configs.ts';

type FoundTopic = TargetState['topics'][number];

const NEEDED: readonly TopicOperation[] = ['WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'];
/** In the words of a broker. */
const THERE_BY_NOW = 'TOPIC_ALREADY_EXISTS';
/** Differences or mappings that a message names. */
const ENTRIES_SHOWN = 5;
const NOTHING_KNOWN: LastingTopic = { configs: new Map(), replicationFactor: -1, isThere: false, resumedId: null };

export function checkNames(topics: readonly TopicRestorePlan[], list: CheckList): void {
  for (const { targetTopic } of topics) {
    if (!isTopicName(targetTopic))
      list.block('topic name', `${JSON.stringify(targetTopic)} is not a name that Kafka allows`);
    else if (isInternalTopic(targetTopic))
      list.block('topic name', `${targetTopic} belongs to Kafka itself; map it to another name`);
  }
  // Their metrics would have one name, so a broker refuses the second one.
  for (const alike of Map.groupBy(topics, ({ targetTopic }) => targetTopic.replaceAll('.', '_')).values()) {
    const names = alike.map(({ targetTopic }) => targetTopic);
    if (names.length > 1) list.block('topic name', `Kafka takes ${names.join(' and ')} for one name; map one of them`);
  }
}

/** The settings are also of other restores, so a name that is not of this one may be meant all the same. */
export function checkOverrides({ plan, settings }: PreflightInput, list: CheckList): void {
  const targets = new Set(plan.topics.map(({ targetTopic }) => targetTopic));
  const others = Object.keys(settings.topicConfigs).filter((name) => name !== ALL_TOPICS && !targets.has(name));
  if (others.length > 0) {
    const names = others.join(', ');
    list.warn('configuration', `restore.topic_configs names ${names}, which this restore does not write to`);
  }
  if (plan.unusedMappings.length > 0) {
    list.warn(
      'mapping',
      `nothing that is restored fits ${firstOf(plan.unusedMappings)}: what was meant by it goes to its own name and partition`,
    );
  }
}

/**
 * The topic as it will be; what the target does not tell of it is not known.
 * @throws FENCED when another process has created it since it was looked for.
 */
export async function checkCreation(
  topic: TopicRestorePlan,
  input: PreflightInput,
  list: CheckList,
): Promise<LastingTopic> {
  const { settings, sink } = input;
  const { targetTopic, observation } = topic;
  if (!settings.createTopics) {
    list.block('topic', `${targetTopic} does not exist; create it or set restore.create_topics: true`);
    return NOTHING_KNOWN;
  }
  if (!(await checkPermissions(targetTopic, input, list))) return NOTHING_KNOWN;
  checkConfigsKnown(topic, input, list);
  const spec = creationSpec(topic, settings, sink.brokerCount);
  // It gets the partitions that it needs, and CreateTime while it is filled.
  list.look('partitions');
  list.look('timestamps');
  const lasting = await sink.validateTopic(lastingSpec(topic, settings, sink.brokerCount));
  const filling = lasting.kind === 'refused' ? lasting : await sink.validateTopic(spec);
  if (filling.kind === 'refused' && filling.reason.startsWith(THERE_BY_NOW)) {
    if (input.isOwn) list.ok('topic', `${targetTopic} is being created`);
    else throw new BackupError('FENCED', `${targetTopic} was created by another process just now; look again`);
  } else if (filling.kind === 'refused') {
    const remedy = 'change or leave out what it objects to with restore.topic_configs or default_replication_factor';
    list.block('topic', `the target refuses to create ${targetTopic}: ${filling.reason}; ${remedy}`);
  } else {
    list.ok('topic', `${targetTopic} will be created with ${spec.partitions} partition(s)${configsText(topic)}`);
  }
  if (spec.replicationFactor > 0 && spec.replicationFactor < observation.replicationFactor) {
    list.warn(
      'replication',
      `${targetTopic} had ${observation.replicationFactor} replicas and gets ${spec.replicationFactor}: the target has ${sink.brokerCount} broker(s)`,
    );
  }
  const configs = lasting.kind === 'accepted' ? lasting.configs : new Map();
  return { configs, replicationFactor: spec.replicationFactor, isThere: false, resumedId: null };
}

/** A topic that is there is used as it is: it must be empty, or meant to be appended to, and must take every record as it was. */
export async function checkExisting(
  topic: TopicRestorePlan,
  description: TopicDescription,
  input: PreflightInput,
  list: CheckList,
): Promise<{ readonly found: FoundTopic; readonly lasting: LastingTopic }> {
  const { targetTopic } = topic;
  const { topicId, partitions, replicationFactor } = description;
  const none = { found: { topic: targetTopic, topicId, endOffsets: [], configs: {} }, lasting: NOTHING_KNOWN };
  try {
    if (!(await checkPermissions(targetTopic, input, list))) return none;
    const endOffsets = await checkEmptiness(description, input, list);
    checkPartitions(topic, partitions.length, list);
    const configs = await input.sink.describeEffectiveConfigs(targetTopic);
    const lastConfigs = await lastingConfigs(description, configs, input, list);
    const lasting = { configs: lastConfigs, replicationFactor, isThere: true, resumedId: input.resumed?.id ?? null };
    checkTimestampType(targetTopic, lasting, input, list);
    if (!isCreatedBy(input.resumed, targetTopic)) checkDifferences(topic, lasting, list);
    return { found: { topic: targetTopic, topicId, endOffsets, configs: ownConfigs(configs) }, lasting };
  } catch (error) {
    if (!(error instanceof BackupError) || error.code !== 'KAFKA_AUTHORIZATION_FAILED') throw error;
    list.block('permission', `${targetTopic}: ${error.message}`);
    return none;
  }
}

function isCreatedBy(resumed: RestoreIntent | null, targetTopic: string): boolean {
  return resumed?.topics.some(({ topic, creation }) => topic === targetTopic && creation !== null) === true;
}

function ownConfigs(configs: LastingTopic['configs']): TopicConfigs {
  const own = [...configs].filter(([, { isSetOnTopic }]) => isSetOnTopic);
  return Object.fromEntries(own.map(([name, { value }]) => [name, value]).sort(([a = '', b = '']) => (a < b ? -1 : 1)));
}

/** A topic whose records need more replicas in sync than it has replicas takes none at all. */
export function checkReplicas(targetTopic: string, lasting: LastingTopic, list: CheckList): void {
  const needed = numberOf(lasting, 'min.insync.replicas', 1);
  const { replicationFactor, isThere } = lasting;
  if (replicationFactor < 1 || needed <= replicationFactor) return;
  const [has, remedy] = isThere
    ? ['has', 'the topic keeps its own configuration: lower it on the topic']
    : ['would have', 'lower it with restore.topic_configs'];
  list.block(
    'replication',
    `${targetTopic} ${has} min.insync.replicas=${needed} with ${replicationFactor} replica(s) and takes no record so; ${remedy}`,
  );
}

/** Without what it had, a compacted topic would become one that deletes. */
function checkConfigsKnown(
  { topic, observation }: TopicRestorePlan,
  { settings }: PreflightInput,
  list: CheckList,
): void {
  if (observation.configs !== null) return;
  const message = `${topic}: the backup does not hold the configuration of the topic, since it was imported without one or the backup lacks DESCRIBE_CONFIGS at the source: it is created with the defaults of the target; name what it needs in restore.topic_configs`;
  if (settings.requireTopicConfigs)
    list.block('configuration', `${message}, or set restore.require_topic_configs: false`);
  else list.warn('configuration', message);
}

/** Also of a topic that is to be created: it must be possible to write to it then. */
async function checkPermissions(topic: string, { sink }: PreflightInput, list: CheckList): Promise<boolean> {
  const allowed = (await sink.allowedOperations([topic])).get(topic);
  if (allowed === undefined) return true;
  list.look('permission');
  const lacking = NEEDED.filter((operation) => !allowed.has(operation));
  if (lacking.length > 0) {
    list.block(
      'permission',
      `${topic}: the principal lacks ${lacking.join(', ')} on the topic; grant it at the target`,
    );
  } else if (!allowed.has('READ')) {
    list.warn('permission', `${topic}: without READ on the topic a restore that is interrupted cannot be continued`);
  }
  return lacking.length === 0;
}

/** Returns the log ends, by partition. */
async function checkEmptiness(
  { topic, topicId, partitions }: TopicDescription,
  { plan, sink, isOwn, fillerOf }: PreflightInput,
  list: CheckList,
): Promise<readonly bigint[]> {
  const all = Array.from(partitions, (_, partition) => ({ topic, partition }));
  const earliest = await sink.listOffsets(all, 'earliest');
  const latest = await sink.listOffsets(all, 'latest');
  const filled = all.filter((one) => latest.get(partitionName(one)) !== earliest.get(partitionName(one)));
  const filler = isOwn ? undefined : await fillerOf(topicId);
  const held = `${filled.length} of ${all.length} partitions hold records`;
  if (isOwn) list.ok('topic', `${topic} is the restore's own`);
  else if (filler !== undefined)
    list.block(
      'topic',
      `${topic} is being filled by the unfinished restore ${filler}; continue it with restore --resume ${filler}, give it up with restore --abandon ${filler}, or delete the topic`,
    );
  else if (filled.length === 0) list.ok('topic', `${topic} exists and is empty`);
  else if (plan.intoExisting === 'append') list.ok('topic', `${topic} is appended to: ${held}`);
  else
    list.block(
      'topic',
      `${topic} is not empty (${held}); map it to another name, delete it, or set restore.into_existing: append`,
    );
  return all.map((one) => latest.get(partitionName(one)) ?? -1n);
}

function checkPartitions(topic: TopicRestorePlan, existing: number, list: CheckList): void {
  const { targetTopic, targetPartitions, askedPartitions, observation, lanes } = topic;
  list.look('partitions');
  if (lanes.some(({ partitioning }) => partitioning === 'by-key')) {
    if (existing !== targetPartitions) {
      list.block(
        'partitions',
        `${targetTopic} has ${existing} partition(s): by key over ${targetPartitions} records would not be where producers look for them; repartition to ${existing}`,
      );
    }
    return;
  }
  const needed = askedPartitions ?? 1 + Math.max(-1, ...lanes.flatMap(({ targets }) => targets));
  const wanted = askedPartitions ?? observation.partitions;
  if (existing < needed) {
    const why = askedPartitions === null ? 'are needed' : 'are asked for with restore.repartitioning';
    list.block(
      'partitions',
      `${targetTopic} has ${existing} partition(s), ${needed} ${why}; add partitions to it, or map it to another name`,
    );
  } else if (existing !== wanted) {
    const others = askedPartitions === null ? `the source had ${wanted}` : `${wanted} are asked for`;
    list.warn('partitions', `${targetTopic} has ${existing} partition(s), ${others}: keys of new records go elsewhere`);
  }
}

/** Like what would delete records, the type is another one while the topic is filled, for whoever writes to it meanwhile too. */
function checkTimestampType(
  targetTopic: string,
  { configs }: LastingTopic,
  { settings, resumed }: PreflightInput,
  list: CheckList,
): void {
  if (configs.size > 0) list.look('timestamps');
  if (configs.get('message.timestamp.type')?.value !== 'LogAppendTime') return;
  const has = `${targetTopic} has message.timestamp.type=LogAppendTime`;
  // Whoever began the restore had allowed it.
  if (settings.allowLogAppendTime || resumed !== null)
    list.ok('timestamps', `${has}: it is CreateTime while the topic is filled`);
  else
    list.block(
      'timestamps',
      `${has}, which would replace every timestamp; set CreateTime, or restore.allow_log_append_time: true to have it so while the topic is filled`,
    );
}

/** A topic that exists keeps its own configuration, whatever the source's was. */
function checkDifferences({ targetTopic, configs }: TopicRestorePlan, lasting: LastingTopic, list: CheckList): void {
  const different = Object.entries(configs).flatMap(([name, value]) => {
    const present = lasting.configs.get(name);
    return present === undefined || present.value === value ? [] : [`${name}=${present.value} (planned: ${value})`];
  });
  if (different.length === 0) return;
  list.warn('configuration', `${targetTopic} exists and keeps its own configuration: ${firstOf(different)}`);
}

function firstOf(entries: readonly string[]): string {
  const more = entries.length > ENTRIES_SHOWN ? `, and ${entries.length - ENTRIES_SHOWN} more` : '';
  return `${entries.slice(0, ENTRIES_SHOWN).join(', ')}${more}`;
}

function configsText({ configs }: TopicRestorePlan): string {
  const entries = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? '' : `, ${entries.join(', ')}`;
}
