// Restores that are killed with SIGKILL at a random moment and started again: each ends with every planned record once, in a topic
// that it has created, behind records that were there before, without the aborted transactions, within a window, and in partitions
// chosen by key. Of the thirty restores that are killed so, twenty are here; ten lose their broker too (restore-resume-broker).
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../support/agent-process.ts';
import { assertExit, type RestoreSpec, restoredRecords } from '../../support/agent-workspace.ts';
import { assertAppended, assertSameRecords, digestOf } from '../../support/compare-topics.ts';
import { writeLedger } from '../../support/interleaved-ledger.ts';
import type { KafkaProbe } from '../../support/kafka-probe.ts';
import { assertSameByKey } from '../../support/key-streams.ts';
import { KilledRestores } from '../../support/killed-restores.ts';
import { randomNumbers } from '../../support/random-numbers.ts';
import type { SuitePlace, SystemFixture } from '../../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const ROUNDS_A_SHAPE = 4;
const SHAPES = 5;
const RECORDS = 1200;
/** More than any partition holds. */
const ALL_RECORDS = 10_000;
/** So slow that a restore outlasts every moment at which it may be killed, on any machine: it takes 1.5 seconds at least. */
const SLOW = { rate_limit_records_per_sec: 800, produce_batch_size: 40 };
/** Behind the moment at which an attempt has begun. */
const LATEST_KILL_MS = 1200;
/** An attempt that carries on first waits for half a second, so it cannot be done by then. */
const LATEST_SECOND_KILL_MS = 450;
const SOURCE_CONFIG = { 'retention.ms': '8640000000001', 'segment.bytes': '10485760', 'cleanup.policy': 'delete' };
const WINDOW = { fromTimestampMs: 1_700_000_000_000 + 20, toTimestampMs: 1_700_000_000_000 + 1180 };
const random = randomNumbers(SEED);

