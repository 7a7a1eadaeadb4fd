import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  estimateRestore,
  type RestoreLimits,
  renderPlan,
} from '../../../src/cli/output/reports/restore/render-plan.ts';
import { exactly, NOTHING_DROPPED, UNKNOWN } from '../../../src/restore/plan/forecast/planned-counts.ts';
import type { PlannedPartition, PlannedTopic, PlanSummary } from '../../../src/restore/restore-job.ts';

const T0 = Date.parse('2026-11-20T03:00:00Z');
const NO_LIMITS: RestoreLimits = { recordsPerSecond: null, bytesPerSecond: null, bytesReadPerSecond: null };

function partition(number: number, change: Partial<PlannedPartition> = {}): PlannedPartition {
  return {
    partition: number,
    targetPartitions: [number],
    firstOffset: 100n,
    nextOffset: 1100n,
    gaps: [],
    segments: 2,
    records: 1000,
    isExact: true,
    dropped: NOTHING_DROPPED,
    storedBytes: 1 << 20,
    bytesToRead: 1 << 19,
    fromMs: T0,
    toMs: T0 + 1000,
    ...change,
  };
}

function topic(partitionPlans: readonly PlannedPartition[], change: Partial<PlannedTopic> = {}): PlannedTopic {
  return {
    ...partition(0),
    topic: 'orders',
    targetTopic: 'orders-copy',
    action: 'create',
    recoveryTarget: { cut: 'timestamp', toMs: T0 },
    partitions: partitionPlans.length,
    targetPartitions: 3,
    gaps: partitionPlans.reduce((count, { gaps }) => count + gaps.length, 0),
    partitionPlans,
    ...change,
  };
}

function summary(topics: readonly PlannedTopic[]): PlanSummary {
  return {
    planId: '0123456789ab',
    catalogVersion: 7,
    recoveryTarget: { cut: 'timestamp', toMs: T0 },
    topics,
    checks: [
      { level: 'ok', name: 'target', message: 'answers' },
      { level: 'block', name: 'topic', message: 'orders\u001b[31m is not empty' },
    ],
  };
}

function rendered(plan: PlanSummary, isDetailed = false): string {
  return renderPlan(plan, { backupId: 'nightly', target: 'default', limits: NO_LIMITS, isDetailed });
}

