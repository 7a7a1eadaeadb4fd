import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BackupError } from '../../../../../src/model/errors.ts';
import type { SegmentFooter, SegmentSummary } from '../../../../../src/model/segment/segment.ts';
import { forecastDrops } from '../../../../../src/restore/plan/forecast/forecast-drops.ts';
import { exactly } from '../../../../../src/restore/plan/forecast/planned-counts.ts';
import { type TransactionDrops, UNKNOWN_DROPS } from '../../../../../src/restore/plan/forecast/transaction-drops.ts';
import type { RestoreRequest } from '../../../../../src/restore/restore-job.ts';
import { sourcesOf } from '../../../../../src/restore/restore-plan.ts';
import { T0 } from '../plan-fixture.ts';
import { type SegmentSketch, sketch, type Sketched } from './footers-fixture.ts';

type ReadFooter = (segment: SegmentSummary) => Promise<SegmentFooter>;

const NEVER = new AbortController().signal;

/**
 * `count` segments of ten offsets, a millisecond apart, in each an aborted record; with `hanging`, a transaction that began in the first
 * and never ends.
 */
function chain(count: number, hanging = false, request: Partial<RestoreRequest> = {}): Sketched {
  const segments = Array.from({ length: count }, (_, index): SegmentSketch => {
    const base = index * 10;
    const open = hanging && index === 0 ? [[2, base + 1, 1] as const] : [];
    return {
      offsets: [base, base + 10],
      frameTimes: [index],
      runs: [[1, base, 1], ...open],
      ends: [[1, base + 2, 'abort']],
      decidedOffset: hanging ? 1 : base + 10,
    };
  });
  return sketch(segments, request);
}

async function forecast({ plan }: Sketched, read: ReadFooter, signal = NEVER): Promise<TransactionDrops> {
  const dropsOf = await forecastDrops(plan, read, signal);
  return dropsOf(sourcesOf(plan.topics[0]!)[0]!);
}

async function counted(sketched: Sketched): Promise<[drops: TransactionDrops, footersRead: number]> {
  let read = 0;
  const drops = await forecast(sketched, async ({ key }) => {
    read += 1;
    return sketched.footers.get(key)!;
  });
  return [drops, read];
}

describe('a forecast of what transactions drop', () => {
  test('reads every footer once, and some of them at once', async () => {
    const sketched = chain(200);
    const read: string[] = [];
    let [underWay, most] = [0, 0];
    const drops = await forecast(sketched, async ({ key }) => {
      read.push(key);
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise(setImmediate);
      underWay -= 1;
      return sketched.footers.get(key)!;
    });
    assert.deepEqual(drops['aborted-transaction'], exactly(200));
    assert.deepEqual(read, [...sketched.footers.keys()]);
    assert.ok(most > 8 && most <= 17, `${most} at once`);
  });

  test('is unknown rather than to read more than 1,000 footers, or far behind what is restored', async () => {
    const large = chain(1001);
    assert.deepEqual(await forecast(large, () => assert.fail('a footer was read')), UNKNOWN_DROPS);
    const [drops, read] = await counted(chain(1100, true, { recoveryTarget: { cut: 'timestamp', toMs: T0 } }));
    assert.deepEqual(drops, UNKNOWN_DROPS);
    assert.ok(read <= 1002, `${read} footers`);
  });

  test('is unknown rather than to go on behind 1,000,000 runs and markers', async () => {
    const sketched = chain(20);
    const drops = await forecast(sketched, async ({ key }) => {
      const footer = sketched.footers.get(key)!;
      const starts = Array.from({ length: 100_000 }, () => footer.transactions.starts[0]!);
      return { ...footer, transactions: { ...footer.transactions, starts } };
    });
    assert.deepEqual(drops, UNKNOWN_DROPS);
  });

  test('finds out that a transaction never ends, and reads no footer more than twice', async () => {
    const [drops, read] = await counted(chain(200, true));
    assert.deepEqual([drops['aborted-transaction'], drops['undecided-transaction']], [exactly(200), exactly(1)]);
    assert.ok(read <= 400, `${read} footers`);
  });

  test('is unknown where an object is missing, and fails for one that is damaged', async () => {
    const sketched = chain(3);
    const failing = (code: 'OBJECT_MISSING' | 'OBJECT_CORRUPT') => async (): Promise<SegmentFooter> => {
      throw new BackupError(code, 'no footer');
    };
    assert.deepEqual(await forecast(sketched, failing('OBJECT_MISSING')), UNKNOWN_DROPS);
    await assert.rejects(forecast(sketched, failing('OBJECT_CORRUPT')), { code: 'OBJECT_CORRUPT' });
  });

  test('ends when the restore is stopped', async () => {
    const stopped = AbortSignal.abort();
    await assert.rejects(
      forecast(chain(3), () => assert.fail('a footer was read'), stopped),
      { code: 'INTERRUPTED' },
    );
  });
});
