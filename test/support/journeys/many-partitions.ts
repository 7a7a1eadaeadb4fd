// A backup that tails hundreds of busy partitions takes the memory of its budgets, not of its partitions: each of them has a frame
// and a segment open, and the store takes objects in parts.
import assert from 'node:assert/strict';
import { readUse } from '../../bench/measure.ts';
import { assertExit, committedRecords } from '../agent-workspace.ts';
import { assertSameRecords } from '../compare-topics.ts';
import type { CloudStore } from '../stores/cloud-stores.ts';
import type { SystemFixture } from '../system-fixture.ts';

const PARTITIONS = 300;
/** Of a kilobyte each: 1.7 MB in each open segment before it is due. */
const RECORDS = 500_000;
const BUDGET_MIB = 32;
/** Over what the process takes before the records arrive. */
const GROWTH_MIB = 350;

/** All records are compared in the end. @returns how much the agent's memory grew, in words */
export async function journeyOfManyPartitions(system: SystemFixture, cloud: CloudStore): Promise<string> {
  const { probe, workspace } = system;
  const topic = 'busy';
  await probe.createTopic(topic, { partitions: PARTITIONS });
  const agent = await workspace.startBackup({
    backupId: topic,
    topics: [topic],
    store: cloud.storage(),
    backup: {
      continuous: true,
      compression: 'none',
      memory_budget_bytes: `${BUDGET_MIB}MiB`,
      upload_budget_bytes: `${BUDGET_MIB}MiB`,
      segment_max_interval_ms: '8s',
      checkpoint_interval_secs: 1,
    },
  });
  await workspace.catalogUntil(topic, ({ incarnations }) => incarnations.length > 0, cloud.store);
  const beforeBytes = peakRssOf(agent.pid);
  await probe.produce(topic, { records: RECORDS, valueBytes: 1000, batchSize: 16_384 });
  await workspace.catalogUntil(topic, (known) => committedRecords(known) === RECORDS, cloud.store);
  const growthMib = (peakRssOf(agent.pid) - beforeBytes) / 2 ** 20;
  assertExit(await agent.stop(), 0);
  assert.ok(growthMib < GROWTH_MIB, `${growthMib} MiB`);
  const restored = `${topic}-restored`;
  const restore = { backupId: topic, topics: { [topic]: restored }, store: cloud.storage() };
  assertExit(await workspace.restore(restore), 0);
  assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: restored }), RECORDS);
  return `${PARTITIONS} partitions: it grew by ${Math.round(growthMib)} MiB`;
}

/** Bytes. */
function peakRssOf(pid: number): number {
  const use = readUse(pid);
  assert.ok(use !== undefined, 'the agent is gone');
  return use.peakRssBytes;
}
