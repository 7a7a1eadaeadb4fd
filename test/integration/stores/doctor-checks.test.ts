// What the doctor tries on a store, on real servers: all is well there, and nothing of it stays, neither an object nor an upload; and
// what it says where one kind of request is denied.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { CheckList, exitCodeOf } from '../../../src/doctor/check-list.ts';
import { checkStore, type StoreSubject } from '../../../src/doctor/store-checks.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { type CloudName, type CloudStore, START_CLOUD } from '../../support/stores/cloud-stores.ts';
import { FaultProxy } from '../../support/stores/fault-proxy.ts';
import { startVersitygw, type Versitygw } from '../../support/stores/versitygw.ts';

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

describe('the checks of a store at S3 that denies one kind of request', { timeout: 60_000 }, () => {
  let gateway: Versitygw;
  let proxy: FaultProxy;
  let store: S3ObjectStore;
  before(async () => {
    gateway = await startVersitygw();
    await gateway.createBucket('backups');
    proxy = await FaultProxy.start(gateway.endpoint, { keepHost: true });
    store = new S3ObjectStore(gateway.settings({ bucket: 'backups', endpoint: `http://${proxy.address}` }));
  });
  after(async () => {
    await store?.close();
    await proxy?.stop();
    await gateway?.server.stop();
  });

  async function checksWithout(isDenied: (request: { method: string; url: string }) => boolean): Promise<CheckList> {
    const body = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>said the test</Message></Error>';
    const denied = { kind: 'answer', status: 403, headers: { 'content-type': 'application/xml' }, body } as const;
    proxy.decide = (request) => (isDenied(request) ? denied : undefined);
    const list = new CheckList();
    await checkStore(subjectOf(store), list);
    return list;
  }

  const faultsOf = ({ checks }: CheckList): string[] =>
    checks.filter(({ status }) => status !== 'ok').map(({ status, name }) => `${status} ${name}`);

  it('warn where uploads may not be given up, name the permission, and find all else well', async () => {
    const list = await checksWithout(({ method, url }) => method === 'DELETE' && url.includes('uploadId='));
    const [check, ...others] = list.checks.filter(({ status }) => status !== 'ok');
    assert.deepEqual([check?.status, check?.name, others], ['warn', 'give up an upload', []]);
    assert.match(check?.message ?? '', /AccessDenied/);
    assert.match(check?.remedy ?? '', /s3:AbortMultipartUpload/);
    assert.equal(exitCodeOf(list.checks), 0);
  });

  it('claim nothing of parts that could not be created', async () => {
    const list = await checksWithout(({ method, url }) => method === 'POST' && url.includes('uploads'));
    assert.deepEqual(faultsOf(list), ['fail create in parts']);
    const names = list.checks.map(({ name }) => name);
    assert.ok(!names.includes('read in parts') && !names.includes('give up an upload'), names.join());
    assert.equal(exitCodeOf(list.checks), 12);
  });

  it('go on where nothing may be listed', async () => {
    const list = await checksWithout(({ method, url }) => method === 'GET' && url.includes('list-type=2'));
    assert.deepEqual(faultsOf(list), ['fail reach and list']);
    const names = list.checks.map(({ name }) => name);
    for (const name of ['create', 'read', 'delete', 'read in parts', 'give up an upload']) {
      assert.ok(names.includes(name), names.join());
    }
    assert.equal(exitCodeOf(list.checks), 12);
  });

  it('go on where nothing may be created', async () => {
    const list = await checksWithout(({ method }) => method === 'PUT' || method === 'POST');
    assert.deepEqual(faultsOf(list), ['fail create']);
    const names = list.checks.map(({ name }) => name);
    for (const name of ['read', 'delete', 'unfinished uploads']) assert.ok(names.includes(name), names.join());
    assert.equal(exitCodeOf(list.checks), 12);
  });

  it('leave nothing behind of any of these', async () => {
    proxy.decide = () => undefined;
    for await (const { key } of store.list('')) assert.fail(`${key} was left behind`);
  });
});
