// A restore that is killed at any moment and started again ends with every planned record once: in a topic that it has created,
// behind records that were there before, without the aborted transactions, within a window, and in partitions chosen by key.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentProcess, type JsonObject } from '../support/agent-process.ts';
import { assertExit, type RestoreSpec, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords, digestOf } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
/** Of each restore, at most: it may be done before. */
const KILLS_A_RESTORE = 7;
const LEAST_KILLS = 30;
/** After the start of the process. The first record is sent about 600 ms after it, or 1,100 ms when the restore is resumed. */
const KILL_FROM_MS = 250;
const KILL_TO_MS = 1900;
const RECORDS = 6000;
/** So slow that a restore outlasts its kills. */
const SLOW = { rate_limit_records_per_sec: 800, produce_batch_size: 100 };
const SOURCE_CONFIG = { 'retention.ms': '8640000000001', 'segment.bytes': '10485760', 'cleanup.policy': 'delete' };
const random = randomNumbers(SEED);

describe('a restore that is killed', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let kills = 0;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 3, config: SOURCE_CONFIG });
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
    await probe.createTopic('ledger', { partitions: 2 });
    await writeLedger();
    const backup = { frame_bytes: '64KiB', segment_max_bytes: '512KiB' };
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders', 'ledger'], backup }), 0);
  });

  after(() => system?.stop());

  /** Two producers whose transactions interleave, some of them aborted. */
  async function writeLedger(): Promise<void> {
    const records = (round: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({ key: `${round}-${index}`, value: `amount ${round * index}` }));
    for (let round = 0; round < 12; round += 1) {
      await probe.txBegin('a');
      await probe.txBegin('b');
      await probe.txSend('a', 'ledger', 0, records(round, 120));
      await probe.txSend('b', 'ledger', 0, records(round + 100, 60));
      await probe.txSend('b', 'ledger', 1, records(round + 200, 120));
      await (round % 3 === 1 ? probe.txAbort('a') : probe.txCommit('a'));
      await (round % 4 === 2 ? probe.txAbort('b') : probe.txCommit('b'));
    }
  }

  /** Starts the restore again and again, killing it, and then lets it end. */
  async function killAndResume(spec: RestoreSpec) {
    let hits = 0;
    for (let life = 0; life < KILLS_A_RESTORE; life += 1) {
      const agent = await system.workspace.startRestore(spec);
      await Promise.race([agent.ended, sleep(KILL_FROM_MS + random() * (KILL_TO_MS - KILL_FROM_MS))]);
      if (!agent.signal('SIGKILL')) {
        assertExit(await agent.ended, 0);
        break;
      }
      await agent.ended;
      hits += 1;
    }
    kills += hits;
    const run = await system.workspace.restore(spec);
    assertExit(run, 0);
    return { run, hits };
  }

  it('ends with every record once in topics that it created, and with their own configuration', async () => {
    const spec = { backupId: 'shop', topics: { orders: 'orders-plain' }, restore: SLOW };
    const { run } = await killAndResume(spec);
    assert.equal(restoredRecords(run.summary), RECORDS);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: 'orders-plain' });
    assert.deepEqual((await probe.describeTopic('orders-plain')).configs, SOURCE_CONFIG);
  });

  it('ends with the committed records once where transactions interleave', async () => {
    const { run } = await killAndResume({
      backupId: 'shop',
      topics: { ledger: 'ledger-restored' },
      restore: { rate_limit_records_per_sec: 1000, produce_batch_size: 25 },
    });
    await assertSameRecords({ probe, topic: 'ledger' }, { probe, topic: 'ledger-restored' });
    await assertMapped(String(run.summary.id));
  });

  /** Each restored record of the ledger is the one that the offset map says. */
  async function assertMapped(restoreId: string): Promise<void> {
    const map = await offsetMap(restoreId, '--format', 'json');
    const runs = map.runs as readonly Readonly<Record<string, string | number>>[];
    for (const partition of [0, 1]) {
      const [source, restored] = [
        await probe.records('ledger', partition, RECORDS),
        await probe.records('ledger-restored', partition, RECORDS),
      ];
      const values = new Map(source.map(({ offset, value }) => [offset, String(value)]));
      const mapped = runs.filter((one) => one.target_partition === partition);
      let offset = 0n;
      for (const { source_offset: from = '', target_offset: to = '', count = 0 } of mapped) {
        assert.equal(BigInt(to), offset);
        for (let index = 0n; index < BigInt(count); index += 1n) {
          const { value } = restored[Number(offset + index)]!;
          assert.equal(String(value), values.get(BigInt(from) + index));
        }
        offset += BigInt(count);
      }
      assert.equal(offset, BigInt(restored.length));
    }
    const [first] = runs;
    const asked = ['--topic', 'ledger', '--partition', '0', '--source-offset', String(first?.source_offset)];
    const found = await offsetMap(restoreId, ...asked, '--json');
    assert.deepEqual(found.target, { topic: 'ledger-restored', partition: 0, offset: String(first?.target_offset) });
  }

  async function offsetMap(restoreId: string, ...args: readonly string[]): Promise<JsonObject> {
    const { directory, store } = system.workspace;
    const where = ['--path', store, '--backup-id', 'shop'];
    const run = await new AgentProcess(['offset-map', restoreId, ...where, ...args], { cwd: directory }).exit();
    assertExit(run, 0);
    return run.summary;
  }

  it('ends with the records of a window once', async () => {
    const fromTimestampMs = 1_700_000_000_000 + 400;
    const toTimestampMs = 1_700_000_000_000 + 5600;
    await killAndResume({
      backupId: 'shop',
      topics: { orders: 'orders-window' },
      restore: {
        ...SLOW,
        time_window_start: new Date(fromTimestampMs).toISOString(),
        time_window_end: new Date(toTimestampMs).toISOString(),
      },
    });
    const source = { probe, topic: 'orders', options: { fromTimestampMs, toTimestampMs } };
    await assertSameRecords(source, { probe, topic: 'orders-window' });
  });

  it('ends with every record once behind those that were there, whatever the topic compresses with', async () => {
    const config = { 'compression.type': 'zstd', 'retention.ms': '8640000000000' };
    await probe.createTopic('orders-appended', { partitions: 3, config });
    await probe.produce('orders-appended', { records: 900, valueBytes: 100, seed: 9 });
    const starts = await probe.endOffsets('orders-appended');
    await killAndResume({
      backupId: 'shop',
      topics: { orders: 'orders-appended' },
      restore: { ...SLOW, into_existing: 'append' },
    });
    const offsets = Object.fromEntries([...starts].map(([partition, fromOffset]) => [partition, { fromOffset }]));
    const restored = await digestOf({ probe, topic: 'orders-appended', options: { offsets } });
    const source = await digestOf({ probe, topic: 'orders' });
    for (const [partition, { sha256 }] of source) assert.equal(restored.get(partition)?.sha256, sha256);
    assert.deepEqual((await probe.describeTopic('orders-appended')).configs, config);
  });

  it('ends with every record once in partitions chosen by key', async () => {
    const restore = { ...SLOW, repartitioning: { 'orders-by-key': { strategy: 'murmur2', target_partitions: 5 } } };
    await killAndResume({ backupId: 'shop', topics: { orders: 'orders-by-key' }, restore });
    const perPartition = await digestOf({ probe, topic: 'orders-by-key' });
    assert.equal(perPartition.size, 5);
    for (let partition = 0; partition < 5; partition += 1) {
      const records = await probe.records('orders-by-key', partition, RECORDS);
      const keys = records.map(({ key }) => key ?? Buffer.alloc(0));
      assert.deepEqual(new Set(await probe.keyPartition(keys, 5)), new Set([partition]));
    }
    const counts = [...perPartition.values()].map(({ recordCount }) => recordCount);
    assert.equal(
      counts.reduce((total, count) => total + count, 0),
      RECORDS,
    );
  });

  it('ends well from every step of its journal', async () => {
    for (const step of ['intent', 'producers', 'verified', 'report']) {
      const target = `orders-${step}`;
      const spec = { backupId: 'shop', topics: { orders: target } };
      const before = restoreIds();
      const agent = await system.workspace.startRestore(spec);
      await until(
        () => agent,
        `${step}.json`,
        () =>
          restoreIds().some((id) => !before.includes(id) && existsSync(join(restoresDirectory(), id, `${step}.json`))),
      );
      if (agent.signal('SIGKILL')) kills += 1;
      await agent.ended;
      const again = await system.workspace.restore(spec);
      assertExit(again, 0);
      assert.equal(restoredRecords(again.summary), RECORDS);
      await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
      assert.deepEqual((await probe.describeTopic(target)).configs, SOURCE_CONFIG);
    }
  });

  it(`was killed at least ${LEAST_KILLS} times`, (context: TestContext) => {
    context.diagnostic(`seed ${SEED}: ${kills} kills`);
    assert.ok(kills >= LEAST_KILLS, `${kills} kills`);
  });

  function restoresDirectory(): string {
    return join(system.workspace.store, 'shop', 'restores');
  }

  function restoreIds(): string[] {
    return existsSync(restoresDirectory()) ? readdirSync(restoresDirectory()) : [];
  }

  async function until(agent: () => AgentProcess, what: string, condition: () => boolean): Promise<void> {
    while (!condition()) {
      assert.ok(agent().isRunning, `the restore ended before there was ${what}\n${agent().stderr}`);
      await sleep(1);
    }
  }
});
