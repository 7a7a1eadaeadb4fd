// A backup that is killed at any moment loses nothing and doubles nothing: the agent follows a topic under load, dies by
// SIGKILL again and again, and in the end every offset is in the catalog exactly once and a restore equals the source.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertExit, committedOffset } from '../support/agent-workspace.ts';
import { assertTopicTiling } from '../support/assert-tiling.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { LiveLoad } from '../support/live-load.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const SEED = Number(process.env.KAFKA_BACKUP_TEST_SEED ?? Date.now() % 1_000_000);
const KILLS = 20;
/** After the start of the process. Commits come about 1,400 ms after it. */
const KILL_FROM_MS = 200;
const KILL_TO_MS = 2600;
const CATALOG_FILE = /^\d{20}\.json$/;

describe('a continuous backup that is killed', { timeout: 150_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
  });

  after(() => system?.stop());

  it('has every offset exactly once in the end', async (context: TestContext) => {
    const { workspace } = system;
    await probe.createTopic('orders', { partitions: 3 });
    const load = new LiveLoad(probe, 'orders', { recordsPerSecond: 3000, keys: 500, headers: true });
    const spec = {
      backupId: 'orders',
      topics: ['orders'],
      backup: {
        continuous: true,
        segment_max_bytes: '1MiB',
        segment_max_interval_ms: 1000,
        frame_bytes: '256KiB',
        checkpoint_interval_secs: 1,
        sync_interval_secs: 1,
      },
    };
    const random = randomNumbers(SEED);
    let hits = 0;
    let livesThatCommitted = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const version = await latestVersion(workspace.store);
      const agent = await workspace.startBackup(spec);
      await sleep(KILL_FROM_MS + random() * (KILL_TO_MS - KILL_FROM_MS));
      if (agent.signal('SIGKILL')) hits += 1;
      const run = await agent.ended;
      assert.equal(run.signal, 'SIGKILL', run.stderr);
      if ((await latestVersion(workspace.store)) > version) livesThatCommitted += 1;
    }
    const produced = await load.stop();
    const ends = await probe.endOffsets('orders');
    const last = await workspace.startBackup(spec);
    await workspace.catalogUntil('orders', (state) =>
      [...ends].every(([partition, end]) => committedOffset(state, 'orders', partition) === end),
    );
    assertExit(await last.stop(), 0);

    const state = await workspace.catalog('orders');
    const pieces = assertTopicTiling(state, 'orders', new Map(), ends);
    assertExit(await workspace.restore({ backupId: 'orders', topics: { orders: 'orders-restored' } }), 0);
    const compared = await assertSameRecords({ probe, topic: 'orders' }, { probe, topic: 'orders-restored' });
    assert.equal(compared, produced);
    assert.equal(hits, KILLS, 'kills that hit a running process');
    assert.ok(livesThatCommitted > 0, 'some of the agents got as far as a commit');
    context.diagnostic(
      `seed ${SEED}: ${hits} of ${KILLS} kills hit a running agent, ${livesThatCommitted} of them had committed; ` +
        `${state.version} commits, ${pieces} segments, ${compared} records compared`,
    );
  });
});

/** Number of the newest commit of the backup `orders`. */
async function latestVersion(store: string): Promise<number> {
  const files = await readdir(join(store, 'orders', 'catalog')).catch(() => []);
  return files.filter((file) => CATALOG_FILE.test(file)).length;
}
