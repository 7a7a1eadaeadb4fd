// From checked schema values to AgentConfig. The compiler holds the two together: the values are typed by the schema, the
// result by agent-config.ts. Defaults that depend on other keys are settled here and nowhere else.

import type {
  AgentConfig,
  BackupConfig,
  ControlConfig,
  KafkaConfig,
  RestoreConfig,
  SaslConfig,
  StorageConfig,
  TlsConfig,
} from './agent-config.ts';
import type { ClusterValues, SchemaValues } from './schema/schema.ts';

export interface AssemblyInput {
  readonly values: SchemaValues;
  /** The clusters under `targets`. */
  readonly targets: ReadonlyMap<string, ClusterValues>;
  /** Whether the key or section was given by anyone. */
  readonly has: (path: string) => boolean;
}

/** Where the control port of a continuous backup listens when nothing else is said. */
export const DEFAULT_CONTROL_ADDRESS = { host: '127.0.0.1', port: 8083 } as const;

/** Builds the frozen result. Expects values that passed every rule. */
export function assembleConfig({ values, targets, has }: AssemblyInput): AgentConfig {
  const clusters = new Map<string, KafkaConfig>();
  if (has('target')) clusters.set('default', kafkaConfig(values.target));
  for (const [name, cluster] of targets) clusters.set(name, kafkaConfig(cluster));
  return deepFreeze({
    mode: given(values.mode, 'mode'),
    backupId: given(values.backup_id, 'backup_id'),
    source: has('source') ? kafkaConfig(values.source) : null,
    targets: clusters,
    storage: storageConfig(values.storage),
    backup: backupConfig(values.backup, has),
    restore: restoreConfig(values),
    control: controlConfig(values),
    metrics: { maxPartitionLabels: values.metrics.max_partition_labels },
    logging: { level: values.logging.level, format: values.logging.format },
  });
}

function kafkaConfig(values: ClusterValues): KafkaConfig {
  return {
    bootstrapServers: values.bootstrap_servers,
    clientId: values.client_id,
    requestTimeoutMs: values.request_timeout_ms,
    tls: tlsConfig(values.security),
    sasl: saslConfig(values.security),
    topics: { include: values.topics.include, exclude: values.topics.exclude },
    tcpKeepalive: values.connection.tcp_keepalive,
    keepaliveTimeSecs: values.connection.keepalive_time_secs,
    tcpNodelay: values.connection.tcp_nodelay,
  };
}

function tlsConfig(security: ClusterValues['security']): TlsConfig | null {
  if (!security.security_protocol.endsWith('SSL')) return null;
  return {
    caPath: security.ssl_ca_location,
    certificatePath: security.ssl_certificate_location,
    keyPath: security.ssl_key_location,
    keyPassword: security.ssl_key_password,
    endpointIdentification: security.ssl_endpoint_identification,
  };
}

function saslConfig(security: ClusterValues['security']): SaslConfig | null {
  if (!security.security_protocol.startsWith('SASL_')) return null;
  return {
    mechanism: given(security.sasl_mechanism, 'sasl_mechanism'),
    username: given(security.sasl_username, 'sasl_username'),
    password: given(security.sasl_password, 'sasl_password'),
  };
}

function storageConfig(storage: SchemaValues['storage']): StorageConfig {
  switch (storage.backend) {
    case 'filesystem':
      return { kind: 'filesystem', path: given(storage.path, 'storage.path') };
    case 'memory':
      return { kind: 'memory' };
    case 's3':
    case 'azure':
    case 'gcs':
    case null:
      throw new Error(`invariant broken: backend ${String(storage.backend)} passed the rules`);
  }
}

function backupConfig(backup: SchemaValues['backup'], has: AssemblyInput['has']): BackupConfig {
  const budget = has('backup.memory_budget_bytes')
    ? backup.memory_budget_bytes
    : Math.max(backup.memory_budget_bytes, backup.fetch_max_bytes);
  return {
    continuous: backup.continuous,
    stopAtCurrentOffsets: backup.stop_at_current_offsets,
    startOffset: backup.start_offset,
    assignment: backup.assignment,
    onMissingTopic: backup.on_missing_topic,
    topicRefreshIntervalSecs: backup.topic_refresh_interval_secs,
    internalTopics: backup.include_internal_topics ? backup.internal_topics : [],
    maxConcurrentPartitions: backup.max_concurrent_partitions,
    fetchMinBytes: backup.fetch_min_bytes,
    fetchMaxWaitMs: backup.fetch_max_wait_ms,
    fetchMaxBytes: backup.fetch_max_bytes,
    maxPartitionFetchBytes: backup.max_partition_fetch_bytes,
    memoryBudgetBytes: budget,
    compression: backup.compression,
    compressionLevel: backup.compression_level,
    compressionThreads: backup.compression_threads,
    recompress: backup.recompress,
    segmentMaxBytes: backup.segment_max_bytes,
    segmentMaxIntervalMs: backup.segment_max_interval_ms,
    segmentMaxRecords: backup.segment_max_records,
    frameBytes: Math.min(backup.frame_bytes, backup.segment_max_bytes),
    commitIntervalSecs: Math.min(backup.checkpoint_interval_secs, backup.sync_interval_secs),
    shutdownTimeoutSecs: backup.shutdown_timeout_secs,
  };
}

function restoreConfig({ restore, target }: SchemaValues): RestoreConfig {
  const own = restore.topics.include.length > 0 || restore.topics.exclude.length > 0;
  const { include, exclude } = own ? restore.topics : target.topics;
  return {
    topics: { include, exclude },
    sourcePartitions: restore.source_partitions,
    timeWindowStartMs: restore.time_window_start,
    timeWindowEndMs: restore.time_window_end,
    cut: restore.cut,
    isolation: restore.isolation,
    dryRun: restore.dry_run,
    topicMapping: restore.topic_mapping,
    createTopics: restore.create_topics,
    defaultReplicationFactor: restore.default_replication_factor,
    compression: restore.compression,
    maxConcurrentPartitions: restore.max_concurrent_partitions,
    rateLimitRecordsPerSec: restore.rate_limit_records_per_sec,
    rateLimitBytesPerSec: restore.rate_limit_bytes_per_sec,
    produceBatchSize: restore.produce_batch_size,
    batchSizeBytes: restore.batch_size_bytes,
    produceTimeoutMs: restore.produce_timeout_ms,
  };
}

function controlConfig({ mode, backup, control }: SchemaValues): ControlConfig {
  const usual = mode === 'backup' && backup.continuous ? DEFAULT_CONTROL_ADDRESS : null;
  const listen = control.listen === false ? null : (control.listen ?? usual);
  return { listen, tokenFile: control.token_file };
}

function given<T>(value: T | null, key: string): T {
  if (value === null) throw new Error(`invariant broken: ${key} is missing after the rules`);
  return value;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) for (const each of value.values()) deepFreeze(each);
  else for (const each of Object.values(value)) deepFreeze(each);
  return Object.freeze(value);
}
