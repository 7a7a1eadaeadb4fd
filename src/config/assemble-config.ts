// From checked schema values to AgentConfig. The compiler holds the two together: the values are typed by the schema, the
// result by agent-config.ts. Defaults that depend on other keys are settled here and nowhere else.

import type { MappingRule } from '../model/restore/restore-shape.ts';
import type {
  AgentConfig,
  BackupConfig,
  ControlConfig,
  KafkaConfig,
  RestoreConfig,
  SaslConfig,
  TlsConfig,
} from './agent-config.ts';
import { PREFIX } from './formats/restore-formats.ts';
import { resolveTargets } from './restore/restore-target.ts';
import type { ClusterValues, SchemaValues } from './schema/schema.ts';
import { storageConfig } from './storage/storage-config.ts';

export interface AssemblyInput {
  readonly values: SchemaValues;
  /** The clusters under `targets`. */
  readonly targets: ReadonlyMap<string, ClusterValues>;
  /** Whether the key or section was given by anyone. */
  readonly has: (path: string) => boolean;
  /** From when ages such as `-2h` count back. */
  readonly nowMs: number;
}

/** Where the control port of a continuous backup listens when nothing else is said. */
export const DEFAULT_CONTROL_ADDRESS = { host: '127.0.0.1', port: 8083 } as const;

/** Builds the frozen result. Expects values that passed every rule. */
export function assembleConfig({ values, targets, has, nowMs }: AssemblyInput): AgentConfig {
  const clusters = new Map<string, KafkaConfig>();
  if (has('target')) clusters.set('default', kafkaConfig(values.target));
  for (const [name, cluster] of targets) clusters.set(name, kafkaConfig(cluster));
  return deepFreeze({
    mode: given(values.mode, 'mode'),
    backupId: given(values.backup_id, 'backup_id'),
    source: has('source') ? kafkaConfig(values.source) : null,
    targets: clusters,
    storage: storageConfig(values.storage),
    backup: backupConfig(values, has),
    restore: restoreConfig(values, nowMs),
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

function backupConfig({ backup, storage }: SchemaValues, has: AssemblyInput['has']): BackupConfig {
  const budget = (key: 'memory_budget_bytes' | 'upload_budget_bytes', leastBytes: number): number =>
    has(`backup.${key}`) ? backup[key] : Math.max(backup[key], leastBytes);
  return {
    continuous: backup.continuous,
    stopAtCurrentOffsets: backup.stop_at_current_offsets,
    startOffset: backup.start_offset,
    assignment: backup.assignment,
    onMissingTopic: backup.on_missing_topic,
    topicRefreshIntervalSecs: backup.topic_refresh_interval_secs,
    internalTopics: backup.include_internal_topics ? backup.internal_topics : [],
    maxConcurrentPartitions: backup.max_concurrent_partitions,
    fetchMinBytes: has('backup.fetch_min_bytes')
      ? backup.fetch_min_bytes
      : Math.min(backup.fetch_min_bytes, backup.fetch_max_bytes),
    fetchMaxWaitMs: backup.fetch_max_wait_ms,
    fetchMaxBytes: backup.fetch_max_bytes,
    maxPartitionFetchBytes: backup.max_partition_fetch_bytes,
    memoryBudgetBytes: budget('memory_budget_bytes', backup.fetch_max_bytes),
    uploadBudgetBytes: budget('upload_budget_bytes', storage.part_size_bytes),
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

/** What `restore` says, with its instants resolved. Expects values that passed every rule. */
export function restoreConfig({ restore, target }: SchemaValues, nowMs: number): RestoreConfig {
  const own = restore.topics.include.length > 0 || restore.topics.exclude.length > 0;
  const { include, exclude } = own ? restore.topics : target.topics;
  return {
    topics: { include, exclude },
    sourcePartitions: restore.source_partitions,
    ...resolveTargets(restore, nowMs, ({ key, message }) => {
      throw new Error(`invariant broken: restore.${key} passed the rules: ${message}`);
    }),
    timeZone: restore.time_zone,
    offsets: offsetsOf(restore.offsets),
    catalogVersion: restore.catalog_version,
    filter: filterOf(restore.filter),
    isolation: restore.isolation,
    dryRun: restore.dry_run,
    ...mappingOf(restore.topic_mapping),
    partitionMapping: restore.partition_mapping,
    repartitioning: restore.repartitioning,
    topicConfigs: restore.topic_configs,
    intoExisting: restore.into_existing,
    includeOriginalOffsetHeader: restore.include_original_offset_header,
    requireTopicConfigs: restore.require_topic_configs,
    allowLogAppendTime: restore.allow_log_append_time,
    createTopics: restore.create_topics,
    defaultReplicationFactor: restore.default_replication_factor,
    compression: restore.compression,
    maxConcurrentPartitions: restore.max_concurrent_partitions,
    rateLimitRecordsPerSec: restore.rate_limit_records_per_sec,
    rateLimitBytesPerSec: restore.rate_limit_bytes_per_sec,
    produceBatchSize: restore.produce_batch_size,
    batchSizeBytes: restore.batch_size_bytes,
    produceTimeoutMs: restore.produce_timeout_ms,
    outageTimeoutMs: restore.outage_timeout_ms,
  };
}

function offsetsOf(offsets: SchemaValues['restore']['offsets']): RestoreConfig['offsets'] {
  return [...offsets].flatMap(([topic, partitions]) =>
    [...partitions].map(([partition, { from, to }]) => ({ topic, partition, fromOffset: from, toOffset: to })),
  );
}

function filterOf({ key, header, header_value }: SchemaValues['restore']['filter']): RestoreConfig['filter'] {
  if (key === null && header === null) return null;
  return { keyRegex: key, header: header === null ? null : { name: header, valueRegex: header_value } };
}

function mappingOf(mapping: ReadonlyMap<string, string>): Pick<RestoreConfig, 'topicMapping' | 'mappingRules'> {
  const exact = [...mapping].filter(([from]) => ruleOf(from, '') === undefined);
  const mappingRules = [...mapping].flatMap(([from, to]) => ruleOf(from, to) ?? []);
  return { topicMapping: new Map(exact), mappingRules };
}

function ruleOf(from: string, to: string): MappingRule | undefined {
  if (from.startsWith('~')) return { kind: 'regex', pattern: from.slice(1), name: to };
  return from.startsWith(PREFIX) ? { kind: 'prefix', from: from.slice(PREFIX.length), to } : undefined;
}

function controlConfig({ mode, backup, control }: SchemaValues): ControlConfig {
  const usual = mode === 'backup' && backup.continuous ? DEFAULT_CONTROL_ADDRESS : null;
  const listen = control.listen === false ? null : (control.listen ?? usual);
  return { listen, tokenFile: control.token_file, allowedHosts: control.allowed_hosts };
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
