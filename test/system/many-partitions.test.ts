// A backup that tails hundreds of busy partitions takes the memory of its budgets, not of its partitions: each of them has a frame
// and a segment open, and the store takes objects in parts.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { CatalogState } from '../../src/catalog/catalog-state.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const PARTITIONS = 300;
/** Of a kilobyte each: 1.7 MB in each open segment before it is due. */
const RECORDS = 500_000;
const BUDGET_MIB = 32;
/** Over what the process takes before the records arrive. */
const GROWTH_MIB = 350;

describe(`a backup of ${PARTITIONS} busy partitions`, { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD.S3()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  /** @returns by how much the agent's memory grew */
  async function growthInMib(topic: string, { store, storage }: CloudStore): Promise<number> {
    const { probe, workspace } = system;
    await probe.createTopic(topic, { partitions: PARTITIONS });
    const agent = await workspace.startBackup({
      backupId: topic,
      topics: [topic],
      store: storage(),
      backup: {
        continuous: true,
        compression: 'none',
        memory_budget_bytes: `${BUDGET_MIB}MiB`,
        upload_budget_bytes: `${BUDGET_MIB}MiB`,
        segment_max_interval_ms: '8s',
        checkpoint_interval_secs: 1,
      },
    });
    await workspace.catalogUntil(topic, ({ incarnations }) => incarnations.length > 0, store);
    const beforeMib = await peakRssMib(agent.pid);
    await probe.produce(topic, { records: RECORDS, valueBytes: 1000, batchSize: 16_384 });
    await workspace.catalogUntil(topic, (known) => recordsIn(known) === RECORDS, store);
    const growth = (await peakRssMib(agent.pid)) - beforeMib;
    assertExit(await agent.stop(), 0);
    return growth;
  }

  it('takes the memory of its budgets, and all of it is restored', async (context) => {
    const growth = await growthInMib('busy-parts', cloud);
    context.diagnostic(`it grew by ${Math.round(growth)} MiB`);
    assert.ok(growth < GROWTH_MIB, `${growth} MiB`);
    const topics = { 'busy-parts': 'busy-restored' };
    assertExit(await system.workspace.restore({ backupId: 'busy-parts', topics, store: cloud.storage() }), 0);
    const { probe } = system;
    const compared = await assertSameRecords({ probe, topic: 'busy-parts' }, { probe, topic: 'busy-restored' });
    assert.equal(compared, RECORDS);
  });
});

function recordsIn({ incarnations }: CatalogState): number {
  const segments = incarnations.flatMap(({ partitions }) => [...partitions.values()].flatMap((one) => one.segments));
  return segments.reduce((total, { recordCount }) => total + recordCount, 0);
}

async function peakRssMib(pid: number): Promise<number> {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}
