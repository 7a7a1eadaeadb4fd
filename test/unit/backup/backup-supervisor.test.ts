import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BackupSettings } from '../../../src/backup/backup-settings.ts';
import { BackupSupervisor } from '../../../src/backup/backup-supervisor.ts';
import { foundBackup } from '../../../src/catalog/backup-identity.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { pause } from '../../../src/model/back-off.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { Logger } from '../../../src/model/logger.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { jsonBatch, startWorkers } from '../segment/segment-fixture.ts';
import { SETTINGS } from './backup-settings-fixture.ts';
import { MemoryPartitionLog, TOPIC, TOPIC_ID } from './memory-log.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** A store whose puts of segments and of the identity a test may hold up or refuse. */
class GatedStore extends MemoryObjectStore {
  beforeSegment: (key: string) => Promise<void> = async () => {};
  beforeIdentity: () => Promise<void> = async () => {};
  /** What was put, in the order in which it came to be there. */
  readonly keys: string[] = [];

  override async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    if (key.startsWith(LAYOUT.dataPrefix)) await this.beforeSegment(key);
    if (key === LAYOUT.identity) await this.beforeIdentity();
    const outcome = await super.putIfAbsent(key, chunks);
    this.keys.push(key);
    return outcome;
  }
}

describe('the supervisor of a backup', { timeout: 60_000 }, () => {
  let workers: WorkerPool;

  before(() => {
    workers = startWorkers();
  });

  after(() => workers.close());

  function supervise(
    log: MemoryPartitionLog,
    store: MemoryObjectStore,
    change: Partial<BackupSettings> = {},
    logger: Logger = SILENT,
  ) {
    return new BackupSupervisor({
      settings: { ...SETTINGS, ...change },
      log,
      store,
      layout: LAYOUT,
      workers,
      logger,
      observer: { segmentSealed() {}, committed() {}, gap() {}, error() {} },
      monotonicMs: () => performance.now(),
      wallMs: () => Date.now(),
    });
  }

  function twoSegments(): Buffer[] {
    return [jsonBatch(0n, 10), jsonBatch(10n, 10)];
  }

  async function committedOffsets(store: MemoryObjectStore): Promise<(readonly [bigint, bigint])[]> {
    const state = await readCatalog(store, LAYOUT);
    const { segments } = state.incarnation(TOPIC, TOPIC_ID).partition(0);
    return segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset] as const);
  }

  const BOTH = [
    [0n, 10n],
    [10n, 20n],
  ];

  test('fetches while the backup is being founded, and commits nothing before', async () => {
    const store = new GatedStore();
    const stored = Promise.withResolvers<void>();
    let attempts = 0;
    store.beforeIdentity = async () => {
      attempts += 1;
      while (store.keys.length < BOTH.length) await pause(5);
      stored.resolve();
      await pause(100);
      if (attempts === 1) throw new BackupError('STORE_UNAVAILABLE', 'put backup.json: connection reset');
    };
    const running = supervise(new MemoryPartitionLog([twoSegments()]), store).run(new AbortController().signal);
    await stored.promise;
    assert.ok(store.keys.every((key) => key.startsWith(LAYOUT.dataPrefix)));
    const outcome = await running;
    assert.deepEqual(outcome.shortfalls, []);
    assert.equal(attempts, 2);
    assert.ok(store.keys.indexOf(LAYOUT.identity) < store.keys.indexOf(LAYOUT.commit(1)), store.keys.join());
    assert.deepEqual(await committedOffsets(store), BOTH);
  });

  test('commits nothing to a backup that was founded meanwhile for another cluster', async () => {
    const store = new GatedStore();
    store.beforeIdentity = async () => {
      store.beforeIdentity = async () => {};
      await foundBackup(store, LAYOUT, 'another-cluster', Date.now());
    };
    const run = supervise(new MemoryPartitionLog([twoSegments()]), store).run(new AbortController().signal);
    await assert.rejects(run, { code: 'BACKUP_OF_OTHER_CLUSTER' });
    assert.equal(await store.get(LAYOUT.commit(1)), undefined);
  });

  for (const continuous of [false, true]) {
    const kind = continuous ? 'continuous' : 'single';
    test(`of a ${kind} run that is stopped before it reached its source does not call it complete`, async () => {
      const log = new MemoryPartitionLog([twoSegments()]);
      const early = await supervise(log, new GatedStore(), { continuous }).run(AbortSignal.abort());
      assert.deepEqual(early.shortfalls, ['stopped before the source was reached']);
    });

    for (const silent of ['connect', 'describeTopics', 'listOffsets'] as const) {
      test(`of a ${kind} run stops at once though its source is silent when asked to ${silent}`, async () => {
        const log = new MemoryPartitionLog([twoSegments()]);
        log[silent] = () => new Promise<never>(() => {});
        const stopping = new AbortController();
        const running = supervise(log, new GatedStore(), { continuous }).run(stopping.signal);
        await pause(50);
        stopping.abort();
        const outcome = await Promise.race([running, pause(2000)]);
        assert.deepEqual(outcome?.shortfalls, ['stopped before the source was reached']);
      });
    }

    for (const [isSourceSilent, shortfall] of [
      [false, 'stopped before the store was reached'],
      [true, 'stopped before source and store were reached'],
    ] as const) {
      test(`of a ${kind} run says that it was ${shortfall}`, async () => {
        const log = new MemoryPartitionLog([twoSegments()]);
        if (isSourceSilent) log.describeTopics = () => new Promise<never>(() => {});
        const store = new GatedStore();
        store.get = () => new Promise<never>(() => {});
        const stopping = new AbortController();
        const running = supervise(log, store, { continuous }).run(stopping.signal);
        await pause(50);
        stopping.abort();
        const outcome = await Promise.race([running, pause(2000)]);
        assert.deepEqual(outcome?.shortfalls, [shortfall]);
      });
    }
  }

  test('does not found a backup anew that has lost its identity', async () => {
    const store = new GatedStore();
    await supervise(new MemoryPartitionLog([twoSegments()]), store).run(new AbortController().signal);
    await store.delete(LAYOUT.identity);
    const again = supervise(new MemoryPartitionLog([[...twoSegments(), jsonBatch(20n, 10)]]), store);
    await assert.rejects(again.run(new AbortController().signal), { code: 'CATALOG_CORRUPT' });
    assert.equal(await store.get(LAYOUT.identity), undefined);
    assert.deepEqual(await committedOffsets(store), BOTH);
  });

  test('says that there is data when it begins without a commit', async () => {
    const store = new GatedStore();
    await supervise(new MemoryPartitionLog([twoSegments()]), store).run(new AbortController().signal);
    for await (const { key } of store.list(LAYOUT.catalogPrefix)) await store.delete(key);
    const warnings: string[] = [];
    const logger = { ...SILENT, warn: (message: string) => void warnings.push(message) };
    const again = supervise(new MemoryPartitionLog([twoSegments()]), store, {}, logger);
    assert.equal((await again.run(new AbortController().signal)).isComplete, true);
    assert.match(warnings.join('\n'), /begins anew, though there is data that no commit names/);
  });

  test('of a single run with nothing to commit says when its backup could not be founded', async () => {
    const store = new GatedStore();
    store.beforeIdentity = async () => {
      throw new BackupError('STORE_AUTHORIZATION_FAILED', 'put backup.json: denied');
    };
    const run = supervise(new MemoryPartitionLog([]), store).run(new AbortController().signal);
    await assert.rejects(run, { code: 'STORE_AUTHORIZATION_FAILED' });
  });

  test('ends when the store takes its credentials no more, be it for a segment or for a commit', async () => {
    const store = new GatedStore();
    store.beforeSegment = async () => {
      throw new BackupError('STORE_AUTHENTICATION_FAILED', 'put a segment: the token has expired');
    };
    const log = new MemoryPartitionLog([twoSegments()]);
    const run = supervise(log, store, { continuous: true }).run(AbortSignal.timeout(20_000));
    await assert.rejects(run, { code: 'STORE_AUTHENTICATION_FAILED', message: /a segment: the token has expired/ });
  });

  test('goes on while the store lacks a permission for a segment, until it is granted', async () => {
    const store = new GatedStore();
    let refused = 0;
    store.beforeSegment = async () => {
      if ((refused += 1) <= 2) throw new BackupError('STORE_AUTHORIZATION_FAILED', 'put a segment: denied');
    };
    const stop = new AbortController();
    const log = new MemoryPartitionLog([twoSegments()]);
    const supervisor = supervise(log, store, { continuous: true });
    const run = supervisor.run(stop.signal);
    while (store.keys.filter((key) => key.startsWith(LAYOUT.dataPrefix)).length < 2) await pause(20);
    stop.abort();
    assert.equal((await run).isComplete, true);
    assert.ok(refused > 2);
  });

  test('counts one failure once, however long its partition waits for an upload before it goes back', async () => {
    const log = new MemoryPartitionLog([twoSegments()]);
    let spoilt = 0;
    log.spoil = (batch) => {
      if (batch.readBigInt64BE(0) !== 10n || spoilt > 0) return batch;
      spoilt += 1;
      const copy = Buffer.from(batch);
      copy.writeUInt8(copy.readUInt8(70) ^ 1, 70);
      return copy;
    };
    const store = new GatedStore();
    let held = 0;
    store.beforeSegment = async () => {
      held += 1;
      // Longer than several of the supervisor's looks at its partitions.
      if (held === 1) await pause(1500);
    };
    const outcome = await supervise(log, store).run(new AbortController().signal);
    assert.equal(spoilt, 1);
    assert.deepEqual(outcome.shortfalls, []);
    assert.equal(outcome.status.counters.errors, 1);
    assert.deepEqual(await committedOffsets(store), BOTH);
  });

  test('counts a failure once that the next request, on its way already, meets again', async () => {
    const log = new MemoryPartitionLog([twoSegments()]);
    log.failingAnswers = 2;
    const store = new GatedStore();
    const outcome = await supervise(log, store).run(new AbortController().signal);
    assert.equal(outcome.isComplete, true);
    assert.equal(outcome.status.counters.errors, 1);
    assert.deepEqual(await committedOffsets(store), BOTH);
  });

  test('gives a partition up whose batch is corrupt each time that it is read', async () => {
    const log = new MemoryPartitionLog([twoSegments(), twoSegments()]);
    const [good] = twoSegments();
    let spoilt = 0;
    log.spoil = (batch) => {
      if (batch.equals(good!) || spoilt > 20) return batch;
      spoilt += 1;
      const copy = Buffer.from(batch);
      copy.writeUInt8(copy.readUInt8(70) ^ 1, 70);
      return copy;
    };
    const store = new GatedStore();
    const { shortfalls, status } = await supervise(log, store).run(new AbortController().signal);
    assert.deepEqual(
      shortfalls,
      [0, 1].map((partition) => `orders-${partition}: batch at offset 10 fails its CRC-32C`),
    );
    assert.equal(status.counters.errors, 6);
    assert.deepEqual(await committedOffsets(store), [[0n, 10n]]);
  });

  test('goes back with a partition whose last upload failed after all of it was read', async () => {
    const log = new MemoryPartitionLog([twoSegments()]);
    const store = new GatedStore();
    let puts = 0;
    store.beforeSegment = async (key) => {
      puts += 1;
      await pause(300);
      if (puts === 2) throw new BackupError('STORE_UNAVAILABLE', `put ${key}: connection reset`);
    };
    const outcome = await supervise(log, store).run(new AbortController().signal);
    assert.deepEqual(outcome.shortfalls, []);
    assert.equal(outcome.status.counters.errors, 1);
    assert.deepEqual(await committedOffsets(store), BOTH);
  });

  test('of a single run gives up when the store stays full, and says what is missing', async () => {
    const log = new MemoryPartitionLog([twoSegments()]);
    const store = new GatedStore();
    store.beforeSegment = async (key) => {
      throw new BackupError('STORE_FULL', `put ${key}: no space left on device`);
    };
    const outcome = await supervise(log, store, { oneShotPatienceMs: 500 }).run(new AbortController().signal);
    assert.equal(outcome.isComplete, false);
    assert.match(outcome.shortfalls.join(), /^orders-0: .*no space left on device$/);
    assert.equal(outcome.status.counters.records, 0);
    assert.deepEqual(await committedOffsets(store), []);
  });

  test('tells the source of a quiet partition once, and goes on behind what it has read of the others', async () => {
    const log = new MemoryPartitionLog([twoSegments(), [], []]);
    const store = new GatedStore();
    const stop = new AbortController();
    const running = supervise(log, store, { continuous: true }).run(stop.signal);
    while ((await committedOffsets(store)).length < 2) await pause(20);
    log.append(0, jsonBatch(20n, 10));
    while ((await committedOffsets(store)).length < 3) await pause(20);
    stop.abort();
    assert.equal((await running).isComplete, true);
    const told = log.wanted.map(({ partition, nextOffset }) => `${partition}@${nextOffset}`).sort();
    assert.deepEqual(told, ['0@0', '0@20', '0@30', '1@0', '2@0']);
  });

  for (const brokers of [1, 3]) {
    test(`has many small partitions of ${brokers} broker(s) catch up without a wait between them`, async () => {
      const count = 60;
      const log = new MemoryPartitionLog(Array.from({ length: count }, () => twoSegments()));
      log.leaderOf = (partition) => 1 + (partition % brokers);
      const stop = new AbortController();
      const change = { continuous: true, fetchMaxWaitMs: 1000, maxConcurrentPartitions: 4 };
      const supervisor = supervise(log, new MemoryObjectStore(), change);
      const running = supervisor.run(stop.signal);
      const startedAt = performance.now();
      const isTaken = (): boolean => {
        const { partitions } = supervisor.status();
        return partitions.length === count && partitions.every(({ nextOffset }) => nextOffset === 20n);
      };
      while (!isTaken() && performance.now() - startedAt < 5000) await pause(20);
      const isInTime = isTaken();
      stop.abort();
      assert.deepEqual((await running).shortfalls, []);
      assert.ok(isInTime, 'four at a time, each four would have waited for more to come');
    });
  }

  test('can restore to now while all is quiet, and to no later than when a partition could last be read', async () => {
    const log = new MemoryPartitionLog([[jsonBatch(0n, 10)], []]);
    const supervisor = supervise(log, new GatedStore(), { continuous: true });
    const stopping = new AbortController();
    const running = supervisor.run(stopping.signal);
    // A partition that was denied is asked again after a back-off.
    const restorableAfter = async (instantMs: number, waitsOf5Ms = 1000): Promise<boolean> => {
      for (let waits = 0; waits < waitsOf5Ms; waits += 1) {
        if ((supervisor.status().restorableToMs ?? 0) > instantMs) return true;
        await pause(5);
      }
      return false;
    };
    const isStandingStill = async (): Promise<boolean> => {
      await pause(100);
      return !(await restorableAfter(supervisor.status().restorableToMs ?? 0, 60));
    };
    try {
      while (supervisor.status().counters.commits === 0) await pause(5);
      assert.ok(await restorableAfter(Date.now()));
      log.isPuttingOff = true;
      assert.ok(await isStandingStill(), 'a broker that looks at nothing vouches for nothing');
      log.isPuttingOff = false;
      assert.ok(await restorableAfter(Date.now()));
      const deniedAtMs = Date.now();
      log.denied.add(1);
      assert.ok(await isStandingStill(), 'a partition that may not be read is not known to be whole');
      assert.ok((supervisor.status().restorableToMs ?? 0) >= deniedAtMs - 100);
      log.denied.clear();
      assert.ok(await restorableAfter(Date.now()));
    } finally {
      stopping.abort();
    }
    assert.equal((await running).isComplete, true);
  });
});
