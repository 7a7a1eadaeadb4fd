import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../../../src/restore/run/token-bucket.ts';
import { randomNumbers } from '../../../support/random-numbers.ts';

/** Time that passes only while somebody waits, and now and then longer than asked for. */
class Clock {
  nowMs = 1000;
  readonly #late: () => number;

  constructor(late: () => number = () => 0) {
    this.#late = late;
  }

  monotonicMs = (): number => this.nowMs;
  wait = async (ms: number): Promise<void> => {
    this.nowMs += ms + this.#late();
  };
}

const NEVER = new AbortController().signal;

/** What has passed by the end of each second. */
async function flow(perSecond: number, amount: number, clock: Clock, seconds: number, busyMs = 0): Promise<number[]> {
  const bucket = new TokenBucket(perSecond, clock);
  const passed = Array.from({ length: seconds }, () => 0);
  const startMs = clock.nowMs;
  for (;;) {
    await bucket.take(amount, NEVER);
    const second = Math.floor((clock.nowMs - startMs) / 1000);
    if (second >= seconds) return passed;
    for (let later = second; later < seconds; later += 1) passed[later]! += amount;
    clock.nowMs += busyMs;
  }
}

test('within 5 percent of the rate over 30 seconds, and never above it since the start', async () => {
  for (const [perSecond, amount] of [
    [1000, 250],
    [100, 25],
    [2_000_000, 500_000],
    [50_000, 1000],
    [3, 1],
  ] as const) {
    const passed = await flow(perSecond, amount, new Clock(), 30);
    passed.forEach((total, second) => assert.ok(total <= perSecond * (second + 1), `second ${second}: ${total}`));
    assert.ok(passed[29]! >= perSecond * 30 * 0.95, `${passed[29]} of ${perSecond * 30}`);
  }
});

test('timers that are late cost nothing in the long run', async () => {
  const random = randomNumbers(7);
  const passed = await flow(1000, 100, new Clock(() => random() * 40), 30);
  assert.ok(passed[29]! >= 28_500 && passed[29]! <= 30_000, String(passed[29]));
});

test('keeps one second that was left over, not more', async () => {
  const clock = new Clock();
  const bucket = new TokenBucket(1000, clock);
  await bucket.take(100, NEVER);
  clock.nowMs += 60_000;
  const before = clock.nowMs;
  for (let taken = 0; taken < 10; taken += 1) await bucket.take(100, NEVER);
  assert.equal(clock.nowMs, before);
  await bucket.take(100, NEVER);
  assert.ok(clock.nowMs >= before + 100);
});

test('an amount larger than a second’s worth waits until all of it is there', async () => {
  const clock = new Clock();
  const bucket = new TokenBucket(100, clock);
  await bucket.take(250, NEVER);
  assert.ok(clock.nowMs - 1000 >= 2500);
  await bucket.take(250, NEVER);
  assert.ok(clock.nowMs - 1000 >= 5000);
});

test('the time before the first batch counts for nothing', async () => {
  const clock = new Clock();
  const bucket = new TokenBucket(1000, clock);
  clock.nowMs += 10_000;
  const before = clock.nowMs;
  await bucket.take(500, NEVER);
  assert.ok(clock.nowMs >= before + 500);
});

test('lets everybody go when the restore is stopped', async () => {
  const stop = new AbortController();
  stop.abort();
  await new TokenBucket(1, new Clock()).take(1_000_000, stop.signal);
});
