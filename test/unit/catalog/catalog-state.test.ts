import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PartitionHistory } from '../../../src/catalog/catalog-state.ts';
import { gap, LAYOUT, ORDERS, segment, start, topicSeen, truncation } from './catalog-fixture.ts';

function current(history: PartitionHistory): [bigint, bigint, number][] {
  return history
    .currentSegments()
    .map(({ segment: { timeline }, fromOffset, toOffset }) => [fromOffset, toOffset, timeline]);
}

describe('the history of a partition', () => {
  test('knows no position before anything was committed', () => {
    const history = new PartitionHistory(ORDERS);
    assert.equal(history.resume, undefined);
    assert.ok(history.admits(segment(ORDERS, 0n, 5n)));
    assert.ok(history.admits(segment(ORDERS, 500n, 505n)));
    assert.deepEqual(current(history), []);
  });

  test('begins where it was said first, and admits only what goes on from there', () => {
    const history = new PartitionHistory(ORDERS);
    history.apply(start(ORDERS, 500n));
    assert.deepEqual(history.position, {
      resume: { nextOffset: 500n, leaderEpoch: -1, timeline: 0 },
      earliestMs: null,
      capturedAtMs: null,
      heldToMs: null,
    });
    assert.deepEqual([history.segments, history.gaps, current(history)], [[], [], []]);
    history.apply(start(ORDERS, 503n));
    assert.equal(history.resume?.nextOffset, 500n);
    for (const [action, isAdmitted] of [
      [start(ORDERS, 503n), true],
      [segment(ORDERS, 500n, 510n), true],
      [segment(ORDERS, 0n, 500n), false],
      [segment(ORDERS, 503n, 510n), false],
      [gap(ORDERS, 500n, 549n), true],
      [gap(ORDERS, 0n, 499n), false],
    ] as const) {
      assert.equal(history.admits(action), isAdmitted);
    }
    history.apply(segment(ORDERS, 500n, 510n));
    history.apply(start(ORDERS, 600n));
    assert.deepEqual(history.resume, { nextOffset: 510n, leaderEpoch: 4, timeline: 0 });
  });

  test('admits only what continues it', () => {
    const history = new PartitionHistory(ORDERS);
    history.apply(segment(ORDERS, 0n, 10n));
    for (const [action, isAdmitted] of [
      [segment(ORDERS, 10n, 11n), true],
      [segment(ORDERS, 12n, 13n), false],
      [segment(ORDERS, 9n, 30n), false],
      [segment(ORDERS, 10n, 11n, { timeline: 1 }), false],
      [gap(ORDERS, 10n, 12n), true],
      [gap(ORDERS, 9n, 12n), false],
      [gap(ORDERS, 11n, 12n), false],
      [truncation(ORDERS, 5n, 1), true],
      [truncation(ORDERS, 5n, 0), false],
      [truncation(ORDERS, 5n, 2), false],
      [topicSeen(ORDERS), true],
      [start(ORDERS, 3n), true],
    ] as const) {
      assert.equal(
        history.admits(action),
        isAdmitted,
        JSON.stringify(action, (_key, value: unknown) => String(value)),
      );
    }
  });

  test('goes on behind a gap with the epoch and timeline it had', () => {
    const history = new PartitionHistory(ORDERS);
    history.apply(gap(ORDERS, 0n, 4n));
    assert.deepEqual(history.resume, { nextOffset: 5n, leaderEpoch: -1, timeline: 0 });
    history.apply(segment(ORDERS, 5n, 9n, { leaderEpoch: 7 }));
    history.apply(gap(ORDERS, 9n, 20n));
    assert.deepEqual(history.resume, { nextOffset: 21n, leaderEpoch: 7, timeline: 0 });
  });

  test('keeps what a truncation cut off, but not as current', () => {
    const history = new PartitionHistory(ORDERS);
    for (const [from, to] of [
      [0n, 10n],
      [10n, 20n],
      [20n, 30n],
    ] as const)
      history.apply(segment(ORDERS, from, to));
    history.apply(truncation(ORDERS, 15n, 1));
    assert.deepEqual(history.resume, { nextOffset: 15n, leaderEpoch: -1, timeline: 1 });
    assert.deepEqual(current(history), [
      [0n, 10n, 0],
      [10n, 15n, 0],
    ]);
    history.apply(segment(ORDERS, 15n, 40n, { timeline: 1 }));
    assert.deepEqual(current(history), [
      [0n, 10n, 0],
      [10n, 15n, 0],
      [15n, 40n, 1],
    ]);
    history.apply(truncation(ORDERS, 12n, 2));
    history.apply(segment(ORDERS, 12n, 13n, { timeline: 2 }));
    assert.deepEqual(current(history), [
      [0n, 10n, 0],
      [10n, 12n, 0],
      [12n, 13n, 2],
    ]);
    history.apply(truncation(ORDERS, 0n, 3));
    assert.deepEqual(current(history), []);
    assert.equal(history.segments.length, 5);
  });

  test('forgets a segment that was removed, once, and nothing for a key it does not know', () => {
    const history = new PartitionHistory(ORDERS);
    const kept = segment(ORDERS, 0n, 5n);
    const removed = segment(ORDERS, 5n, 9n);
    for (const action of [kept, removed]) history.apply(action);
    assert.ok(removed.kind === 'segment');
    history.apply({ kind: 'remove', key: removed.segment.key, partition: ORDERS });
    history.apply({ kind: 'remove', key: removed.segment.key, partition: ORDERS });
    history.apply({ kind: 'remove', key: LAYOUT.segment(ORDERS, 0n, 'unknown', 'zstd'), partition: ORDERS });
    assert.deepEqual(current(history), [[0n, 5n, 0]]);
    assert.equal(history.resume?.nextOffset, 9n);
  });

  test('over any truncations is what a log that was cut as often holds', () => {
    const anyStep = fc.record({ isCut: fc.boolean(), length: fc.integer({ min: 1, max: 30 }) });
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
        const history = new PartitionHistory(ORDERS);
        /** The timeline that wrote each offset of the log. */
        let log: number[] = [];
        let timeline = 0;
        for (const { isCut, length } of steps) {
          if (isCut) {
            timeline += 1;
            log = log.slice(0, Math.max(0, log.length - length));
            history.apply(truncation(ORDERS, BigInt(log.length), timeline));
          } else {
            history.apply(segment(ORDERS, BigInt(log.length), BigInt(log.length + length), { timeline }));
            log.push(...Array<number>(length).fill(timeline));
          }
        }
        const found: number[] = [];
        for (const [from, to, of] of current(history)) {
          assert.equal(from, BigInt(found.length), 'segments tile the log');
          found.push(...Array<number>(Number(to - from)).fill(of));
        }
        assert.deepEqual(found, log);
        assert.equal(history.resume?.nextOffset ?? 0n, BigInt(log.length));
      }),
      { seed: 20_261_120, numRuns: 300 },
    );
  });
});
