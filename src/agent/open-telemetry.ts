// Wires the metrics of a process, where a control port shows them: flows drive them as observers, and never know of each other.

import type { BackupStatus } from '../backup/progress/backup-status.ts';
import type { BackupObserver } from '../backup/backup-options.ts';
import { zstdImplementation } from '../compression/frame-codec.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { packageVersion } from '../package-files.ts';
import type { RestoreJob } from '../restore/restore-job.ts';
import type { MetricsOptions, MetricsPage } from '../telemetry/metrics.ts';

export interface Telemetry {
  /** Told of each request to the store, or of each operation of one that makes no requests. */
  readonly observe: (request: { operation: string; outcome: string; seconds: number }) => void;
  readonly backupObserver: BackupObserver;
  readonly countRestored: (records: number) => void;
  /** Null without a control port: nobody could ask. */
  readonly scrape: (() => Promise<MetricsPage>) | null;
  watch(status: () => BackupStatus | null, restores: () => readonly RestoreJob[]): void;
}

export async function openTelemetry(config: AgentConfig, pool: MetricsOptions['pool']): Promise<Telemetry> {
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
    pool,
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
