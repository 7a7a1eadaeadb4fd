import { after, before } from 'node:test';
import { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts';
import { startVersitygw, type Versitygw } from '../support/stores/versitygw.ts';
import { describeObjectStore } from './object-store.contract.ts';

let gateway: Versitygw;
let prefixes = 0;

before(async () => {
  gateway = await startVersitygw();
  await gateway.createBucket('backups');
});

after(() => gateway?.server.stop());

describeObjectStore('on S3', async () => {
  prefixes += 1;
  const settings = gateway.settings({ bucket: 'backups', prefix: `some/folder-${prefixes}` });
  return { store: new S3ObjectStore(settings), showsUploads: true, close: async () => {} };
});
