import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { judgeFrame } from '../../../../src/restore/judge/judge-frame.ts';
import type { JudgeTask } from '../../../../src/restore/judge/judge-task.ts';
import { RESTORE_ALL, type RestoreRequest } from '../../../../src/restore/restore-job.ts';
import { LOOK_EVERY_MS } from '../../../../src/restore/journal/attempts/attempt-watch.ts';
import { OffsetMap } from '../../../../src/restore/journal/offset-map.ts';
import { RestoreService } from '../../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { randomNumbers } from '../../../support/random-numbers.ts';
import { encodeBatch, encodeMarker, readBatch, text } from '../../../support/record-batches.ts';
import { startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';
import { Fault, FaultyStore } from './fault.ts';
import { ModelCluster, ModelSink } from './model-target.ts';
import { SETTINGS, SURROUNDINGS } from './run-fixture.ts';

const SEED = Number(process.env['KAFKA_BACKUP_TEST_SEED'] ?? Date.now() % 1_000_000);
const TARGET = 'copy';
const SOURCE_CONFIGS = { 'retention.ms': '1234567', 'cleanup.policy': 'compact' };
const EXISTING_CONFIGS = { 'retention.ms': '7654321', 'cleanup.policy': 'compact', 'segment.bytes': '1048576' };
/** Judges in this thread: a process that dies takes its threads along. */
const JUDGING: WorkerPool = {
  threads: 2,
  run: async (_kind, task) => judgeFrame(task as JudgeTask) as never,
  usage: () => ({ queued: 0, utilization: 0 }),
  close: async () => {},
};

/** Records that say where they came from. */
function batch(baseOffset: bigint, count: number, change: Partial<Parameters<typeof encodeBatch>[0]> = {}): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampMs: T0 + Number(baseOffset) + index,
    key: text(`key-${(Number(baseOffset) + index) % 7}`),
    value: text(`offset ${Number(baseOffset) + index}`),
  }));
  return encodeBatch({ baseOffset, records, ...change });
}

/** Partition 0: four segments, every other one begins with holes. Partition 1: holes, and transactions of two producers. */
async function backUp(backup: TestBackup): Promise<void> {
  await backup.observe(2, { configs: SOURCE_CONFIGS });
  for (let segment = 0n; segment < 4n; segment += 1n) {
    const from = segment * 60n;
    const holed = segment % 2n === 0n ? 7 : 10;
    const frames = [0n, 20n, 40n].map((at) => [batch(from + at, at < 40n ? holed : 10), batch(from + at + 10n, 10)]);
    await backup.commit({ kind: 'segment', segment: await backup.segment(frames) });
  }
  const tx = { transactional: true, producerEpoch: 0, baseSequence: 0 };
  const marker = (baseOffset: bigint, producerId: bigint, outcome: 'commit' | 'abort'): Buffer =>
    encodeMarker({ baseOffset, producerId, outcome, timestampMs: T0 + Number(baseOffset) });
  const first = [
    [batch(0n, 8), batch(12n, 8, { ...tx, producerId: 7n }), batch(20n, 10, { ...tx, producerId: 8n })],
    [marker(30n, 7n, 'abort'), batch(31n, 9)],
  ];
  const second = [[batch(45n, 5, { ...tx, producerId: 8n }), marker(50n, 8n, 'commit'), batch(51n, 9)]];
  await backup.commit({ kind: 'segment', segment: await backup.segment(first, { partition: 1, nextOffset: 45n }) });
  await backup.commit({ kind: 'segment', segment: await backup.segment(second, { partition: 1 }) });
}

interface Case {
  readonly name: string;
  readonly request: Partial<RestoreRequest>;
  /** Made before the restore; absent: the restore creates it. */
  readonly existing?: { readonly records: number };
  readonly partitions: number;
  /** The process dies at every so many'th call: 1 for each of them. */
  readonly everyCall: number;
}

