// CONTRACT of the target side: what a restore asks of a Kafka cluster.

import type { TopicConfigs } from '../model/topic-description.ts';
import type { TopicPartition } from '../model/topic-partition.ts';
import type { TopicListing } from './partition-log.ts';

export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  /** -1 lets the broker choose. */
  readonly replicationFactor: number;
  readonly configs: TopicConfigs;
}

/** One configuration entry of an existing topic. */
export interface EffectiveConfig {
  readonly value: string;
  /** False for a default of the broker. */
  readonly isSetOnTopic: boolean;
}

/** Sends the batches of one partition in order, exactly once, whatever the connection does. */
export interface PartitionProducer {
  /**
   * Waits for a place in flight, then sends. `acknowledged` resolves with the offset of the first record once all in-sync
   * replicas have it, -1 when it is known to be there but not where. The bytes are changed (producer id, sequence, CRC) and
   * must stay until then. Batches are acknowledged in the order they were sent in.
   * @throws what the sending failed with for good; nothing is sent afterwards.
   */
  send(batch: Uint8Array, recordCount: number): Promise<{ readonly acknowledged: Promise<bigint> }>;
}

export interface RestoreSink {
  readonly clusterId: string;
  readonly brokerCount: number;
  connect(): Promise<void>;
  describeTopics(names: readonly string[]): Promise<TopicListing>;
  describeEffectiveConfigs(topic: string): Promise<ReadonlyMap<string, EffectiveConfig>>;
  listOffsets(partitions: readonly TopicPartition[], at: 'earliest' | 'latest'): Promise<ReadonlyMap<string, bigint>>;
  /** Null when the topic was created, or with `validateOnly` would be; else why the broker refuses, in its words. */
  createTopic(spec: TopicSpec, options: { readonly validateOnly: boolean }): Promise<string | null>;
  /** Sets values and deletes those that are null. @throws KAFKA_REQUEST_REFUSED, KAFKA_AUTHORIZATION_FAILED. */
  alterTopicConfigs(topic: string, changes: Readonly<Record<string, string | null>>): Promise<void>;
  openPartition(partition: TopicPartition, signal: AbortSignal): Promise<PartitionProducer>;
  close(): Promise<void>;
}
