import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldSinceMs } from '../../../../src/model/segment/held-times.ts';

const T0 = 1_700_000_000_000;
const MOST = Number.MAX_SAFE_INTEGER;

test('a segment holds records since its lowest timestamp, or an instant at which some were there', () => {
  const since = (minTimestampMs: number | null, maxTimestampMs: number): number =>
    heldSinceMs({ minTimestampMs, maxTimestampMs, capturedAtMs: T0 + 500 });
  assert.equal(since(T0, T0 + 100), T0);
  assert.equal(since(T0 + 900, T0 + 1000), T0 + 900);
  assert.equal(since(-1, T0), -1);
  assert.equal(since(null, T0 + 100), T0 + 100);
  assert.equal(since(null, -86_400_000), -86_400_000);
  // Stamped ahead of the clock, or beyond any date: others may be older, and at their capture all were there.
  assert.equal(since(null, T0 + 9000), T0 + 500);
  assert.equal(since(null, MOST), T0 + 500);
  assert.equal(since(MOST, MOST), T0 + 500);
  // Batches without timestamps.
  assert.equal(since(null, -1), T0 + 500);
});
