import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { partitionWindow } from '../../../src/inspection/restorable-window.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import { partition, stateOf, stored, T0 } from '../restore/plan/plan-fixture.ts';

const A0 = partition('a', 0);

function windowOf(...segments: readonly Partial<SegmentSummary>[]) {
  const state = stateOf(...segments.map((one, index) => stored(A0, BigInt(index * 10), BigInt(index * 10 + 10), one)));
  const history = state.incarnations.flatMap(({ partitions }) => [...partitions.values()])[0] ?? assert.fail();
  const { earliestMs, heldToMs } = history.position;
  return { window: partitionWindow(history), earliestMs, heldToMs };
}

describe('the restorable window of a partition', () => {
  test('begins with its lowest timestamp', () => {
    const { window, earliestMs } = windowOf(
      { minTimestampMs: T0 + 5, maxTimestampMs: T0 + 90, capturedAtMs: T0 + 100 },
      { minTimestampMs: T0, maxTimestampMs: T0 + 190, capturedAtMs: T0 + 200 },
    );
    assert.deepEqual(window, { fromMs: T0, toMs: T0 + 200, newestCaptureMs: T0 + 200 });
    assert.equal(earliestMs, T0 + 5);
  });

  test('never begins behind the records of batches that were kept compressed', () => {
    const { window, earliestMs } = windowOf(
      { minTimestampMs: null, maxTimestampMs: T0 + 90, capturedAtMs: T0 + 86_400_000 },
      { minTimestampMs: null, maxTimestampMs: T0 + 190, capturedAtMs: T0 + 86_400_001 },
    );
    assert.deepEqual([window.fromMs, earliestMs], [T0 + 90, T0 + 90]);
  });

  test('begins with the capture where the records have no timestamps', () => {
    const { window, earliestMs } = windowOf({ minTimestampMs: null, maxTimestampMs: -1, capturedAtMs: T0 + 100 });
    assert.deepEqual([window.fromMs, earliestMs], [T0 + 100, T0 + 100]);
  });

  test('ends with the records of a segment that stopped short of the end of the log, for a start of the agent too', () => {
    const short = { maxTimestampMs: T0 + 90, capturedAtMs: T0 + 86_400_000, reachedLogEnd: false };
    const { window, heldToMs } = windowOf(short);
    assert.deepEqual([window.toMs, heldToMs], [T0 + 90, T0 + 90]);
    const caughtUp = windowOf(short, { ...short, reachedLogEnd: true });
    assert.deepEqual([caughtUp.window.toMs, caughtUp.heldToMs], [T0 + 86_400_000, T0 + 86_400_000]);
  });
});
