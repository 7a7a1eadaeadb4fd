import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchSettings } from '../../../../src/restore/journal/make-intent.ts';
import { settingsFor } from '../../../../src/restore/run/batch-limit.ts';
import { SETTINGS } from './run-fixture.ts';

function limit(maxMessageBytes: number, brokerCodec: 'none' | 'lz4' | null): number {
  return settingsFor(batchSettings(SETTINGS), { maxMessageBytes, brokerCodec }).maxBatchBytes;
}

test('batches are as large as configured where the topic takes more', () => {
  assert.equal(limit(2_000_000, null), 1_000_000);
  assert.equal(limit(2_000_000, 'lz4'), 1_000_000);
});

test('batches are as large as the topic takes where that is less', () => {
  assert.equal(limit(20_000, null), 20_000);
  assert.equal(limit(20_000, 'none'), 20_000);
});

test('batches are smaller than the topic takes where its broker compresses them, which may make them larger', () => {
  assert.equal(limit(20_000, 'lz4'), 20_000 - 64 - 20);
  assert.equal(limit(50, 'lz4'), 1);
});
