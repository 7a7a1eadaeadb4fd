// Settings of a backup in memory: everything small and quick, as tests of the supervisor want it.

import type { BackupSettings } from '../../../src/backup/backup-settings.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { TOPIC } from './memory-log.ts';

const KIB = 1024;

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
