// What a restore is told to do besides what to restore. Made from the configuration by agent.ts.

import type { ProducerCodec } from '../model/codec.ts';
import type { Isolation } from '../model/recovery-target.ts';

/** In `topic_configs`, in place of a name: all topics that are created. */
export const ALL_TOPICS = '*';

/** By target topic, or {@link ALL_TOPICS}: configuration entries; null leaves the entry to the broker's default. */
export type TopicConfigOverrides = Readonly<Record<string, Readonly<Record<string, string | null>>>>;

export interface RestoreSettings {
  readonly isolation: Isolation;
  readonly compression: 'producer' | ProducerCodec;
  readonly maxConcurrentPartitions: number;
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
  readonly recordsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  readonly createTopics: boolean;
  /** -1: as it was, as far as the target has brokers. */
  readonly replicationFactor: number;
  /** Of topics that are created. */
  readonly topicConfigs: TopicConfigOverrides;
}
