// What a restore meets when it is started again: an unfinished restore of another request, one of its own, somebody else who has
// written to the target. It carries on what it can, and says what it cannot mend; no record is there twice and none is missing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AgentProcess, AgentRun } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { recordsBeyond } from '../support/topic-growth.ts';

const RECORDS = 6000;
/** Outlasts a preflight beside it, on any machine. */
const SLOWEST = { rate_limit_records_per_sec: 400, produce_batch_size: 100 };
const SLOW = { rate_limit_records_per_sec: 3000, produce_batch_size: 100 };

describe('a restore in trouble', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 3 });
    // Their timestamps are older than what brokers remember a producer for.
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
    const backup = { frame_bytes: '64KiB', segment_max_bytes: '512KiB' };
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders'], backup }), 0);
  });

  after(() => system?.stop());

  it('is carried on by its id', async () => {
    const agent = await system.workspace.startRestore({
      backupId: 'shop',
      topics: { orders: 'orders-by-id' },
      restore: SLOW,
    });
    await recordsBeyond(probe, 'orders-by-id', 300n, agent);
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

  it('is shown as unfinished by a preflight, which takes nothing over, and as complete once it is', async () => {
    const spec = { backupId: 'shop', topics: { orders: 'orders-shown' }, restore: SLOWEST };
    const preflight = () => system.workspace.restore({ ...spec, args: ['--dry-run'] });
    const agent = await system.workspace.startRestore(spec);
    await recordsBeyond(probe, 'orders-shown', 300n, agent);
    const running = await preflight();
    assertExit(running, 0);
    assert.ok(agent.isRunning, 'a preflight leaves a running restore alone');
    await kill(agent);
    const unfinished = await preflight();
    assertExit(unfinished, 0);
    for (const shown of [running, unfinished]) {
      assert.match(
        checksOf(shown)[0] ?? '',
        /^warn restore: restore rst_\w+ of this plan is unfinished: restore carries it on/,
      );
    }
    assertExit(await system.workspace.restore({ ...spec, restore: {} }), 0);
    const complete = await preflight();
    assertExit(complete, 0);
    assert.match(checksOf(complete)[0] ?? '', /^ok restore: restore rst_\w+ of this plan is complete/);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: 'orders-shown' });
  });

  it('says that somebody else has written to the target before it was started again', async () => {
    const spec = { backupId: 'shop', topics: { orders: 'orders-foreign' }, restore: SLOW };
    const agent = await system.workspace.startRestore(spec);
    await recordsBeyond(probe, 'orders-foreign', 300n, agent);
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
    await recordsBeyond(probe, target, 300n, agent);
    await probe.produceRecords(target, 0, [{ key: 'k', value: 'not ours' }]);
    const run = await agent.exit();
    assertExit(run, 3);
    assert.equal(run.failure?.code, 'TARGET_CHANGED');
  });

  function checksOf({ summary }: AgentRun): string[] {
    const { checks } = summary.plan as { readonly checks: readonly Readonly<Record<string, string>>[] };
    return checks.map(({ level, name, message }) => `${level} ${name}: ${message}`);
  }

  async function kill(agent: AgentProcess): Promise<void> {
    agent.signal('SIGKILL');
    await agent.ended;
  }
});
