import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SegmentSummary } from '../../../../../src/model/segment/segment.ts';
import { estimate } from '../../../../../src/restore/plan/forecast/plan-estimate.ts';
import type { RestoreRequest } from '../../../../../src/restore/restore-job.ts';
import { exactly } from '../../../../../src/restore/plan/forecast/planned-counts.ts';
import { NO_TRANSACTIONS, UNKNOWN_DROPS } from '../../../../../src/restore/plan/forecast/transaction-drops.ts';
import { sourcesOf } from '../../../../../src/restore/restore-plan.ts';
import { partition, plan, seen, stateOf, stored, T0 } from '../plan-fixture.ts';

const A0 = partition('a', 0);
/** A hundred seconds, a record a millisecond, in a hundred frames of 1,000 bytes. */
const LONG: Partial<SegmentSummary> = {
  minTimestampMs: T0,
  maxTimestampMs: T0 + 100_000,
  recordCount: 100_000,
  frameCount: 100,
  storedSizeBytes: 100_500,
  footerSizeBytes: 500,
};

function estimated(
  segment: Partial<SegmentSummary>,
  request: Partial<RestoreRequest> = {},
  keepsAll = true,
  drops = NO_TRANSACTIONS,
) {
  const state = stateOf(seen('a', 1), stored(A0, 0n, 100_000n, segment));
  return estimate(sourcesOf(plan(state, request).topics[0]!)[0]!, keepsAll, drops);
}

const window = (fromMs: number, toMs: number): Partial<RestoreRequest> => ({
  recoveryTarget: { cut: 'timestamp', fromMs: T0 + fromMs, toMs: T0 + toMs },
});

describe('the estimate of a partition', () => {
  test('is exact where nothing is cut', () => {
    const all = {
      records: 100_000,
      isExact: true,
      outside: exactly(0),
      bytesToRead: 100_500,
      fromMs: T0,
      toMs: T0 + 100_000,
    };
    assert.deepEqual(estimated(LONG), all);
    assert.deepEqual(estimated(LONG, window(0, 100_000)), all);
    const kept = { ...LONG, minTimestampMs: null, capturedAtMs: T0 + 200_000 };
    assert.deepEqual(estimated(kept), { ...all, fromMs: T0 + 100_000 });
  });

  test('leaves out what is dropped for transactions, and is as certain as that', () => {
    const drops = { ...NO_TRANSACTIONS, 'aborted-transaction': exactly(30), 'control-batch': exactly(2) };
    const exact = estimated(LONG, {}, true, drops);
    assert.deepEqual([exact.records, exact.isExact, exact.outside], [99_968, true, exactly(0)]);
    const bound = { ...drops, 'aborted-transaction': { kind: 'at-most', records: 30 } } as const;
    const limited = estimated(LONG, {}, true, bound);
    assert.deepEqual([limited.records, limited.isExact, limited.outside], [99_968, false, exactly(0)]);
    const half = estimated(LONG, window(0, 50_000), true, { ...drops, 'aborted-transaction': exactly(19_998) });
    assert.deepEqual([half.records, half.outside], [40_000, { kind: 'estimated', records: 40_000 }]);
  });

  test('is not exact with unknown drops or a filter, which only reading tells', () => {
    assert.equal(estimated(LONG, {}, true, UNKNOWN_DROPS).isExact, false);
    assert.equal(estimated(LONG, {}, false).isExact, false);
  });

  test('is not exact where the log begins inside a batch, or could', () => {
    const state = stateOf(seen('a', 1), stored(A0, 100n, 200n, { recordCount: 126 }), stored(A0, 200n, 300n));
    const { records, isExact } = estimate(sourcesOf(plan(state).topics[0]!)[0]!, true, NO_TRANSACTIONS);
    assert.deepEqual([records, isExact], [200, false]);
    const whole = stateOf(seen('a', 1), stored(A0, 0n, 200n), stored(A0, 200n, 300n, { recordCount: 70 }));
    const all = estimate(sourcesOf(plan(whole).topics[0]!)[0]!, true, NO_TRANSACTIONS);
    assert.deepEqual([all.records, all.isExact], [270, true]);
  });

  test('is the share of the window, and reads hardly more than that', () => {
    const { records, isExact, bytesToRead, fromMs, toMs } = estimated(LONG, window(50_000, 51_000));
    assert.deepEqual([records, isExact, fromMs, toMs], [1000, false, T0 + 50_000, T0 + 51_000]);
    assert.ok(bytesToRead <= 0.03 * 100_500, `${bytesToRead} bytes`);
  });

  test('is the share of the offsets', () => {
    const offsets = [{ topic: 'a', partition: 0, fromOffset: 0n, toOffset: 25_000n }];
    assert.deepEqual(estimated(LONG, { offsets }).records, 25_000);
  });

  test('is an upper bound where no lowest timestamp is known', () => {
    const { records, isExact, bytesToRead } = estimated({ ...LONG, minTimestampMs: null }, window(50_000, 51_000));
    assert.deepEqual([records, isExact, bytesToRead], [100_000, false, 100_500]);
  });

  test('says from when to when, also where a timestamp is beyond any date or the lowest is not known', () => {
    const ends = (change: Partial<SegmentSummary>, request: Partial<RestoreRequest> = {}): (number | null)[] => {
      const { fromMs, toMs } = estimated({ ...LONG, capturedAtMs: T0 + 200_000, ...change }, request);
      return [fromMs, toMs];
    };
    const most = Number.MAX_SAFE_INTEGER;
    assert.deepEqual(ends({ maxTimestampMs: most }), [T0, most]);
    assert.deepEqual(ends({ minTimestampMs: most, maxTimestampMs: most }), [most, most]);
    assert.deepEqual(ends({ minTimestampMs: null, maxTimestampMs: most }), [T0 + 200_000, most]);
    assert.deepEqual(ends({ minTimestampMs: null }, window(10, 50)), [T0 + 50, T0 + 50]);
  });

  test('is nothing, and that exactly, where nothing is selected', () => {
    const nothing = { records: 0, isExact: true, outside: exactly(0), bytesToRead: 0, fromMs: null, toMs: null };
    assert.deepEqual(estimated(LONG, window(200_000, 300_000), false), nothing);
  });
});
