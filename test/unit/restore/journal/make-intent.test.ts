import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchSettings } from '../../../../src/restore/journal/make-intent.ts';
import type { RestoreSettings } from '../../../../src/restore/restore-settings.ts';

const SETTINGS: RestoreSettings = {
  isolation: 'read_committed',
  compression: 'producer',
  maxConcurrentPartitions: 4,
  maxBatchRecords: 1000,
  maxBatchBytes: 1_048_576,
  recordsPerSecond: null,
  bytesPerSecond: null,
  requireTopicConfigs: false,
  allowLogAppendTime: false,
  createTopics: true,
  replicationFactor: -1,
  topicConfigs: {},
};

function batches(change: Partial<RestoreSettings>): readonly [records: number, whole: number, bytes: number] {
  const { maxBatchRecords, maxWholeRecords, maxBatchBytes } = batchSettings({ ...SETTINGS, ...change });
  return [maxBatchRecords, maxWholeRecords, maxBatchBytes];
}

test('batches are as large as configured where no rate asks for less', () => {
  assert.deepEqual(batches({}), [1000, Number.MAX_SAFE_INTEGER, 1_048_576]);
  assert.deepEqual(batches({ recordsPerSecond: 4000 }), [1000, 4000, 1_048_576]);
  assert.deepEqual(batches({ bytesPerSecond: 100_000_000 }), [1000, Number.MAX_SAFE_INTEGER, 1_048_576]);
});

test('a low rate makes them a quarter of a second’s worth, and lets none pass whole that is more than a second’s', () => {
  assert.deepEqual(batches({ recordsPerSecond: 100 }), [25, 100, 1_048_576]);
  assert.deepEqual(batches({ recordsPerSecond: 1 }), [1, 1, 1_048_576]);
  assert.equal(batches({ bytesPerSecond: 400_000 })[2], 100_000);
  assert.equal(batches({ bytesPerSecond: 1000 })[2], 16_384);
});
