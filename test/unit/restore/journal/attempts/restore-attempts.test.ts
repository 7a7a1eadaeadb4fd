import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ObjectLayout } from '../../../../../src/catalog/object-layout.ts';
import { pause } from '../../../../../src/model/back-off.ts';
import { BackupError } from '../../../../../src/model/errors.ts';
import { AttemptWatch, LOOK_EVERY_MS } from '../../../../../src/restore/journal/attempts/attempt-watch.ts';
import { NO_ATTEMPT, RestoreAttempts } from '../../../../../src/restore/journal/attempts/restore-attempts.ts';
import { MemoryObjectStore } from '../../../../../src/storage/memory-object-store.ts';

const LAYOUT = new ObjectLayout('b');
const FENCED = { code: 'FENCED', message: new RegExp(`rst_1 was taken over .*process ${process.pid} on `) };

/** Does every put and loses the answer to the first. */
class ForgetfulStore extends MemoryObjectStore {
  #isLost = false;

  override async putIfAbsent(...put: Parameters<MemoryObjectStore['putIfAbsent']>): Promise<'created' | 'exists'> {
    const outcome = await super.putIfAbsent(...put);
    if (this.#isLost) return outcome;
    this.#isLost = true;
    return super.putIfAbsent(...put);
  }
}

describe('the attempts at a restore', () => {
  let store: MemoryObjectStore;
  let attempts: RestoreAttempts;
  beforeEach(() => {
    store = new MemoryObjectStore();
    attempts = new RestoreAttempts(store, LAYOUT, 'rst_1');
  });

  test('each fences the one before', async () => {
    assert.equal(await attempts.begin(0), 1);
    await attempts.assertNewest(1);
    assert.equal(await attempts.begin(0), 2);
    await assert.rejects(attempts.assertNewest(1), FENCED);
    await attempts.assertNewest(2);
  });

  test('that begin at the same moment have numbers of their own', async () => {
    const begun = await Promise.all(Array.from({ length: 10 }, () => attempts.begin(0)));
    assert.deepEqual(
      begun.sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
  });

  test('one whose beginning was answered too late is the same one', async () => {
    assert.equal(await new RestoreAttempts(new ForgetfulStore(), LAYOUT, 'rst_1').begin(0), 1);
  });

  test('are added up by the last mark of each', async () => {
    assert.deepEqual(await attempts.doneBefore(9), NO_ATTEMPT);
    for (const attempt of [1, 2, 3, 4]) assert.equal(await attempts.begin(0), attempt);
    const mark = (durationMs: number) => ({ durationMs, bytesSent: durationMs * 2, bytesRead: 1 });
    for (const [attempt, number, durationMs] of [
      [1, 1, 100],
      [1, 2, 300],
      [3, 1, 7],
      [4, 1, 1000],
    ] as const) {
      await attempts.putMark(attempt, number, mark(durationMs));
    }
    await attempts.putEnded(3, { state: 'FAILED' });
    assert.deepEqual(await attempts.doneBefore(4), { durationMs: 307, bytesSent: 614, bytesRead: 2 });
  });
});

describe('an attempt whose objects are damaged', () => {
  test('fences all the same, and is left out of the sum', async () => {
    const store = new MemoryObjectStore();
    const attempts = new RestoreAttempts(store, LAYOUT, 'rst_1');
    assert.equal(await attempts.begin(0), 1);
    for (const name of ['begun', 1] as const) {
      await store.putIfAbsent(LAYOUT.restoreAttempt('rst_1', 2, name), [Buffer.from('{"durationMs":')]);
    }
    await assert.rejects(attempts.assertNewest(1), { code: 'FENCED' });
    assert.equal(await attempts.begin(0), 3);
    assert.deepEqual(await attempts.doneBefore(3), NO_ATTEMPT);
  });
});

describe('the watch over an attempt', () => {
  let attempts: RestoreAttempts;
  let [monotonicMs, wallMs] = [0, 0];
  const clocks = { monotonicMs: () => monotonicMs, wallMs: () => wallMs };
  beforeEach(() => {
    attempts = new RestoreAttempts(new MemoryObjectStore(), LAYOUT, 'rst_1');
  });

  function watchOver(attempt: number, durationMs = () => 0): AttemptWatch {
    const progress = () => ({ ...NO_ATTEMPT, durationMs: durationMs() });
    return new AttemptWatch({
      ...clocks,
      attempts,
      attempt,
      wait: (ms, signal) => pause(ms === LOOK_EVERY_MS ? 1 : ms, signal),
      progress,
    });
  }

  /** Time for a few of them. */
  const looks = (): Promise<void> => pause(50);

  test('stops the work when another process takes over, and says so', async () => {
    const watch = watchOver(await attempts.begin(0));
    const stopped = watch.during(async () => {
      await attempts.begin(0);
      await new Promise((resolve) => watch.signal.addEventListener('abort', resolve));
      throw new BackupError('INTERRUPTED', 'stopped');
    });
    await assert.rejects(stopped, FENCED);
  });

  test('tells a failure that is the doing of another process from one that is not', async () => {
    const fail = (): Promise<never> => Promise.reject(new BackupError('KAFKA_REQUEST_REFUSED', 'out of order'));
    const first = await attempts.begin(0);
    await assert.rejects(watchOver(first).during(fail), { code: 'KAFKA_REQUEST_REFUSED' });
    await attempts.begin(0);
    await assert.rejects(watchOver(first).during(fail), FENCED);
  });

  test('permits no write after a pause, by whichever clock, before it has looked', async () => {
    const watch = watchOver(await attempts.begin(0));
    assert.equal(watch.permit(attempts), undefined);
    monotonicMs += 6000;
    await watch.permit(attempts);
    assert.equal(watch.permit(attempts), undefined);
    await attempts.begin(0);
    assert.equal(watch.permit(attempts), undefined);
    wallMs += 6000;
    const permission = watch.permit(attempts);
    assert.equal(watch.permit(attempts), permission);
    await assert.rejects(permission!, FENCED);
    assert.ok(watch.signal.aborted);
  });

  test('marks what an attempt has done while it works, and when it fails', async () => {
    const attempt = await attempts.begin(0);
    const doneSoFar = async (): Promise<number> => (await attempts.doneBefore(attempt + 1)).durationMs;
    let durationMs = 200;
    const watch = watchOver(attempt, () => durationMs);
    await assert.rejects(
      watch.during(async () => {
        await looks();
        assert.equal(await doneSoFar(), 0);
        durationMs = 400;
        await looks();
        durationMs = 410;
        await looks();
        assert.equal(await doneSoFar(), 400);
        throw new Error('the end');
      }),
    );
    assert.equal(await doneSoFar(), 410);
  });
});
