// What an agent leaves behind that is killed while it uploads, found and removed by `kafka-backup prune`; and that nothing else is.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FilesystemObjectStore } from '../../src/storage/filesystem-object-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { startVersitygw, VERSITYGW_KEYS, VERSITYGW_REGION, type Versitygw } from '../support/stores/versitygw.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const BUCKET = 'backups';
const WAIT_MS = 60_000;

describe('what a killed agent leaves behind', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let gateway: Versitygw;

  before(async () => {
    [system, gateway] = await Promise.all([SystemFixture.start(), startVersitygw()]);
    await gateway.createBucket(BUCKET);
  });

  after(async () => {
    await system?.stop();
    await gateway?.server.stop();
  });

  const kinds = {
    'on a filesystem': () => ({
      section: { backend: 'filesystem', path: system.workspace.store },
      store: new FilesystemObjectStore(system.workspace.store),
    }),
    'in S3': () => ({
      section: {
        ...{ backend: 's3', bucket: BUCKET, endpoint: gateway.endpoint, region: VERSITYGW_REGION, allow_http: true },
        ...{ access_key: VERSITYGW_KEYS.accessKey, secret_key: VERSITYGW_KEYS.secretKey, part_size_bytes: '5MiB' },
      },
      store: new S3ObjectStore(gateway.settings({ bucket: BUCKET })),
    }),
  } as const satisfies Record<string, () => { readonly section: object; readonly store: ObjectStore }>;

  for (const [place, open] of Object.entries(kinds)) {
    it(`${place} is listed, left alone while it is young, and removed without harm to the backup`, async () => {
      const { probe, workspace } = system;
      const { section, store } = open();
      const backupId = `pruned-${section.backend}`;
      const topic = backupId;
      await probe.createTopic(topic, { partitions: 1 });
      await probe.produce(topic, { records: 2000, valueBytes: 600 });
      const spec = { backupId, topics: [topic], store: { ...section } };
      assertExit(await workspace.backup(spec), 0);

      // Whole segments that wait for their commit, and one that is still going up.
      const backup = { continuous: true, compression: 'none', segment_max_bytes: '12MiB', frame_bytes: '1MiB' };
      const patience = { segment_max_interval_ms: 3_600_000, checkpoint_interval_secs: 3600, sync_interval_secs: 3600 };
      const agent = await workspace.startBackup({ ...spec, backup: { ...backup, ...patience } });
      await probe.produce(topic, { records: 60_000, valueBytes: 600 });
      await untilLeft(store, backupId);
      agent.signal('SIGKILL');
      await agent.ended;

      const file = join(workspace.directory, `${backupId}.yaml`);
      const source = { bootstrap_servers: [system.broker.bootstrap], topics: { include: [topic] } };
      await writeFile(file, JSON.stringify({ mode: 'backup', backup_id: backupId, source, storage: section }));
      const prune = (...args: string[]): Promise<AgentRun> =>
        new AgentProcess(['prune', '-c', file, '--json', ...args], { cwd: workspace.directory }).exit();

      const young = await prune('--confirm');
      assertExit(young, 0);
      assert.deepEqual([young.summary.orphan_count, young.summary.upload_count], [0, 0]);
      assert.ok(Number(young.summary.younger_count) >= 2, young.stdout);

      const dry = await prune('--older-than', '0s');
      assertExit(dry, 0);
      assert.ok(Number(dry.summary.orphan_count) >= 1 && Number(dry.summary.upload_count) >= 1, dry.stdout);
      assert.equal(dry.summary.confirmed, false);

      const removed = await prune('--older-than', '0s', '--confirm');
      assertExit(removed, 0);
      assert.deepEqual(removed.summary.leftovers, dry.summary.leftovers, 'a dry run tells what would go');
      const again = await prune('--older-than', '0s');
      assert.deepEqual([again.summary.orphan_count, again.summary.upload_count], [0, 0], again.stdout);

      // What was removed had not been committed: it is fetched again.
      assertExit(await workspace.backup(spec), 0);
      const restored = `${topic}-restored`;
      assertExit(await workspace.restore({ backupId, topics: { [topic]: restored }, store: { ...section } }), 0);
      assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: restored }), 62_000);
      await store.close();
    });
  }
});

/** Waits for an object that no commit names and for an upload under way, both of data. */
async function untilLeft(store: ObjectStore, backupId: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    let objects = 0;
    let bytesUnderWay = 0;
    for await (const { sizeBytes } of store.list(`${backupId}/data/`)) if (sizeBytes > 1024 * 1024) objects += 1;
    for await (const { sizeBytes } of store.unfinished(`${backupId}/data/`)) bytesUnderWay += sizeBytes ?? 0;
    if (objects > 0 && bytesUnderWay > 0) return;
    assert.ok(Date.now() < deadline, `${objects} objects, ${bytesUnderWay} bytes under way`);
    await sleep(100);
  }
}
