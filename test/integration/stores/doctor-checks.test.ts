// What the doctor tries on a store, on real servers: all is well there, and nothing of it stays, neither an object nor an upload; and
// what it says where uploads may not be given up.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { CheckList } from '../../../src/doctor/check-list.ts';
import { checkStore, type StoreSubject } from '../../../src/doctor/store-checks.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { type CloudName, type CloudStore, START_CLOUD } from '../../support/stores/cloud-stores.ts';
import { FaultProxy } from '../../support/stores/fault-proxy.ts';
import { startVersitygw } from '../../support/stores/versitygw.ts';

/** Of the stores, unless they are configured. */
const PART_BYTES = 8 * 1024 * 1024;

function subjectOf(store: ObjectStore): StoreSubject {
  const layout = new ObjectLayout('b');
  const told = { checksum: null, objectLockDays: null };
  return { store, layout, partSizeBytes: PART_BYTES, ...told, wallMs: () => Date.now() };
}

for (const name of Object.keys(START_CLOUD) as CloudName[]) {
  describe(`the checks of a store at ${name}`, { timeout: 60_000 }, () => {
    let cloud: CloudStore;
    before(async () => {
      cloud = await START_CLOUD[name]();
    });
    after(() => cloud?.stop());

    it('are all well, those of uploads among them, and leave nothing behind', async () => {
      const { store } = cloud;
      const list = new CheckList();
      assert.ok(await checkStore(subjectOf(store), list));
      const faults = list.checks.filter(({ status }) => status !== 'ok');
      assert.deepEqual(
        faults.map((check) => `${check.name}: ${check.message}`),
        [],
      );
      const names = list.checks.map((check) => check.name);
      assert.ok(names.includes('read in parts') && names.includes('give up an upload'), names.join());
      for await (const { key } of store.list('')) assert.fail(`${key} was left behind`);
      for await (const upload of store.unfinished('')) assert.fail(`an upload of ${upload.name} was left behind`);
    });
  });
}

describe('the checks of a store at S3 without s3:AbortMultipartUpload', { timeout: 60_000 }, () => {
  it('warn, name the permission, and find all else well', async () => {
    const gateway = await startVersitygw();
    const proxy = await FaultProxy.start(gateway.endpoint, { keepHost: true });
    const store = new S3ObjectStore(gateway.settings({ bucket: 'backups', endpoint: `http://${proxy.address}` }));
    try {
      await gateway.createBucket('backups');
      const body = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>said the test</Message></Error>';
      const denied = { kind: 'answer', status: 403, headers: { 'content-type': 'application/xml' }, body } as const;
      proxy.decide = ({ method, url }) => (method === 'DELETE' && url.includes('uploadId=') ? denied : undefined);
      const list = new CheckList();
      assert.ok(await checkStore(subjectOf(store), list));
      const [check, ...others] = list.checks.filter(({ status }) => status !== 'ok');
      assert.deepEqual([check?.status, check?.name, others], ['warn', 'give up an upload', []]);
      assert.match(check?.message ?? '', /AccessDenied/);
      assert.match(check?.remedy ?? '', /s3:AbortMultipartUpload/);
    } finally {
      await store.close();
      await proxy.stop();
      await gateway.server.stop();
    }
  });
});
