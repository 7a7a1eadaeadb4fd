// CONTRACT of the target side: what a restore asks of a Kafka cluster.

import type { TopicConfigs } from '../model/topic/topic-description.ts';
import type { TopicPartition } from '../model/topic/topic-partition.ts';
import type { ProducerIdentity } from '../record/producer-fields.ts';
import type { TopicListing } from './partition-log.ts';

export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  /** -1 lets the broker choose. */
  readonly replicationFactor: number;
  readonly configs: TopicConfigs;
}

/** What the target says to a topic that is not there yet. */
export type TopicValidation =
  /** It would have these configuration entries, the broker's defaults among them; empty when they may not be seen. */
  | { readonly kind: 'accepted'; readonly configs: ReadonlyMap<string, EffectiveConfig> }
  /** Why not, in the broker's words. */
  | { readonly kind: 'refused'; readonly reason: string };

/** What a principal may do with a topic, as far as a restore needs it. */
export type TopicOperation = 'READ' | 'WRITE' | 'DESCRIBE_CONFIGS' | 'ALTER_CONFIGS';

/** One configuration entry of an existing topic. */
export interface EffectiveConfig {
  readonly value: string;
  /** False for a default of the broker. */
  readonly isSetOnTopic: boolean;
}

/**
 * Where a producer goes on in a partition. Its record of index `i` has the offset `startOffset + i` and no other: nobody else
 * writes to the partition in the meantime.
 */
export interface ProducerPosition {
  readonly identity: ProducerIdentity;
  /** Of the life of the topic that is meant. */
  readonly topicId: string;
  readonly startOffset: bigint;
  /** How many of its records the partition holds already. */
  readonly recordsThere: bigint;
}

/** Undefined while its owner may write; else resolves once it may, or rejects when it never will again. */
export type WritePermit = () => Promise<void> | undefined;

/** Sends the batches of one partition in order, exactly once, whatever the connection does. */
export interface PartitionProducer {
  /**
   * Waits for a place in flight, then sends. `acknowledged` resolves once all in-sync replicas have the batch, at the offset
   * that the producer's position gives it. The bytes are changed (producer id, sequence, CRC) and must stay until then.
   * Batches are acknowledged in the order they were sent in.
   * @throws TARGET_CHANGED when the partition has something else there, and when the topic is gone or another one has its name; what the sending failed with for good. Nothing is sent
   * afterwards.
   */
  send(batch: Uint8Array, recordCount: number): Promise<{ readonly acknowledged: Promise<void> }>;
}

export interface RestoreSink {
  readonly clusterId: string;
  readonly brokerCount: number;
  connect(): Promise<void>;
  describeTopics(names: readonly string[]): Promise<TopicListing>;
  describeEffectiveConfigs(topic: string): Promise<ReadonlyMap<string, EffectiveConfig>>;
  listOffsets(partitions: readonly TopicPartition[], at: 'earliest' | 'latest'): Promise<ReadonlyMap<string, bigint>>;
  /** Asks whether the topic could be created so, and creates nothing. */
  validateTopic(spec: TopicSpec): Promise<TopicValidation>;
  /** By name, of topics that are there and that are not; those of which the broker does not say are left out. */
  allowedOperations(topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<TopicOperation>>>;
  /** Null when the topic was created; else why the broker refuses, in its words. */
  createTopic(spec: TopicSpec): Promise<string | null>;
  /** Sets values and deletes those that are null. @throws KAFKA_REQUEST_REFUSED, KAFKA_AUTHORIZATION_FAILED. */
  alterTopicConfigs(topic: string, changes: Readonly<Record<string, string | null>>): Promise<void>;
  /** An identity that nobody else has; it serves any number of partitions, each with a position of its own. */
  obtainProducer(signal: AbortSignal): Promise<ProducerIdentity>;
  /** Every request asks for the permit just before it is sent. */
  openPartition(
    partition: TopicPartition,
    position: ProducerPosition,
    signal: AbortSignal,
    permit?: WritePermit,
  ): PartitionProducer;
  /** The whole batch that holds the record at `offset`, a copy; undefined when the log has none there. */
  readBatch(partition: TopicPartition, offset: bigint): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}
