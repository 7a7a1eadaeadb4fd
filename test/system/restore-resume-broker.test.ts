// Restores that are killed with SIGKILL at a random moment and whose broker is killed too, each while the restore is unfinished: the
// restore first, the broker first, or the restore once the broker is back. Ten of the thirty; the others are in restore-resume.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertExit, type RestoreSpec, restoredRecords } from '../support/agent-workspace.ts';
import { assertDigests, digestOf } from '../support/compare-topics.ts';
import type { KafkaProbe, PartitionDigest } from '../support/kafka-probe.ts';
import { KilledRestores, type RunningRestore } from '../support/killed-restores.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const RESTORES = 10;
const RECORDS = 2800;
/** So slow that a restore outlasts every kill, on any machine: 2.5 seconds at least, and none of them while the broker is away. */
const SLOW = { rate_limit_records_per_sec: 800, produce_batch_size: 40 };
/** Behind the moment at which an attempt has begun, or at which the broker was killed or was back. */
const LATEST_KILL_MS = 800;
const random = randomNumbers(SEED);

describe('a restore that is killed, and whose broker is killed', { timeout: 400_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let killed: KilledRestores;
  let source: ReadonlyMap<number, PartitionDigest>;
  let brokerKills = 0;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    killed = new KilledRestores(system.workspace, 'shop');
    await probe.createTopic('orders', { partitions: 3 });
    // Their timestamps are older than what brokers remember a producer for.
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
    source = await digestOf({ probe, topic: 'orders' });
    const backup = { frame_bytes: '16KiB', segment_max_bytes: '128KiB' };
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders'], backup }), 0);
  });

  after(() => system?.stop());

  async function randomly(): Promise<void> {
    await sleep(random() * LATEST_KILL_MS);
  }

  /** Kills the broker's process under a restore. @returns once it is gone; it is coming back */
  async function killBroker(restore: RunningRestore): Promise<{ readonly isBack: Promise<void> }> {
    killed.assertUnderWay(restore);
    await system.broker.kill9();
    killed.assertUnderWay(restore);
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

  for (let round = 1; round <= RESTORES; round += 1) {
    it(`ends with every record once (${round} of ${RESTORES})`, async (context: TestContext) => {
      const order = names[round % names.length]!;
      context.diagnostic(`seed ${SEED}: kills ${order}`);
      const target = `orders-${round}`;
      const spec = { backupId: 'shop', topics: { orders: target }, restore: SLOW };
      const restore = await killed.start(spec);
      await randomly();
      const { summary } = await ORDERS[order](restore, spec);
      assert.equal(restoredRecords(summary), RECORDS);
      await assertDigests(source, { probe, topic: 'orders' }, { probe, topic: target });
    });
  }

  it(`was killed in each of ${RESTORES} restores, and so was the broker`, (context: TestContext) => {
    context.diagnostic(`${killed.kills} kills of ${killed.restores} restores, ${brokerKills} of the broker`);
    assert.deepEqual([killed.restores, brokerKills], [RESTORES, RESTORES]);
    assert.ok(killed.kills >= RESTORES);
    assert.ok(killed.killedMs > 0, 'reports count the time of attempts that were killed');
  });
});
