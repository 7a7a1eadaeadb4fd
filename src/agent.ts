// The only wiring: builds adapters and decorators from the configuration, hands them to the flows, starts and stops in order.

import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackupSettings } from './backup/backup-settings.ts';
import type { BackupStatus } from './backup/backup-status.ts';
import { type BackupObserver, BackupSupervisor } from './backup/backup-supervisor.ts';
import { ObjectLayout } from './catalog/object-layout.ts';
import type {
  ConfigSource,
  OpenedBackup,
  OpenedRestore,
  OpenedStore,
  RunningAgent,
  Services,
  StoreAddress,
} from './cli/services.ts';
import { zstdImplementation } from './compression/frame-codec.ts';
import { PiscinaPool } from './compression/piscina-pool.ts';
import type { WorkerPool } from './compression/worker-pool.ts';
import type { AgentConfig, KafkaConfig, StorageConfig } from './config/agent-config.ts';
import type { EffectiveValue } from './config/effective-config.ts';
import { configJsonSchema } from './config/json-schema.ts';
import { loadConfig } from './config/load-config.ts';
import { originText, renderProblems } from './config/problems.ts';
import type { ControlServer } from './control/control-server.ts';
import { KafkaCluster } from './kafka/cluster.ts';
import { connectionSettings, parseAddress } from './kafka/connection-settings.ts';
import { KafkaPartitionLog } from './kafka/kafkajs-partition-log.ts';
import { KafkaRestoreSink } from './kafka/kafkajs-restore-sink.ts';
import { BackupError, type ErrorCode, invariant } from './model/errors.ts';
import type { Logger } from './model/logger.ts';
import type { RestoreJob } from './restore/restore-job.ts';
import { RestoreService } from './restore/restore-service.ts';
import { FilesystemObjectStore } from './storage/filesystem-object-store.ts';
import { MemoryObjectStore } from './storage/memory-object-store.ts';
import type { ObjectStore, StoreObserver } from './storage/object-store.ts';
import { ObservedObjectStore } from './storage/observed-object-store.ts';
import { type AgentLogger, createLogger, type LogLevel } from './telemetry/logger.ts';
import type { MetricsPage } from './telemetry/metrics.ts';

/** `target` of the configuration. */
const DEFAULT_TARGET = 'default';
const ONE_SHOT_PATIENCE_MS = 120_000;
/** How long a restore waits for a target that is away. */
const TARGET_PATIENCE_MS = 600_000;

function openStore(storage: StorageConfig): ObjectStore {
  switch (storage.kind) {
    case 'filesystem':
      return new FilesystemObjectStore(resolve(storage.path));
    case 'memory':
      return new MemoryObjectStore();
  }
}

function openCluster(config: KafkaConfig, logger: Logger): KafkaCluster {
  return new KafkaCluster(config.bootstrapServers.map(parseAddress), connectionSettings(config), logger);
}

/** Worker threads; `wanted` null means as many as there are cores. The entry runs from source and from the built package. */
function openWorkers(wanted: number | null, keptThreads?: number): WorkerPool {
  const threads = wanted ?? availableParallelism();
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new PiscinaPool({
    entry: new URL(`./frame-worker.${extension}`, import.meta.url),
    threads,
    keptThreads: keptThreads ?? threads,
    toError: (code, message) => new BackupError(code as ErrorCode, message),
  });
}

function monotonicMs(): number {
  return performance.now();
}

function wallMs(): number {
  return Date.now();
}

