import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type OpenSegmentFacts, type SealLimits, sealReason } from '../../../src/segment/seal-policy.ts';

const LIMITS: SealLimits = { maxBytes: 1000, maxIntervalMs: 60_000, maxRecords: 10 };
const ARRIVED_MS = 5000;
/** One short of every limit at {@link LAST_OPEN_MS}. */
const OPEN: OpenSegmentFacts = { rawSizeBytes: 999, recordCount: 9, oldestArrivalMs: ARRIVED_MS };
const LAST_OPEN_MS = ARRIVED_MS + LIMITS.maxIntervalMs - 1;

describe('a segment is full', () => {
  test('not before it reaches a limit', () => {
    assert.equal(sealReason(OPEN, LIMITS, LAST_OPEN_MS), undefined);
  });

  test('by size, at and beyond the limit', () => {
    assert.equal(sealReason({ ...OPEN, rawSizeBytes: 1000 }, LIMITS, LAST_OPEN_MS), 'size');
    assert.equal(sealReason({ ...OPEN, rawSizeBytes: 5000 }, LIMITS, LAST_OPEN_MS), 'size');
  });

  test('by records, at and beyond the limit', () => {
    assert.equal(sealReason({ ...OPEN, recordCount: 10 }, LIMITS, LAST_OPEN_MS), 'records');
    assert.equal(sealReason({ ...OPEN, recordCount: 25 }, LIMITS, LAST_OPEN_MS), 'records');
  });

  test('never by records where these are not limited', () => {
    const facts = { ...OPEN, recordCount: Number.MAX_SAFE_INTEGER };
    assert.equal(sealReason(facts, { ...LIMITS, maxRecords: null }, LAST_OPEN_MS), undefined);
  });

  test('by the age of its oldest record', () => {
    assert.equal(sealReason(OPEN, LIMITS, LAST_OPEN_MS + 1), 'interval');
    assert.equal(sealReason({ ...OPEN, oldestArrivalMs: ARRIVED_MS + 1 }, LIMITS, LAST_OPEN_MS + 1), undefined);
  });
});
