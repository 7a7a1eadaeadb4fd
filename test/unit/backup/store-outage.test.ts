import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, type TestContext, test } from 'node:test';
import { BackupSupervisor } from '../../../src/backup/backup-supervisor.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import { pause } from '../../../src/model/back-off.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { RequestPolicy } from '../../../src/storage/request/request-policy.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { jsonBatch, startWorkers } from '../segment/segment-fixture.ts';
import { SETTINGS } from './backup-settings-fixture.ts';
import { MemoryPartitionLog, TOPIC, TOPIC_ID } from './memory-log.ts';

const HOUR_MS = 3_600_000;
const STEP_MS = 250;
/** Real time, for threads that know no other. */
const realSetTimeout = globalThis.setTimeout;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** A store behind the request policy of the cloud stores, with its patience as it is by default. It can be away. */
class DistantStore extends MemoryObjectStore {
  isAway = false;
  readonly policy: RequestPolicy;

  constructor(monotonicMs: () => number) {
    super();
    this.policy = new RequestPolicy({
      translate: (_failure, operation, key) => ({
        kind: 'unavailable',
        error: new BackupError('STORE_UNAVAILABLE', `${operation} ${key}: connect ECONNREFUSED`),
      }),
      ...{ timeoutMs: 60_000, patienceMs: 120_000, maxConcurrency: 16, monotonicMs, wait: pause },
    });
  }

  override putIfAbsent(key: string, chunks: AsyncIterable<Uint8Array>): Promise<'created' | 'exists'> {
    return this.policy.run('PutObject', key, async () => this.#reached().then(() => super.putIfAbsent(key, chunks)));
  }

  override get(...args: Parameters<MemoryObjectStore['get']>): Promise<Uint8Array | undefined> {
    return this.policy.run('GetObject', args[0], () => this.#reached().then(() => super.get(...args)));
  }

  async #reached(): Promise<void> {
    if (this.isAway) throw new Error('connect ECONNREFUSED');
  }
}

describe('a store that is away for an hour', { timeout: 60_000 }, () => {
  test('is waited out by a continuous backup: bounded, with everything once in the end', async (context: TestContext) => {
    const workers = startWorkers(1);
    context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    let nowMs = 0;
    const pass = async (ms: number): Promise<void> => {
      nowMs += ms;
      context.mock.timers.tick(ms);
      for (let turn = 0; turn < 3; turn += 1) await setImmediate();
    };
    /** Lets time pass, no faster than the threads can work. */
    const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
      for (const deadlineMs = performance.now() + 20_000; !(await isSo()); await pass(20)) {
        assert.ok(performance.now() < deadlineMs, `${what}: not in time`);
        await new Promise((resolve) => realSetTimeout(resolve, 2));
      }
    };
    const store = new DistantStore(() => nowMs);
    const log = new MemoryPartitionLog([[jsonBatch(0n, 10)]]);
    const supervisor = new BackupSupervisor({
      settings: { ...SETTINGS, continuous: true, limits: { ...SETTINGS.limits, maxIntervalMs: 1000 } },
      ...{ log, store, layout: LAYOUT, workers, logger: SILENT },
      observer: { segmentSealed() {}, committed() {}, gap() {}, error() {} },
      ...{ monotonicMs: () => nowMs, wallMs: () => nowMs, storeTraffic: () => store.policy.traffic() },
    });
    const ending = new AbortController();
    let hasEnded = false;
    const ended = supervisor.run(ending.signal).finally(() => {
      hasEnded = true;
    });
    const committed = async (): Promise<bigint | undefined> => {
      if (store.isAway) return undefined;
      const state = await readCatalog(store, LAYOUT).catch(() => undefined);
      return state?.incarnation(TOPIC, TOPIC_ID).partition(0).segments.at(-1)?.nextOffset;
    };
    await until('the first commit', async () => (await committed()) === 10n);

    store.isAway = true;
    log.append(0, jsonBatch(10n, 10));
    await until('the first failure', () => store.policy.traffic().failingForMs > 0);
    const requestsBefore = store.policy.traffic().requests;
    for (let passedMs = 0; passedMs < HOUR_MS; passedMs += STEP_MS) await pass(STEP_MS);
    assert.equal(hasEnded, false);
    const { circuit, failingForMs, requests } = store.policy.traffic();
    assert.equal(circuit, 'open');
    assert.ok(failingForMs >= HOUR_MS, `${failingForMs} ms`);
    // Once in 5 to 10 seconds, for each of the few who wait for it.
    const asked = requests - requestsBefore;
    assert.ok(asked > 100 && asked < 3000, `${asked} requests in the hour`);

    store.isAway = false;
    await until('the second commit', async () => (await committed()) === 20n);
    ending.abort();
    await until('the end', () => hasEnded);
    const { isComplete, shortfalls } = await ended;
    assert.deepEqual([isComplete, shortfalls], [true, []]);
    const { segments } = (await readCatalog(store, LAYOUT)).incarnation(TOPIC, TOPIC_ID).partition(0);
    assert.deepEqual(
      [...segments].map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
      [
        [0n, 10n],
        [10n, 20n],
      ],
    );
    context.mock.timers.reset();
    await workers.close();
  });
});
