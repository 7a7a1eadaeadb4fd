// A target cluster in memory, as far as a restore can see it: topics with ids and configurations, logs of whole batches, and
// requests that may land after whoever sent them has died. Its brokers have no memory of producers, which is the worst case: what
// is sent twice is there twice.

import type {
  EffectiveConfig,
  PartitionProducer,
  ProducerPosition,
  RestoreSink,
  TopicOperation,
  TopicSpec,
  TopicValidation,
} from '../../../../src/kafka/restore-sink.ts';
import type { TopicListing } from '../../../../src/kafka/partition-log.ts';
import { BackupError } from '../../../../src/model/errors.ts';
import { partitionName, type TopicPartition } from '../../../../src/model/topic/topic-partition.ts';
import { type ProducerIdentity, sequenceOf, stampBatch } from '../../../../src/record/producer-fields.ts';
import type { Fault } from './fault.ts';

const BROKER_DEFAULTS: Readonly<Record<string, string>> = {
  'retention.ms': '604800000',
  'retention.bytes': '-1',
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '3600000',
  'max.message.bytes': '1048588',
};
const MAX_IN_FLIGHT = 5;

export interface ModelBatch {
  readonly baseOffset: bigint;
  readonly recordCount: number;
  readonly bytes: Buffer;
}

export class ModelLog {
  readonly batches: ModelBatch[] = [];
  start = 0n;

  get end(): bigint {
    const last = this.batches.at(-1);
    return last === undefined ? 0n : last.baseOffset + BigInt(last.recordCount);
  }

  append(batch: Uint8Array): bigint {
    const bytes = Buffer.from(batch);
    const baseOffset = this.end;
    bytes.writeBigInt64BE(baseOffset, 0);
    this.batches.push({ baseOffset, recordCount: bytes.readInt32BE(57), bytes });
    return baseOffset;
  }
}

export interface ModelTopic {
  readonly topicId: string;
  readonly configs: Map<string, string>;
  readonly logs: ModelLog[];
}

/** Outlives the processes that use it. */
export class ModelCluster {
  readonly topics = new Map<string, ModelTopic>();
  /** Sent by a process that has died, and not there yet. */
  readonly landing: (() => unknown)[] = [];
  #made = 0;

  create({ topic, partitions, configs }: Pick<TopicSpec, 'topic' | 'partitions' | 'configs'>): ModelTopic {
    this.#made += 1;
    const topicId = `T${String(this.#made).padStart(20, '0')}g`;
    const logs = Array.from({ length: partitions }, () => new ModelLog());
    const made = { topicId, configs: new Map(Object.entries(configs)), logs };
    this.topics.set(topic, made);
    return made;
  }

  logOf({ topic, partition }: TopicPartition): ModelLog {
    const log = this.topics.get(topic)?.logs[partition];
    if (log === undefined) throw new BackupError('KAFKA_REQUEST_FAILED', `there is no ${topic}-${partition}`);
    return log;
  }

  land(): void {
    for (const land of this.landing.splice(0)) land();
  }
}

/** The view of one process. Every call may be its last. */
export class ModelSink implements RestoreSink {
  readonly clusterId = 'cluster-2';
  readonly brokerCount = 3;
  readonly #cluster: ModelCluster;
  readonly #fault: Fault;

  constructor(cluster: ModelCluster, fault: Fault) {
    this.#cluster = cluster;
    this.#fault = fault;
  }

  connect(): Promise<void> {
    return this.#fault.pass(() => {});
  }

  describeTopics(names: readonly string[]): Promise<TopicListing> {
    return this.#fault.pass(() => {
      const found = names.flatMap((topic) => {
        const known = this.#cluster.topics.get(topic);
        if (known === undefined) return [];
        const partitions = known.logs.map((_, partition) => ({ partition, leader: 1, leaderEpoch: 0 }));
        return [{ topic, topicId: known.topicId, isInternal: false, partitions, replicationFactor: 1 }];
      });
      return { topics: found, missing: names.filter((name) => !this.#cluster.topics.has(name)), denied: [] };
    });
  }