/** A backup as configured, with its control port where one is wanted. */
async function openBackup(source: ConfigSource): Promise<OpenedBackup> {
  const { config, logger } = await configured(source);
  invariant(config.source !== null, 'a backup without a source passed the configuration');
  // One that tails is idle most of the time: a single thread stays.
  const workers = openWorkers(config.backup.compressionThreads, config.backup.continuous ? 1 : undefined);
  const telemetry = await openTelemetry(config, workers);
  const store = new ObservedObjectStore(openStore(config.storage), telemetry.storeObserver);
  const cluster = openCluster(config.source, logger);
  const supervisor = new BackupSupervisor({
    settings: backupSettings(config, config.source),
    log: new KafkaPartitionLog(cluster),
    store,
    layout: new ObjectLayout(config.backupId),
    workers,
    logger,
    observer: telemetry.backupObserver,
    monotonicMs,
    wallMs,
  });
  const restores = createRestores(config, store, logger, (signal) => supervisor.bringUpToDate(signal));
  telemetry.watch(
    () => supervisor.status(),
    () => restores.list(),
  );
  let address: string | null = null;
  return {
    status: () => supervisor.status(),
    controlAddress: () => address,
    async run(signal) {
      const control = await openControl(config, { supervisor, restores, scrape: telemetry.scrape, logger });
      address = control === null ? null : `${control.address.host}:${control.address.port}`;
      if (address !== null) logger.info('the control port listens', { address });
      try {
        return await supervisor.run(signal);
      } finally {
        await control?.stop();
        await restores.stop();
        await Promise.allSettled([cluster.close(), workers.close(), store.close()]);
        logger.flush();
      }
    },
  };
}

interface ControlParts {
  readonly supervisor: BackupSupervisor;
  readonly restores: RestoreService;
  readonly scrape: (() => Promise<MetricsPage>) | null;
  readonly logger: AgentLogger;
}

/** The server is imported only where it is wanted: it is a third of what a one-shot command would load. */
async function openControl(
  config: AgentConfig,
  { supervisor, restores, scrape, logger }: ControlParts,
): Promise<ControlServer | null> {
  const { listen, tokenFile } = config.control;
  if (listen === null || scrape === null) return null;
  const { startControlServer } = await import('./control/control-server.ts');
  const { openTokenFile } = await import('./control/token-file.ts');
  return startControlServer({
    listen,
    token: tokenFile === null ? null : await openTokenFile(tokenFile, logger),
    backup: () => supervisor.status(),
    restores,
    metrics: scrape,
    defaultTarget: DEFAULT_TARGET,
    targets: [...config.targets.keys()],
    version: packageVersion(),
    logger,
    now: wallMs,
  });
}

interface Telemetry {
  readonly storeObserver: StoreObserver;
  readonly backupObserver: BackupObserver;
  /** Null without a control port: nobody could ask. */
  readonly scrape: (() => Promise<MetricsPage>) | null;
  watch(status: () => BackupStatus, restores: () => readonly RestoreJob[]): void;
}

async function openTelemetry(config: AgentConfig, workers: WorkerPool): Promise<Telemetry> {
  if (config.control.listen === null) {
    const nothing = (): void => {};
    return {
      storeObserver: nothing,
      backupObserver: { segmentSealed: nothing, committed: nothing, gap: nothing, error: nothing },
      scrape: null,
      watch: nothing,
    };
  }
  const { createMetrics } = await import('./telemetry/metrics.ts');
  let status: () => BackupStatus | null = () => null;
  let restores: () => readonly RestoreJob[] = () => [];
  const metrics = createMetrics({
    backupId: config.backupId,
    maxPartitionLabels: config.metrics.maxPartitionLabels,
    build: { version: packageVersion(), zstdImpl: zstdImplementation, kafkaClient: 'kafkajs 2.2.4' },
    status: () => status(),
    restores: () => restores(),
    pool: () => workers.usage(),
  });
  return {
    storeObserver: ({ operation, outcome, seconds }) =>
      metrics.observeStorageOperation(config.storage.kind, operation, outcome, seconds),
    backupObserver: {
      segmentSealed: (reason) => metrics.countSegmentClosed(reason),
      committed: ({ committed }) => {
        metrics.countCommit();
        for (const action of committed) {
          if (action.kind !== 'segment') continue;
          const { topic, recordCount, rawSizeBytes, storedSizeBytes } = action.segment;
          metrics.countCommitted({ topic, records: recordCount, rawBytes: rawSizeBytes, storedBytes: storedSizeBytes });
        }
      },
      gap: (reason, records) => metrics.countGap(reason, records),
      error: (code) => metrics.countError(code),
    },
    scrape: () => metrics.scrape(),
    watch: (statusSource, restoreSource) => {
      status = statusSource;
      restores = restoreSource;
    },
  };
}

