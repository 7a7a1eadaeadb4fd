// The target side over a KafkaCluster.

import type { TopicPartition } from '../model/topic/topic-partition.ts';
import { batchAt } from './arrived-batches.ts';
import type { KafkaCluster, Lane } from './connection/cluster.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import type { TopicListing } from './partition-log.ts';
import { KAFKA_ERROR, kafkaError, kafkaErrorClass, kafkaErrorName } from './protocol/kafka-errors.ts';
import { metadataCall } from './protocol/metadata.ts';
import { initProducerIdCall } from './protocol/produce.ts';
import { alterTopicConfigsCall, createTopicCall } from './protocol/topic-admin.ts';
import type {
  EffectiveConfig,
  PartitionProducer,
  ProducerPosition,
  RestoreSink,
  TopicOperation,
  TopicSpec,
  TopicValidation,
  WritePermit,
} from './restore-sink.ts';
import { BackOff, pause } from '../model/back-off.ts';
import type { Logger } from '../model/logger.ts';
import type { ProducerIdentity } from '../record/producer-fields.ts';

export interface RestoreSinkOptions {
  readonly produceTimeoutMs: number;
  readonly patienceMs: number;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
}

/** A broker handles the requests of one connection one by one; so many connections let it work on several partitions. */
const PRODUCE_LANES = 2;
/** With their numbers in org.apache.kafka.common.acl.AclOperation. */
const OPERATIONS: readonly (readonly [TopicOperation, number])[] = [
  ['READ', 3],
  ['WRITE', 4],
  ['DESCRIBE_CONFIGS', 10],
  ['ALTER_CONFIGS', 11],
];
/** What stands for authorized operations where the broker does not say. */
const NOT_TOLD = -2_147_483_648;
const CREATE_TIMEOUT_MS = 30_000;
const INIT_ATTEMPTS = 20;

export class KafkaRestoreSink implements RestoreSink {
  readonly #cluster: KafkaCluster;
  readonly #options: RestoreSinkOptions;
  #opened = 0;

  constructor(cluster: KafkaCluster, options: RestoreSinkOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  get clusterId(): string {
    return this.#cluster.clusterId;
  }

  get brokerCount(): number {
    return this.#cluster.nodeIds.length;
  }

  connect(): Promise<void> {
    return this.#cluster.connect();
  }

  describeTopics(names: readonly string[]): Promise<TopicListing> {
    return this.#cluster.describeTopics(names);
  }

  describeEffectiveConfigs(topic: string): Promise<ReadonlyMap<string, EffectiveConfig>> {
    return this.#cluster.describeEffectiveConfigs(topic);
  }

  listOffsets(partitions: readonly TopicPartition[], at: 'earliest' | 'latest'): Promise<ReadonlyMap<string, bigint>> {
    return this.#cluster.listOffsets(partitions, at);
  }

  async validateTopic(spec: TopicSpec): Promise<TopicValidation> {
    const [result] = await this.#cluster.callAny(createTopicCall(spec, CREATE_TIMEOUT_MS, true), CREATE_TIMEOUT_MS * 2);
    if (result === undefined) return { kind: 'accepted', configs: new Map() };
    const { errorCode, errorMessage, configs } = result;
    if (errorCode === KAFKA_ERROR.none) {
      const entries = configs.map(
        ({ name, value, isSetOnTopic }) => [name, { value: value ?? '', isSetOnTopic }] as const,
      );
      return { kind: 'accepted', configs: new Map(entries) };
    }
    const errorClass = kafkaErrorClass(errorCode);
    if (errorClass !== 'refused' && errorClass !== 'denied') {
      throw kafkaError(
        errorCode,
        `ask whether topic ${spec.topic} can be created`,
        { topic: spec.topic },
        errorMessage,
      );
    }
    return { kind: 'refused', reason: `${kafkaErrorName(errorCode)}: ${errorMessage ?? ''}` };
  }

  async allowedOperations(topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<TopicOperation>>> {
    const metadata = await this.#cluster.callAny(metadataCall(topics, { authorizedOperations: true }));
    return new Map(
      metadata.topics.flatMap(({ topic, authorizedOperations }) => {
        if (authorizedOperations === NOT_TOLD) return [];
        const allowed = OPERATIONS.filter(([, bit]) => (authorizedOperations & (1 << bit)) !== 0);
        return [[topic, new Set(allowed.map(([name]) => name))] as const];
      }),
    );
  }

  async createTopic(spec: TopicSpec): Promise<string | null> {
    const [result] = await this.#cluster.callAny(
      createTopicCall(spec, CREATE_TIMEOUT_MS, false),
      CREATE_TIMEOUT_MS * 2,
    );
    if (result === undefined || result.errorCode === KAFKA_ERROR.none) return null;
    if (kafkaErrorClass(result.errorCode) !== 'refused') {
      throw kafkaError(result.errorCode, `create topic ${spec.topic}`, { topic: spec.topic }, result.errorMessage);
    }
    return `${kafkaErrorName(result.errorCode)}: ${result.errorMessage ?? ''}`;
  }

  async alterTopicConfigs(topic: string, changes: Readonly<Record<string, string | null>>): Promise<void> {
    if (Object.keys(changes).length === 0) return;
    const [result] = await this.#cluster.callAny(alterTopicConfigsCall(topic, changes));
    if (result !== undefined && result.errorCode !== KAFKA_ERROR.none) {
      throw kafkaError(result.errorCode, `change the configuration of ${topic}`, { topic }, result.errorMessage);
    }
  }

  openPartition(
    partition: TopicPartition,
    position: ProducerPosition,
    signal: AbortSignal,
    permit: WritePermit = () => undefined,
  ): PartitionProducer {
    const lane: Lane = `produce-${this.#opened % PRODUCE_LANES}`;
    this.#opened += 1;
    return new IdempotentProducer({
      cluster: this.#cluster,
      lane,
      partition,
      position,
      timeoutMs: this.#options.produceTimeoutMs,
      patienceMs: this.#options.patienceMs,
      signal,
      permit,
      logger: this.#options.logger,
      monotonicMs: this.#options.monotonicMs,
    });
  }

  readBatch(partition: TopicPartition, offset: bigint): Promise<Uint8Array | undefined> {
    return batchAt(this.#cluster, partition, offset);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  /** A broker that has just started answers that its coordinator still loads. */
  async obtainProducer(signal: AbortSignal): Promise<ProducerIdentity> {
    const backOff = new BackOff();
    for (;;) {
      const answer = await this.#cluster.callAny(initProducerIdCall());
      if (answer.errorCode === KAFKA_ERROR.none) return answer;
      const isPassing =
        kafkaErrorClass(answer.errorCode) === 'retry' || kafkaErrorClass(answer.errorCode) === 'refresh';
      if (!isPassing || backOff.attempts >= INIT_ATTEMPTS || signal.aborted)
        throw kafkaError(answer.errorCode, 'get a producer id');
      await pause(backOff.nextDelayMs(), signal);
    }
  }
}
