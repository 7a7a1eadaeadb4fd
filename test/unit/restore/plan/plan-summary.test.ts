import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NO_DROPS } from '../../../../src/model/restore/recovery-target.ts';
import type { PreflightResult } from '../../../../src/restore/preflight.ts';
import { summarizePlan } from '../../../../src/restore/plan/plan-summary.ts';
import type { PlannedTopic, RestoreRequest } from '../../../../src/restore/restore-job.ts';
import { type PlanOptions } from '../../../../src/restore/plan/plan-restore.ts';
import { partition, plan, seen, stateOf, stored, T0 } from './plan-fixture.ts';

const A0 = partition('a', 0);
const A1 = partition('a', 1);
const NOTHING_FOUND: PreflightResult = {
  planId: '0123456789ab',
  target: { clusterId: 'c', topics: [] },
  checks: [],
  existing: new Map(),
  maxMessageBytes: new Map(),
};
const STATE = stateOf(
  seen('a', 2),
  stored(A0, 0n, 100n, { minTimestampMs: T0, maxTimestampMs: T0 + 100 }),
  stored(A1, 0n, 100n, { minTimestampMs: T0, maxTimestampMs: T0 + 100, isTransactional: true }),
);

function summaryOf(request: Partial<RestoreRequest>, options: Partial<PlanOptions> = {}): PlannedTopic {
  return summarizePlan(plan(STATE, request, options), NOTHING_FOUND).topics[0]!;
}

describe('what a plan says that it drops', () => {
  test('is nothing where all is wanted, and unknown where transactions or a filter decide', () => {
    const [plain, transactional] = summaryOf({}).partitionPlans;
    assert.deepEqual(plain!.dropped, NO_DROPS);
    const unknown = {
      ...NO_DROPS,
      'aborted-transaction': null,
      'undecided-transaction': null,
      'decided-after-target': null,
      'control-batch': null,
    };
    assert.deepEqual(transactional!.dropped, unknown);
    assert.deepEqual(summaryOf({}).dropped, unknown);
    const filter = { keyRegex: 'a', header: null };
    assert.equal(summaryOf({ filter }).partitionPlans[0]!.dropped.filtered, null);
  });

  test('holds no aborted records where these are kept', () => {
    const { dropped } = summaryOf({}, { isolation: 'read_uncommitted' }).partitionPlans[1]!;
    assert.deepEqual(dropped, { ...NO_DROPS, 'control-batch': null });
  });

  test('is the share of the records outside the window', () => {
    const window = { fromMs: T0 + 25, toMs: T0 + 75, cut: 'timestamp' } as const;
    const planned = summaryOf({ recoveryTarget: window, partitions: [0] });
    assert.equal(planned.dropped['outside-window'], 50);
    assert.equal(planned.records, 50);
    assert.equal(planned.isExact, false);
  });
});
