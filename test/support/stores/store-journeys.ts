// What every cloud store must let the agent do, through its real process and judged by Kafka's own consumer: a round trip of large
// objects, an outage of the store, and being addressed by a URL. Used by the system tests of the stores.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentProcess, type AgentRun } from '../agent-process.ts';
import { assertExit, committedOffset } from '../agent-workspace.ts';
import { assertSameRecords } from '../compare-topics.ts';
import type { SystemFixture } from '../system-fixture.ts';
import type { CloudStore } from './cloud-stores.ts';

type Section = Readonly<Record<string, unknown>>;

/** Segments of one request and of several parts; every record compared. */
export async function journeyThere({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const topic = 'plain';
  await probe.createTopic(topic, { partitions: 2 });
  await probe.produce(topic, { records: 60_000, valueBytes: 600, headers: true });
  const backup = { compression: 'none' };
  const store = cloud.storage({ part_size_bytes: '5MiB' });
  const run = await workspace.backup({ backupId: topic, topics: [topic], store, backup });
  assertExit(run, 0);
  const requests = Number(run.summary.storeRequests);
  assert.ok(requests > 10 && requests < 100, `${requests} requests`);
  const state = await workspace.catalog(topic, cloud.store);
  const sizes = [...state.incarnations[0]!.partitions.values()].flatMap(({ segments }) =>
    [...segments].map(({ storedSizeBytes }) => storedSizeBytes),
  );
  assert.ok(
    sizes.some((size) => size > 10 * 1024 * 1024),
    `segments of several parts: ${sizes.join()}`,
  );
  const restore = { backupId: topic, topics: { [topic]: `${topic}-restored` }, store: cloud.storage() };
  assertExit(await workspace.restore(restore), 0);
  assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` }), 60_000);
}

/** A store that is away at the start, and one that ends under a continuous backup for longer than one request is patient. */
export async function journeyThroughOutage({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const topic = 'outage';
  await probe.createTopic(topic);
  await probe.produce(topic, { records: 1000 });
  const backup = { continuous: true, segment_max_interval_ms: 1000, checkpoint_interval_secs: 1 };
  const store = cloud.storage({ retry_timeout_ms: 1000 });
  await cloud.bringDown();
  const agent = await workspace.startBackup({ backupId: topic, topics: [topic], store, backup });
  await agent.says(/STORE_UNAVAILABLE/);
  await cloud.server.restart();
  await workspace.catalogUntil(topic, (state) => committedOffset(state, topic) === 1000n, cloud.store);
  await cloud.bringDown();
  await probe.produce(topic, { records: 1000, firstIndex: 1000 });
  await sleep(6000);
  assert.ok(agent.isRunning, agent.stderr);
  await cloud.server.restart();
  await workspace.catalogUntil(topic, (state) => committedOffset(state, topic) === 2000n, cloud.store);
  assertExit(await agent.stop(), 0);
  const restore = { backupId: topic, topics: { [topic]: `${topic}-restored` }, store: cloud.storage() };
  assertExit(await workspace.restore(restore), 0);
  assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` }), 2000);
}

/** Every command that takes the address of a store, on the backup of {@link journeyThere}. */
export async function journeyByUrl({ workspace }: SystemFixture, { url, env }: CloudStore): Promise<void> {
  const run = (...args: readonly string[]): Promise<AgentRun> =>
    new AgentProcess([...args, '--json', '--path', url], { cwd: workspace.directory, env }).exit();
  const list = await run('list');
  assertExit(list, 0);
  const ids = (list.summary.backups as readonly { readonly id: string }[]).map(({ id }) => id);
  assert.ok(ids.includes('plain'), ids.join());
  assertExit(await run('describe', '--backup-id', 'plain'), 0);
  assertExit(await run('validate', '--deep', '--backup-id', 'plain'), 0);
  assertExit(await run('describe', '--backup-id', 'nothing'), 10);
}

/** A backup that must not begin: nothing is left in the store, and no secret is said. */
export async function refusedBackup(
  { workspace }: SystemFixture,
  cloud: CloudStore,
  change: Section,
): Promise<AgentRun> {
  const run = await workspace.backup({ backupId: 'refused', topics: ['plain'], store: cloud.storage(change) });
  assert.doesNotMatch(run.stderr + run.stdout, /CANARY/);
  const keys: string[] = [];
  for await (const { key } of cloud.store.list('refused/')) keys.push(key);
  assert.deepEqual(keys, []);
  return run;
}
