// The only wiring: builds adapters and decorators from the configuration, hands them to the flows, starts and stops in order.

import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type { BackupSettings } from './backup/backup-settings.ts';
import type { BackupStatus } from './backup/backup-status.ts';
import { type BackupObserver, BackupSupervisor } from './backup/backup-supervisor.ts';
import { ObjectLayout } from './catalog/object-layout.ts';
import type {
  ConfigSource,
  ImportSource,
  OpenedBackup,
  OpenedImport,
  OpenedRestore,
  OpenedStore,
  OpenedVerification,
  RunningAgent,
  Services,
  StartedRestore,
  StoreAddress,
} from './cli/services.ts';
import { zstdImplementation } from './compression/frame-codec.ts';
import { PiscinaPool } from './compression/piscina-pool.ts';
import type { WorkerPool } from './compression/worker-pool.ts';
import type { AgentConfig, KafkaConfig } from './config/agent-config.ts';
import type { EffectiveValue } from './config/effective-config.ts';
import { configJsonSchema } from './config/json-schema.ts';
import { loadConfig } from './config/load-config.ts';
import { originText, renderProblems } from './config/problems.ts';
import { storageFromUrl } from './config/storage-url.ts';
import type { ControlServer } from './control/control-server.ts';
import type { Diagnosis } from './diagnosis.ts';
import { ImportRun } from './import/import-run.ts';
import { KafkaCluster } from './kafka/cluster.ts';
import { connectionSettings, parseAddress } from './kafka/connection-settings.ts';
import { KafkaPartitionLog } from './kafka/kafkajs-partition-log.ts';
import { KafkaRestoreSink } from './kafka/kafkajs-restore-sink.ts';
import { pause } from './model/back-off.ts';
import { BackupError, type ErrorCode, invariant } from './model/errors.ts';
import type { Logger } from './model/logger.ts';
import { RESTORE_ALL, type RestoreJob, type RestoreRequest } from './restore/restore-job.ts';
import { RestoreService } from './restore/restore-service.ts';
import type { ObjectStore } from './storage/object-store.ts';
import { ObservedObjectStore } from './storage/observed-object-store.ts';
import { openStore } from './storage/open-store.ts';
import { ProbedObjectStore } from './storage/probed-object-store.ts';
import { type AgentLogger, createLogger, type LogLevel } from './telemetry/logger.ts';
import type { MetricsPage } from './telemetry/metrics.ts';
import { VerificationRun } from './verification/verification-run.ts';

