// A store that is away for a whole minute, under a restore and under a continuous backup, on a filesystem that is lost and mounted
// again and on an S3 server that is stopped and started. All four live through the same minute. They wait, and then every record
// is there once.
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../support/agent-process.ts';
import { assertExit, committedOffset, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { LiveLoad } from '../support/live-load.ts';
import { START_CLOUD, type CloudStore } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { recordsBeyond } from '../support/topic-growth.ts';

const OUTAGE_MS = 61_000;
const RECORDS = 6000;
/** A restore of four seconds: the store goes away in the middle of it. */
const SLOW = { rate_limit_records_per_sec: 1500, produce_batch_size: 100 };
const CONTINUOUS = { continuous: true, segment_max_interval_ms: 1000, checkpoint_interval_secs: 1 };
const LIVE_RECORDS_PER_SECOND = 50;

describe('a store that is away for a minute', { timeout: 300_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let cloud: CloudStore;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    cloud = await START_CLOUD.S3();
    await probe.createTopic('orders', { partitions: 3 });
    await probe.produce('orders', { records: RECORDS, keys: 200, headers: true, valueBytes: 200, batchSize: 2000 });
    await probe.createTopic('live');
  });

  after(async () => {
    await cloud?.stop();
    await system?.stop();
  });

  it('is waited for by restores and by continuous backups', async () => {
    const { workspace } = system;
    const disk = join(workspace.directory, 'disk');
    const stores = [
      { name: 'disk', section: { backend: 'filesystem', path: disk }, opened: disk },
      { name: 's3', section: cloud.storage(), opened: cloud.store },
    ] as const;
    const load = new LiveLoad(probe, 'live', { recordsPerSecond: LIVE_RECORDS_PER_SECOND, valueBytes: 200 });
    const backups: AgentProcess[] = [];
    for (const { section: store, opened } of stores) {
      assertExit(
        await workspace.backup({ backupId: 'shop', topics: ['orders'], backup: { frame_bytes: '64KiB' }, store }),
        0,
      );
      backups.push(await workspace.startBackup({ backupId: 'live', topics: ['live'], backup: CONTINUOUS, store }));
      await workspace.catalogUntil('live', (state) => committedOffset(state, 'live') > 0n, opened);
    }
    const restores = await Promise.all(
      stores.map(({ name, section: store }) =>
        workspace.startRestore({ backupId: 'shop', topics: { orders: `orders-${name}` }, restore: SLOW, store }),
      ),
    );
    await Promise.all(stores.map(({ name }, index) => recordsBeyond(probe, `orders-${name}`, 300n, restores[index]!)));

    await Promise.all([rename(disk, `${disk}-away`), cloud.bringDown()]);
    const written = load.records;
    await sleep(OUTAGE_MS);
    for (const agent of [...restores, ...backups]) assert.ok(agent.isRunning, agent.stderr);
    await Promise.all([rename(`${disk}-away`, disk), cloud.server.restart()]);

    for (const [index, { name }] of stores.entries()) {
      const run = await restores[index]!.exit();
      assertExit(run, 0);
      assert.match(run.stderr, /STORE_UNAVAILABLE/);
      assert.ok(run.elapsedMs > OUTAGE_MS);
      assert.equal(restoredRecords(run.summary), RECORDS);
      await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: `orders-${name}` });
    }
    const total = BigInt(await load.stop());
    assert.ok(total > BigInt(written), 'records were written while the stores were away');
    for (const [index, { name, section: store, opened }] of stores.entries()) {
      await workspace.catalogUntil('live', (state) => committedOffset(state, 'live') === total, opened);
      const run = await backups[index]!.stop();
      assertExit(run, 0);
      assert.match(run.stderr, /STORE_UNAVAILABLE/);
      assertExit(await workspace.restore({ backupId: 'live', topics: { live: `live-${name}` }, store }), 0);
      assert.equal(await assertSameRecords({ probe, topic: 'live' }, { probe, topic: `live-${name}` }), Number(total));
    }
  });
});
