// Restores that are killed with SIGKILL at a random moment and whose broker is killed too, each while the restore is unfinished: the
// restore first, the broker first, or the restore once the broker is back. They make a topic, append to one, sort out transactions or
// choose partitions by key. Ten of the thirty; the others are in restore-resume.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertExit, type RestoreSpec, restoredRecords } from '../../support/agent-workspace.ts';
import { assertAppended, assertDigests, assertSameRecords, digestOf } from '../../support/compare-topics.ts';
import { writeLedger } from '../../support/interleaved-ledger.ts';
import type { KafkaProbe, PartitionDigest } from '../../support/kafka-probe.ts';
import { assertSameByKey } from '../../support/key-streams.ts';
import { KilledRestores, type RunningRestore } from '../../support/killed-restores.ts';
import { randomNumbers } from '../../support/random-numbers.ts';
import type { SuitePlace, SystemFixture } from '../../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const RESTORES = 10;
const RECORDS = 2800;
/** Of two transactions each: 3,060 records that are committed. */
const LEDGER_ROUNDS = 14;
const LEDGER_RECORDS = 3060;
/** So slow that a restore outlasts every kill, on any machine: 2.5 seconds at least, and none of them while the broker is away. */
const SLOW = { rate_limit_records_per_sec: 800, produce_batch_size: 40 };
/** Behind the moment at which an attempt has begun, or at which the broker was killed or was back. */
const LATEST_KILL_MS = 800;
const random = randomNumbers(SEED);

interface Shape {
  /** Of the source. */
  readonly topic: string;
  /** That the restore is to write. */
  readonly records: number;
  readonly restore?: Readonly<Record<string, unknown>>;
  readonly assertSame: () => Promise<unknown>;
}

export function describeBrokerKills({ name, timeoutMs, start }: SuitePlace): void {
  describe(name, { timeout: timeoutMs }, () => {
    let system: SystemFixture;
    let probe: KafkaProbe;
    let killed: KilledRestores;
    let source: ReadonlyMap<number, PartitionDigest>;
    let brokerKills = 0;

    before(async () => {
      system = await start();
      ({ probe } = system);
      killed = new KilledRestores(system.workspace, 'shop');
      await probe.createTopic('orders', { partitions: 3 });
      // Their timestamps are older than what brokers remember a producer for.
      await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
      await writeLedger(probe, 'ledger', LEDGER_ROUNDS);
      source = await digestOf({ probe, topic: 'orders' });
      const backup = { frame_bytes: '16KiB', segment_max_bytes: '128KiB' };
      assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders', 'ledger'], backup }), 0);
    });

    after(() => system?.stop());

    async function randomly(): Promise<void> {
      await sleep(random() * LATEST_KILL_MS);
    }

    /** Kills the broker's process under a restore. @returns once it is gone; it is coming back */
    async function killBroker(restore: RunningRestore): Promise<{ readonly isBack: Promise<void> }> {
      await killed.assertUnderWay(restore);
      await system.broker.kill9();
      await killed.assertUnderWay(restore);
      brokerKills += 1;
      return { isBack: system.broker.restart() };
    }

    const ORDERS = {
      'the restore, then the broker': async (restore: RunningRestore, spec: RestoreSpec) => {
        await killed.kill(restore);
        const resumed = await killed.start(spec);
        await randomly();
        await (await killBroker(resumed)).isBack;
        return killed.finished(restore.id, await resumed.agent.exit());
      },
      'the broker, then the restore': async (restore: RunningRestore, spec: RestoreSpec) => {
        const { isBack } = await killBroker(restore);
        await randomly();
        await killed.kill(restore);
        await isBack;
        return killed.finish(restore.id, spec);
      },
      'the restore, when the broker is back': async (restore: RunningRestore, spec: RestoreSpec) => {
        await (await killBroker(restore)).isBack;
        await randomly();
        await killed.kill(restore);
        return killed.finish(restore.id, spec);
      },
    };
    const names = Object.keys(ORDERS) as (keyof typeof ORDERS)[];

    const SHAPES: Readonly<Record<string, (target: string) => Promise<Shape>>> = {
      'every record once': async (target) => ({
        topic: 'orders',
        records: RECORDS,
        assertSame: () => assertDigests(source, { probe, topic: 'orders' }, { probe, topic: target }),
      }),
      'every record once behind those that were there': async (target) => {
        await probe.createTopic(target, { partitions: 3, config: { 'retention.ms': '8640000000000' } });
        await probe.produce(target, { records: 900, valueBytes: 100, seed: 9 });
        const earlier = await digestOf({ probe, topic: target });
        return {
          topic: 'orders',
          records: RECORDS,
          restore: { into_existing: 'append' },
          assertSame: () => assertAppended(earlier, { probe, topic: 'orders' }, { probe, topic: target }),
        };
      },
      'the committed records once': async (target) => ({
        topic: 'ledger',
        records: LEDGER_RECORDS,
        assertSame: () => assertSameRecords({ probe, topic: 'ledger' }, { probe, topic: target }),
      }),
      'every record once in partitions chosen by key': async (target) => ({
        topic: 'orders',
        records: RECORDS,
        restore: { repartitioning: { [target]: { strategy: 'murmur2', target_partitions: 5 } } },
        assertSame: () => assertSameByKey(probe, 'orders', target, 5),
      }),
    };
    const outcomes = Object.keys(SHAPES);

    for (let round = 1; round <= RESTORES; round += 1) {
      const outcome = outcomes[round % outcomes.length]!;

      it(`ends with ${outcome} (${round} of ${RESTORES})`, async (context: TestContext) => {
        const order = names[round % names.length]!;
        context.diagnostic(`seed ${SEED}: kills ${order}`);
        const target = `restored-${round}`;
        const { topic, records, restore: settings, assertSame } = await SHAPES[outcome]!(target);
        const spec = { backupId: 'shop', topics: { [topic]: target }, restore: { ...SLOW, ...settings } };
        const restore = await killed.start(spec);
        await randomly();
        const { summary } = await ORDERS[order](restore, spec);
        assert.equal(restoredRecords(summary), records);
        await assertSame();
      });
    }

    it(`was killed in each of ${RESTORES} restores, and so was the broker`, (context: TestContext) => {
      context.diagnostic(`${killed.kills} kills of ${killed.restores} restores, ${brokerKills} of the broker`);
      assert.deepEqual([killed.restores, brokerKills], [RESTORES, RESTORES]);
      assert.ok(killed.kills >= RESTORES);
      assert.ok(killed.killedMs > 0, 'reports count the time of attempts that were killed');
    });
  });
}
