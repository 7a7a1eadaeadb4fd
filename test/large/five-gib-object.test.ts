// Objects of 5.1 GiB in every store but the one in memory, which holds what it is given and is for tests; with parts as the agent
// makes them by default. For Google Cloud Storage there is only fake-gcs-server 1.56, which holds an object in memory
// several times while it ends an upload (14 GB for 2.1 GiB, and 19 GB were not enough for 5.1 GiB), and hashes all that it has for
// every chunk (512 MiB in chunks of 8 MiB: 35 s, four times what 256 MiB take). So it gets 1.1 GiB, in larger chunks; how 5.1 GiB go
// up is judged by a session that keeps nothing, in five-gib-session.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureObjectStore } from '../../src/storage/azure/azure-object-store.ts';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { GcsObjectStore } from '../../src/storage/gcs/gcs-object-store.ts';
import { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts';
import { describeLargeObject } from '../contract/large-object.contract.ts';
import { startAzurite } from '../support/stores/azurite.ts';
import { startFakeGcs } from '../support/stores/fake-gcs.ts';
import { startVersitygw } from '../support/stores/versitygw.ts';

const MIB = 1024 * 1024;
const REQUESTS = {
  partSizeBytes: 8 * MIB,
  maxPartsInFlight: 4,
  maxConcurrentRequests: 32,
  requestTimeoutMs: 60_000,
  retryTimeoutMs: 120_000,
  proxy: null,
  caPath: null,
};

describeLargeObject('on a filesystem', async () => {
  const root = await mkdtemp(join(tmpdir(), 'kafka-backup-large-'));
  return { store: new FilesystemObjectStore(root), close: () => rm(root, { recursive: true }) };
});

describeLargeObject('on S3', async () => {
  const { createBucket, settings, server } = await startVersitygw();
  await createBucket('large');
  const store = new S3ObjectStore(settings({ bucket: 'large', requests: REQUESTS }));
  return { store, close: () => store.close().then(() => server.stop()) };
});

describeLargeObject('on Azurite', async () => {
  const { createContainer, settings, server } = await startAzurite();
  await createContainer('large');
  const store = new AzureObjectStore(settings({ container: 'large', requests: REQUESTS }));
  return { store, close: () => store.close().then(() => server.stop()) };
});

const FAKE_GCS_CHUNKS = 1126;

describeLargeObject(
  'on fake-gcs-server',
  async () => {
    const { createBucket, settings, server } = await startFakeGcs();
    await createBucket('large');
    const requests = { ...REQUESTS, partSizeBytes: 32 * MIB, maxPartsInFlight: 1 };
    const store = new GcsObjectStore(settings({ bucket: 'large', requests }));
    return { store, close: () => store.close().then(() => server.stop()) };
  },
  FAKE_GCS_CHUNKS,
);
