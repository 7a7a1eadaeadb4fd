import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { partition, plan, seen, stateOf, T0, timed } from './plan-fixture.ts';

const OLD = partition('a', 0);
const NEW = partition('a', 0, 'C');

/** Two lives: the old one is seen at 0 and 200, the new one at 500, with records of those timestamps. */
const lives = (records: readonly [number, number]) =>
  stateOf(
    seen('a', 1, { observedAtMs: T0 }),
    timed(OLD, [0n, 10n], [0, 100]),
    seen('a', 1, { observedAtMs: T0 + 200 }),
    seen('a', 1, { observedAtMs: T0 + 500, letter: 'C' }),
    timed(NEW, [0n, 5n], records),
  );

describe('a target between the last time a life was seen and the first time that the next one was', () => {
  const at = (state: ReturnType<typeof stateOf>, toMs: number) => {
    const { topicId, doubt } = plan(state, { recoveryTarget: { cut: 'timestamp', toMs: T0 + toMs } }).topics[0]!;
    return { topicId, doubt };
  };
  const doubt = { lastSeenMs: T0 + 200, firstSeenMs: T0 + 500 };

  test('takes the new life as soon as that holds a record from between, and says what else may be meant', () => {
    const state = lives([300, 450]);
    const older = { topicId: OLD.topicId, doubt: { otherTopicId: NEW.topicId, ...doubt, isNewerTaken: false } };
    const newer = { topicId: NEW.topicId, doubt: { otherTopicId: OLD.topicId, ...doubt, isNewerTaken: true } };
    assert.deepEqual(at(state, 299), older);
    assert.deepEqual(at(state, 300), newer);
    assert.deepEqual(at(state, 499), newer);
  });

  test('takes the old life where the records of the new one prove nothing: they may have been written with any timestamp', () => {
    for (const records of [
      [50, 450],
      [501, 600],
    ] as const) {
      const { topicId, doubt: told } = at(lives(records), 499);
      assert.deepEqual([topicId, told?.isNewerTaken], [OLD.topicId, false]);
    }
  });

  test('is in doubt nowhere else', () => {
    const state = lives([300, 450]);
    assert.deepEqual(at(state, 200), { topicId: OLD.topicId, doubt: null });
    assert.deepEqual(at(state, 500), { topicId: NEW.topicId, doubt: null });
    assert.equal(plan(state, {}).topics[0]?.doubt, null);
  });
});
