// What a backup is told to do, in the words of its flow. Made from the configuration by agent.ts.

import type { SegmentSettings } from '../segment/segment-writer.ts';
import type { SealLimits } from '../segment/seal-policy.ts';
import type { TopicPatterns } from '../model/topic/topic-selection.ts';
import type { RecompressMode } from './frame/expansion-choice.ts';

/** Where a partition begins that the catalog has no position for. */
export type StartOffset =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'specific'; readonly offsets: ReadonlyMap<string, ReadonlyMap<number, bigint>> };

export interface BackupSettings {
  readonly backupId: string;
  readonly topics: TopicPatterns;
  /** False: to the high watermarks seen at the start, then done. */
  readonly continuous: boolean;
  readonly startOffset: StartOffset;
  readonly failOnMissingTopic: boolean;
  readonly topicRefreshMs: number;
  /** Partitions that catch up at once. */
  readonly maxConcurrentPartitions: number;
  readonly fetchMinBytes: number;
  readonly fetchMaxWaitMs: number;
  readonly fetchMaxBytes: number;
  readonly maxPartitionFetchBytes: number;
  readonly frameBytes: number;
  readonly memoryBudgetBytes: number;
  readonly uploadBudgetBytes: number;
  /** What the store gathers of an object before it sends; 0 where it writes as it comes. */
  readonly uploadPartBytes: number;
  readonly segments: SegmentSettings;
  readonly limits: SealLimits;
  readonly recompress: RecompressMode;
  readonly commitIntervalMs: number;
  readonly shutdownTimeoutMs: number;
  /** How long a one-shot backup waits for a broker or store that is away; a continuous one waits for ever. */
  readonly oneShotPatienceMs: number;
}
