// The checks before anything is written (DESIGN 6). Each finding is ok, warn or block; one block and nothing is written.

import type { RestoreSink, TopicSpec } from '../kafka/restore-sink.ts';
import type { SegmentSummary } from '../model/segment.ts';
import type { TopicDescription } from '../model/topic-description.ts';
import { isInternalTopic, isTopicName, partitionName } from '../model/topic-partition.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { PreflightCheck } from './restore-job.ts';
import type { RestorePlan, TopicRestorePlan } from './restore-plan.ts';
import type { RestoreSettings } from './restore-settings.ts';
import { creationSpec } from './target-topic.ts';

/** Objects looked at once. */
const HEADS_AT_ONCE = 32;
const BROKER_MAX_MESSAGE_BYTES = 1_048_588;
/** Names of missing objects that a message lists. */
const NAMES_SHOWN = 3;

export interface PreflightResult {
  readonly checks: readonly PreflightCheck[];
  /** Target topics that exist already. */
  readonly existing: ReadonlyMap<string, TopicDescription>;
  /** Largest batch that each target topic takes. */
  readonly maxMessageBytes: ReadonlyMap<string, number>;
}

/** @throws KAFKA_UNREACHABLE and other codes when the target or the store cannot be asked at all. */
export async function preflight(
  plan: RestorePlan,
  settings: RestoreSettings,
  sink: RestoreSink,
  store: ObjectStore,
  nowMs: number,
): Promise<PreflightResult> {
  const checks: PreflightCheck[] = [];
  const add = (level: PreflightCheck['level'], name: string, message: string): void => {
    checks.push({ level, name, message });
  };
  await sink.connect();
  add('ok', 'target', `cluster ${sink.clusterId} answers, ${sink.brokerCount} broker(s)`);
  const names = plan.topics.map(({ targetTopic }) => targetTopic);
  const listing = await sink.describeTopics(names);
  const existing = new Map(listing.topics.map((topic) => [topic.topic, topic]));
  for (const topic of listing.denied) add('block', 'permission', `${topic}: the principal may not describe it`);
  const maxMessageBytes = new Map<string, number>();
  for (const topic of plan.topics) {
    checkName(topic, add);
    const description = existing.get(topic.targetTopic);
    if (description === undefined) await checkCreation(topic, settings, sink, maxMessageBytes, add);
    else await checkExisting(topic, description, sink, maxMessageBytes, add);
    checkSizes(topic, maxMessageBytes.get(topic.targetTopic) ?? BROKER_MAX_MESSAGE_BYTES, add);
    checkRetention(topic, nowMs, add);
    checkGaps(topic, add);
  }
  await checkObjects(plan, store, add);
  return { checks, existing, maxMessageBytes };
}

type Add = (level: PreflightCheck['level'], name: string, message: string) => void;

function checkName({ targetTopic }: TopicRestorePlan, add: Add): void {
  if (!isTopicName(targetTopic))
    add('block', 'topic name', `${JSON.stringify(targetTopic)} is not a name that Kafka allows`);
  else if (isInternalTopic(targetTopic))
    add('block', 'topic name', `${targetTopic} belongs to Kafka itself; map it to another name`);
}

async function checkCreation(
  topic: TopicRestorePlan,
  settings: RestoreSettings,
  sink: RestoreSink,
  maxMessageBytes: Map<string, number>,
  add: Add,
): Promise<void> {
  const { targetTopic } = topic;
  if (!settings.createTopics) {
    add('block', 'topic', `${targetTopic} does not exist; create it or set restore.create_topics: true`);
    return;
  }
  const spec: TopicSpec = creationSpec(topic, settings, sink.brokerCount);
  const refusal = await sink.createTopic(spec, { validateOnly: true });
  if (refusal === null) add('ok', 'topic', `${targetTopic} will be created with ${spec.partitions} partition(s)`);
  else add('block', 'topic', `the target refuses to create ${targetTopic}: ${refusal}`);
  if (spec.replicationFactor > 0 && spec.replicationFactor < topic.observation.replicationFactor) {
    add(
      'warn',
      'replication',
      `${targetTopic} had ${topic.observation.replicationFactor} replicas, the target has ${sink.brokerCount} broker(s)`,
    );
  }
  maxMessageBytes.set(targetTopic, Number(spec.configs['max.message.bytes'] ?? BROKER_MAX_MESSAGE_BYTES));
}

