// What every restore of these tests is run with, where the test does not say otherwise.

import type { Logger } from '../../../../src/model/logger.ts';
import type { RestoreSettings } from '../../../../src/restore/restore-settings.ts';
import { T0 } from '../../../support/stored-backup.ts';

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
  monotonicMs: (): number => performance.now(),
  wallMs: (): number => T0 + 100_000,
};
