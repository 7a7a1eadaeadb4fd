// The target side over a KafkaCluster.

import type { TopicPartition } from '../model/topic-partition.ts';
import type { KafkaCluster, Lane } from './cluster.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import type { TopicListing } from './partition-log.ts';
import { KAFKA_ERROR, kafkaError, kafkaErrorClass, kafkaErrorName } from './protocol/kafka-errors.ts';
import { initProducerIdCall, type ProducerIdentity } from './protocol/produce.ts';
import { alterTopicConfigsCall, createTopicCall } from './protocol/topic-admin.ts';
import type { EffectiveConfig, PartitionProducer, RestoreSink, TopicSpec } from './restore-sink.ts';
import { BackOff, pause } from '../model/back-off.ts';

export interface RestoreSinkOptions {
  readonly produceTimeoutMs: number;
  readonly patienceMs: number;
  readonly monotonicMs: () => number;
}

/** A broker handles the requests of one connection one by one; so many connections let it work on several partitions. */
const PRODUCE_LANES = 2;
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

  async createTopic(spec: TopicSpec, { validateOnly }: { readonly validateOnly: boolean }): Promise<string | null> {
    const [result] = await this.#cluster.callAny(
      createTopicCall(spec, CREATE_TIMEOUT_MS, validateOnly),
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

  async openPartition(partition: TopicPartition, signal: AbortSignal): Promise<PartitionProducer> {
    const identity = await this.#initProducerId(signal);
    const lane: Lane = `produce-${this.#opened % PRODUCE_LANES}`;
    this.#opened += 1;
    return new IdempotentProducer({
      cluster: this.#cluster,
      lane,
      partition,
      identity,
      timeoutMs: this.#options.produceTimeoutMs,
      patienceMs: this.#options.patienceMs,
      signal,
      monotonicMs: this.#options.monotonicMs,
    });
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  /** A broker that has just started answers that its coordinator still loads. */
  async #initProducerId(signal: AbortSignal): Promise<ProducerIdentity> {
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