/** `target` of the configuration. */
const DEFAULT_TARGET = 'default';
const ONE_SHOT_PATIENCE_MS = 120_000;
/** How long a restore waits for a target that is away. */
const TARGET_PATIENCE_MS = 600_000;

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
  const layout = new ObjectLayout(config.backupId);
  const { observe } = telemetry;
  const opened = await openStore(config.storage, { observe, logger });
  const { policy } = opened;
  const store =
    policy === null
      ? new ObservedObjectStore(opened.store, observe)
      : new ProbedObjectStore(opened.store, layout.probe);
  const cluster = openCluster(config.source, logger);
  const supervisor = new BackupSupervisor({
    settings: backupSettings(config, config.source),
    log: new KafkaPartitionLog(cluster),
    store,
    storeTraffic: () => policy?.traffic() ?? null,
    layout,
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
  /** Told of each request to the store, or of each operation of one that makes no requests. */
  readonly observe: (request: { operation: string; outcome: string; seconds: number }) => void;
  readonly backupObserver: BackupObserver;
  /** Null without a control port: nobody could ask. */
  readonly scrape: (() => Promise<MetricsPage>) | null;
  watch(status: () => BackupStatus, restores: () => readonly RestoreJob[]): void;
}

async function openTelemetry(config: AgentConfig, workers: WorkerPool): Promise<Telemetry> {
  if (config.control.listen === null) {
    const nothing = (): void => {};
    return {
      observe: nothing,
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
    observe: ({ operation, outcome, seconds }) =>
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
  const { store } = await openStore(config.storage, { logger });
  const service = createRestores(config, store, logger);
  return {
    request: configuredRequest(restore),
    topicTargets: restore.topicTargets,
    timeZone: restore.timeZone,
    limits: { recordsPerSecond: restore.rateLimitRecordsPerSec, bytesPerSecond: restore.rateLimitBytesPerSec },
    start: (request) => startedRestore(service, service.submit(request)),
    startPlan: async (planId) => startedRestore(service, await service.submitPlan(planId)),
    resume: async (id) => startedRestore(service, await service.resume(id)),
    async close() {
      await service.stop();
      await store.close();
      logger.flush();
    },
  };
}

/** What `restore` of the configuration asks for, but for the recovery targets of single topics. */
function configuredRequest(restore: AgentConfig['restore']): RestoreRequest {
  return {
    ...RESTORE_ALL,
    recoveryTarget: restore.recoveryTarget,
    offsets: restore.offsets,
    catalogVersion: restore.catalogVersion,
    includeTopics: restore.topics.include,
    excludeTopics: restore.topics.exclude,
    topicMapping: Object.fromEntries(restore.topicMapping),
    mappingRules: restore.mappingRules,
    partitions: restore.sourcePartitions,
    partitionMapping: Object.fromEntries(restore.partitionMapping),
    repartitioning: Object.fromEntries(restore.repartitioning),
    filter: restore.filter,
    includeOriginalOffsetHeader: restore.includeOriginalOffsetHeader,
    intoExisting: restore.intoExisting,
    target: DEFAULT_TARGET,
    dryRun: restore.dryRun,
  };
}

function startedRestore(service: RestoreService, submitted: RestoreJob): StartedRestore {
  return {
    job: () => service.get(submitted.id) ?? submitted,
    finished: service.finished(submitted.id),
    cancel: () => service.cancel(submitted.id),
  };
}

async function openVerification(source: ConfigSource): Promise<OpenedVerification> {
  const { config, logger } = await configured(source);
  const { store } = await openStore(config.storage, { logger });
  const workers = openWorkers(config.backup.compressionThreads);
  const run = new VerificationRun({
    store,
    layout: new ObjectLayout(config.backupId),
    openLog: (name) => {
      const target = config.targets.get(name);
      if (target === undefined) throw new BackupError('FORBIDDEN', `no target ${name} in the configuration`);
      return new KafkaPartitionLog(openCluster(target, logger));
    },
    workers,
    maxConcurrentPartitions: config.restore.maxConcurrentPartitions,
    logger,
    monotonicMs,
    wait: pause,
  });
  return {
    progress: () => run.progress(),
    run: (restoreId, signal) => run.run(restoreId, signal),
    close: async () => {
      await Promise.allSettled([workers.close(), store.close()]);
      logger.flush();
    },
  };
}

async function openImport(config: ConfigSource, { from, backupId, choices }: ImportSource): Promise<OpenedImport> {
  const { backup, storage, ...configuration } = (await configured(config)).config;
  const { store } = await openStore(storage);
  const { store: peer } = await openStore(storageFromUrl(from));
  const workers = openWorkers(backup.compressionThreads);
  const run = new ImportRun({
    peer,
    peerBackupId: backupId,
    choices,
    store,
    layout: new ObjectLayout(configuration.backupId),
    settings: {
      segments: { codec: backup.compression, level: backup.compressionLevel },
      frameBytes: backup.frameBytes,
      segmentMaxBytes: backup.segmentMaxBytes,
      segmentMaxRecords: backup.segmentMaxRecords,
      maxConcurrentPartitions: backup.maxConcurrentPartitions,
    },
    workers,
    wallMs,
  });
  return {
    progress: () => run.progress(),
    run: (signal) => run.run(signal),
    close: async () => {
      await Promise.allSettled([workers.close(), store.close(), peer.close()]);
    },
  };
}

async function openStoredBackup(address: StoreAddress): Promise<OpenedStore> {
  const { storage, backupId } =
    address.kind === 'path'
      ? { storage: storageFromUrl(address.path), backupId: address.backupId }
      : await configured(address.config).then(({ config }) => ({
          storage: config.storage,
          backupId: address.backupId ?? config.backupId,
        }));
  const { store } = await openStore(storage);
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

function diagnosisOf({ config, logger }: { readonly config: AgentConfig; readonly logger: AgentLogger }): Diagnosis {
  const { source, backup } = config;
  const topics = source === null ? { include: [], exclude: [] } : patternsOf(source.topics, backup.internalTopics);
  return { config, logger, topics };
}

/** What the command line runs on. */
export function createServices(): Services {
  return {
    version: packageVersion(),
    zstdImplementation,
    openBackup,
    openRestore,
    openVerification,
    openImport,
    openStore: openStoredBackup,
    openAgent,
    openEstimate: async (source) => {
      const diagnosis = diagnosisOf(await configured(source));
      const { openEstimate } = await import('./diagnosis.ts');
      return openEstimate(diagnosis, () => openWorkers(diagnosis.config.backup.compressionThreads));
    },
    openDoctor: async (source) => (await import('./diagnosis.ts')).openDoctor(diagnosisOf(await configured(source))),
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
      compression: restore.compression,
      maxConcurrentPartitions: restore.maxConcurrentPartitions,
      maxBatchRecords: restore.produceBatchSize,
      maxBatchBytes: restore.batchSizeBytes,
      recordsPerSecond: restore.rateLimitRecordsPerSec,
      bytesPerSecond: restore.rateLimitBytesPerSec,
      createTopics: restore.createTopics,
      replicationFactor: restore.defaultReplicationFactor,
      topicConfigs: Object.fromEntries(
        [...restore.topicConfigs].map(([topic, configs]) => [topic, Object.fromEntries(configs)]),
      ),
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
    wait: pause,
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