async function openRestore(source: ConfigSource): Promise<OpenedRestore> {
  const { config, logger } = await configured(source);
  const { restore } = config;
  const store = openStore(config.storage);
  const service = createRestores(config, store, logger);
  return {
    request: {
      recoveryTarget: {
        ...(restore.timeWindowStartMs === null ? {} : { fromMs: restore.timeWindowStartMs }),
        ...(restore.timeWindowEndMs === null ? {} : { toMs: restore.timeWindowEndMs }),
        cut: restore.cut,
      },
      includeTopics: restore.topics.include,
      excludeTopics: restore.topics.exclude,
      topicMapping: Object.fromEntries(restore.topicMapping),
      target: DEFAULT_TARGET,
      dryRun: restore.dryRun,
    },
    start(request) {
      const submitted = service.submit(request);
      return {
        job: () => service.get(submitted.id) ?? submitted,
        finished: service.finished(submitted.id),
        cancel: () => service.cancel(submitted.id),
      };
    },
    async close() {
      await service.stop();
      await store.close();
      logger.flush();
    },
  };
}

async function openStoredBackup(address: StoreAddress): Promise<OpenedStore> {
  const { store, backupId } =
    address.kind === 'path'
      ? { store: openStore(storageOf(address.path)), backupId: address.backupId }
      : await configured(address.config).then(({ config }) => ({
          store: openStore(config.storage),
          backupId: address.backupId ?? config.backupId,
        }));
  return { store, backupId, layoutOf: (id) => new ObjectLayout(id), close: () => store.close() };
}

/** The control port of the agent that runs, or should run, with this configuration. */
async function openAgent(source: ConfigSource): Promise<RunningAgent> {
  const { config } = await configured(source);
  const { listen, tokenFile } = config.control;
  if (listen === null) {
    throw new BackupError('AGENT_UNREACHABLE', `${source.file} gives the agent no control port (control.listen)`);
  }
  const { ControlClient } = await import('./control/control-client.ts');
  const client = new ControlClient({ listen, tokenFile });
  return { url: client.url, backup: () => client.get(`/v1/backups/${encodeURIComponent(config.backupId)}`) };
}

/** A directory, or `file:` and a directory. @throws USAGE_INVALID for stores that this version does not know. */
function storageOf(path: string): StorageConfig {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(path)?.[1];
  if (scheme !== undefined && scheme !== 'file') {
    throw new BackupError('USAGE_INVALID', `--path ${scheme}: is not available in this version; name a directory`);
  }
  return { kind: 'filesystem', path: path.startsWith('file:') ? fileURLToPath(path) : path };
}

/** Loads the configuration and says what it has to say. @throws CONFIG_INVALID with every problem. */
async function configured(
  source: ConfigSource,
): Promise<{ readonly config: AgentConfig; readonly logger: AgentLogger }> {
  const loaded = loadConfig({ file: source.file, overrides: source.overrides });
  if (loaded.kind === 'invalid') throw new BackupError('CONFIG_INVALID', renderProblems(loaded.problems));
  const { level, format } = loaded.config.logging;
  const logger = await createLogger({ level: levelOf(level, source.verbosity), format });
  for (const { kind, origin, key, message } of loaded.notices) {
    logger[kind === 'warning' ? 'warn' : 'info'](`configuration: ${message}`, { key, at: originText(origin) });
  }
  return { config: loaded.config, logger };
}

function levelOf(level: AgentConfig['logging']['level'], verbosity: number): LogLevel {
  if (verbosity > 0 || level === 'trace') return 'debug';
  return level === 'fatal' ? 'error' : level;
}

