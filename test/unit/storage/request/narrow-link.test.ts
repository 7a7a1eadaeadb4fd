import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type RequestOutcome, RequestPolicy } from '../../../../src/storage/request/request-policy.ts';
import { VirtualTime } from './virtual-time.ts';

const MIB = 1024 * 1024;
const PART = 5 * MIB;
const TIMEOUT_MS = 3000;
const STEP_MS = 10;

/** A link that all bodies share alike; what carries nothing is answered over it after a millisecond. */
class Link {
  bytesPerMs: number;
  readonly #time: VirtualTime;
  #bodies = 0;
  highest = 0;

  constructor(time: VirtualTime, bytesPerMs: number) {
    this.#time = time;
    this.bytesPerMs = bytesPerMs;
  }

  async carry(bytes: number, signal: AbortSignal): Promise<'answer'> {
    await this.#time.wait(1, signal);
    this.#bodies += 1;
    this.highest = Math.max(this.highest, this.#bodies);
    for (let left = bytes; left > 0 && !signal.aborted; ) {
      await this.#time.wait(STEP_MS, signal);
      left -= (this.bytesPerMs * STEP_MS) / this.#bodies;
    }
    this.#bodies -= 1;
    signal.throwIfAborted();
    return 'answer';
  }
}

/** @param partMs how long the link takes for one part alone */
function make(partMs: number) {
  const time = new VirtualTime();
  const link = new Link(time, PART / partMs);
  const outcomes: RequestOutcome[] = [];
  const policy = new RequestPolicy({
    translate: (failure) => {
      throw failure;
    },
    timeoutMs: TIMEOUT_MS,
    patienceMs: 2 * TIMEOUT_MS,
    maxConcurrency: 32,
    observe: ({ outcome }) => outcomes.push(outcome),
    random: () => 1,
    monotonicMs: time.monotonicMs,
    wait: time.wait,
  });
  const send = (bytes: number): Promise<string> =>
    policy.run('Put', 'a', (signal) => link.carry(bytes, signal), { bodyBytes: bytes });
  const count = (wanted: RequestOutcome): number => outcomes.filter((outcome) => outcome === wanted).length;
  return { time, link, policy, send, count };
}

type Made = ReturnType<typeof make>;

/** Parts of objects and requests without a body by turns, four at once, as uploads in parts make them. */
async function upload({ time, policy, send }: Made, parts: number): Promise<void> {
  let left = parts;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await policy.run('Create', 'a', async (signal) => time.wait(1, signal));
      await send(PART);
    }
  };
  const settled = await time.until(Promise.all([lane(), lane(), lane(), lane()]));
  if (settled.status === 'rejected') throw settled.reason;
}

describe('bodies on a narrow link', () => {
  test('that carries one in time, and not two, go up one at a time after those that timed out together', async () => {
    const made = make(0.7 * TIMEOUT_MS);
    await upload(made, 24);
    assert.deepEqual([made.count('ok'), made.count('timed-out'), made.link.highest], [48, 4, 4]);
    assert.ok(made.time.monotonicMs() < TIMEOUT_MS + 25 * 0.7 * TIMEOUT_MS, `${made.time.monotonicMs()} ms`);
  });

  test('are not let beside each other by small ones that pass well', async () => {
    const made = make(0.7 * TIMEOUT_MS);
    await upload(made, 4);
    for (let index = 0; index < 200; index += 1) await made.time.until(made.send(index % 2 === 0 ? 100 : 100_000));
    made.link.highest = 0;
    await upload(made, 8);
    assert.deepEqual([made.count('timed-out'), made.link.highest], [4, 1]);
  });

  test('are as many as come through together, once they do', async () => {
    const made = make(0.7 * TIMEOUT_MS);
    await upload(made, 4);
    made.link.bytesPerMs *= 3;
    made.link.highest = 0;
    await upload(made, 16);
    assert.deepEqual([made.count('timed-out'), made.link.highest], [4, 4]);
  });

  test('are all sent at once where none has timed out', async () => {
    const made = make(0.01 * TIMEOUT_MS);
    const settled = await made.time.until(Promise.all(Array.from({ length: 32 }, () => made.send(PART))));
    assert.deepEqual([settled.status, made.link.highest], ['fulfilled', 32]);
  });

  test('that carries not even one in time are given up, and the message says that a body was under way', async () => {
    const made = make(1.5 * TIMEOUT_MS);
    await assert.rejects(upload(made, 4), {
      code: 'STORE_UNAVAILABLE',
      message: /^Put a: no answer within 3 s, its body of 5\.0 MiB included \(\d attempts in /,
    });
  });

  test('leave no turn behind when they are given up while they wait', async () => {
    const made = make(0.7 * TIMEOUT_MS);
    await upload(made, 4);
    const given = new AbortController();
    const terms = { bodyBytes: PART, signal: given.signal };
    const sent = [1, 2, 3].map(() => made.policy.run('Put', 'a', (signal) => made.link.carry(PART, signal), terms));
    const settled = Promise.allSettled(sent);
    await setImmediate();
    assert.equal(made.policy.traffic().waiting, 2);
    given.abort(new Error('given up'));
    await made.time.until(settled);
    assert.deepEqual([made.policy.traffic().inFlight, made.policy.traffic().waiting], [0, 0]);
    await upload(made, 4);
  });
});
