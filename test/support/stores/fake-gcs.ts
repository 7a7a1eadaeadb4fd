// fake-gcs-server, which speaks the JSON API of Google Cloud Storage, for tests. Built by Go's own tool into the cache.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { GcsSettings } from '../../../src/storage/gcs/gcs-client.ts';
import { cached } from '../cache.ts';
import { QUICK_REQUESTS, StoreServer } from './store-server.ts';

const run = promisify(execFile);
const VERSION = 'v1.56.1';
const BUILD_TIMEOUT_MS = 15 * 60_000;

export interface FakeGcs {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  readonly server: StoreServer;
  createBucket(name: string): Promise<void>;
  /** With parts small enough for quick tests. */
  settings(of: { readonly bucket: string } & Partial<GcsSettings>): GcsSettings;
}

/** Starts an empty one. Its buckets are what the test creates. @param address where uploads go on, when not at its own: `host:port` */
export async function startFakeGcs(address?: string): Promise<FakeGcs> {
  const program = join(await ensureFakeGcs(), 'fake-gcs-server');
  const server = await StoreServer.start({
    name: 'fake-gcs',
    program,
    args: (port, directory) => [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)],
      // Without it the address that it gives out for a resumable upload leads nowhere.
      ...['-public-host', `127.0.0.1:${port}`, '-backend', 'filesystem', '-filesystem-root', directory],
      ...['-log-level', 'error', ...(address === undefined ? [] : ['-external-url', `http://${address}`])],
    ],
  });
  const endpoint = `http://${server.address}`;
  return {
    endpoint,
    server,
    createBucket: (name) => createBucket(endpoint, name),
    settings: (of) => ({ prefix: '', endpoint, serviceAccountPath: null, requests: QUICK_REQUESTS, ...of }),
  };
}

async function createBucket(endpoint: string, name: string): Promise<void> {
  const response = await fetch(`${endpoint}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (!response.ok) throw new Error(`creating bucket ${name}: HTTP ${response.status} ${await response.text()}`);
}

function ensureFakeGcs(): Promise<string> {
  return cached(`fake-gcs-server-${VERSION}`, async (temporary) => {
    const env = { ...process.env, GOBIN: temporary, GOFLAGS: '-trimpath' };
    const source = `github.com/fsouza/fake-gcs-server@${VERSION}`;
    await run('go', ['install', source], { env, timeout: BUILD_TIMEOUT_MS });
  });
}
