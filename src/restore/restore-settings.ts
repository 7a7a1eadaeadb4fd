// What a restore is told to do besides what to restore. Made from the configuration by agent.ts; a request may say otherwise.

import type { ProducerCodec } from '../model/codec.ts';
import type { Isolation } from '../model/restore/recovery-target.ts';

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
  /** Blocks where a topic would be created of which the backup knows no configuration. */
  readonly requireTopicConfigs: boolean;
  /** Fills a topic that replaces timestamps: it is switched to CreateTime meanwhile. */
  readonly allowLogAppendTime: boolean;
  readonly createTopics: boolean;
  /** -1: as it was, as far as the target has brokers. */
  readonly replicationFactor: number;
  /** Of topics that are created. */
  readonly topicConfigs: TopicConfigOverrides;
}

/** Their keys in the configuration's section `restore`, and in requests. */
export const SETTING_KEYS: Readonly<Record<keyof RestoreSettings, string>> = {
  isolation: 'isolation',
  compression: 'compression',
  maxConcurrentPartitions: 'max_concurrent_partitions',
  maxBatchRecords: 'produce_batch_size',
  maxBatchBytes: 'batch_size_bytes',
  recordsPerSecond: 'rate_limit_records_per_sec',
  bytesPerSecond: 'rate_limit_bytes_per_sec',
  requireTopicConfigs: 'require_topic_configs',
  allowLogAppendTime: 'allow_log_append_time',
  createTopics: 'create_topics',
  replicationFactor: 'default_replication_factor',
  topicConfigs: 'topic_configs',
};
