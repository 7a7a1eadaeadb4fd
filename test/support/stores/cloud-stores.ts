// The three cloud stores as tests of the agent see them: a server each, the configuration that leads to it, and a way to look into
// it from outside. What is different between them stands here; what is tested of all of them does not ask which one it is.
import { AzureObjectStore } from '../../../src/storage/azure/azure-object-store.ts';
import { GcsObjectStore } from '../../../src/storage/gcs/gcs-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { AZURITE_ACCOUNT, startAzurite } from './azurite.ts';
import { startFakeGcs } from './fake-gcs.ts';
import type { Store } from './store.ts';
import type { StoreServer } from './store-server.ts';
import { startVersitygw, VERSITYGW_KEYS, VERSITYGW_REGION } from './versitygw.ts';

type Section = Readonly<Record<string, unknown>>;

/** Bucket or container of every store, and the prefix in it. */
const BUCKET = 'backups';
const PREFIX = 'prod/eu';

export interface CloudStore extends Store {
  readonly name: CloudName;
  readonly server: StoreServer;
  /** `storage.endpoint` of the server, or of what stands in front of it at `host:port`. */
  endpoint(address?: string): string;
  /** Ends the server: as hard as it can take without losing what it has acknowledged. */
  bringDown(): Promise<void>;
}

export type CloudName = 'S3' | 'Azure Blob' | 'Google Cloud Storage';

/** Starts one, with an empty bucket. @param address where others reach it, when not at its own: `host:port` */
export const START_CLOUD: Readonly<Record<CloudName, (address?: string) => Promise<CloudStore>>> = {
  S3: startS3,
  'Azure Blob': startAzure,
  'Google Cloud Storage': startGcs,
};

async function startS3(): Promise<CloudStore> {
  const { server, createBucket, settings } = await startVersitygw();
  await createBucket(BUCKET);
  const store = new S3ObjectStore(settings({ bucket: BUCKET, prefix: PREFIX }));
  const endpoint = (address = server.address): string => `http://${address}`;
  const keys = { access_key: VERSITYGW_KEYS.accessKey, secret_key: VERSITYGW_KEYS.secretKey };
  return {
    name: 'S3',
    server,
    store,
    endpoint,
    bringDown: () => server.kill9(),
    storage: (change) =>
      section({ backend: 's3', bucket: BUCKET, region: VERSITYGW_REGION, ...keys }, endpoint(), change),
    url: `s3://${BUCKET}/${PREFIX}?${query(endpoint())}`,
    env: {
      KAFKA_BACKUP__STORAGE__ACCESS_KEY: VERSITYGW_KEYS.accessKey,
      KAFKA_BACKUP__STORAGE__SECRET_KEY: VERSITYGW_KEYS.secretKey,
    },
    stop: () => stop(store, server),
  };
}

async function startAzure(): Promise<CloudStore> {
  const { server, createContainer, settings } = await startAzurite();
  await createContainer(BUCKET);
  const store = new AzureObjectStore(settings({ container: BUCKET, prefix: PREFIX }));
  const { name, key } = AZURITE_ACCOUNT;
  const endpoint = (address = server.address): string => `http://${address}/${name}`;
  const account = { account_name: name, account_key: key };
  return {
    name: 'Azure Blob',
    server,
    store,
    endpoint,
    // Azurite writes down every five seconds what it has acknowledged.
    bringDown: () => server.shutDown(),
    storage: (change) => section({ backend: 'azure', container_name: BUCKET, ...account }, endpoint(), change),
    url: `azure://${name}/${BUCKET}/${PREFIX}?${query(endpoint())}`,
    env: { KAFKA_BACKUP__STORAGE__ACCOUNT_KEY: key },
    stop: () => stop(store, server),
  };
}

async function startGcs(address?: string): Promise<CloudStore> {
  const { server, createBucket, settings } = await startFakeGcs(address);
  await createBucket(BUCKET);
  const store = new GcsObjectStore(settings({ bucket: BUCKET, prefix: PREFIX }));
  const endpoint = (at = server.address): string => `http://${at}`;
  return {
    name: 'Google Cloud Storage',
    server,
    store,
    endpoint,
    bringDown: () => server.kill9(),
    storage: (change) => section({ backend: 'gcs', bucket: BUCKET }, endpoint(), change),
    url: `gs://${BUCKET}/${PREFIX}?${query(endpoint())}`,
    env: {},
    stop: () => stop(store, server),
  };
}

function section(of: Section, endpoint: string, change: Section = {}): Section {
  return { ...of, prefix: PREFIX, endpoint, allow_http: true, ...change };
}

function query(endpoint: string): string {
  return `endpoint=${encodeURIComponent(endpoint)}&allow_http=true`;
}

async function stop(store: ObjectStore, server: StoreServer): Promise<void> {
  await store.close?.();
  await server.stop();
}
