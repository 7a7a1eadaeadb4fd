// What an agent leaves behind that is killed while it uploads, and checkpoints that others have replaced: found and removed by
// `kafka-backup prune` in a directory and in each object store, and nothing else is.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CatalogWriter } from '../../src/catalog/catalog-writer.ts';
import { readCheckpoint } from '../../src/catalog/checkpoint/checkpoint.ts';
import { ObjectLayout } from '../../src/catalog/object-layout.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { type CloudName, type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const WAIT_MS = 60_000;
const PART_BYTES = 5 * 1024 * 1024;
/** Google shows none, and charges nothing for them. */
const HIDES_UPLOADS: CloudName = 'Google Cloud Storage';
/** Discards an upload by way of an empty object, which may stand for nothing: those outside data/ are left to it. */
const SHOWS_DISCARDED: CloudName = 'Azure Blob';
const CLOUDS = Object.keys(START_CLOUD) as CloudName[];

describe('what a killed agent leaves behind', { timeout: 300_000 }, () => {
  let system: SystemFixture;
  let clouds: ReadonlyMap<string, CloudStore>;

  before(async () => {
    const starting = Promise.all(CLOUDS.map(async (name) => [name, await START_CLOUD[name]()] as const));
    system = await SystemFixture.start();
    clouds = new Map(await starting);
  });

  after(async () => {
    await system?.stop();
    for (const cloud of clouds?.values() ?? []) await cloud.stop();
  });

  for (const [number, place] of ['a directory', ...CLOUDS].entries()) {
    it(`in ${place} is listed, left alone while it is young, and removed without harm to the backup`, async () => {
      const { probe, workspace } = system;
      const { store, storage } = clouds.get(place) ?? system.workspace.place;
      const backupId = `pruned-${number}`;
      const topic = backupId;
      const showsUploads = place !== HIDES_UPLOADS;
      await probe.createTopic(topic, { partitions: 1 });
      await probe.produce(topic, { records: 2000, valueBytes: 600 });
      const section = storage(place === 'a directory' ? {} : { part_size_bytes: PART_BYTES });
      const spec = { backupId, topics: [topic], store: section };
      assertExit(await workspace.backup(spec), 0);
      await writeCheckpoints(store, backupId, 5);

      // Whole segments that wait for their commit, and one that is still going up.
      const backup = { continuous: true, compression: 'none', segment_max_bytes: '12MiB', frame_bytes: '1MiB' };
      const patience = { segment_max_interval_ms: 3_600_000, checkpoint_interval_secs: 3600, sync_interval_secs: 3600 };
      const agent = await workspace.startBackup({ ...spec, backup: { ...backup, ...patience } });
      await probe.produce(topic, { records: 60_000, valueBytes: 600 });
      await untilLeft(store, `${backupId}/data/`, { showsUploads });
      agent.signal('SIGKILL');
      await agent.ended;
      const { catalogPrefix, restoresPrefix } = new ObjectLayout(backupId);
      const stuck = [`${catalogPrefix}stuck`, `${restoresPrefix}r1/stuck`].map((key) => beginUpload(store, key));

      const file = join(workspace.directory, `${backupId}.yaml`);
      const source = { bootstrap_servers: [system.broker.bootstrap], topics: { include: [topic] } };
      await writeFile(file, JSON.stringify({ mode: 'backup', backup_id: backupId, source, storage: section }));
      const prune = (...args: string[]): Promise<AgentRun> =>
        new AgentProcess(['prune', '-c', file, '--json', ...args], { cwd: workspace.directory }).exit();
      const counts = ({ summary }: AgentRun): number[] =>
        ['orphan_count', 'upload_count', 'checkpoint_count'].map((name) => Number(summary[name]));
      if (showsUploads) await untilUploading(store, [catalogPrefix, restoresPrefix]);

      const young = await prune('--confirm');
      assertExit(young, 0);
      assert.deepEqual(counts(young), [0, 0, 0]);
      assert.ok(Number(young.summary.younger_count) >= 2, young.stdout);

      // Stores tell whole seconds, and versitygw's answers are dated up to a second late.
      await sleep(2000);
      const dry = await prune('--older-than', '0s');
      assertExit(dry, 0);
      const [orphans, uploads, checkpoints] = counts(dry);
      assert.ok(orphans! >= 1 && checkpoints! >= 2, dry.stdout);
      const lapsing = place === SHOWS_DISCARDED ? stuck.length : 0;
      assert.ok(showsUploads ? uploads! >= 3 - lapsing : uploads === 0, dry.stdout);
      assert.equal(dry.summary.lapsing_count, lapsing, dry.stdout);
      assert.equal(dry.summary.confirmed, false);

      const removed = await prune('--older-than', '0s', '--confirm');
      assertExit(removed, 0);
      assert.deepEqual(removed.summary.leftovers, dry.summary.leftovers, 'a dry run tells what would go');
      for (const { giveUp } of stuck) giveUp();
      await Promise.allSettled(stuck.map(({ ended }) => ended));
      const again = await prune('--older-than', '0s');
      assert.deepEqual(counts(again), [0, 0, 0], again.stdout);
      assert.equal(again.summary.lapsing_count, lapsing, again.stdout);
      assert.equal(await wholeCheckpoints(store, backupId), 3);

      // What was removed had not been committed: it is fetched again.
      assertExit(await workspace.backup(spec), 0);
      const restored = `${topic}-restored`;
      assertExit(await workspace.restore({ backupId, topics: { [topic]: restored }, store: section }), 0);
      assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: restored }), 62_000);
    });
  }
});

