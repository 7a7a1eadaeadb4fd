// A store that goes away under a restore of several partitions, in virtual time.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { BackupError } from '../../../../src/model/errors.ts';
import { LOOK_EVERY_MS } from '../../../../src/restore/journal/attempts/attempt-watch.ts';
import { RESTORE_ALL, type RestoreJob } from '../../../../src/restore/restore-job.ts';
import { RestoreService } from '../../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster, ModelSink } from './model-target.ts';
import { SETTINGS, SURROUNDINGS } from './run-fixture.ts';

const PARTITIONS = 4;
const SEGMENTS = 12;
const HOUR_MS = 3_600_000;
const PATIENCE_MS = 2 * HOUR_MS;
/** Rounds of the event loop in which whoever can go on does. */
const TURNS = 20;

/** Serves so many reads of segments, and is away from then on. */
class LeavingStore extends MemoryObjectStore {
  readsLeft = Number.POSITIVE_INFINITY;
  isAway = false;
  onLeave = (): void => {};
  asked = 0;

  override async get(...args: Parameters<MemoryObjectStore['get']>): Promise<Uint8Array | undefined> {
    if (args[0].includes('/data/')) this.readsLeft -= 1;
    if (this.readsLeft < 0) {
      this.readsLeft = Number.POSITIVE_INFINITY;
      this.isAway = true;
      this.onLeave();
    }
    this.#assertThere();
    return super.get(...args);
  }

  override async head(...args: Parameters<MemoryObjectStore['head']>) {
    this.#assertThere();
    return super.head(...args);
  }

  override async putIfAbsent(...args: Parameters<MemoryObjectStore['putIfAbsent']>) {
    this.#assertThere();
    return super.putIfAbsent(...args);
  }

  #assertThere(): void {
    if (!this.isAway) return;
    this.asked += 1;
    throw new BackupError('STORE_UNAVAILABLE', 'connect ECONNREFUSED');
  }
}

/** Whoever waits is woken in the order of their times, once nobody else can go on. */
class VirtualTime {
  nowMs = 0;
  readonly #waiting: { readonly atMs: number; readonly wake: () => void }[] = [];

  readonly wait = (ms: number, signal: AbortSignal): Promise<void> => {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      // The watch over the attempt sleeps: nobody takes over.
      if (ms !== LOOK_EVERY_MS) this.#waiting.push({ atMs: this.nowMs + ms, wake: resolve });
    });
  };

  async until<T>(end: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    end.then(over, over);
    while (!isOver) {
      for (let turn = 0; turn < TURNS; turn += 1) await setImmediate();
      this.#waiting.sort((one, other) => one.atMs - other.atMs);
      const next = this.#waiting.shift();
      if (next === undefined) continue;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.wake();
    }
    return end;
  }
}

describe('a restore whose store goes away', { timeout: 120_000 }, () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  before(async () => {
    workers = startWorkers(2);
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe(PARTITIONS, { topic: 'orders', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' });
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      for (let segment = 0n; segment < BigInt(SEGMENTS); segment += 1n) {
        await backup.add([jsonBatch(segment * 10n, 10)], {
          topic: 'orders',
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partition,
        });
      }
    }
  });
  after(() => workers.close());

  async function begin(): Promise<{ store: LeavingStore; time: VirtualTime; restore: () => Promise<RestoreJob> }> {
    const store = new LeavingStore();
    for await (const { key } of backup.store.list('')) await store.putIfAbsent(key, [await backup.bytes(key)]);
    const time = new VirtualTime();
    const cluster = new ModelCluster();
    const service = new RestoreService({
      store,
      layout: backup.layout,
      settings: { ...SETTINGS, maxConcurrentPartitions: PARTITIONS },
      openSink: () => new ModelSink(cluster, new Fault()),
      openWorkers: () => ({ ...workers, run: workers.run.bind(workers), close: async () => {} }),
      ...SURROUNDINGS,
      patienceMs: PATIENCE_MS,
      monotonicMs: () => time.nowMs,
      wait: time.wait,
    });
    const restore = async (): Promise<RestoreJob> => {
      const { id } = service.submit({ ...RESTORE_ALL, target: 'default' });
      return service.finished(id);
    };
    return { store, time, restore };
  }

  async function restoreAway(awayMs: number | null) {
    const { store, time, restore } = await begin();
    // Footers and frames: some of each partition, by far not all.
    store.readsLeft = SEGMENTS * PARTITIONS;
    store.onLeave = () => {
      if (awayMs === null) return;
      void time.wait(awayMs, new AbortController().signal).then(() => {
        store.isAway = false;
      });
    };
    const ended = time.until(restore());
    return { store, time, restore, ended };
  }

  test('waits an hour for it', async () => {
    const { time, ended } = await restoreAway(HOUR_MS);
    const { report } = await ended;
    assert.ok(time.nowMs >= HOUR_MS && time.nowMs < HOUR_MS + 60_000, `${time.nowMs} ms`);
    const restored = report!.sources.reduce((total, { recordsRestored }) => total + recordsRestored, 0);
    assert.equal(restored, PARTITIONS * SEGMENTS * 10);
  });

  test('gives all of it up at once when its patience is over, and is carried on when it is asked for again', async () => {
    const { store, time, restore, ended } = await restoreAway(null);
    await assert.rejects(ended, {
      code: 'STORE_UNAVAILABLE',
      message:
        /; the restore has waited for 2 h and gives up; run it again to carry the restore on, or restore --resume rst_/,
    });
    assert.ok(time.nowMs >= PATIENCE_MS && time.nowMs < PATIENCE_MS + 10_000, `${time.nowMs} ms`);
    const { asked } = store;
    for (let turn = 0; turn < TURNS; turn += 1) await setImmediate();
    assert.equal(store.asked, asked, 'nothing asks the store any more');
    store.isAway = false;
    const { report } = await time.until(restore());
    assert.equal(report?.isResumed, true);
  });
});
