// Wires a backup: source, store, catalog and threads into the supervisor, with its control port and metrics where they are wanted.

import type { BackupSettings } from '../backup/backup-settings.ts';
import { BackupSupervisor } from '../backup/backup-supervisor.ts';
import { ObjectLayout } from '../catalog/object-layout.ts';
import type { ConfigSource, OpenedBackup } from '../cli/services.ts';
import type { AgentConfig, KafkaConfig } from '../config/agent-config.ts';
import { partSizeOf } from '../config/storage/storage-config.ts';
import { KafkaPartitionLog } from '../kafka/kafkajs-partition-log.ts';
import { BackupError } from '../model/errors.ts';
import { withInternalTopics } from '../model/topic/topic-selection.ts';
import { ObservedObjectStore } from '../storage/observed-object-store.ts';
import { openStore } from '../storage/open-store.ts';
import { ProbedObjectStore } from '../storage/probed-object-store.ts';
import { monotonicMs, openCluster, openWorkers, wallMs } from './adapters.ts';
import { configured } from './configured.ts';
import { openControl } from './open-control.ts';
import { createRestores } from './restore/open-restore.ts';
import { openTelemetry } from './open-telemetry.ts';

const ONE_SHOT_PATIENCE_MS = 120_000;

/** A backup as configured, with its control port where one is wanted. */
export async function openBackup(source: ConfigSource): Promise<OpenedBackup> {
  const { config, logger } = await configured(source);
  if (config.source === null)
    throw new BackupError('CONFIG_INVALID', 'a backup needs the section source; this file has none');
  // One that tails is idle most of the time: a single thread stays.
  const workers = openWorkers(config.backup.compressionThreads, config.backup.continuous ? 1 : undefined);
  const telemetry = await openTelemetry(config, () => workers.usage());
  const layout = new ObjectLayout(config.backupId);
  const { observe } = telemetry;
  const opened = await openStore(config.storage, { observe, logger });
  const { policy } = opened;
  const store =
    policy === null
      ? new ObservedObjectStore(opened.store, observe)
      : new ProbedObjectStore(opened.store, layout.probe, opened.putInParts);
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
      const control = await openControl(config, {
        backup: () => supervisor.status(),
        restores,
        scrape: telemetry.scrape,
        logger,
      });
      address = control === null ? null : `${control.address.host}:${control.address.port}`;
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

function backupSettings(config: AgentConfig, source: KafkaConfig): BackupSettings {
  const { backup } = config;
  return {
    backupId: config.backupId,
    topics: withInternalTopics(source.topics, backup.internalTopics),
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