export function describeRestoreKills({ name, timeoutMs, start }: SuitePlace): void {
  describe(name, { timeout: timeoutMs }, () => {
    let system: SystemFixture;
    let probe: KafkaProbe;
    let killed: KilledRestores;

    before(async () => {
      system = await start();
      ({ probe } = system);
      killed = new KilledRestores(system.workspace, 'shop');
      await probe.createTopic('orders', { partitions: 3, config: SOURCE_CONFIG });
      await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
      await writeLedger(probe, 'ledger', 8);
      const backup = { frame_bytes: '16KiB', segment_max_bytes: '128KiB' };
      assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders', 'ledger'], backup }), 0);
    });

    after(() => system?.stop());

    /** Kills a restore at a random moment, half of them once more as they carry on, and lets it come to its end. */
    async function killAndResume(context: TestContext, spec: Omit<RestoreSpec, 'backupId'>) {
      const whole = { backupId: 'shop', ...spec };
      const moments = [random() * LATEST_KILL_MS, ...(random() < 0.5 ? [random() * LATEST_SECOND_KILL_MS] : [])];
      context.diagnostic(`seed ${SEED}: killed after ${moments.map(Math.round).join(' ms, then after ')} ms`);
      let id = '';
      for (const moment of moments) {
        const restore = await killed.start(whole);
        await sleep(moment);
        await killed.kill(restore);
        ({ id } = restore);
      }
      return killed.finish(id, whole);
    }

    for (let round = 1; round <= ROUNDS_A_SHAPE; round += 1) {
      const which = `(${round} of ${ROUNDS_A_SHAPE})`;

      it(`ends with every record once in topics that it created, and with their own configuration ${which}`, async (context: TestContext) => {
        const target = `orders-plain-${round}`;
        const { summary } = await killAndResume(context, { topics: { orders: target }, restore: SLOW });
        assert.equal(restoredRecords(summary), RECORDS);
        await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
        assert.deepEqual((await probe.describeTopic(target)).configs, SOURCE_CONFIG);
      });

      it(`ends with the committed records once where transactions interleave ${which}`, async (context: TestContext) => {
        const target = `ledger-${round}`;
        const restore = { ...SLOW, produce_batch_size: 25 };
        const { summary } = await killAndResume(context, { topics: { ledger: target }, restore });
        await assertSameRecords({ probe, topic: 'ledger' }, { probe, topic: target });
        await assertMapped(String(summary.id), target);
      });

      it(`ends with the records of a window once ${which}`, async (context: TestContext) => {
        const target = `orders-window-${round}`;
        const [start, end] = [WINDOW.fromTimestampMs, WINDOW.toTimestampMs].map((ms) => new Date(ms).toISOString());
        const restore = { ...SLOW, time_window_start: start, time_window_end: end };
        const { summary } = await killAndResume(context, { topics: { orders: target }, restore });
        assert.ok(restoredRecords(summary) < RECORDS);
        await assertSameRecords({ probe, topic: 'orders', options: WINDOW }, { probe, topic: target });
      });

      it(`ends with every record once behind those that were there, whatever the topic compresses with ${which}`, async (context: TestContext) => {
        const target = `orders-appended-${round}`;
        const config = { 'compression.type': 'zstd', 'retention.ms': '8640000000000' };
        await probe.createTopic(target, { partitions: 3, config });
        await probe.produce(target, { records: 900, valueBytes: 100, seed: 9 });
        const earlier = await digestOf({ probe, topic: target });
        await killAndResume(context, { topics: { orders: target }, restore: { ...SLOW, into_existing: 'append' } });
        await assertAppended(earlier, { probe, topic: 'orders' }, { probe, topic: target });
        assert.deepEqual((await probe.describeTopic(target)).configs, config);
      });

      it(`ends with every record once in partitions chosen by key ${which}`, async (context: TestContext) => {
        const target = `orders-by-key-${round}`;
        const restore = { ...SLOW, repartitioning: { [target]: { strategy: 'murmur2', target_partitions: 5 } } };
        await killAndResume(context, { topics: { orders: target }, restore });
        await assertSameByKey(probe, 'orders', target, 5);
      });
    }

    it(`was killed in each of ${ROUNDS_A_SHAPE * SHAPES} restores while it was alive and unfinished`, (context: TestContext) => {
      context.diagnostic(`${killed.kills} kills in ${killed.restores} restores`);
      assert.equal(killed.restores, ROUNDS_A_SHAPE * SHAPES);
      assert.ok(killed.kills >= killed.restores);
      assert.ok(killed.killedMs > 0, 'reports count the time of attempts that were killed');
    });

    /** Each restored record of the ledger is the one that the offset map says. */
    async function assertMapped(restoreId: string, target: string): Promise<void> {
      const map = await offsetMap(restoreId, '--format', 'json');
      const runs = map.runs as readonly Readonly<Record<string, string | number>>[];
      for (const partition of [0, 1]) {
        const [source, restored] = [
          await probe.records('ledger', partition, ALL_RECORDS),
          await probe.records(target, partition, ALL_RECORDS),
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
      assert.deepEqual(found.target, { topic: target, partition: 0, offset: String(first?.target_offset) });
    }

    async function offsetMap(restoreId: string, ...args: readonly string[]): Promise<JsonObject> {
      const run = await system.workspace.byAddress('shop', 'offset-map', restoreId, ...args);
      assertExit(run, 0);
      return run.summary;
    }

    it('ends well from every step of its journal', async () => {
      for (const step of ['intent', 'producers', 'verified', 'report'] as const) {
        const target = `orders-${step}`;
        const spec = { backupId: 'shop', topics: { orders: target } };
        const { id, agent } = await killed.start(spec);
        for (let wasRunning = true; !(await killed.hasWritten(id, step)); await sleep(1)) {
          assert.ok(wasRunning, `the restore ended before there was ${step}.json\n${agent.stderr}`);
          wasRunning = agent.isRunning;
        }
        agent.signal('SIGKILL');
        await agent.ended;
        const again = await system.workspace.restore(spec);
        assertExit(again, 0);
        assert.equal(restoredRecords(again.summary), RECORDS);
        await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
        assert.deepEqual((await probe.describeTopic(target)).configs, SOURCE_CONFIG);
      }
    });
  });
}
