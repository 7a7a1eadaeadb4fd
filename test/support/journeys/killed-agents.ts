// The agent is killed again and again, by SIGKILL and at moments that chance chooses, while it backs a topic up under load and while
// it restores it. In the end every offset is in the catalog exactly once, and a restore equals the source. On any store.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { assertExit, committedOffset, restoredRecords } from '../agent-workspace.ts';
import { assertTopicTiling } from '../assert-tiling.ts';
import { assertSameRecords } from '../compare-topics.ts';
import { LiveLoad } from '../live-load.ts';
import { randomNumbers } from '../random-numbers.ts';
import type { Store } from '../stores/store.ts';
import type { SystemFixture } from '../system-fixture.ts';

/** After the start of the process. Commits come about 1,400 ms after it. */
const KILL_FROM_MS = 200;
const KILL_TO_MS = 2600;
/** After the first commit of a life: of every second one, so that machines of every speed come that far. */
const KILL_AFTER_COMMIT_MS = 700;
/** The first record is sent about 600 ms after the start, or 1,100 ms when the restore is resumed. */
const RESTORE_KILL_FROM_MS = 700;
const RESTORE_KILL_TO_MS = 2000;
const COMMIT_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** Small and frequent, so that there is always something half done. */
const RESTLESS = {
  continuous: true,
  segment_max_bytes: '1MiB',
  segment_max_interval_ms: 1000,
  frame_bytes: '256KiB',
  checkpoint_interval_secs: 1,
  sync_interval_secs: 1,
};

export interface KilledBackup {
  /** Of the topic, which is created, and of the backup. */
  readonly name: string;
  readonly kills: number;
  /** Of the restore at the end; none unless given. */
  readonly restoreKills?: number;
  readonly seed: number;
  /** Where the backup lies; the workspace's place unless given. */
  readonly place?: Store;
}

/** @returns what has happened, for people */
export async function journeyOfKills(system: SystemFixture, killed: KilledBackup): Promise<string> {
  const { probe, workspace } = system;
  const { name, kills, seed, place = workspace.place } = killed;
  const { store } = place;
  await probe.createTopic(name, { partitions: 3 });
  const load = new LiveLoad(probe, name, { recordsPerSecond: 3000, keys: 500, headers: true });
  const spec = { backupId: name, topics: [name], backup: RESTLESS, store: place.storage() };
  const random = randomNumbers(seed);
  let livesThatCommitted = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const version = await latestVersion(store, name);
    const agent = await workspace.startBackup(spec);
    if (kill % 2 === 0) await sleep(KILL_FROM_MS + random() * (KILL_TO_MS - KILL_FROM_MS));
    else {
      await committedAfter(store, name, version);
      await sleep(random() * KILL_AFTER_COMMIT_MS);
    }
    assert.ok(agent.signal('SIGKILL'), `the agent was running when it was to be killed\n${agent.stderr}`);
    assert.equal((await agent.ended).signal, 'SIGKILL', agent.stderr);
    if ((await latestVersion(store, name)) > version) livesThatCommitted += 1;
  }
  const produced = await load.stop();
  const ends = await probe.endOffsets(name);
  const last = await workspace.startBackup(spec);
  await workspace.catalogUntil(
    name,
    (state) => [...ends].every(([partition, end]) => committedOffset(state, name, partition) === end),
    store,
  );
  assertExit(await last.stop(), 0);

  const state = await workspace.catalog(name, store);
  const pieces = assertTopicTiling(state, name, new Map(), ends);
  const restored = await restoreInLives(system, killed, produced);
  const lives = `seed ${seed}: ${kills} kills, ${livesThatCommitted} of them of an agent that had committed`;
  return `${lives}; ${state.version} commits, ${pieces} segments; ${produced} records compared${restored}`;
}

/** Restores the whole backup, over `restoreKills` deaths, and compares. */
async function restoreInLives(
  { probe, workspace }: SystemFixture,
  { name, seed, restoreKills = 0, place = workspace.place }: KilledBackup,
  records: number,
): Promise<string> {
  const random = randomNumbers(seed + 1);
  // So slow that it outlasts its kills.
  const slow = { rate_limit_records_per_sec: Math.ceil(records / 3), produce_batch_size: 100 };
  const restore = restoreKills === 0 ? {} : slow;
  const target = `${name}-restored`;
  const spec = { backupId: name, topics: { [name]: target }, restore, store: place.storage() };
  let hits = 0;
  for (let kill = 0; kill < restoreKills; kill += 1) {
    const agent = await workspace.startRestore(spec);
    const afterMs = RESTORE_KILL_FROM_MS + random() * (RESTORE_KILL_TO_MS - RESTORE_KILL_FROM_MS);
    await Promise.race([agent.ended, sleep(afterMs)]);
    if (agent.signal('SIGKILL')) hits += 1;
    await agent.ended;
  }
  const run = await workspace.restore(spec);
  assertExit(run, 0);
  assert.equal(restoredRecords(run.summary), records);
  assert.equal(await assertSameRecords({ probe, topic: name }, { probe, topic: target }), records);
  assert.ok(restoreKills === 0 || hits > 0, 'a restore was killed');
  return hits === 0 ? '' : `, restored over ${hits} kills`;
}

/** Number of the newest commit; 0 when there is none. */
async function latestVersion(store: ObjectStore, backupId: string): Promise<number> {
  const layout = new ObjectLayout(backupId);
  let latest = 0;
  for await (const { key } of store.list(layout.catalogPrefix)) {
    if (key === layout.commit(latest + 1)) latest += 1;
  }
  return latest;
}

async function committedAfter(store: ObjectStore, backupId: string, version: number): Promise<void> {
  const deadline = Date.now() + COMMIT_TIMEOUT_MS;
  while ((await latestVersion(store, backupId)) <= version) {
    assert.ok(Date.now() < deadline, 'the agent committed within a minute');
    await sleep(POLL_MS);
  }
}