  describeEffectiveConfigs(topic: string): Promise<ReadonlyMap<string, EffectiveConfig>> {
    return this.#fault.pass(() => {
      const set = this.#cluster.topics.get(topic)?.configs ?? new Map<string, string>();
      const all = new Map(
        Object.entries(BROKER_DEFAULTS).map(([name, value]) => [name, { value, isSetOnTopic: false }]),
      );
      for (const [name, value] of set) all.set(name, { value, isSetOnTopic: true });
      return all;
    });
  }

  listOffsets(partitions: readonly TopicPartition[], at: 'earliest' | 'latest'): Promise<ReadonlyMap<string, bigint>> {
    return this.#fault.pass(
      () =>
        new Map(
          partitions.map((one) => [partitionName(one), this.#cluster.logOf(one)[at === 'earliest' ? 'start' : 'end']]),
        ),
    );
  }

  validateTopic({ topic, configs }: TopicSpec): Promise<TopicValidation> {
    return this.#fault.pass((): TopicValidation => {
      if (this.#cluster.topics.has(topic)) return { kind: 'refused', reason: 'TOPIC_ALREADY_EXISTS' };
      const entries = (from: Readonly<Record<string, string>>, isSetOnTopic: boolean) =>
        Object.entries(from).map(([name, value]) => [name, { value, isSetOnTopic }] as const);
      return { kind: 'accepted', configs: new Map([...entries(BROKER_DEFAULTS, false), ...entries(configs, true)]) };
    });
  }

  allowedOperations(topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<TopicOperation>>> {
    const all = new Set<TopicOperation>(['READ', 'WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS']);
    return this.#fault.pass(() => new Map(topics.map((topic) => [topic, all])));
  }

  createTopic(spec: TopicSpec): Promise<string | null> {
    return this.#fault.pass(() => {
      if (this.#cluster.topics.has(spec.topic)) return 'TOPIC_ALREADY_EXISTS: ';
      this.#cluster.create(spec);
      return null;
    });
  }

  alterTopicConfigs(topic: string, changes: Readonly<Record<string, string | null>>): Promise<void> {
    return this.#fault.pass(() => {
      const configs = this.#cluster.topics.get(topic)?.configs;
      if (configs === undefined) throw new BackupError('KAFKA_REQUEST_REFUSED', `there is no topic ${topic}`);
      for (const [name, value] of Object.entries(changes)) {
        if (value === null) configs.delete(name);
        else configs.set(name, value);
      }
      // The cleaner is quick here: nobody may count on what it can take.
      if (changes['cleanup.policy'] !== 'compact') return;
      for (const log of this.#cluster.topics.get(topic)?.logs ?? []) log.start = log.end;
    });
  }

  obtainProducer(): Promise<ProducerIdentity> {
    return this.#fault.pass(() => ({ producerId: 42n, producerEpoch: 0 }));
  }

  readBatch(partition: TopicPartition, offset: bigint): Promise<Uint8Array | undefined> {
    return this.#fault.pass(() => {
      this.#cluster.land();
      const found = this.#cluster
        .logOf(partition)
        .batches.find(
          ({ baseOffset, recordCount }) => baseOffset <= offset && offset < baseOffset + BigInt(recordCount),
        );
      return found && Uint8Array.from(found.bytes);
    });
  }

  openPartition(partition: TopicPartition, position: ProducerPosition): PartitionProducer {
    return new ModelProducer(this.#cluster, this.#cluster.logOf(partition), position, this.#fault);
  }

  async close(): Promise<void> {}
}

/** Sends in order, five in flight. What it has sent when its process dies lands later, or up to some point. */
class ModelProducer implements PartitionProducer {
  readonly #cluster: ModelCluster;
  readonly #log: ModelLog;
  readonly #position: ProducerPosition;
  readonly #fault: Fault;
  #index: bigint;
  #last: Promise<void> = Promise.resolve();
  #inFlight: Promise<void>[] = [];

  constructor(cluster: ModelCluster, log: ModelLog, position: ProducerPosition, fault: Fault) {
    this.#cluster = cluster;
    this.#log = log;
    this.#position = position;
    this.#fault = fault;
    this.#index = position.recordsThere;
  }

  async send(batch: Uint8Array, recordCount: number): Promise<{ readonly acknowledged: Promise<void> }> {
    if (this.#inFlight.length >= MAX_IN_FLIGHT) await this.#inFlight.shift();
    const expected = this.#position.startOffset + this.#index;
    stampBatch(batch, this.#position.identity, sequenceOf(this.#index));
    this.#index += BigInt(recordCount);
    const bytes = Buffer.from(batch);
    const append = (): bigint => this.#log.append(bytes);
    this.#cluster.land();
    const acknowledged = this.#last.then(async () => {
      const offset = await this.#fault.pass(append, (land) => this.#cluster.landing.push(land));
      if (offset !== expected) throw new BackupError('TARGET_CHANGED', `offset ${offset} instead of ${expected}`);
    });
    acknowledged.catch(() => {});
    this.#last = acknowledged;
    this.#inFlight.push(acknowledged);
    return { acknowledged };
  }
}
