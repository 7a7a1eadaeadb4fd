// A store or a target that stays away for longer than `restore.outage_timeout_ms`: the restore waits that long, says so, and ends all
// at once with what to do. Run again, it goes on where it stopped.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AgentRun } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { START_CLOUD, type CloudStore } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { recordsBeyond } from '../support/topic-growth.ts';

const RECORDS = 6000;
const PATIENCE_MS = 4000;
const REQUEST_TIMEOUT_MS = 2000;
/** Behind the patience: the last request, the last look at the journal, the report that cannot be kept, a loaded machine. */
const END_WITHIN_MS = 20_000;
/** A restore of some ten seconds on three partitions. */
const SLOW = { rate_limit_records_per_sec: 600, produce_batch_size: 50, outage_timeout_ms: PATIENCE_MS };

describe('a restore whose patience is over', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let cloud: CloudStore;

  before(async () => {
    system = await SystemFixture.start({ startStore: async () => (cloud = await START_CLOUD.S3()) });
    ({ probe } = system);
    await probe.createTopic('orders', { partitions: 3 });
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
    const backup = { frame_bytes: '64KiB', segment_max_bytes: '128KiB' };
    assertExit(await system.workspace.backup({ backupId: 'shop', topics: ['orders'], backup }), 0);
  });

  after(() => system?.stop());

  const outages = [
    { kind: 'a store that is gone', target: 'gone', code: 'STORE_UNAVAILABLE', begin: () => cloud.bringDown() },
    {
      kind: 'a store that is silent',
      target: 'silent',
      code: 'STORE_UNAVAILABLE',
      begin: async () => cloud.server.freeze(),
    },
    { kind: 'a target that is gone', target: 'away', code: /^KAFKA_/, begin: () => system.broker.kill9() },
  ] as const;
  for (const { kind, target, code, begin } of outages) {
    it(`ends soon after it, with ${kind}, and is carried on when it is run again`, async () => {
      const store = cloud.storage({ retry_timeout_ms: 0, request_timeout_ms: REQUEST_TIMEOUT_MS });
      const topic = `orders-${target}`;
      const spec = { backupId: 'shop', topics: { orders: topic }, store };
      const agent = await system.workspace.startRestore({ ...spec, restore: SLOW });
      await recordsBeyond(probe, topic, 300n, agent);
      await begin();
      const awayAtMs = performance.now();
      const run = await agent.exit();
      const tookMs = performance.now() - awayAtMs;
      await bringBack();
      assertExit(run, 1);
      assert.match(run.failure?.code ?? '', new RegExp(code));
      assert.match(
        run.failure?.message ?? '',
        /; the restore has waited for [4-9] s and gives up; run it again to carry/,
      );
      assert.match(run.failure?.message ?? '', /restore --resume rst_\w+$/);
      assert.match(run.stderr, /the restore waits, for another 4 s at most/);
      assert.ok(tookMs >= PATIENCE_MS && tookMs < PATIENCE_MS + END_WITHIN_MS, `${tookMs} ms`);
      const again: AgentRun = await system.workspace.restore(spec);
      assertExit(again, 0);
      assert.match(again.stderr, /an unfinished restore is carried on/);
      await assertSameRecords({ probe, topic: 'orders' }, { probe, topic });
    });
  }

  async function bringBack(): Promise<void> {
    await cloud.server.restart();
    await system.broker.restart();
  }
});
