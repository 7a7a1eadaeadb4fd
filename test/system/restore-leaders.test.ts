// A restore into a cluster whose leaders move under it: a broker that leads half of the partitions dies, and comes back, while
// batches are in flight to it. Nothing is lost on the way, and nothing is there twice.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertExit, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { recordsBeyond } from '../support/topic-growth.ts';

const RECORDS = 5000;
/** A leader that has moved does not move back for minutes: each restore makes a topic with leaders of its own. */
const ROUNDS = 3;
const REPLICATION_FACTOR = 2;
const SECOND = 2;

describe('a restore whose leaders move', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let second: KafkaBroker;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    second = await startKafka({ joins: { broker: system.broker, nodeId: SECOND } });
    await probe.createTopic('orders', { partitions: 6, replicationFactor: REPLICATION_FACTOR });
    await probe.produce('orders', { records: RECORDS, keys: 300, valueBytes: 200 });
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders'] }), 0);
  });

  after(async () => {
    await second?.stop();
    await system?.stop();
  });

  for (let round = 1; round <= ROUNDS; round += 1) {
    it(`ends with every record once (${round} of ${ROUNDS})`, async (context: TestContext) => {
      const target = `orders-restored-${round}`;
      const agent = await system.workspace.startRestore({
        backupId: 'shop',
        topics: { orders: target },
        restore: { rate_limit_records_per_sec: 300, max_concurrent_partitions: 6, produce_batch_size: 10 },
      });
      const there = await recordsBeyond(probe, target, 300n, agent);
      const before = (await probe.describeTopic(target)).leaders;
      assert.ok(before.includes(SECOND), `leaders ${before.join()}`);
      await second.kill9();
      // Longer than the cluster waits for a broker that is silent.
      await sleep(4000);
      await second.restart();
      assert.ok(agent.isRunning, agent.stderr);
      const run = await agent.exit();
      assertExit(run, 0);
      const after = (await probe.describeTopic(target)).leaders;
      assert.ok(
        after.every((leader) => leader >= 0 && leader !== SECOND),
        `leaders ${after.join()}`,
      );
      assert.equal(restoredRecords(run.summary), RECORDS);
      await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
      assert.equal((await probe.describeTopic(target)).replicationFactor, REPLICATION_FACTOR);
      context.diagnostic(
        `${there} of ${RECORDS} records were there when the leader died; leaders ${before.join()}, then ${after.join()}`,
      );
    });
  }
});
