import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { BackupError } from '../../../../src/model/errors.ts';
import {
  type RequestFailure,
  type RequestOutcome,
  RequestPolicy,
  type RequestPolicyOptions,
} from '../../../../src/storage/request/request-policy.ts';
import { VirtualTime } from './virtual-time.ts';

/** What a store of these tests fails with. */
class Failure extends Error {
  readonly kind: RequestFailure['kind'];
  readonly retryAfterMs: number | undefined;
  readonly isAnswer: boolean = false;
  readonly isStrange: boolean = false;

  constructor(kind: RequestFailure['kind'], retryAfterMs?: number) {
    super(kind);
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

function translate(failure: unknown, operation: string, key: string): RequestFailure {
  const { kind, retryAfterMs, isAnswer, isStrange, message } = failure as Failure;
  const code = kind === 'refused' ? 'STORE_REFUSED' : 'STORE_UNAVAILABLE';
  const error = new BackupError(code, `${operation} ${key}: ${message}`, { context: { key } });
  return { kind, error, isAnswer, isStrange, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function make(options: Partial<RequestPolicyOptions> = {}) {
  const time = new VirtualTime();
  const outcomes: RequestOutcome[] = [];
  const policy = new RequestPolicy({
    translate,
    timeoutMs: 10_000,
    patienceMs: 60_000,
    maxConcurrency: 8,
    observe: ({ outcome }) => outcomes.push(outcome),
    random: () => 1,
    monotonicMs: time.monotonicMs,
    wait: time.wait,
    ...options,
  });
  return { time, policy, outcomes };
}

/** Fails with these one after the other, then answers. */
function failing(...failures: readonly Failure[]) {
  const left = [...failures];
  return async (): Promise<string> => {
    const failure = left.shift();
    if (failure !== undefined) throw failure;
    return 'answer';
  };
}

const forever = (failure: Failure) => async (): Promise<never> => {
  throw failure;
};
const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

function reasonOf(outcome: PromiseSettledResult<unknown>): BackupError {
  assert.equal(outcome.status, 'rejected');
  return outcome.reason as BackupError;
}

describe('an answer that somebody else gave', () => {
  const strange = () => Object.assign(new Failure('refused'), { isStrange: true, isAnswer: true });

  test('is told at once where the store has never answered: it may not be one', async () => {
    const { policy, outcomes } = make();
    await assert.rejects(policy.run('Put', 'a', failing(strange())), { code: 'STORE_REFUSED' });
    await assert.rejects(policy.run('Put', 'a', failing(strange())), { code: 'STORE_REFUSED' });
    assert.deepEqual(outcomes, ['refused', 'refused']);
  });

  test('is none once the store has answered, and is waited for as long as the patience', async () => {
    const { policy, time, outcomes } = make();
    await policy.run('Get', 'a', failing());
    assert.equal((await time.until(policy.run('Put', 'a', failing(strange())))).status, 'fulfilled');
    assert.deepEqual(outcomes, ['ok', 'unavailable', 'ok']);
    const reason = reasonOf(await time.until(policy.run('Put', 'a', forever(strange()))));
    assert.equal(reason.code, 'STORE_UNAVAILABLE');
    assert.match(reason.message, /^Put a: refused \(\d+ attempts in/);
    assert.equal(policy.traffic().circuit, 'open');
  });
});

describe('one request', () => {
  test('is counted by its operation as often as it went out', async () => {
    const { policy, time, outcomes } = make();
    await time.until(policy.run('Put', 'a', failing(new Failure('unavailable'), new Failure('throttled'))));
    await policy.run('Put', 'b', failing());
    await assert.rejects(policy.run('Get', 'c', failing(new Failure('refused'))));
    assert.deepEqual(policy.requests, new Map(Object.entries({ Put: 4, Get: 1 })));
    assert.deepEqual([policy.traffic().requests, outcomes.length], [5, 5]);
  });

  test('is answered at once, and told once', async () => {
    const { policy, outcomes } = make();
    assert.equal(await policy.run('Get', 'a', failing()), 'answer');
    assert.deepEqual(outcomes, ['ok']);
  });

  test('is tried again after what may pass, each time after twice the pause', async () => {
    const { policy, time, outcomes } = make();
    const away = new Failure('unavailable');
    const outcome = await time.until(policy.run('Get', 'a', failing(away, away, away)));
    assert.deepEqual(outcome, { status: 'fulfilled', value: 'answer' });
    assert.deepEqual(outcomes, ['unavailable', 'unavailable', 'unavailable', 'ok']);
    assert.equal(time.monotonicMs(), 100 + 200 + 400);
  });

  test('pauses at random, at least half as long', async () => {
    const { policy, time } = make({ random: () => 0 });
    await time.until(policy.run('Get', 'a', failing(new Failure('unavailable'))));
    assert.equal(time.monotonicMs(), 50);
  });

  test('is not tried again when it was refused', async () => {
    const { policy, time, outcomes } = make();
    const error = reasonOf(await time.until(policy.run('Put', 'k', forever(new Failure('refused')))));
    assert.deepEqual([error.code, error.message], ['STORE_REFUSED', 'Put k: refused']);
    assert.deepEqual(outcomes, ['refused']);
  });

  test('passes on a BackupError of the adapter as it is', async () => {
    const { policy, time } = make();
    const damaged = new BackupError('STORE_CHECKSUM_MISMATCH', 'damaged');
    const outcome = await time.until(policy.run('Get', 'a', () => Promise.reject(damaged)));
    assert.equal(reasonOf(outcome), damaged);
  });

  test('comes back no earlier than the store said, and up to a quarter later: not all at the same moment', async () => {
    for (const [random, afterMs] of [
      [0, 7000],
      [1, 8750],
    ] as const) {
      const { policy, time } = make({ random: () => random });
      await time.until(policy.run('Get', 'a', failing(new Failure('throttled', 7000))));
      assert.equal(time.monotonicMs(), afterMs);
    }
  });

  test('is given up at once when the store says to come back after the patience', async () => {
    const { policy, time, outcomes } = make();
    const outcome = await time.until(policy.run('Get', 'a', forever(new Failure('throttled', 61_000))));
    assert.equal(reasonOf(outcome).code, 'STORE_UNAVAILABLE');
    assert.match(reasonOf(outcome).message, /\(1 attempt in 0\.0 s; it wants to be left alone for 61\.0 s\)$/);
    assert.deepEqual([time.monotonicMs(), outcomes.length], [0, 1]);
  });

  test('is not sent before the time that the store said to another one, and not waited for beyond the patience', async () => {
    const { policy, time, outcomes } = make({ random: () => 0 });
    reasonOf(await time.until(policy.run('Get', 'a', forever(new Failure('throttled', 90_000)))));
    const early = reasonOf(await time.until(policy.run('Get', 'b', failing())));
    assert.equal(early.code, 'STORE_UNAVAILABLE');
    assert.match(early.message, /^Get a: throttled \(it wants to be left alone for another 90\.0 s\)$/);
    assert.equal(outcomes.length, 1);
    await time.until(time.wait(40_000, new AbortController().signal));
    const waiting = await time.until(policy.run('Get', 'c', failing()));
    assert.equal(waiting.status, 'fulfilled');
    assert.equal(time.monotonicMs(), 90_000);
    await time.until(policy.run('Get', 'd', failing()));
    assert.equal(time.monotonicMs(), 90_000);
  });

  test('has its whole patience again after each attempt that got on, and that one was answered', async () => {
    const { policy, time, outcomes } = make({ patienceMs: 15_000 });
    let progress = 0;
    const getting = policy.run(
      'Get',
      'a',
      (signal) => {
        progress += 1;
        return progress < 20 ? never(signal) : Promise.resolve('all of it');
      },
      { progress: () => progress },
    );
    assert.deepEqual(await time.until(getting), { status: 'fulfilled', value: 'all of it' });
    assert.deepEqual([outcomes.length, policy.traffic().circuit], [20, 'closed']);
    const stuck = policy.run('Get', 'a', never, { progress: () => progress });
    assert.match(reasonOf(await time.until(stuck)).message, /\(2 attempts in /);
  });

  test('is given up within the patience, and says how often it was tried', async () => {
    const { policy, time, outcomes } = make();
    const error = reasonOf(await time.until(policy.run('Put', 'k', forever(new Failure('unavailable')))));
    assert.equal(error.code, 'STORE_UNAVAILABLE');
    assert.match(error.message, /^Put k: unavailable \(\d+ attempts in \d+\.\d s\)$/);
    assert.ok(time.monotonicMs() > 40_000 && time.monotonicMs() <= 60_000, `${time.monotonicMs()} ms`);
    assert.ok(error.message.includes(`${outcomes.length} attempts`));
  });

  test('times out, has its signal aborted, and is tried again', async () => {
    const { policy, time, outcomes } = make();
    let wasAborted = false;
    let attempts = 0;
    const answered = policy.run('Get', 'a', async (signal) => {
      attempts += 1;
      if (attempts > 1) return 'answer';
      return never(signal).catch((error: unknown) => {
        wasAborted = true;
        throw error;
      });
    });
    assert.deepEqual(await time.until(answered), { status: 'fulfilled', value: 'answer' });
    assert.ok(wasAborted);
    assert.deepEqual(outcomes, ['timed-out', 'ok']);
    assert.equal(time.monotonicMs(), 10_000 + 100);
  });

  test('that makes an object appear has three times the time, and a second more for every 32 MiB; so has the patience', async () => {
    const terms = { joinedBytes: 5 * 1024 * 1024 * 1024 };
    const { policy, time } = make({ patienceMs: 0 });
    const error = reasonOf(await time.until(policy.run('Join', 'a', never, terms)));
    assert.match(error.message, /^Join a: no answer within 190 s \(1 attempt in 190\.0 s\)$/);
    const patient = make({ patienceMs: 20_000 });
    let attempts = 0;
    const joining = patient.policy.run(
      'Join',
      'a',
      (signal) => ((attempts += 1) === 1 ? never(signal) : Promise.resolve('joined')),
      terms,
    );
    assert.deepEqual(await patient.time.until(joining), { status: 'fulfilled', value: 'joined' });
  });

  test('times out even when it does not heed its signal', async () => {
    const { policy, time } = make({ patienceMs: 0 });
    const error = reasonOf(await time.until(policy.run('Get', 'a', () => new Promise(() => {}))));
    assert.match(error.message, /^Get a: no answer within 10 s/);
  });

  test('ends with the reason of its own signal, while it runs, pauses or waits for its turn', async () => {
    for (const attempt of [never, forever(new Failure('unavailable'))]) {
      const { policy, time } = make({ maxConcurrency: 1 });
      const given = new AbortController();
      const running = policy.run('Get', 'a', attempt, { signal: given.signal });
      const waiting = policy.run('Get', 'b', never, { signal: given.signal });
      const both = Promise.allSettled([running, waiting]);
      await setImmediate();
      given.abort(new Error('given up'));
      const settled = await time.until(both);
      assert.equal(settled.status, 'fulfilled');
      for (const outcome of settled.value) assert.equal(reasonOf(outcome).message, 'given up');
      assert.deepEqual([policy.traffic().inFlight, policy.traffic().waiting], [0, 0]);
    }
  });

  test('ends when the policy is closed, and none begins after that', async () => {
    const { policy, time } = make();
    const running = time.until(policy.run('Get', 'a', never));
    policy.close();
    assert.equal(reasonOf(await running).code, 'STORE_UNAVAILABLE');
    await assert.rejects(policy.run('Get', 'b', failing()), { code: 'STORE_UNAVAILABLE' });
  });
});

describe('many requests', () => {
  test('run no more at once than allowed, in order of arrival', async () => {
    const { policy, time } = make({ maxConcurrency: 3 });
    let running = 0;
    let highest = 0;
    const order: number[] = [];
    const all = Array.from({ length: 10 }, (_, index) =>
      policy.run('Get', 'a', async () => {
        order.push(index);
        highest = Math.max(highest, (running += 1));
        await setImmediate();
        running -= 1;
      }),
    );
    await time.until(Promise.all(all));
    assert.equal(highest, 3);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('are halved once by a burst of refusals, and grow again by one in a round', async () => {
    const { policy, time } = make({ maxConcurrency: 16 });
    const burst = Array.from({ length: 16 }, () => policy.run('Get', 'a', failing(new Failure('throttled'))));
    await setImmediate();
    assert.equal(policy.traffic().concurrency, 8);
    await time.until(Promise.all(burst));
    const grown = policy.traffic().concurrency;
    assert.ok(grown > 8 && grown <= 10, `${grown}`);
    for (let round = 0; round < 200; round += 1) await policy.run('Get', 'a', failing());
    assert.equal(policy.traffic().concurrency, 16);
  });

  test('fall to half of those under way, where the bound is not used up', async () => {
    const { policy, time } = make({ maxConcurrency: 32 });
    const burst = Array.from({ length: 4 }, () => policy.run('Get', 'a', failing(new Failure('throttled'))));
    await setImmediate();
    assert.equal(policy.traffic().concurrency, 2);
    await time.until(Promise.all(burst));
  });

  test('never fall below one at once', async () => {
    const { policy, time } = make({ maxConcurrency: 4, patienceMs: 600_000 });
    const slow = Array.from({ length: 8 }, () => new Failure('throttled'));
    assert.equal((await time.until(policy.run('Get', 'a', failing(...slow)))).status, 'fulfilled');
    assert.ok(policy.traffic().concurrency >= 1);
  });

  test('a store that is away opens the circuit, and one answer closes it', async () => {
    const { policy, time } = make();
    const away = Array.from({ length: 5 }, () => new Failure('unavailable'));
    let open: unknown;
    const attempt = failing(...away);
    const answered = policy.run('Get', 'a', () => {
      open = policy.traffic();
      return attempt();
    });
    await time.until(answered);
    const { circuit, lastFailure, failingForMs } = open as ReturnType<RequestPolicy['traffic']>;
    assert.deepEqual([circuit, lastFailure], ['open', 'STORE_UNAVAILABLE']);
    assert.ok(failingForMs > 0);
    const after = policy.traffic();
    assert.deepEqual([after.circuit, after.lastFailure, after.failingForMs], ['closed', null, 0]);
  });

  test('a failure that the store itself tells of is an answer, however often it comes, and is told', async () => {
    const { policy, time } = make();
    const full = forever(Object.assign(new Failure('unavailable'), { isAnswer: true }));
    reasonOf(await time.until(policy.run('Put', 'a', full)));
    const { circuit, failingForMs, lastFailure } = policy.traffic();
    assert.deepEqual([circuit, failingForMs, lastFailure], ['closed', 0, 'STORE_UNAVAILABLE']);
  });

  test('a refusal is an answer too: the store is there', async () => {
    const { policy, time } = make({ patienceMs: 2000 });
    await time.until(policy.run('Get', 'a', forever(new Failure('unavailable'))));
    assert.equal(policy.traffic().circuit, 'open');
    await time.until(policy.run('Get', 'a', forever(new Failure('refused'))));
    assert.equal(policy.traffic().circuit, 'closed');
  });

  test('one that waited long in vain does not send others away that were answered meanwhile', async () => {
    const { policy, time } = make({ maxConcurrency: 2, patienceMs: 9000 });
    const slow = policy.run('Join', 'a', never, { joinedBytes: 0 });
    const settled = Promise.allSettled([slow]);
    for (let turn = 0; turn < 29; turn += 1) {
      await time.until(policy.run('Get', 'b', (signal) => time.wait(1000, signal).then(() => 'answer')));
    }
    let answer: (value: string) => void = () => {};
    const answered = new Promise<string>((resolve) => {
      answer = resolve;
    });
    const others = [policy.run('Get', 'c', () => answered), policy.run('Get', 'd', () => answered)];
    await time.until(settled.then(() => answer('answer')));
    assert.match(reasonOf((await settled)[0]).message, /no answer within 30 s/);
    assert.deepEqual(await Promise.all(others), ['answer', 'answer']);
  });

  test('once the store has been away for the patience, a further request is tried once, and those that wait are sent away', async () => {
    const { policy, time, outcomes } = make({ maxConcurrency: 2 });
    const before = Array.from({ length: 6 }, () => policy.run('Get', 'a', never));
    const settled = await time.until(Promise.allSettled(before));
    assert.equal(settled.status, 'fulfilled');
    for (const outcome of settled.value) assert.equal(reasonOf(outcome).code, 'STORE_UNAVAILABLE');
    assert.ok(time.monotonicMs() < 60_000 + 3 * 10_000, `${time.monotonicMs()} ms for all of them`);
    const attempts = outcomes.length;
    const error = reasonOf(await time.until(policy.run('Get', 'b', forever(new Failure('unavailable')))));
    assert.match(error.message, /\(1 attempt in/);
    assert.equal(outcomes.length, attempts + 1);
  });
});
