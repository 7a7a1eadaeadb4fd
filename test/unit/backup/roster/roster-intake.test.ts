import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BackupSettings } from '../../../../src/backup/backup-settings.ts';
import type { BackupOutcome } from '../../../../src/backup/backup-supervisor.ts';
import { readCatalog } from '../../../../src/catalog/catalog-reader.ts';
import type { PartitionHistory } from '../../../../src/catalog/catalog-state.ts';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { pause } from '../../../../src/model/back-off.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { copyWith, LAYOUT } from '../../catalog/catalog-fixture.ts';
import { jsonBatch, startWorkers } from '../../segment/segment-fixture.ts';
import { SETTINGS, SILENT, superviseQuietly } from '../backup-settings-fixture.ts';
import { TOPIC, TOPIC_ID } from '../memory-log.ts';
import { MovingPartitionLog } from '../moving-log.ts';

const LATEST = { startOffset: { kind: 'latest' } } as const;

/** Of one partition, in batches of 5: what lies from `startOffset` to before `endOffset` is there. */
function logOf(startOffset: number, endOffset: number): MovingPartitionLog {
  const batches = Array.from({ length: endOffset / 5 }, (_, index) => jsonBatch(BigInt(index * 5), 5));
  const log = new MovingPartitionLog([batches], 1);
  log.partitions[0]!.startOffset = BigInt(startOffset);
  return log;
}

async function historyOf(store: MemoryObjectStore, partition = 0): Promise<PartitionHistory> {
  const state = await readCatalog(store, LAYOUT, { ignoreCheckpoints: true });
  return state.incarnation(TOPIC, TOPIC_ID).partition(partition);
}

async function storedIn(store: MemoryObjectStore, partition = 0): Promise<readonly (readonly [bigint, bigint])[]> {
  return (await historyOf(store, partition)).segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]);
}

describe('a partition of which nothing is stored yet', { timeout: 60_000 }, () => {
  let workers: WorkerPool;

  before(() => {
    workers = startWorkers();
  });

  after(() => workers.close());

  function supervise(log: MovingPartitionLog, store: MemoryObjectStore, change: Partial<BackupSettings>) {
    return superviseQuietly({
      settings: { ...SETTINGS, limits: { ...SETTINGS.limits, maxRecords: null }, ...change },
      log,
      store,
      workers,
    });
  }

  function once(
    log: MovingPartitionLog,
    store: MemoryObjectStore,
    change: Partial<BackupSettings> = {},
  ): Promise<BackupOutcome> {
    return supervise(log, store, change).run(new AbortController().signal);
  }

  test('goes on in a later run where it was found first, though only the latest was wanted then', async () => {
    const store = new MemoryObjectStore();
    const first = await once(logOf(0, 10), store, LATEST);
    assert.deepEqual([first.isComplete, first.status.counters.records, await storedIn(store)], [true, 0, []]);
    const second = await once(logOf(0, 15), store, LATEST);
    assert.deepEqual([second.isComplete, second.status.counters.records], [true, 5]);
    assert.equal((await once(logOf(0, 15), store, LATEST)).isComplete, true);
    assert.deepEqual(await storedIn(store), [[10n, 15n]]);
  });

  test('is wanted from its start where its topic had fewer in an earlier run, though only the latest was wanted', async () => {
    const store = new MemoryObjectStore();
    const batches = [0n, 5n].map((offset) => jsonBatch(offset, 5));
    assert.equal((await once(new MovingPartitionLog([batches], 1), store, LATEST)).isComplete, true);
    const second = await once(new MovingPartitionLog([batches, batches], 1), store, LATEST);
    assert.deepEqual([second.isComplete, second.status.counters.records], [true, 10]);
    assert.deepEqual(await storedIn(store, 0), []);
    assert.deepEqual(await storedIn(store, 1), [[0n, 10n]]);
  });

  test('is committed before a record of it is, so that a run that is killed leaves no hole', async () => {
    const store = new MemoryObjectStore();
    const stopping = new AbortController();
    const change = { ...LATEST, continuous: true, commitIntervalMs: 60_000 };
    const supervisor = supervise(logOf(0, 10), store, change);
    const running = supervisor.run(stopping.signal);
    while (supervisor.status().counters.commits === 0) await pause(5);
    // What a process that is killed now leaves.
    const left = await copyWith(store, '', () => null);
    stopping.abort();
    assert.equal((await running).isComplete, true);
    assert.equal((await once(logOf(0, 515), left, LATEST)).isComplete, true);
    assert.deepEqual(await storedIn(left), [[10n, 515n]]);
  });

  test('has a gap when records came and were deleted between two runs', async () => {
    const store = new MemoryObjectStore();
    assert.equal((await once(logOf(0, 0), store)).isComplete, true);
    const second = await once(logOf(50, 100), store);
    assert.match(second.shortfalls.join(), /^50 offsets in 1 gap/);
    const { gaps } = await historyOf(store);
    assert.deepEqual(
      gaps.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]),
      [[0n, 49n]],
    );
    assert.deepEqual(await storedIn(store), [[50n, 100n]]);
  });

  test('is missed once, in the log, when the start names it and the source does not have it', async () => {
    const warnings: unknown[] = [];
    const logger = { ...SILENT, warn: (_message: string, fields: unknown) => void warnings.push(fields) };
    const offsets = new Map([[TOPIC, new Map([0, 7].map((partition) => [partition, 5n]))]]);
    const settings = {
      ...SETTINGS,
      continuous: true,
      topicRefreshMs: 10,
      startOffset: { kind: 'specific', offsets } as const,
    };
    const stopping = new AbortController();
    const store = new MemoryObjectStore();
    const supervisor = superviseQuietly({ settings, log: logOf(0, 10), store, workers, logger });
    const running = supervisor.run(stopping.signal);
    while (supervisor.status().counters.commits === 0) await pause(5);
    await pause(50);
    stopping.abort();
    assert.equal((await running).isComplete, true);
    assert.deepEqual(warnings, [{ key: `backup.start_offset.specific.${TOPIC}`, topic: TOPIC, partitions: [7] }]);
    assert.deepEqual(await storedIn(store), [[5n, 10n]]);
  });

  test('is committed with all others at once', async () => {
    const store = new MemoryObjectStore();
    const log = new MovingPartitionLog(
      Array.from({ length: 9 }, () => []),
      3,
    );
    const stopping = new AbortController();
    const supervisor = supervise(log, store, { continuous: true, commitIntervalMs: 60_000 });
    const running = supervisor.run(stopping.signal);
    while (supervisor.status().counters.commits === 0) await pause(5);
    const state = await readCatalog(store, LAYOUT);
    const { partitions } = state.incarnation(TOPIC, TOPIC_ID);
    const begun = [...partitions.values()].filter(({ resume }) => resume?.nextOffset === 0n);
    assert.deepEqual([state.version, begun.length], [1, 9]);
    stopping.abort();
    assert.equal((await running).isComplete, true);
    assert.equal((await readCatalog(store, LAYOUT)).version, 1);
  });
});
