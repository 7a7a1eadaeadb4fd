// A bucket that keeps versions, as object lock needs them, on a real server: what is deleted there is only hidden, and whoever deletes
// says so.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { CheckList } from '../../../src/doctor/check-list.ts';
import { checkStore } from '../../../src/doctor/store-checks.ts';
import { PruneRun } from '../../../src/prune/prune-run.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';
import { s3Client, startVersitygw, type Versitygw } from '../../support/stores/versitygw.ts';

const BUCKET = 'locked';
const LOCK = { mode: 'GOVERNANCE', days: 1 } as const;

describe('in a bucket that keeps versions', { timeout: 60_000 }, () => {
  let gateway: Versitygw;
  let store: S3ObjectStore;
  let workers: WorkerPool;

  before(async () => {
    workers = startWorkers(1);
    gateway = await startVersitygw();
    await gateway.createBucket(BUCKET, { objectLock: true });
    store = new S3ObjectStore(gateway.settings({ bucket: BUCKET, objectLock: LOCK }));
  });

  after(async () => {
    await store?.close();
    await gateway?.server.stop();
    await workers?.close();
  });

  async function versionsOf(prefix: string): Promise<number> {
    const client = s3Client(gateway.endpoint);
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: prefix }));
    client.destroy();
    return Versions.length;
  }

  it('the doctor warns that what it deletes stays, and finds all else well', async () => {
    const list = new CheckList();
    const subject = { store, layout: new ObjectLayout('seen'), partSizeBytes: 5 * 1024 * 1024, checksum: null };
    assert.ok(await checkStore({ ...subject, objectLockDays: LOCK.days, wallMs: () => Date.now() }, list));
    const faults = list.checks.filter(({ status }) => status !== 'ok');
    assert.deepEqual(
      faults.map(({ status, name, message }) => [status, name, message]),
      [
        [
          'warn',
          'delete',
          'what the doctor wrote is hidden; the old version stays until its lock or a lifecycle rule ends it',
        ],
      ],
    );
    assert.match(faults[0]?.remedy ?? '', /lifecycle rule for noncurrent versions. Object lock keeps them for 1 day/);
    assert.equal(await versionsOf('seen/'), 2);
  });

  it('prune counts what it removes as hidden, and does not find it again', async () => {
    const backup = await TestBackup.create(store, workers);
    await backup.add([jsonBatch(0n, 5)]);
    const { key, storedSizeBytes } = await backup.segment([[jsonBatch(5n, 5)]]);
    const prune = () => {
      const { signal } = new AbortController();
      // By the time of its sealing, which is the past, and by the clock of the store.
      return new PruneRun({ store, layout: backup.layout, olderThanMs: -60_000, isConfirmed: true, signal }).run();
    };
    const { orphans, hidden } = await prune();
    assert.deepEqual([orphans, hidden], Array(2).fill({ count: 1, sizeBytes: storedSizeBytes }));
    assert.deepEqual([await store.head(key), await versionsOf(key)], [undefined, 1]);
    assert.equal((await prune()).orphans.count, 0);
  });
});
