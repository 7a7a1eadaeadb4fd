// Wires verify-restore: backup, threads, and the targets as a consumer reads them.

import { ObjectLayout } from '../../catalog/object-layout.ts';
import type { ConfigSource, OpenedVerification } from '../../cli/services.ts';
import { KafkaPartitionLog } from '../../kafka/kafkajs-partition-log.ts';
import { pause } from '../../model/back-off.ts';
import { openStore } from '../../storage/open-store.ts';
import { VerificationRun } from '../../verification/verification-run.ts';
import { monotonicMs, openCluster, openWorkers } from '../adapters.ts';
import { configured } from '../configured.ts';
import { unconfiguredTarget } from './restore-requests.ts';

export async function openVerification(source: ConfigSource): Promise<OpenedVerification> {
  const { config, logger } = await configured(source);
  const { store } = await openStore(config.storage, { logger });
  const workers = openWorkers(config.backup.compressionThreads);
  const run = new VerificationRun({
    store,
    layout: new ObjectLayout(config.backupId),
    openLog: (name) => {
      const target = config.targets.get(name);
      if (target === undefined) throw unconfiguredTarget(name);
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
