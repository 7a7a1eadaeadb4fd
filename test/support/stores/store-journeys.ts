// What every cloud store must let the agent do, through its real process and judged by Kafka's own consumer: a round trip, kills, an
// outage of the store, and being addressed by a URL. Used by the system tests of the stores.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { AgentProcess, type AgentRun } from '../agent-process.ts';
import { assertExit, committedOffset } from '../agent-workspace.ts';
import { assertTopicTiling } from '../assert-tiling.ts';
import { assertSameRecords } from '../compare-topics.ts';
import { LiveLoad } from '../live-load.ts';
import { randomNumbers } from '../random-numbers.ts';
import type { SystemFixture } from '../system-fixture.ts';
import type { StoreServer } from './store-server.ts';

type Section = Readonly<Record<string, unknown>>;

export interface CloudStore {
  readonly server: StoreServer;
  /** Ends the server: as hard as it can take without losing what it has acknowledged. */
  bringDown(): Promise<void>;
  /** To look into it from outside the agent. */
  readonly store: ObjectStore;
  /** Section `storage` of the configuration. */
  storage(change?: Section): Section;
}

/** Segments of one request and of several parts; every record compared. */
export async function journeyThere({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const topic = 'plain';
  await probe.createTopic(topic, { partitions: 2 });
  await probe.produce(topic, { records: 60_000, valueBytes: 600, headers: true });
  const backup = { compression: 'none' };
  const store = cloud.storage({ part_size_bytes: '5MiB' });
  assertExit(await workspace.backup({ backupId: topic, topics: [topic], store, backup }), 0);
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

/** Kills the agent at chance instants under load. Returns how many records were compared in the end. */
export async function journeyOfKills(
  { probe, workspace }: SystemFixture,
  cloud: CloudStore,
  { kills, seed }: { readonly kills: number; readonly seed: number },
): Promise<number> {
  const topic = 'killed';
  await probe.createTopic(topic, { partitions: 3 });
  const load = new LiveLoad(probe, topic, { recordsPerSecond: 2000, keys: 500, headers: true });
  const limits = { segment_max_bytes: '1MiB', segment_max_interval_ms: 1000, frame_bytes: '256KiB' };
  const backup = { continuous: true, ...limits, checkpoint_interval_secs: 1, sync_interval_secs: 1 };
  const spec = { backupId: topic, topics: [topic], store: cloud.storage(), backup };
  const random = randomNumbers(seed);
  for (let kill = 0; kill < kills; kill += 1) {
    const agent = await workspace.startBackup(spec);
    await sleep(1000 + random() * 2500);
    agent.signal('SIGKILL');
    assert.equal((await agent.ended).signal, 'SIGKILL');
  }
  const produced = await load.stop();
  const ends = await probe.endOffsets(topic);
  const last = await workspace.startBackup(spec);
  await workspace.catalogUntil(
    topic,
    (state) => [...ends].every(([partition, end]) => committedOffset(state, topic, partition) === end),
    cloud.store,
  );
  assertExit(await last.stop(), 0);
  assertTopicTiling(await workspace.catalog(topic, cloud.store), topic, new Map(), ends);
  const restore = { backupId: topic, topics: { [topic]: `${topic}-restored` }, store: cloud.storage() };
  assertExit(await workspace.restore(restore), 0);
  const compared = await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` });
  assert.equal(compared, produced);
  return compared;
}

/** Ends the store under a continuous backup, for longer than one request is patient, and starts it again. */
export async function journeyThroughOutage({ probe, workspace }: SystemFixture, cloud: CloudStore): Promise<void> {
  const topic = 'outage';
  await probe.createTopic(topic);
  await probe.produce(topic, { records: 1000 });
  const backup = { continuous: true, segment_max_interval_ms: 1000, checkpoint_interval_secs: 1 };
  const store = cloud.storage({ retry_timeout_ms: 1000 });
  const agent = await workspace.startBackup({ backupId: topic, topics: [topic], store, backup });
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
export async function journeyByUrl(
  { workspace }: SystemFixture,
  url: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
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
