// What a restore is told to do besides what to restore. Made from the configuration by agent.ts.

import type { ProducerCodec } from '../model/codec.ts';
import type { Isolation } from '../model/recovery-target.ts';

export interface RestoreSettings {
  readonly isolation: Isolation;
  /** Only these partitions of every topic; null for all. */
  readonly partitions: readonly number[] | null;
  readonly compression: 'producer' | ProducerCodec;
  readonly maxConcurrentPartitions: number;
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
  readonly recordsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  readonly createTopics: boolean;
  /** -1: as it was, as far as the target has brokers. */
  readonly replicationFactor: number;
}
