import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CutTask } from '../../../../src/restore/judge/cut-task.ts';
import { findCut } from '../../../../src/restore/judge/find-cut.ts';
import { encodeBatch, encodeSpread, text } from '../../../support/record-batches.ts';
import { T0, taskFor } from './judge-fixture.ts';

function cutTask(batches: readonly Uint8Array[], toMs: number, change: Partial<CutTask> = {}): CutTask {
  const { stored, storedSizeBytes, rawSizeBytes, codec, fromOffset, toOffset } = taskFor(batches);
  return { stored, storedSizeBytes, rawSizeBytes, codec, fromOffset, toOffset, toMs, ...change };
}

describe('where a log is cut', () => {
  test('is the first record past the instant, by its own time or by the broker\u2019s', () => {
    const records = [0, 9, 3, 12].map((time) => ({ timestampMs: T0 + time, key: null, value: text('v') }));
    const created = encodeBatch({ baseOffset: 5n, records, codec: 'gzip' });
    assert.equal(findCut(cutTask([created], T0 + 8)).offset, 6n);
    assert.equal(findCut(cutTask([created], T0 + 9)).offset, 8n);
    assert.equal(findCut(cutTask([created], T0 + 12)).offset, null);
    assert.equal(findCut(cutTask([created], T0 + 8, { fromOffset: 7n })).offset, 8n);
    assert.equal(findCut(cutTask([created], T0 + 8, { fromOffset: 7n, toOffset: 8n })).offset, null);
    const appended = encodeBatch({ baseOffset: 5n, records, logAppendTimeMs: T0 + 20 });
    assert.equal(findCut(cutTask([appended], T0 + 19)).offset, 5n);
    assert.equal(findCut(cutTask([appended], T0 + 20)).offset, null);
  });

  test('is exact beside timestamps that no number holds', () => {
    const nanoseconds = 1_700_000_000_123_456_789n;
    const times = [nanoseconds, BigInt(T0 - 1), BigInt(T0), BigInt(T0 + 1)];
    const mixed = encodeSpread(
      5n,
      nanoseconds,
      times.map((time) => time - nanoseconds),
    );
    assert.equal(findCut(cutTask([mixed], T0)).offset, 5n);
    for (const [toMs, offset] of [
      [T0 - 2, 6n],
      [T0 - 1, 7n],
      [T0, 8n],
      [T0 + 1, null],
    ] as const) {
      assert.equal(findCut(cutTask([mixed], toMs, { fromOffset: 6n })).offset, offset);
    }
  });
});
