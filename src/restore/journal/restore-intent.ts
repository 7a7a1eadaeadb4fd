// What a restore is about to do, written down before it touches the target, and who writes there, written down before the first
// record. With both a restore that was killed at any instant can be carried on: they say what was planned, which batches it
// makes, what was there before, and what to put back at the end.

import type { RestoreSink, TopicSpec } from '../../kafka/restore-sink.ts';
import { PRODUCER_CODECS, type ProducerCodec } from '../../model/codec.ts';
import { BackupError } from '../../model/errors.ts';
import { JsonFields, toJson } from '../../model/json-fields.ts';
import type { Isolation } from '../../model/restore/recovery-target.ts';
import type { ProducerIdentity } from '../../record/producer-fields.ts';
import { decodeRequest, requestText } from '../request-json.ts';
import type { RestoreRequest } from '../restore-job.ts';
import type { TargetState } from '../restore-plan.ts';
import type { TopicConfigOverrides } from '../restore-settings.ts';

/** Of the settings, those that decide the plan and which batches it becomes: a resumed restore must make the same ones. */
export interface BatchSettings {
  readonly isolation: Isolation;
  readonly replicationFactor: number;
  readonly topicConfigs: TopicConfigOverrides;
  readonly compression: 'producer' | ProducerCodec;
  readonly maxBatchRecords: number;
  readonly maxWholeRecords: number;
  readonly maxBatchBytes: number;
}

/** Changes of a topic's configuration; null takes an entry back to its default. */
export type ConfigChanges = Readonly<Record<string, string | null>>;

export interface IntendedTopic {
  readonly topic: string;
  /** How the topic is created; null when it was there before. */
  readonly creation: TopicSpec | null;
  /** At least so many partitions are written to. */
  readonly partitions: number;
  /** The largest batch that the topic takes: the smaller of its max.message.bytes and segment.bytes. */
  readonly maxMessageBytes: number;
  /** What the topic's broker compresses every batch with, however it comes; null where it keeps each as it comes. */
  readonly brokerCodec: ProducerCodec | null;
  /** Puts the topic's own configuration on, when it is filled. */
  readonly finalConfigs: ConfigChanges;
}

export interface RestoreIntent {
  readonly id: string;
  readonly createdAtMs: number;
  readonly planId: string;
  readonly catalogVersion: number;
  /** As the plan found it: the plan id is made with it. */
  readonly target: TargetState;
  readonly request: RestoreRequest;
  readonly settings: BatchSettings;
  readonly topics: readonly IntendedTopic[];
}

/** Who writes, and from where. */
export interface RestoreProducers {
  readonly identity: ProducerIdentity;
  readonly topics: readonly StartingTopic[];
}

/** A target topic just before its first record. */
export interface StartingTopic {
  readonly topic: string;
  readonly topicId: string;
  /** The log's end by partition, from 0 on. */
  readonly startOffsets: readonly bigint[];
}

export function isOfCluster({ target }: RestoreIntent, sink: RestoreSink): boolean {
  return target.clusterId === sink.clusterId;
}

/** @throws PREFLIGHT_BLOCKED when the target of that name is another cluster by now. */
export function assertClusterOf(intent: RestoreIntent, sink: RestoreSink): void {
  if (isOfCluster(intent, sink)) return;
  const { id, target, request } = intent;
  throw new BackupError(
    'PREFLIGHT_BLOCKED',
    `restore ${id} was begun into cluster ${target.clusterId}; target ${request.target} is cluster ${sink.clusterId}`,
  );
}

export function encodeIntent(intent: RestoreIntent): string {
  const { request, ...rest } = intent;
  // The request has a text of its own, by which equal requests are found.
  return `${toJson(rest).slice(0, -1)},"request":${requestText(request)}}`;
}

/** @throws the code of `fields`. */
export function decodeIntent(fields: JsonFields): RestoreIntent {
  const settings = fields.fields('settings');
  const target = fields.fields('target');
  return {
    id: fields.string('id'),
    createdAtMs: fields.integer('createdAtMs'),
    planId: fields.string('planId'),
    catalogVersion: fields.integer('catalogVersion'),
    target: {
      clusterId: target.string('clusterId'),
      topics: target.list('topics').map((topic) => ({
        topic: topic.string('topic'),
        topicId: topic.string('topicId'),
        endOffsets: offsetsOf(topic, 'endOffsets'),
        configs: topic.strings('configs'),
      })),
    },
    request: decodeRequest(fields.fields('request')),
    settings: {
      isolation: settings.choice('isolation', ['read_committed', 'read_uncommitted']),
      replicationFactor: settings.integer('replicationFactor', -1),
      topicConfigs: decodeMap(settings.fields('topicConfigs'), (all, topic) => decodeChanges(all.fields(topic))),
      compression: settings.choice('compression', ['producer', ...PRODUCER_CODECS]),
      maxBatchRecords: settings.integer('maxBatchRecords', 1),
      maxWholeRecords: settings.integer('maxWholeRecords', 1),
      maxBatchBytes: settings.integer('maxBatchBytes', 1),
    },
    topics: fields.list('topics').map(decodeTopic),
  };
}

export function encodeProducers(producers: RestoreProducers): string {
  return toJson(producers);
}

/** @throws the code of `fields`. */
export function decodeProducers(fields: JsonFields): RestoreProducers {
  const identity = fields.fields('identity');
  return {
    identity: { producerId: identity.bigint('producerId'), producerEpoch: identity.integer('producerEpoch') },
    topics: fields.list('topics').map((topic) => ({
      topic: topic.string('topic'),
      topicId: topic.string('topicId'),
      startOffsets: offsetsOf(topic, 'startOffsets'),
    })),
  };
}

function decodeTopic(fields: JsonFields): IntendedTopic {
  return {
    topic: fields.string('topic'),
    creation: fields.has('creation') ? decodeCreation(fields.fields('creation')) : null,
    partitions: fields.integer('partitions', 1),
    maxMessageBytes: fields.integer('maxMessageBytes', 1),
    // Restores that were begun before it was written down go on with the batches that they were begun with.
    brokerCodec: fields.has('brokerCodec') ? fields.choice('brokerCodec', PRODUCER_CODECS) : null,
    finalConfigs: decodeChanges(fields.fields('finalConfigs')),
  };
}

function decodeChanges(fields: JsonFields): ConfigChanges {
  return decodeMap(fields, (all, name) => (all.has(name) ? all.string(name) : null));
}

function decodeMap<T>(fields: JsonFields, read: (all: JsonFields, name: string) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(fields.names().map((name) => [name, read(fields, name)]));
}

function decodeCreation(fields: JsonFields): TopicSpec {
  return {
    topic: fields.string('topic'),
    partitions: fields.integer('partitions', 1),
    replicationFactor: fields.integer('replicationFactor', -1),
    configs: fields.strings('configs'),
  };
}

function offsetsOf(fields: JsonFields, name: string): bigint[] {
  return fields.texts(name).map((text) => {
    if (!/^-?\d{1,19}$/.test(text)) throw new BackupError('OBJECT_CORRUPT', `${name} holds ${JSON.stringify(text)}`);
    return BigInt(text);
  });
}
