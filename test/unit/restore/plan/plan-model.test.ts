// Plans against a model that knows every record: whatever the order of the timestamps, the window and the offsets, a plan selects
// each segment that holds a wanted record, and none that its own summary rules out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Cut } from '../../../../src/model/restore/recovery-target.ts';
import { sourcesOf } from '../../../../src/restore/restore-plan.ts';
import { partition, plan, seen, stateOf, stored, T0 } from './plan-fixture.ts';

const A0 = partition('a', 0);

interface Case {
  /** Of the records at offsets 0, 1, 2, ..., counted from T0, by segment. */
  readonly segments: readonly (readonly number[])[];
  /** Whether the segment knows its lowest timestamp. */
  readonly known: readonly boolean[];
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly fromOffset: number | null;
  readonly toOffset: number | null;
  readonly cut: Cut;
}

const timestamps = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 6 });
const cases: fc.Arbitrary<Case> = fc
  .record({
    segments: fc.array(timestamps, { minLength: 1, maxLength: 8 }),
    known: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    window: fc.tuple(fc.option(fc.integer({ min: -5, max: 105 })), fc.option(fc.integer({ min: -5, max: 105 }))),
    offsets: fc.tuple(fc.option(fc.nat(50)), fc.option(fc.nat(50))),
    cut: fc.constantFrom<Cut>('timestamp', 'log'),
  })
  .map(({ segments, known, window: [from, to], offsets: [first, end], cut }) => {
    const length = segments.flat().length;
    const [fromOffset, toOffset] = [
      first === null ? null : first % (length + 1),
      end === null ? null : end % (length + 1),
    ];
    return {
      segments,
      known,
      fromMs: from ?? undefined,
      toMs: to === null ? undefined : Math.max(to, from ?? to),
      fromOffset,
      toOffset: toOffset === null ? null : Math.max(toOffset, fromOffset ?? toOffset),
      cut,
    };
  });

/** Offsets that a restore must bring back. */
function wantedOf({ segments, fromMs, toMs, fromOffset, toOffset, cut }: Case): number[] {
  const records = segments.flat();
  const isPast = (timestamp: number): boolean => timestamp > (toMs ?? Infinity);
  const past = cut === 'log' ? records.findIndex(isPast) : -1;
  return records.flatMap((timestamp, offset) => {
    const isInWindow = timestamp >= (fromMs ?? -Infinity) && timestamp <= (toMs ?? Infinity);
    const isInOffsets = offset >= (fromOffset ?? 0) && offset < (toOffset ?? Infinity);
    return isInWindow && isInOffsets && (past < 0 || offset < past) ? [offset] : [];
  });
}

function planOf({ segments, known, fromMs, toMs, fromOffset, toOffset, cut }: Case) {
  let base = 0n;
  const actions = segments.map((records, index) => {
    const next = base + BigInt(records.length);
    const minTimestampMs = known[index] === true ? T0 + Math.min(...records) : null;
    const action = stored(A0, base, next, { minTimestampMs, maxTimestampMs: T0 + Math.max(...records) });
    base = next;
    return action;
  });
  const big = (offset: number | null): bigint | null => (offset === null ? null : BigInt(offset));
  const limits = { topic: 'a', partition: 0, fromOffset: big(fromOffset), toOffset: big(toOffset) };
  const made = plan(stateOf(seen('a', 1), ...actions), {
    offsets: fromOffset === null && toOffset === null ? [] : [limits],
    recoveryTarget: {
      ...(fromMs === undefined ? {} : { fromMs: T0 + fromMs }),
      ...(toMs === undefined ? {} : { toMs: T0 + toMs }),
      cut,
    },
  });
  return sourcesOf(made.topics[0]!)[0]!.segments;
}

test('a plan selects every segment with a wanted record, in order, each offset once', () => {
  fc.assert(
    fc.property(cases, (one) => {
      const selected = planOf(one);
      for (const offset of wantedOf(one)) {
        const holding = selected.filter(({ fromOffset, toOffset }) => offset >= fromOffset && offset < toOffset);
        assert.equal(holding.length, 1, `offset ${offset}`);
      }
      selected.reduce((end, { fromOffset, toOffset }) => {
        assert.ok(fromOffset >= end && toOffset > fromOffset);
        return toOffset;
      }, 0n);
    }),
    { numRuns: 2000 },
  );
});

test('a plan selects no segment whose summary rules it out', () => {
  fc.assert(
    fc.property(cases, (one) => {
      for (const { segment, fromOffset, toOffset } of planOf(one)) {
        const { minTimestampMs, maxTimestampMs } = segment;
        assert.ok(maxTimestampMs >= T0 + (one.fromMs ?? -Infinity));
        // In a part of a segment there may be no record that is past the window: then the log goes on behind it.
        const isPart = one.cut === 'log' && (fromOffset > segment.baseOffset || toOffset < segment.nextOffset);
        assert.ok(minTimestampMs === null || minTimestampMs <= T0 + (one.toMs ?? Infinity) || isPart);
        assert.ok(fromOffset >= (one.fromOffset ?? 0) && toOffset <= (one.toOffset ?? Infinity));
      }
    }),
    { numRuns: 2000 },
  );
});
