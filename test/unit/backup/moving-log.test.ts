import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BackupSettings } from '../../../src/backup/backup-settings.ts';
import type { BackupOutcome } from '../../../src/backup/backup-supervisor.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { pause } from '../../../src/model/back-off.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { Gap } from '../../../src/model/segment/segment.ts';
import type { TopicConfigs } from '../../../src/model/topic/topic-description.ts';
import { readFooter } from '../../../src/segment/segment-reader.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { Dice } from '../../support/history/dice.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { jsonBatch, startWorkers } from '../segment/segment-fixture.ts';
import { SETTINGS, superviseQuietly } from './backup-settings-fixture.ts';
import { TOPIC, TOPIC_ID } from './memory-log.ts';
import { MovingPartitionLog } from './moving-log.ts';

const KIB = 1024;
const RECORDS_PER_BATCH = 40;

/** A store that takes its time for segments, and refuses some of them. */
class SlowStore extends MemoryObjectStore {
  beforeIdentity: () => void = () => {};
  readonly #delayMs: () => number;
  readonly #isRefused: () => boolean;

  constructor(delayMs: () => number, isRefused: () => boolean = () => false) {
    super();
    this.#delayMs = delayMs;
    this.#isRefused = isRefused;
  }

  override async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    if (key === LAYOUT.identity) this.beforeIdentity();
    if (key.startsWith(LAYOUT.dataPrefix)) {
      await pause(this.#delayMs());
      if (this.#isRefused()) throw new BackupError('STORE_UNAVAILABLE', `put ${key}: refused`);
    }
    return super.putIfAbsent(key, chunks);
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}

/** Of a partition, before it waits. */
const MOST_UPLOADS = 3;

/** A store that holds segments back until they are let through. */
class HeldStore extends MemoryObjectStore {
  held = 0;
  readonly #opening = Promise.withResolvers<void>();

  let(): void {
    this.#opening.resolve();
  }

  override async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    if (key.startsWith(LAYOUT.dataPrefix)) {
      this.held += 1;
      await this.#opening.promise;
    }
    return super.putIfAbsent(key, chunks);
  }
}

function logOf(partitions: number, batches: number, brokers: number): MovingPartitionLog {
  const batch = (_: unknown, index: number): Buffer => jsonBatch(BigInt(index * RECORDS_PER_BATCH), RECORDS_PER_BATCH);
  return new MovingPartitionLog(
    Array.from({ length: partitions }, () => Array.from({ length: batches }, batch)),
    brokers,
  );
}

/** In each of so many partitions every frame follows on the one before, and holds as many records as it says. */
async function assertWhole(store: MemoryObjectStore, count: number, records: number): Promise<void> {
  const { partitions } = (await readCatalog(store, LAYOUT)).incarnation(TOPIC, TOPIC_ID);
  assert.equal(partitions.size, count);
  for (const { segments } of partitions.values()) {
    let nextOffset = 0n;
    for (const segment of segments) {
      assert.equal(segment.baseOffset, nextOffset);
      for (const frame of (await readFooter(store, segment)).frames) {
        assert.equal(frame.baseOffset, nextOffset);
        assert.equal(BigInt(frame.recordCount), frame.lastOffset - frame.baseOffset + 1n);
        nextOffset = frame.lastOffset + 1n;
      }
      assert.equal(segment.nextOffset, nextOffset);
    }
    assert.equal(nextOffset, BigInt(records));
  }
}

describe('a backup of a log that moves', { timeout: 120_000 }, () => {
  let workers: WorkerPool;

  before(() => {
    workers = startWorkers();
  });

  after(() => workers.close());

  function supervise(log: MovingPartitionLog, store: MemoryObjectStore, change: Partial<BackupSettings>) {
    return superviseQuietly({
      settings: {
        ...SETTINGS,
        frameBytes: 16 * KIB,
        maxConcurrentPartitions: 6,
        maxPartitionFetchBytes: 32 * KIB,
        limits: { maxBytes: 64 * KIB, maxIntervalMs: 60_000, maxRecords: null },
        ...change,
      },
      log,
      store,
      workers,
    });
  }

  function run(
    log: MovingPartitionLog,
    store: MemoryObjectStore,
    change: Partial<BackupSettings>,
  ): Promise<BackupOutcome> {
    return supervise(log, store, change).run(new AbortController().signal);
  }

  for (const seed of [1, 2, 3]) {
    it(`holds each offset once when memory is short and uploads are refused (seed ${seed})`, async () => {
      const dice = new Dice(seed);
      const store = new SlowStore(
        () => dice.between(0, 200),
        () => dice.chance(0.35),
      );
      const outcome = await run(logOf(6, 60, 3), store, { memoryBudgetBytes: 96 * KIB, oneShotPatienceMs: 60_000 });
      assert.deepEqual(outcome.shortfalls, []);
      await assertWhole(store, 6, 60 * RECORDS_PER_BATCH);
    });
  }

  it('takes an answer in once when the leader moves while it waits for uploads', async () => {
    const log = logOf(1, 60, 2);
    const store = new HeldStore();
    const limits = { maxBytes: 8 * KIB, maxIntervalMs: 60_000, maxRecords: null };
    const running = run(log, store, { topicRefreshMs: 20, limits });
    while (store.held < MOST_UPLOADS) await pause(5);
    const [partition] = log.partitions;
    assert.equal(partition?.leader, 1);
    partition.leader = 2;
    const { answers } = log;
    await pause(500);
    store.let();
    assert.deepEqual((await running).shortfalls, []);
    assert.ok(log.answers > answers, 'the new leader was asked');
    await assertWhole(store, 1, 60 * RECORDS_PER_BATCH);
  });

  it('does not take the slow answers of a tiered topic for holes', async () => {
    const log = logOf(1, 10, 1);
    log.configs = { 'remote.storage.enable': 'true' };
    let late = 5;
    log.spoil = (answer) => {
      late -= 1;
      return late < 0 || answer.kind !== 'records' ? answer : { ...answer, records: new Uint8Array(0) };
    };
    const store = new MemoryObjectStore();
    const outcome = await run(log, store, {});
    assert.deepEqual(outcome.shortfalls, []);
    await assertWhole(store, 1, 10 * RECORDS_PER_BATCH);
  });

  it('of a tiered topic that never answers ends and says so', async () => {
    const log = logOf(1, 10, 1);
    log.configs = { 'remote.storage.enable': 'true' };
    log.spoil = (answer) => (answer.kind === 'records' ? { ...answer, records: new Uint8Array(0) } : answer);
    const outcome = await run(log, new MemoryObjectStore(), { oneShotPatienceMs: 500 });
    assert.match(outcome.shortfalls.join(), /no records below the high watermark/);
  });

  it('skips what compaction took up to the end of the log', async () => {
    const log = logOf(1, 10, 1);
    log.configs = { 'cleanup.policy': 'compact' };
    const kept = 4n * BigInt(RECORDS_PER_BATCH);
    log.spoil = (answer) =>
      answer.kind === 'records' && answer.askedOffset >= kept ? { ...answer, records: new Uint8Array(0) } : answer;
    const store = new MemoryObjectStore();
    const outcome = await run(log, store, { maxPartitionFetchBytes: 1 });
    assert.deepEqual(outcome.shortfalls, []);
    const state = await readCatalog(store, LAYOUT);
    const { segments } = state.incarnation(TOPIC, TOPIC_ID).partition(0);
    assert.deepEqual([segments.at(-1)?.nextOffset, segments[0]?.recordCount], [400n, Number(kept)]);
  });

  it('ends when retention has taken everything up to the end', async () => {
    const log = logOf(1, 10, 1);
    const [partition] = log.partitions;
    const store = new SlowStore(() => 0);
    log.spoil = (answer) => {
      if (partition !== undefined) partition.startOffset = 400n;
      return { topicId: answer.topicId, partition: 0, askedOffset: answer.askedOffset, kind: 'offset-out-of-range' };
    };
    const outcome = await run(log, store, {});
    assert.match(outcome.shortfalls.join(), /400 offsets in 1 gap/);
  });

  const IN_FORCE: readonly (readonly [Gap['reason'], string, TopicConfigs | undefined])[] = [
    ['retention', 'by age', { 'retention.ms': '604800000', 'retention.bytes': '-1', 'cleanup.policy': 'delete' }],
    ['retention', 'by size', { 'retention.ms': '-1', 'retention.bytes': '1000', 'cleanup.policy': 'compact,delete' }],
    ['delete-records', 'by nothing', { 'retention.ms': '-1', 'retention.bytes': '-1', 'cleanup.policy': 'delete' }],
    ['delete-records', 'by compaction alone', { 'retention.ms': '604800000', 'cleanup.policy': 'compact' }],
    ['unknown', 'by what may not be read', undefined],
  ];
  for (const [reason, how, configs] of IN_FORCE) {
    it(`records a gap as made by ${reason} where the log is shortened ${how}`, async () => {
      const store = new MemoryObjectStore();
      await run(logOf(1, 10, 1), store, {});
      const log = logOf(1, 20, 1);
      log.configsInForce = configs;
      log.partitions[0]!.startOffset = 480n;
      await run(log, store, {});
      const { gaps } = (await readCatalog(store, LAYOUT)).incarnation(TOPIC, TOPIC_ID).partition(0);
      assert.deepEqual(
        gaps.map((gap) => [gap.reason, gap.baseOffset, gap.lastOffset]),
        [[reason, 400n, 479n]],
      );
    });
  }

  const PATTERN = { topics: { include: ['ord*'], exclude: [] }, topicRefreshMs: 20 };

  it('goes on behind what is on its way to the catalog when a topic was missing for a moment', async () => {
    const log = logOf(1, 20, 1);
    const store = new MemoryObjectStore();
    const stopping = new AbortController();
    const supervisor = supervise(log, store, { ...PATTERN, continuous: true, commitIntervalMs: 60_000 });
    const running = supervisor.run(stopping.signal);
    await until(() => supervisor.status().partitions[0]?.nextOffset === 800n);
    log.isGone = true;
    await until(() => supervisor.status().partitions.length === 0);
    log.isGone = false;
    await until(() => supervisor.status().partitions[0]?.nextOffset === 800n);
    assert.equal(supervisor.status().partitions[0]?.committedOffset, 0n);
    stopping.abort();
    assert.deepEqual((await running).shortfalls, []);
    await assertWhole(store, 1, 20 * RECORDS_PER_BATCH);
  });

  for (const continuous of [false, true]) {
    it(`says what it did not read of a topic that is gone, ${continuous ? 'continuous' : 'one-shot'}`, async () => {
      const log = logOf(1, 60, 1);
      const store = new HeldStore();
      const limits = { maxBytes: 8 * KIB, maxIntervalMs: 60_000, maxRecords: null };
      const supervisor = supervise(log, store, { ...PATTERN, limits, continuous });
      const stopping = new AbortController();
      const running = supervisor.run(stopping.signal);
      await until(() => store.held >= MOST_UPLOADS);
      log.isGone = true;
      await until(() => supervisor.status().partitions.length === 0);
      store.let();
      if (continuous) stopping.abort();
      assert.match((await running).shortfalls.join(), /orders-0: gone from the source, read up to \d+ of 2400/);
    });
  }

  it('goes on with a topic for which a broker that lags shows its former life', async () => {
    const store = new HeldStore();
    const former = logOf(1, 0, 1);
    former.topicId = 'AAAAAAAAAAAAAAAAAAAADg';
    assert.equal((await supervise(former, store, PATTERN).run(new AbortController().signal)).isComplete, true);
    const log = logOf(1, 60, 1);
    const limits = { maxBytes: 8 * KIB, maxIntervalMs: 60_000, maxRecords: null };
    const supervisor = supervise(log, store, { ...PATTERN, limits, continuous: true });
    const stopping = new AbortController();
    const running = supervisor.run(stopping.signal);
    await until(() => store.held >= MOST_UPLOADS);
    log.topicId = former.topicId;
    await until(() => supervisor.status().partitions.every(({ topicId }) => topicId === former.topicId));
    store.let();
    await until(() => supervisor.status().partitions.length > 0);
    log.topicId = TOPIC_ID;
    await until(() => supervisor.status().partitions[0]?.nextOffset === 2400n);
    stopping.abort();
    const { status, shortfalls } = await running;
    assert.deepEqual([status.counters.gaps, shortfalls], [0, []]);
    await assertWhole(store, 1, 2400);
  });

  it('takes nothing of another cluster behind the same address', async () => {
    const log = logOf(1, 10, 1);
    const running = supervise(log, new MemoryObjectStore(), { ...PATTERN, continuous: true }).run(
      new AbortController().signal,
    );
    await pause(100);
    log.clusterId = 'RebuiltCluster';
    await assert.rejects(running, { code: 'BACKUP_OF_OTHER_CLUSTER' });
  });

  it('backs up what other brokers lead while one does not answer, and commits it when it is stopped', async () => {
    const log = logOf(2, 10, 2);
    log.silentNodeId = 2;
    const store = new MemoryObjectStore();
    const stopping = new AbortController();
    const change = { continuous: true, startOffset: { kind: 'earliest' }, shutdownTimeoutMs: 2000 } as const;
    const supervisor = supervise(log, store, { ...PATTERN, ...change });
    const running = supervisor.run(stopping.signal);
    await until(() => supervisor.status().partitions[0]?.nextOffset === 400n);
    log.silentNodeId = 1;
    await until(() => supervisor.status().partitions[1]?.nextOffset === 400n);
    stopping.abort();
    assert.deepEqual((await running).shortfalls, []);
    await assertWhole(store, 2, 10 * RECORDS_PER_BATCH);
  });

  it('tells at once that a backup could not be founded, and tries again without anything to commit', async () => {
    const log = logOf(0, 0, 1);
    const store = new SlowStore(() => 0);
    let refusals = 2;
    store.beforeIdentity = () => {
      refusals -= 1;
      if (refusals >= 0) throw new BackupError('STORE_UNAVAILABLE', 'put backup.json: away');
    };
    const stopping = new AbortController();
    const supervisor = supervise(log, store, { ...PATTERN, continuous: true });
    const running = supervisor.run(stopping.signal);
    await until(() => supervisor.status().trouble !== null);
    await until(() => refusals < 0 && supervisor.status().trouble === null);
    stopping.abort();
    await running;
    assert.notEqual(await store.get(LAYOUT.identity), undefined);
  });

  for (const kind of ['truncated', 'offset-out-of-range'] as const) {
    it(`does not ask without a pause where ${kind} leads nowhere`, async () => {
      const log = logOf(1, 1, 1);
      log.spoil = ({ topicId, askedOffset }) => ({
        topicId,
        partition: 0,
        askedOffset,
        kind,
        endOffset: 60n,
        epoch: 2,
      });
      const outcome = await run(log, new MemoryObjectStore(), { oneShotPatienceMs: 1000 });
      assert.ok(log.answers < 40, `${log.answers} answers in a second`);
      assert.notEqual(outcome.shortfalls.length, 0);
    });
  }
});