function effectiveConfig(source: ConfigSource): readonly EffectiveValue[] {
  const loaded = loadConfig({ file: source.file, overrides: source.overrides });
  if (loaded.kind === 'invalid') throw new BackupError('CONFIG_INVALID', renderProblems(loaded.problems));
  return loaded.effective;
}

function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };
  return version;
}

/** What the command line runs on. */
export function createServices(): Services {
  return {
    version: packageVersion(),
    zstdImplementation,
    openBackup,
    openRestore,
    openStore: openStoredBackup,
    openAgent,
    openWorkers: () => openWorkers(null),
    effectiveConfig,
    configSchema: configJsonSchema,
  };
}

/** Restores of the configured backup to the configured targets. `beforePlan` brings the catalog up to date. */
function createRestores(
  config: AgentConfig,
  store: ObjectStore,
  logger: Logger,
  beforePlan: (signal: AbortSignal) => Promise<void> = async () => {},
): RestoreService {
  const { restore, targets } = config;
  return new RestoreService({
    store,
    layout: new ObjectLayout(config.backupId),
    settings: {
      isolation: restore.isolation,
      partitions: restore.sourcePartitions,
      compression: restore.compression,
      maxConcurrentPartitions: restore.maxConcurrentPartitions,
      maxBatchRecords: restore.produceBatchSize,
      maxBatchBytes: restore.batchSizeBytes,
      recordsPerSecond: restore.rateLimitRecordsPerSec,
      bytesPerSecond: restore.rateLimitBytesPerSec,
      createTopics: restore.createTopics,
      replicationFactor: restore.defaultReplicationFactor,
    },
    openSink: (name) => {
      const target = targets.get(name);
      invariant(target !== undefined, 'a restore names a target that is not configured');
      return new KafkaRestoreSink(openCluster(target, logger), {
        produceTimeoutMs: restore.produceTimeoutMs,
        patienceMs: TARGET_PATIENCE_MS,
        monotonicMs,
      });
    },
    targets: [...targets.keys()],
    openWorkers: () => openWorkers(config.backup.compressionThreads),
    beforePlan,
    logger,
    monotonicMs,
    wallMs,
  });
}

function backupSettings(config: AgentConfig, source: KafkaConfig): BackupSettings {
  const { backup } = config;
  return {
    backupId: config.backupId,
    topics: patternsOf(source.topics, backup.internalTopics),
    continuous: backup.continuous,
    startOffset: backup.startOffset,
    failOnMissingTopic: backup.onMissingTopic === 'fail',
    topicRefreshMs: backup.topicRefreshIntervalSecs * 1000,
    maxConcurrentPartitions: backup.maxConcurrentPartitions,
    fetchMinBytes: backup.fetchMinBytes,
    fetchMaxWaitMs: backup.fetchMaxWaitMs,
    fetchMaxBytes: backup.fetchMaxBytes,
    maxPartitionFetchBytes: backup.maxPartitionFetchBytes,
    frameBytes: backup.frameBytes,
    memoryBudgetBytes: backup.memoryBudgetBytes,
    segments: { codec: backup.compression, level: backup.compressionLevel },
    limits: {
      maxBytes: backup.segmentMaxBytes,
      maxIntervalMs: backup.segmentMaxIntervalMs,
      maxRecords: backup.segmentMaxRecords,
    },
    recompress: backup.recompress,
    commitIntervalMs: backup.commitIntervalSecs * 1000,
    shutdownTimeoutMs: backup.shutdownTimeoutSecs * 1000,
    oneShotPatienceMs: ONE_SHOT_PATIENCE_MS,
  };
}

/** Internal topics are named beside the others; an empty list means all others. */
function patternsOf(
  { include, exclude }: KafkaConfig['topics'],
  internalTopics: readonly string[],
): BackupSettings['topics'] {
  if (internalTopics.length === 0) return { include, exclude };
  return { include: [...(include.length === 0 ? ['*'] : include), ...internalTopics], exclude };
}
