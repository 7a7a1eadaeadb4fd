// What the footers say is dropped for transactions; that this is what a restore drops, judge/log-cut.test.ts shows over random logs.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Isolation } from '../../../../../src/model/restore/recovery-target.ts';
import { exactly, UNKNOWN } from '../../../../../src/restore/plan/forecast/planned-counts.ts';
import {
  countTransactionDrops,
  NO_TRANSACTIONS,
  type TransactionDrops,
} from '../../../../../src/restore/plan/forecast/transaction-drops.ts';
import type { RestoreRequest } from '../../../../../src/restore/restore-job.ts';
import { sourcesOf } from '../../../../../src/restore/restore-plan.ts';
import { T0 } from '../plan-fixture.ts';
import { type SegmentSketch, sketch } from './footers-fixture.ts';

function counted(
  segments: readonly SegmentSketch[],
  request: Partial<RestoreRequest> = {},
  isolation: Isolation = 'read_committed',
): Promise<TransactionDrops> {
  const { plan, footers } = sketch(segments, request);
  return countTransactionDrops(sourcesOf(plan.topics[0]!)[0]!, isolation, async ({ key }) => footers.get(key)!);
}

const atMost = (records: number) => ({ kind: 'at-most', records }) as const;
const upTo = (toMs: number) => ({ recoveryTarget: { cut: 'timestamp', toMs: T0 + toMs } }) as const;
const offsets = (fromOffset: bigint | null, toOffset: bigint | null) => ({
  offsets: [{ topic: 'a', partition: 0, fromOffset, toOffset }],
});

/** Producer 1 commits late, 2 aborts in the second segment, 3 stays open. */
const LOG: readonly SegmentSketch[] = [
  {
    offsets: [0, 20],
    frameTimes: [0, 50],
    runs: [
      [1, 0, 3],
      [2, 4, 4],
      [2, 10, 6],
    ],
    ends: [[1, 18, 'commit', 90]],
  },
  {
    offsets: [20, 40],
    frameTimes: [60, 70],
    runs: [
      [3, 21, 5],
      [2, 30, 1],
      [3, 31, 2],
    ],
    ends: [[2, 32, 'abort', 70]],
  },
];

describe('the records that transactions drop', () => {
  test('are those of all their runs, across frames and segments, by how they end', async () => {
    assert.deepEqual(await counted(LOG), {
      'aborted-transaction': exactly(11),
      'undecided-transaction': exactly(7),
      'decided-after-target': exactly(0),
      'control-batch': exactly(2),
    });
    assert.deepEqual(await counted(LOG, {}, 'read_uncommitted'), { ...NO_TRANSACTIONS, 'control-batch': exactly(2) });
  });

  test('are exact to an instant too: those of the frames that are read, whatever their timestamps', async () => {
    assert.deepEqual(await counted(LOG, upTo(55)), {
      'aborted-transaction': exactly(10),
      'undecided-transaction': exactly(0),
      'decided-after-target': exactly(3),
      'control-batch': exactly(1),
    });
    const first = await counted(LOG, upTo(0));
    assert.deepEqual([first['aborted-transaction'], first['control-batch']], [exactly(4), exactly(0)]);
  });

  test('are bounded where wanted offsets end inside a run, and exact where they do not', async () => {
    const inside = await counted(LOG, offsets(12n, 33n));
    assert.deepEqual(inside, {
      'aborted-transaction': atMost(7),
      'undecided-transaction': atMost(7),
      'decided-after-target': exactly(0),
      'control-batch': exactly(2),
    });
    const between = await counted(LOG, offsets(18n, 32n));
    assert.deepEqual(between['aborted-transaction'], atMost(7));
    const before = await counted(LOG, offsets(20n, 31n));
    assert.deepEqual(before['undecided-transaction'], exactly(5));
    assert.deepEqual((await counted(LOG, offsets(20n, null)))['aborted-transaction'], exactly(1));
  });

  test('are bounded with cut: log, whose place only reading tells', async () => {
    const cut = (toMs: number) => ({ recoveryTarget: { cut: 'log', toMs: T0 + toMs } }) as const;
    assert.deepEqual(await counted(LOG, cut(65)), {
      'aborted-transaction': atMost(11),
      'undecided-transaction': atMost(7),
      'decided-after-target': exactly(0),
      'control-batch': atMost(2),
    });
    const early = await counted(LOG, cut(10));
    assert.deepEqual(early['decided-after-target'], atMost(3));
    assert.deepEqual(await counted(LOG, cut(100)), await counted(LOG));
  });

  test('are none below the stable offset where the marker is gone, and bounded across it', async () => {
    const without = (firstOffset: number): SegmentSketch[] => [
      { offsets: [0, 10], runs: [[1, firstOffset, 3]], ends: [], decidedOffset: 5 },
    ];
    assert.deepEqual((await counted(without(0)))['undecided-transaction'], atMost(3));
    assert.deepEqual((await counted(without(5)))['undecided-transaction'], exactly(3));
    const decided: SegmentSketch = { offsets: [0, 10], runs: [[1, 0, 3]], ends: [], decidedOffset: 10 };
    assert.deepEqual((await counted([decided]))['undecided-transaction'], exactly(0));
  });

  test('are unknown for a segment that was written before they were counted, its markers apart', async () => {
    const old = {
      ...LOG[0]!,
      runs: [
        [1, 0, null],
        [2, 4, null],
      ],
    } as const;
    assert.deepEqual(await counted([old, LOG[1]!]), {
      'aborted-transaction': UNKNOWN,
      'undecided-transaction': UNKNOWN,
      'decided-after-target': UNKNOWN,
      'control-batch': exactly(2),
    });
    const all = await counted([old, LOG[1]!], {}, 'read_uncommitted');
    assert.deepEqual(all, { ...NO_TRANSACTIONS, 'control-batch': exactly(2) });
  });
});
