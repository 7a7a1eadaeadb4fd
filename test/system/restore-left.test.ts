// What a restore that was killed has left of a topic's configuration: plans say what will become of the records when it is carried
// on, and nothing of it comes onto a topic whose owner has set it otherwise since.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '../support/agent-process.ts';
import { type AgentRun } from '../support/agent-process.ts';
import { assertExit, type RestoreSpec, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { KilledRestores } from '../support/killed-restores.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { recordsBeyond } from '../support/topic-growth.ts';

const RECORDS = 3000;
const SLOW = { rate_limit_records_per_sec: 300, produce_batch_size: 50 };
const KEPT = { 'retention.ms': '-1', 'message.timestamp.after.max.ms': '9223372036854775807' };

describe('a topic that a killed restore has left', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let killed: KilledRestores;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 3, config: { 'retention.ms': '31536000000000' } });
    await probe.createTopic('plain', { partitions: 3 });
    for (const topic of ['orders', 'plain'])
      await probe.produce(topic, { records: RECORDS, keys: 200, valueBytes: 100 });
    assertExit(await system.workspace.backup({ backupId: 'left', topics: ['orders', 'plain'] }), 0);
    killed = new KilledRestores(system.workspace, 'left');
  });

  after(() => system?.stop());

  async function kill(spec: RestoreSpec, target: string): Promise<string> {
    const running = await killed.start(spec);
    await recordsBeyond(probe, target, 300n, running.agent);
    await killed.kill(running);
    return running.id;
  }

  function checks({ summary }: AgentRun, name: string): string {
    const { checks: all } = summary.plan as { readonly checks: readonly JsonObject[] };
    return all.flatMap((one) => (one.name === name ? [`${String(one.level)}: ${String(one.message)}`] : [])).join('\n');
  }

  it('is planned with the configuration that it gets in the end: its own, or the default of the target', async () => {
    const own = { topic_configs: { 'orders-own': { 'retention.ms': '86400000' } } };
    await probe.alterBrokerConfig({ 'log.retention.ms': 604_800_000 });
    const cases = [
      { spec: { backupId: 'left', topics: { orders: 'orders-own' }, restore: { ...SLOW, ...own } }, ms: 86_400_000 },
      { spec: { backupId: 'left', topics: { plain: 'plain-copy' }, restore: SLOW }, ms: 604_800_000 },
    ];
    for (const { spec, ms } of cases) {
      const [target = ''] = Object.values(spec.topics);
      await kill(spec, target);
      const shown = await system.workspace.restore({ ...spec, command: 'validate-restore' });
      assertExit(shown, 0);
      assert.match(checks(shown, 'restore'), /is unfinished/);
      assert.match(checks(shown, 'retention'), new RegExp(`^warn: ${target} keeps records for ${ms} ms`));
      assert.match(
        checks(shown, 'retention'),
        /restore --abandon rst_\w+, and restore again with another retention\.ms$/,
      );
      assert.doesNotMatch(checks(shown, 'configuration'), /keeps its own configuration/);
    }
  });

  it('keeps what its owner has set since the restore was abandoned', async () => {
    const target = 'orders-kept';
    await probe.createTopic(target, { partitions: 3, config: { ...KEPT, 'retention.ms': '86400000' } });
    const spec = { backupId: 'left', topics: { orders: target }, restore: { ...SLOW, into_existing: 'append' } };
    const id = await kill(spec, target);
    assertExit(await system.workspace.restore({ ...spec, args: ['--abandon', id] }), 0);
    await probe.alterTopicConfig(target, { 'retention.ms': '-1' });
    await assertKept(target, { into_existing: 'append' });
  });

  it('is nothing to a topic of that name that its owner has made since', async () => {
    const target = 'orders-anew';
    await kill({ backupId: 'left', topics: { orders: target }, restore: SLOW }, target);
    await probe.deleteTopic(target);
    await probe.createTopic(target, { partitions: 3, config: KEPT });
    await assertKept(target);
    await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: target });
  });

  async function assertKept(target: string, restore: RestoreSpec['restore'] = {}): Promise<void> {
    const run = await system.workspace.restore({ backupId: 'left', topics: { orders: target }, restore });
    assertExit(run, 0);
    assert.match(checks(run, 'retention'), /^ok: /);
    assert.equal(restoredRecords(run.summary), RECORDS);
    assert.deepEqual((await probe.describeTopic(target)).configs, KEPT);
  }
});
