// What every restore of these tests is run with, where the test does not say otherwise.

import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import type { Logger } from '../../../../src/model/logger.ts';
import { LOOK_EVERY_MS } from '../../../../src/restore/journal/attempts/attempt-watch.ts';
import { RestoreService, type RestoreServiceOptions } from '../../../../src/restore/restore-service.ts';
import type { RestoreSettings } from '../../../../src/restore/restore-settings.ts';
import { T0, type TestBackup } from '../../../support/stored-backup.ts';
import { type Fault, FaultyStore } from './fault.ts';
import { type ModelCluster, ModelSink } from './model-target.ts';

const NOBODY: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export const SETTINGS: RestoreSettings = {
  isolation: 'read_committed',
  compression: 'none',
  maxConcurrentPartitions: 2,
  maxBatchRecords: 7,
  maxBatchBytes: 1_000_000,
  recordsPerSecond: null,
  bytesPerSecond: null,
  requireTopicConfigs: false,
  allowLogAppendTime: false,
  createTopics: true,
  replicationFactor: -1,
  topicConfigs: {},
};

/** Options of a RestoreService that has one target and no source of its own. */
export const SURROUNDINGS = {
  targets: ['default'],
  observer: { acknowledged: (): void => {}, failed: (): void => {} },
  unknownTarget: (target: string): Error => new Error(`no target ${target}`),
  beforePlan: async (): Promise<void> => {},
  logger: NOBODY,
  patienceMs: 600_000,
  monotonicMs: (): number => performance.now(),
  wallMs: (): number => T0 + 100_000,
};

/** One process that restores a backup, and dies of the fault. */
export function processOf(
  { store, layout }: TestBackup,
  cluster: ModelCluster,
  workers: WorkerPool,
  fault: Fault,
  change: Partial<RestoreServiceOptions> = {},
): RestoreService {
  return new RestoreService({
    store: new FaultyStore(store, fault),
    layout,
    settings: SETTINGS,
    openSink: () => new ModelSink(cluster, fault),
    openWorkers: () => ({ ...workers, run: workers.run.bind(workers), close: async () => {} }),
    ...SURROUNDINGS,
    // Nobody takes over from a process that lives: its watch over the attempt may sleep.
    wait: async (ms, signal) => {
      if (ms === LOOK_EVERY_MS) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      if (!fault.isDead) cluster.land();
    },
    ...change,
  });
}
