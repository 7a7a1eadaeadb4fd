import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PreflightResult } from '../../../../../src/restore/preflight.ts';
import { type DropsOf, summarizePlan } from '../../../../../src/restore/plan/forecast/plan-summary.ts';
import {
  addCounts,
  exactly,
  NOTHING_DROPPED,
  UNKNOWN,
} from '../../../../../src/restore/plan/forecast/planned-counts.ts';
import {
  NO_TRANSACTIONS,
  type TransactionDrops,
  UNKNOWN_DROPS,
} from '../../../../../src/restore/plan/forecast/transaction-drops.ts';
import type { PlannedTopic, RestoreRequest } from '../../../../../src/restore/restore-job.ts';
import type { PlanOptions } from '../../../../../src/restore/plan/plan-restore.ts';
import { partition, plan, seen, stateOf, stored, T0 } from '../plan-fixture.ts';

const A0 = partition('a', 0);
const A1 = partition('a', 1);
const NOTHING_FOUND: PreflightResult = {
  planId: '0123456789ab',
  target: { clusterId: 'c', topics: [] },
  checks: [],
  existing: new Map(),
  batchLimits: new Map(),
};
const STATE = stateOf(
  seen('a', 2),
  stored(A0, 0n, 100n, { minTimestampMs: T0, maxTimestampMs: T0 + 100 }),
  stored(A1, 0n, 100n, { minTimestampMs: T0, maxTimestampMs: T0 + 100, isTransactional: true }),
);

const ABORTED = { ...NO_TRANSACTIONS, 'aborted-transaction': exactly(4), 'control-batch': exactly(1) };

/** `drops`: of the partition with transactions. */
function summaryOf(
  request: Partial<RestoreRequest>,
  drops: TransactionDrops = ABORTED,
  options: Partial<PlanOptions> = {},
): PlannedTopic {
  const dropsOf: DropsOf = ({ source }) => (source.partition === 1 ? drops : NO_TRANSACTIONS);
  return summarizePlan(plan(STATE, request, options), NOTHING_FOUND, dropsOf).topics[0]!;
}

describe('what a plan says that it drops', () => {
  test('is nothing where all is wanted, and otherwise what its transactions drop', () => {
    const [plain, transactional] = summaryOf({}).partitionPlans;
    assert.deepEqual([plain!.dropped, plain!.records, plain!.isExact], [NOTHING_DROPPED, 100, true]);
    const dropped = { ...NOTHING_DROPPED, ...ABORTED };
    assert.deepEqual([transactional!.dropped, transactional!.records, transactional!.isExact], [dropped, 95, true]);
    const topic = summaryOf({});
    assert.deepEqual([topic.dropped, topic.records, topic.isExact], [dropped, 195, true]);
  });

  test('is unknown for a topic where it is for a partition', () => {
    const topic = summaryOf({}, UNKNOWN_DROPS);
    assert.deepEqual(topic.dropped, { ...NOTHING_DROPPED, ...UNKNOWN_DROPS });
    assert.equal(topic.isExact, false);
  });

  test('is unknown of a filter', () => {
    const filter = { keyRegex: 'a', header: null };
    assert.deepEqual(summaryOf({ filter }).partitionPlans[0]!.dropped, { ...NOTHING_DROPPED, filtered: UNKNOWN });
  });

  test('is the share of the records outside the window', () => {
    const window = { fromMs: T0 + 25, toMs: T0 + 75, cut: 'timestamp' } as const;
    const planned = summaryOf({ recoveryTarget: window, partitions: [0] });
    assert.deepEqual(planned.dropped['outside-window'], { kind: 'estimated', records: 50 });
    assert.equal(planned.records, 50);
    assert.equal(planned.isExact, false);
  });
});

test('a sum of counts is as certain as the least certain of them', () => {
  const [bound, share] = [{ kind: 'at-most', records: 3 } as const, { kind: 'estimated', records: 5 } as const];
  assert.deepEqual(addCounts(exactly(1), exactly(2)), exactly(3));
  assert.deepEqual(addCounts(exactly(1), bound), { kind: 'at-most', records: 4 });
  assert.deepEqual(addCounts(share, bound), { kind: 'estimated', records: 8 });
  assert.deepEqual(addCounts(share, UNKNOWN), UNKNOWN);
});
