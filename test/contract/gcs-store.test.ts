import { after, before } from 'node:test';
import { GcsObjectStore } from '../../src/storage/gcs/gcs-object-store.ts';
import { type FakeGcs, startFakeGcs } from '../support/stores/fake-gcs.ts';
import { describeObjectStore } from './object-store.contract.ts';

let gcs: FakeGcs;
let buckets = 0;

before(async () => {
  gcs = await startFakeGcs();
});

after(() => gcs?.server.stop());

describeObjectStore('on fake-gcs-server', async () => {
  buckets += 1;
  const bucket = `backups-${buckets}`;
  await gcs.createBucket(bucket);
  return {
    store: new GcsObjectStore(gcs.settings({ bucket, prefix: 'some/folder' })),
    showsUploads: false,
    close: async () => {},
  };
});