describe('a plan in text', () => {
  test('names its id, target, topics, partitions and checks', () => {
    const gaps = [{ baseOffset: 5n, lastOffset: 9n, reason: 'retention' }];
    const text = rendered(
      summary([topic([partition(0, { gaps }), partition(1, { firstOffset: null, nextOffset: null })])]),
    );
    assert.match(text, /^Restore plan 0123456789ab {3}backup nightly at version 7 -> default\n/);
    assert.match(text, /\nRecovery target {2}2026-11-20T03:00:00\.000Z\n/);
    assert.match(
      text,
      /\norders +2 +orders-copy \(create, 3 partitions\) +1,000 +512\.0 KiB +2026-11-20T03:00:00\.000Z .* 1 gap\(s\)\n/,
    );
    assert.match(text, /\norders\/0 +orders-copy\/0 +100\.\.1099 +1,000 .* 5\.\.9\n/);
    assert.match(text, /\norders\/1 +orders-copy\/1 +- /);
    assert.match(text, /\nRestores 1,000 records {3}reads 512\.0 KiB\n/);
    assert.match(text, /Checks {2}ok 1 {3}warn 0 {3}block 1\n/);
    assert.match(text, /block topic: orders\\u001b\[31m is not empty$/);
  });

  test('tells what is dropped, with numbers where they are known', () => {
    const dropped = {
      ...NOTHING_DROPPED,
      'outside-window': { kind: 'estimated', records: 1200 },
      'aborted-transaction': { kind: 'at-most', records: 7 },
      'control-batch': exactly(3),
      filtered: UNKNOWN,
    } as const;
    const text = rendered(summary([topic([partition(0, { dropped }), partition(1)], { dropped })]));
    assert.match(
      text,
      /\norders\/0 .* ~1,200 outside-window, <=7 aborted-transaction, 3 control-batch, \? filtered *\n/,
    );
    assert.match(text, /\norders\/1 .* 0 *\n/);
    assert.match(text, /\nDropped {2}<= at most so many; \? known once the records are read\n/);
    assert.doesNotMatch(rendered(summary([topic([partition(0)])])), /at most/);
  });

  test('gives timestamps beyond any date in milliseconds', () => {
    const text = rendered(summary([topic([partition(0, { fromMs: T0, toMs: Number.MAX_SAFE_INTEGER })])]));
    assert.match(text, /\norders\/0 .* 2026-11-20T03:00:00\.000Z +9007199254740991 ms +0/);
  });

  test('marks what is estimated', () => {
    const text = rendered(summary([topic([partition(0, { isExact: false })], { isExact: false })]));
    assert.match(text, /\norders .* ~1,000 /);
    assert.match(text, /Restores about 1,000 records \(~: estimated\)/);
  });

  test('notes the recovery target of a topic that has its own', () => {
    const text = rendered(summary([topic([partition(0)], { recoveryTarget: { cut: 'log', toMs: T0 + 5 } })]));
    assert.match(text, /\norders .* 2026-11-20T03:00:00\.005Z \(cut: log\)\n/);
  });

  test('says of a topic that is repartitioned where its records go', () => {
    const text = rendered(summary([topic([partition(0, { targetPartitions: [0, 1, 2] })])]));
    assert.match(text, /\norders\/0 +by key over 3 /);
  });

  test('says what lies outside of a window that nobody asked for', () => {
    const dropped = { ...NOTHING_DROPPED, 'outside-window': { kind: 'estimated', records: 4 } } as const;
    const legend = /\noutside-window, without a window: no longer in the log of the source/;
    const latest = { recoveryTarget: { cut: 'timestamp' } } as const;
    assert.match(rendered(summary([topic([partition(0)], { ...latest, dropped })])), legend);
    assert.doesNotMatch(rendered(summary([topic([partition(0)], { dropped })])), legend);
    assert.doesNotMatch(rendered(summary([topic([partition(0)], latest)])), legend);
  });

  test('leaves out the partitions of a large plan unless asked for details', () => {
    const large = summary([topic(Array.from({ length: 41 }, (_, number) => partition(number)))]);
    assert.match(rendered(large), /\n41 partitions; -v shows them, --json lists them\n/);
    assert.match(rendered(large, true), /\norders\/40 /);
  });
});

describe('the estimated time of a plan', () => {
  const plan = summary([topic([partition(0)]), topic([partition(0)])]);

  test('is that of the tightest limit', () => {
    const seconds = (limits: Partial<RestoreLimits>): number | null =>
      estimateRestore(plan, { ...NO_LIMITS, ...limits }).seconds;
    assert.equal(seconds({}), null);
    assert.equal(seconds({ bytesReadPerSecond: 1 << 19 }), 2);
    assert.equal(seconds({ bytesReadPerSecond: 1 << 19, recordsPerSecond: 100 }), 20);
    assert.equal(seconds({ bytesPerSecond: 1 << 10, recordsPerSecond: 100 }), 1024);
  });

  test('counts what a window reads against the link to the store, and what it keeps of that against the one to the target', () => {
    const dropped = { ...NOTHING_DROPPED, 'outside-window': { kind: 'estimated', records: 7000 } as const };
    const windowed = summary([topic([partition(0)], { dropped })]);
    const seconds = (limits: Partial<RestoreLimits>) => estimateRestore(windowed, { ...NO_LIMITS, ...limits }).seconds;
    assert.equal(seconds({ bytesReadPerSecond: 1 << 17 }), 4);
    assert.equal(seconds({ bytesPerSecond: 1 << 17 }), 1);
  });

  test('is printed', () => {
    const limits = { ...NO_LIMITS, bytesReadPerSecond: 8192 };
    const text = renderPlan(plan, { backupId: 'b', target: 't', limits, isDetailed: false });
    assert.match(text, /reads 1\.0 MiB {3}at least 2m 08s\n/);
  });
});
