// versitygw, an S3 server over a directory, for tests. Built by Go's own tool into the cache.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Settings } from '../../../src/storage/s3/s3-client.ts';
import { cached } from '../cache.ts';
import { StoreServer } from './store-server.ts';

const run = promisify(execFile);
const VERSION = 'v1.8.0';
const BUILD_TIMEOUT_MS = 15 * 60_000;

/** The one account of every server of the tests. */
export const VERSITYGW_KEYS = { accessKey: 'test-access-key', secretKey: 'test-secret-key' };
export const VERSITYGW_REGION = 'us-east-1';

export interface Versitygw {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  readonly server: StoreServer;
  createBucket(name: string, options?: { readonly objectLock?: boolean }): Promise<void>;
  /** How a store of the agent reaches it, with what the test wants to be different. */
  settings(change: Partial<S3Settings>): S3Settings;
}

const SETTINGS: S3Settings = {
  bucket: '',
  prefix: '',
  region: VERSITYGW_REGION,
  endpoint: null,
  pathStyle: true,
  credentials: { ...VERSITYGW_KEYS, sessionToken: null },
  checksum: 'when_supported',
  serverSideEncryption: null,
  kmsKeyId: null,
  storageClass: null,
  tags: new Map(),
  objectLock: null,
  requests: {
    partSizeBytes: 5 * 1024 * 1024,
    maxPartsInFlight: 2,
    maxConcurrentRequests: 16,
    requestTimeoutMs: 20_000,
    retryTimeoutMs: 20_000,
    proxy: null,
    caPath: null,
  },
};

/** Starts an empty one. Its buckets are what the test creates. */
export async function startVersitygw(): Promise<Versitygw> {
  const program = join(await ensureVersitygw(), 'versitygw');
  const server = await StoreServer.start({
    name: 'versitygw',
    program,
    args: (port, directory) => {
      const [buckets, versions] = [join(directory, 'buckets'), join(directory, 'versions')];
      for (const folder of [buckets, versions]) mkdirSync(folder, { recursive: true });
      return [
        ...['--port', `127.0.0.1:${port}`, '--region', VERSITYGW_REGION, '--quiet', '--keep-alive'],
        ...['--access', VERSITYGW_KEYS.accessKey, '--secret', VERSITYGW_KEYS.secretKey],
        ...['posix', '--versioning-dir', versions, buckets],
      ];
    },
  });
  const endpoint = `http://${server.address}`;
  return {
    endpoint,
    server,
    async createBucket(name, { objectLock = false } = {}) {
      const client = s3Client(endpoint);
      await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: objectLock }));
      client.destroy();
    },
    settings: (change) => ({ ...SETTINGS, endpoint, ...change }),
  };
}

/** The SDK's own client, to look at what the agent has left in a bucket. */
export function s3Client(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: VERSITYGW_REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: VERSITYGW_KEYS.accessKey, secretAccessKey: VERSITYGW_KEYS.secretKey },
  });
}

function ensureVersitygw(): Promise<string> {
  return cached(`versitygw-${VERSION}`, async (temporary) => {
    const module = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
    await run('go', ['install', module], { env: { ...process.env, GOBIN: temporary }, timeout: BUILD_TIMEOUT_MS });
  });
}