/** Each of another version: the topic is seen once more. */
async function writeCheckpoints(store: ObjectStore, backupId: string, count: number): Promise<void> {
  const writer = await CatalogWriter.open(store, new ObjectLayout(backupId), Date.now);
  for (let written = 0; written < count; written += 1) {
    const { observation } = writer.state.incarnations[0]!;
    await writer.commit([{ kind: 'topic', topic: { ...observation!, observedAtMs: Date.now() } }]);
    await writer.checkpoint(true);
  }
}

/** How many checkpoints are left; each must be readable. */
async function wholeCheckpoints(store: ObjectStore, backupId: string): Promise<number> {
  const layout = new ObjectLayout(backupId);
  let count = 0;
  for await (const { key } of store.list(layout.checkpointPrefix)) {
    const version = layout.versionOfCheckpoint(key);
    if (version === undefined) continue;
    await readCheckpoint(store, layout, version);
    count += 1;
  }
  return count;
}

/** A put of an object of several parts that does not end by itself. */
function beginUpload(
  store: ObjectStore,
  key: string,
): { readonly giveUp: () => void; readonly ended: Promise<unknown> } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(2 * PART_BYTES + 1);
    await promise;
  }
  const ended = store.putIfAbsent(key, chunks());
  ended.catch(() => {});
  return { giveUp: () => reject(new Error('given up')), ended };
}

/** Waits for an object that no commit names and, where the store shows them, for an upload under way. */
async function untilLeft(
  store: ObjectStore,
  prefix: string,
  { showsUploads }: { readonly showsUploads: boolean },
): Promise<void> {
  await until(async () => {
    let objects = 0;
    for await (const { sizeBytes } of store.list(prefix)) if (sizeBytes > 1024 * 1024) objects += 1;
    return objects > 0 && (!showsUploads || (await bytesUnderWay(store, prefix)) > 0);
  });
}

async function untilUploading(store: ObjectStore, prefixes: readonly string[]): Promise<void> {
  for (const prefix of prefixes) await until(async () => (await bytesUnderWay(store, prefix)) > 0);
}

async function bytesUnderWay(store: ObjectStore, prefix: string): Promise<number> {
  let bytes = 0;
  for await (const { sizeBytes } of store.unfinished(prefix)) bytes += sizeBytes ?? 0;
  return bytes;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, 'nothing was left behind');
    await sleep(100);
  }
}
