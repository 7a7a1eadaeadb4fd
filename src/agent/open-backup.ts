// Wires a backup: source, store, catalog and threads into the supervisor, with its control port and metrics where they are wanted.

import type { BackupSettings } from '../backup/backup-settings.ts';
import type { BackupStatus } from '../backup/progress/backup-status.ts';
import type { BackupObserver } from '../backup/backup-options.ts';
import { BackupSupervisor } from '../backup/backup-supervisor.ts';
import { ObjectLayout } from '../catalog/object-layout.ts';
import type { ConfigSource, OpenedBackup } from '../cli/services.ts';
import { zstdImplementation } from '../compression/frame-codec.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { AgentConfig, KafkaConfig } from '../config/agent-config.ts';
import { partSizeOf } from '../config/storage/storage-config.ts';
import type { ControlServer } from '../control/control-server.ts';
import { KafkaPartitionLog } from '../kafka/kafkajs-partition-log.ts';
import { BackupError, invariant } from '../model/errors.ts';
import { packageVersion } from '../package-files.ts';
import type { RestoreJob } from '../restore/restore-job.ts';
import type { RestoreService } from '../restore/restore-service.ts';
import { ObservedObjectStore } from '../storage/observed-object-store.ts';
import { openStore } from '../storage/open-store.ts';
import { ProbedObjectStore } from '../storage/probed-object-store.ts';
import type { AgentLogger } from '../telemetry/logger.ts';
import type { MetricsPage } from '../telemetry/metrics.ts';
import { monotonicMs, openCluster, openWorkers, wallMs } from './adapters.ts';
import { configured, patternsOf } from './configured.ts';
import { createRestores } from './open-restore.ts';
import { DEFAULT_TARGET, readRestore } from './restore-requests.ts';

const ONE_SHOT_PATIENCE_MS = 120_000;

/** A backup as configured, with its control port where one is wanted. */
export async function openBackup(source: ConfigSource): Promise<OpenedBackup> {
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
    storeRequests: policy === null ? undefined : () => policy.requests,
    layout,
    workers,
    logger,
    observer: telemetry.backupObserver,
    monotonicMs,
    wallMs,
  });
  const restores = createRestores(config, store, logger, {
    observer: {
      acknowledged: telemetry.countRestored,
      failed: (restoreId, error) => {
        logger.error('the restore failed', { restore: restoreId, error });
        if (error instanceof BackupError) telemetry.backupObserver.error(error.code);
      },
    },
    beforePlan: (signal) => supervisor.bringUpToDate(signal),
    unknownTarget: forbiddenTarget,
  });
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

/** To whoever asks over the control port, the targets of the configuration are the limit of what is allowed. */
function forbiddenTarget(target: string): BackupError {
  return new BackupError('FORBIDDEN', `no target ${JSON.stringify(target)} in the configuration`);
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
  const { listen, tokenFile, allowedHosts } = config.control;
  if (listen === null || scrape === null) return null;
  const { startControlServer } = await import('../control/control-server.ts');
  const { openTokenFile } = await import('../control/token-file.ts');
  return startControlServer({
    listen,
    token: tokenFile === null ? null : await openTokenFile(tokenFile, logger),
    allowedHosts,
    backup: () => supervisor.status(),
    restores,
    readRestore,
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
  readonly countRestored: (records: number) => void;
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
      countRestored: nothing,
      scrape: null,
      watch: nothing,
    };
  }
  const { createMetrics } = await import('../telemetry/metrics.ts');
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
    countRestored: (records) => metrics.countRestored(records),
    scrape: () => metrics.scrape(),
    watch: (statusSource, restoreSource) => {
      status = statusSource;
      restores = restoreSource;
    },
  };
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
    uploadBudgetBytes: backup.uploadBudgetBytes,
    uploadPartBytes: partSizeOf(config.storage),
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