const CASES: readonly Case[] = [
  { name: 'into a topic that it creates', request: {}, partitions: 2, everyCall: 1 },
  {
    name: 'of a window',
    request: { recoveryTarget: { fromMs: T0 + 15, toMs: T0 + 200, cut: 'timestamp' } },
    partitions: 2,
    everyCall: 3,
  },
  {
    name: 'behind what a topic holds',
    request: { intoExisting: 'append' },
    existing: { records: 5 },
    partitions: 2,
    everyCall: 3,
  },
  {
    name: 'by key',
    request: { repartitioning: { [TARGET]: { partitions: 3, partitioning: 'by-key' } } },
    partitions: 3,
    everyCall: 3,
  },
];

describe('a restore whose process dies at any call', { timeout: 300_000 }, () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  before(async () => {
    workers = startWorkers(2);
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backUp(backup);
  });
  after(() => workers.close());

  /** A store of its own with the same backup. */
  async function copyOfStore(): Promise<MemoryObjectStore> {
    const copy = new MemoryObjectStore();
    for await (const { key } of backup.store.list('')) await copy.putIfAbsent(key, [await backup.bytes(key)]);
    return copy;
  }

  function clusterFor({ existing }: Case): ModelCluster {
    const cluster = new ModelCluster();
    if (existing === undefined) return cluster;
    const { logs } = cluster.create({ topic: TARGET, partitions: 2, configs: EXISTING_CONFIGS });
    for (const log of logs) log.append(batch(0n, existing.records));
    return cluster;
  }

  /** One process from its start to its end or death. */
  async function live(one: Case, store: MemoryObjectStore, cluster: ModelCluster, fault: Fault) {
    const service = new RestoreService({
      store: new FaultyStore(store, fault),
      layout: backup.layout,
      settings: SETTINGS,
      openSink: () => new ModelSink(cluster, fault),
      openWorkers: () => JUDGING,
      ...SURROUNDINGS,
      // Nobody takes over from a process that lives: its watch over the attempt may sleep.
      wait: async (ms, signal) => {
        if (ms === LOOK_EVERY_MS) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
        if (!fault.isDead) cluster.land();
      },
    });
    const request = { ...RESTORE_ALL, includeTopics: ['orders'], topicMapping: { orders: TARGET }, ...one.request };
    const { id } = service.submit({ ...request, target: 'default' });
    return service.finished(id);
  }

  function contentOf(cluster: ModelCluster): unknown {
    const logs = cluster.topics.get(TARGET)?.logs ?? [];
    return logs.map((log) => log.batches.flatMap(({ bytes }) => readBatch(bytes)));
  }

  /** Lives through deaths at these calls; the last life is whole. */
  async function liveThrough(one: Case, deaths: readonly Fault[]) {
    const [store, cluster] = [await copyOfStore(), clusterFor(one)];
    for (const death of deaths) {
      const outcome = await live(one, store, cluster, death).catch((error: unknown) => error);
      if (!death.isDead) return { store, cluster, job: outcome, isWhole: true };
      assert.match(String(outcome), /the process is dead/);
    }
    return { store, cluster, job: await live(one, store, cluster, new Fault()), isWhole: false };
  }

  async function assertDone(
    one: Case,
    { store, cluster }: { store: MemoryObjectStore; cluster: ModelCluster },
    expected: unknown,
  ) {
    assert.deepEqual(contentOf(cluster), expected);
    assert.deepEqual(
      Object.fromEntries(cluster.topics.get(TARGET)!.configs),
      one.existing === undefined ? SOURCE_CONFIGS : EXISTING_CONFIGS,
    );
    await assertMapped(one, store, cluster);
  }

  /** Every restored record is where the offset map says that it is. */
  async function assertMapped({ existing }: Case, store: MemoryObjectStore, cluster: ModelCluster): Promise<void> {
    const ids = new Set<string>();
    for await (const { key } of store.list(backup.layout.restoresPrefix)) ids.add(backup.layout.restoreOf(key)!);
    assert.equal(ids.size, 1, 'one restore, however often it was started');
    const opened = await OffsetMap.open(store, backup.layout, [...ids][0]!);
    assert.ok(opened.kind === 'open', opened.kind);
    let mapped = 0;
    for await (const { target, firstTargetOffset, firstSourceOffset, count } of opened.map.runs({})) {
      const records = cluster.logOf(target).batches.flatMap(({ bytes }) => readBatch(bytes));
      for (let index = 0; index < count; index += 1) {
        const record = records[Number(firstTargetOffset) + index];
        assert.equal(record?.value, `offset ${firstSourceOffset + BigInt(index)}`);
        mapped += 1;
      }
    }
    const held = cluster.topics.get(TARGET)!.logs.reduce((total, log) => total + Number(log.end), 0);
    assert.equal(mapped, held - 2 * (existing?.records ?? 0));
    for (const { recordsPlanned, recordsRestored, dropped } of opened.map.report.sources) {
      const droppedRecords = Object.values(dropped).reduce((total, count) => total + count, 0);
      assert.equal(recordsRestored + droppedRecords, recordsPlanned);
    }
  }

  for (const one of CASES) {
    test(`${one.name}: ends with every record once and the topic's own configuration`, async (context: TestContext) => {
      const whole = await liveThrough(one, []);
      const expected = contentOf(whole.cluster);
      assert.equal((expected as unknown[]).length, one.partitions);
      await assertDone(one, whole, expected);
      let deaths = 0;
      const random = randomNumbers(SEED);
      for (const moment of ['before', 'after'] as const) {
        for (let call = 1 + Math.floor(random() * one.everyCall); ; call += one.everyCall) {
          const lived = await liveThrough(one, [new Fault(call, moment)]);
          if (lived.isWhole) break;
          await assertDone(one, lived, expected);
          deaths += 1;
        }
      }
      for (let round = 0; round < 25; round += 1) {
        const faults = Array.from(
          { length: 3 },
          () => new Fault(1 + Math.floor(random() * 120), random() < 0.5 ? 'before' : 'after'),
        );
        await assertDone(one, await liveThrough(one, faults), expected);
      }
      context.diagnostic(`seed ${SEED}: died at ${deaths} moments, and 25 times at up to three in a row`);
    });
  }

  test('a restore that is complete is not begun again until backup or target have changed', async () => {
    const [one, store, cluster] = [CASES[0]!, await copyOfStore(), new ModelCluster()];
    const first = await live(one, store, cluster, new Fault());
    const again = await live(one, store, cluster, new Fault());
    assert.deepEqual([again.state, again.id, again.report], ['COMPLETED', first.id, first.report]);
    // The topic's own retention is on, and the cleaner of this model is quick: all is gone, and nothing is sent again.
    assert.equal(again.isWhole, false);
    assert.match(again.remarks.join(), /is complete, and the target has deleted of it since: \S+ offsets 0\.\./);
    const grown = await TestBackup.create(store, workers);
    await grown.commit({ kind: 'segment', segment: await grown.segment([[batch(240n, 5)]]) });
    // What was restored is still there: the cleaner was not quick.
    for (const log of cluster.topics.get(TARGET)!.logs) log.start = 0n;
    await assert.rejects(live(one, store, cluster, new Fault()), { code: 'PREFLIGHT_BLOCKED', message: /not empty/ });
  });

  test('a restore whose topic was deleted begins afresh', async () => {
    const [one, store, cluster] = [CASES[0]!, await copyOfStore(), new ModelCluster()];
    await assert.rejects(live(one, store, cluster, new Fault(70)));
    assert.ok(cluster.topics.delete(TARGET));
    const job = await live(one, store, cluster, new Fault());
    assert.equal(job.report?.isResumed, false);
  });
});
