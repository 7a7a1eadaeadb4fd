// What a restore meets on its way: somebody else who writes to the target, a store that goes away, a broker that dies again and
// again. It waits for what comes back, and says what it cannot mend; either way no record is there twice and none is missing.
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../support/agent-process.ts';
import { assertExit, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const RECORDS = 6000;
/** Of the restore that outlives its broker: more than it can send between the kills. */
const FEW_RECORDS = 1500;
const SLOW = { rate_limit_records_per_sec: 3000, produce_batch_size: 100 };
const BROKER_KILLS = 10;

describe('a restore in trouble', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 3 });
    // Their timestamps are older than what brokers remember a producer for.
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
    await probe.createTopic('few', { partitions: 3 });
    await probe.produce('few', { records: FEW_RECORDS, valueBytes: 200 });
    const backup = { frame_bytes: '64KiB', segment_max_bytes: '512KiB' };
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders', 'few'], backup }), 0);
  });

  after(() => system?.stop());

  it('is carried on by its id', async () => {
    const agent = await system.workspace.startRestore({
      backupId: 'shop',
      topics: { orders: 'orders-by-id' },
      restore: SLOW,
    });
    await hasRecords('orders-by-id', agent);
    await kill(agent);
    const other = {
      backupId: 'shop',
      topics: { orders: 'orders-by-id' },
      restore: { time_window_end: '2024-01-01T00:00:00Z' },
    };
    const refused = await system.workspace.restore(other);
    assertExit(refused, 4);
    const id = /restore --resume (rst_\w+)/.exec(refused.failure?.message ?? '')?.[1];
    assert.ok(id, refused.failure?.message);
    assertExit(await system.workspace.restore({ ...other, args: ['--resume', id] }), 0);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: 'orders-by-id' });
  });

  it('says that somebody else has written to the target before it was started again', async () => {
    const spec = { backupId: 'shop', topics: { orders: 'orders-foreign' }, restore: SLOW };
    const agent = await system.workspace.startRestore(spec);
    await hasRecords('orders-foreign', agent);
    await kill(agent);
    await probe.produceRecords('orders-foreign', 1, [{ key: 'k', value: 'not ours' }]);
    const again = await system.workspace.restore(spec);
    assertExit(again, 3);
    assert.equal(again.failure?.code, 'TARGET_CHANGED');
    assert.match(again.failure?.message ?? '', /orders-foreign-1 ends with a batch of /);
    // What the message asks for is enough: the same restore begins afresh.
    await probe.deleteTopic('orders-foreign');
    assertExit(await system.workspace.restore({ ...spec, restore: {} }), 0);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: 'orders-foreign' });
  });

  it('says that somebody else writes to the target while it runs', async () => {
    const target = 'orders-contested';
    const agent = await system.workspace.startRestore({ backupId: 'shop', topics: { orders: target }, restore: SLOW });
    await hasRecords(target, agent);
    await probe.produceRecords(target, 0, [{ key: 'k', value: 'not ours' }]);
    const run = await agent.exit();
    assertExit(run, 3);
    assert.equal(run.failure?.code, 'TARGET_CHANGED');
  });

  it('waits for a store that is away', async () => {
    const { workspace } = system;
    const target = 'orders-awaited';
    const agent = await workspace.startRestore({
      backupId: 'shop',
      topics: { orders: target },
      restore: { rate_limit_records_per_sec: 1500, produce_batch_size: 100 },
    });
    await hasRecords(target, agent);
    await rename(workspace.store, `${workspace.store}-away`);
    await agent.says(/the restore waits/);
    await sleep(1500);
    assert.ok(agent.isRunning, agent.stderr);
    await rename(`${workspace.store}-away`, workspace.store);
    assertExit(await agent.exit(), 0);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
  });

  it(`outlives a broker that is killed and comes back ${BROKER_KILLS} times`, async (context: TestContext) => {
    const target = 'few-outlived';
    const agent = await system.workspace.startRestore({
      backupId: 'shop',
      topics: { few: target },
      restore: { rate_limit_records_per_sec: 120, produce_batch_size: 30 },
    });
    let end = 0n;
    for (let kill = 0; kill < BROKER_KILLS; kill += 1) {
      end = await recordsBeyond(target, end, agent);
      await system.broker.kill9();
      await system.broker.restart();
    }
    assert.ok(agent.isRunning, 'the restore was under way at every kill');
    const run = await agent.exit();
    assertExit(run, 0);
    assert.equal(restoredRecords(run.summary), FEW_RECORDS);
    await assertSameRecords({ probe, topic: 'few' }, { probe, topic: target });
    context.diagnostic(`${end} of ${FEW_RECORDS} records were there at the last kill`);
  });

  async function kill(agent: AgentProcess): Promise<void> {
    agent.signal('SIGKILL');
    await agent.ended;
  }

  /** Waits until the restore is under way. */
  async function hasRecords(topic: string, agent: AgentProcess): Promise<void> {
    await recordsBeyond(topic, 300n, agent);
  }

  /** Waits until the topic holds more records; returns how many. */
  async function recordsBeyond(topic: string, count: bigint, agent: AgentProcess): Promise<bigint> {
    for (;;) {
      const ends = await probe.endOffsets(topic).catch(() => new Map<number, bigint>());
      const held = [...ends.values()].reduce((total, end) => total + end, 0n);
      if (held > count) return held;
      assert.ok(agent.isRunning, `the restore ended before it was looked at\n${agent.stderr}`);
      await sleep(20);
    }
  }
});