async function checkExisting(
  topic: TopicRestorePlan,
  description: TopicDescription,
  sink: RestoreSink,
  maxMessageBytes: Map<string, number>,
  add: Add,
): Promise<void> {
  const { targetTopic, partitions } = topic;
  const all = description.partitions.map(({ partition }) => ({ topic: targetTopic, partition }));
  const earliest = await sink.listOffsets(all, 'earliest');
  const latest = await sink.listOffsets(all, 'latest');
  const filled = all.filter(
    (partition) => latest.get(partitionName(partition)) !== earliest.get(partitionName(partition)),
  );
  if (filled.length === 0) add('ok', 'topic', `${targetTopic} exists and is empty`);
  else
    add(
      'block',
      'topic',
      `${targetTopic} is not empty (${filled.length} of ${all.length} partitions hold records); map it to another name or delete it`,
    );
  const needed = 1 + Math.max(-1, ...partitions.map(({ targetPartition }) => targetPartition));
  if (all.length < needed)
    add('block', 'partitions', `${targetTopic} has ${all.length} partition(s), ${needed} are needed`);
  else if (all.length > topic.observation.partitions) {
    add(
      'warn',
      'partitions',
      `${targetTopic} has ${all.length} partition(s), the source had ${topic.observation.partitions}: keys of new records go elsewhere`,
    );
  }
  const configs = await sink.describeEffectiveConfigs(targetTopic);
  if (configs.get('message.timestamp.type')?.value === 'LogAppendTime') {
    add(
      'block',
      'timestamps',
      `${targetTopic} has message.timestamp.type=LogAppendTime: it would replace every timestamp; set CreateTime for the restore`,
    );
  }
  maxMessageBytes.set(targetTopic, Number(configs.get('max.message.bytes')?.value ?? BROKER_MAX_MESSAGE_BYTES));
}

function checkSizes({ targetTopic, partitions }: TopicRestorePlan, maxMessageBytes: number, add: Add): void {
  const sizes = segmentsOf(partitions).map(({ maxBatchSizeBytes }) => maxBatchSizeBytes);
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  if (largest <= maxMessageBytes) return;
  add(
    'warn',
    'batch size',
    `the largest batch has ${largest} bytes, ${targetTopic} takes ${maxMessageBytes}: it is divided; a single record that large will stop the restore`,
  );
}

function checkRetention({ targetTopic, observation, partitions }: TopicRestorePlan, nowMs: number, add: Add): void {
  const retentionMs = Number(observation.configs?.['retention.ms'] ?? -1);
  const oldestMs = segmentsOf(partitions).reduce(
    (oldest, { minTimestampMs, maxTimestampMs }) => Math.min(oldest, minTimestampMs ?? maxTimestampMs),
    nowMs,
  );
  if (retentionMs < 0 || nowMs - oldestMs <= retentionMs) return;
  const expired = new Date(nowMs - retentionMs).toISOString();
  add(
    'warn',
    'retention',
    `${targetTopic} keeps ${retentionMs} ms: records before ${expired} will be deleted soon after its configuration is put on; the oldest is of ${new Date(oldestMs).toISOString()}`,
  );
}

function checkGaps({ topic, partitions }: TopicRestorePlan, add: Add): void {
  for (const { source, gaps } of partitions) {
    for (const { baseOffset, lastOffset, reason } of gaps) {
      add(
        'warn',
        'gap',
        `${topic}-${source.partition}: offsets ${baseOffset}..${lastOffset} were never backed up (${reason})`,
      );
    }
  }
}

async function checkObjects(plan: RestorePlan, store: ObjectStore, add: Add): Promise<void> {
  const segments = plan.topics.flatMap(({ partitions }) => segmentsOf(partitions));
  const wrong: string[] = [];
  for (let from = 0; from < segments.length; from += HEADS_AT_ONCE) {
    const looked = segments.slice(from, from + HEADS_AT_ONCE).map(async ({ key, storedSizeBytes }) => {
      const found = await store.head(key);
      if (found === undefined) wrong.push(`${key} is missing`);
      else if (found.sizeBytes !== storedSizeBytes)
        wrong.push(`${key} has ${found.sizeBytes} bytes instead of ${storedSizeBytes}`);
    });
    await Promise.all(looked);
  }
  if (wrong.length === 0) add('ok', 'objects', `all ${segments.length} object(s) are there with their size`);
  else
    add(
      'block',
      'objects',
      `${wrong.length} of ${segments.length} object(s) are damaged: ${wrong.slice(0, NAMES_SHOWN).join('; ')}`,
    );
}

function segmentsOf(partitions: TopicRestorePlan['partitions']): SegmentSummary[] {
  return partitions.flatMap(({ segments }) => segments.map(({ segment }) => segment));
}

/** True when nothing may be written. */
export function isBlocked(checks: readonly PreflightCheck[]): boolean {
  return checks.some(({ level }) => level === 'block');
}
