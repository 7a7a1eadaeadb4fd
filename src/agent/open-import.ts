// Wires the import of another program's backup: its store, ours, and threads.

import { ObjectLayout } from '../catalog/object-layout.ts';
import type { ConfigSource, ImportSource, OpenedImport } from '../cli/services.ts';
import { sourceStorageFromUrl } from '../config/storage/storage-url.ts';
import { ImportRun } from '../import/import-run.ts';
import { pause } from '../model/back-off.ts';
import { openStore } from '../storage/open-store.ts';
import { monotonicMs, openWorkers, wallMs } from './adapters.ts';
import { configured } from './configured.ts';

export async function openImport(
  config: ConfigSource,
  { from, backupId, choices }: ImportSource,
): Promise<OpenedImport> {
  const { config: configuration, logger } = await configured(config);
  const { backup, storage } = configuration;
  const { store, policy } = await openStore(storage, { logger });
  const { store: peer } = await openStore(sourceStorageFromUrl(from), { logger });
  const workers = openWorkers(backup.compressionThreads);
  const run = new ImportRun({
    peer,
    peerBackupId: backupId,
    choices,
    store,
    storeRequests: policy === null ? undefined : () => policy.requests,
    layout: new ObjectLayout(configuration.backupId),
    settings: {
      segments: { codec: backup.compression, level: backup.compressionLevel },
      frameBytes: backup.frameBytes,
      segmentMaxBytes: backup.segmentMaxBytes,
      segmentMaxRecords: backup.segmentMaxRecords,
      maxConcurrentPartitions: backup.maxConcurrentPartitions,
    },
    workers,
    logger,
    monotonicMs,
    wallMs,
    wait: pause,
  });
  return {
    progress: () => run.progress(),
    run: (signal) => run.run(signal),
    close: async () => {
      await Promise.allSettled([workers.close(), store.close(), peer.close()]);
      logger.flush();
    },
  };
}
