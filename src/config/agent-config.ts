// The configuration as the rest of the agent sees it: complete, checked, frozen. Names are those of the file in camelCase,
// with the unit at the end. There are no optional values: what a default stands for is settled here.

import type { Assignment, StartOffset } from './formats/collection-formats.ts';
import type { ListenAddress } from './formats/text-formats.ts';
import type { ProducerCodec, SegmentCodec } from '../model/codec.ts';
import type { RecordFilter } from '../model/restore/record-filter.ts';
import type { Isolation, RecoveryTarget } from '../model/restore/recovery-target.ts';
import type { MappingRule, PartitionOffsets, Repartitioning, TargetOverride } from '../model/restore/restore-shape.ts';
import type { StorageConfig } from './storage/storage-config.ts';

export type { Assignment, ListenAddress, StartOffset, StorageConfig };

export interface AgentConfig {
  readonly mode: 'backup' | 'restore';
  readonly backupId: string;
  /** Never null in mode backup. */
  readonly source: KafkaConfig | null;
  /** Where restores may go, by name; `target` of the file is `default` and is there in mode restore. */
  readonly targets: ReadonlyMap<string, KafkaConfig>;
  readonly storage: StorageConfig;
  readonly backup: BackupConfig;
  readonly restore: RestoreConfig;
  readonly control: ControlConfig;
  readonly metrics: MetricsConfig;
  readonly logging: LoggingConfig;
}

export interface KafkaConfig {
  /** `host:port`, at least one. */
  readonly bootstrapServers: readonly string[];
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  /** Null for plain text. */
  readonly tls: TlsConfig | null;
  /** Null where nobody logs in. */
  readonly sasl: SaslConfig | null;
  readonly topics: TopicSelection;
  readonly tcpKeepalive: boolean;
  readonly keepaliveTimeSecs: number;
  readonly tcpNodelay: boolean;
}

/** Paths of PEM files, readable when the configuration was loaded. Certificate and key come together. */
export interface TlsConfig {
  readonly caPath: string | null;
  readonly certificatePath: string | null;
  readonly keyPath: string | null;
  readonly keyPassword: string | null;
  /** False: the certificate need not name the host. */
  readonly endpointIdentification: boolean;
}

export interface SaslConfig {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

/** Exact names, globs (`*`, `?`) and `~regex` (unanchored, flag `u`); an empty include means all. */
export interface TopicSelection {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

export interface BackupConfig {
  readonly continuous: boolean;
  /** For whoever reads the file: what is not continuous ends there in any case. */
  readonly stopAtCurrentOffsets: boolean;
  readonly startOffset: StartOffset;
  readonly assignment: Assignment;
  readonly onMissingTopic: 'wait' | 'fail';
  readonly topicRefreshIntervalSecs: number;
  /** Internal topics to back up, by exact name; empty unless `include_internal_topics` is true. */
  readonly internalTopics: readonly string[];
  readonly maxConcurrentPartitions: number;
  readonly fetchMinBytes: number;
  readonly fetchMaxWaitMs: number;
  readonly fetchMaxBytes: number;
  readonly maxPartitionFetchBytes: number;
  /** At least `fetchMaxBytes`. */
  readonly memoryBudgetBytes: number;
  /** At least a part of the store. */
  readonly uploadBudgetBytes: number;
  readonly compression: SegmentCodec;
  /** Of zstd, 1 to 22; means nothing for the other codecs. */
  readonly compressionLevel: number;
  /** Null: as many as the process may use cores. */
  readonly compressionThreads: number | null;
  readonly recompress: 'auto' | 'always' | 'never';
  readonly segmentMaxBytes: number;
  readonly segmentMaxIntervalMs: number;
  readonly segmentMaxRecords: number | null;
  /** At most `segmentMaxBytes`. */
  readonly frameBytes: number;
  /** Longest wait of a sealed segment for its commit: the shorter of `checkpoint_interval_secs` and `sync_interval_secs`. */
  readonly commitIntervalSecs: number;
  readonly shutdownTimeoutSecs: number;
}

export interface RestoreConfig {
  /** `restore.topics`, or `target.topics` where that is empty. */
  readonly topics: TopicSelection;
  /** Null: all. */
  readonly sourcePartitions: readonly number[] | null;
  /** Resolved when the configuration was loaded. */
  readonly recoveryTarget: RecoveryTarget;
  /** By topic of the backup. */
  readonly topicTargets: ReadonlyMap<string, TargetOverride>;
  /** Of instants without a zone; null: there are none. */
  readonly timeZone: string | null;
  readonly offsets: readonly PartitionOffsets[];
  /** Null: the newest. */
  readonly catalogVersion: number | null;
  readonly filter: RecordFilter | null;
  readonly isolation: Isolation;
  readonly dryRun: boolean;
  /** From the topic's name in the backup to its name at the target; names not in it follow the rules, or stay. */
  readonly topicMapping: ReadonlyMap<string, string>;
  /** The first one that fits counts. */
  readonly mappingRules: readonly MappingRule[];
  readonly partitionMapping: ReadonlyMap<number, number>;
  /** By target topic. */
  readonly repartitioning: ReadonlyMap<string, Repartitioning>;
  /** By target topic, or `*`; null: the broker's default. */
  readonly topicConfigs: ReadonlyMap<string, ReadonlyMap<string, string | null>>;
  readonly intoExisting: 'refuse' | 'append';
  readonly includeOriginalOffsetHeader: boolean;
  readonly requireTopicConfigs: boolean;
  readonly allowLogAppendTime: boolean;
  readonly createTopics: boolean;
  /** -1: as it was at the source, as far as the target has brokers. */
  readonly defaultReplicationFactor: number;
  readonly compression: 'producer' | ProducerCodec;
  readonly maxConcurrentPartitions: number;
  /** For the whole restore; null: unlimited. */
  readonly rateLimitRecordsPerSec: number | null;
  /** For the whole restore; null: unlimited. */
  readonly rateLimitBytesPerSec: number | null;
  readonly produceBatchSize: number;
  readonly batchSizeBytes: number;
  readonly produceTimeoutMs: number;
  /** For a store or a target that is away. */
  readonly outageTimeoutMs: number;
}

export interface ControlConfig {
  /** Null: no control port. Already settled by mode: the default address stands here only for a continuous backup. */
  readonly listen: ListenAddress | null;
  /** File with the token for writing calls; null: the port is read-only. */
  readonly tokenFile: string | null;
  /** Names, besides the address itself and the loopback's, under which the port may be called. */
  readonly allowedHosts: readonly string[];
}

export interface MetricsConfig {
  /** 0: no limit. */
  readonly maxPartitionLabels: number;
}

export interface LoggingConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'auto' | 'json' | 'pretty';
}
