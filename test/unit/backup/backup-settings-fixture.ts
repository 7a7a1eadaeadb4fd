// A backup in memory, and its settings: everything small and quick, as tests of the supervisor want it.

import type { BackupSettings } from '../../../src/backup/backup-settings.ts';
import { BackupSupervisor } from '../../../src/backup/backup-supervisor.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import type { PartitionLog } from '../../../src/kafka/partition-log.ts';
import type { Logger } from '../../../src/model/logger.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { TOPIC } from './memory-log.ts';

const KIB = 1024;
export const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export const SETTINGS: BackupSettings = {
  backupId: LAYOUT.backupId,
  topics: { include: [TOPIC], exclude: [] },
  continuous: false,
  startOffset: { kind: 'earliest' },
  failOnMissingTopic: false,
  topicRefreshMs: 60_000,
  maxConcurrentPartitions: 4,
  fetchMinBytes: 1,
  fetchMaxWaitMs: 20,
  fetchMaxBytes: 64 * KIB,
  maxPartitionFetchBytes: 64 * KIB,
  frameBytes: 64 * KIB,
  memoryBudgetBytes: 1024 * KIB,
  uploadBudgetBytes: 1024 * KIB,
  uploadPartBytes: 0,
  segments: { codec: 'none', level: 3 },
  limits: { maxBytes: 1024 * KIB, maxIntervalMs: 60_000, maxRecords: 10 },
  recompress: 'never',
  commitIntervalMs: 50,
  shutdownTimeoutMs: 5000,
  oneShotPatienceMs: 30_000,
};

/** One that tells nobody of what it does, unless somebody reads its log. */
export function superviseQuietly(parts: {
  readonly settings: BackupSettings;
  readonly log: PartitionLog;
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  readonly logger?: Logger;
}): BackupSupervisor {
  return new BackupSupervisor({
    layout: LAYOUT,
    logger: SILENT,
    ...parts,
    observer: { segmentSealed() {}, committed() {}, gap() {}, error() {} },
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
  });
}
