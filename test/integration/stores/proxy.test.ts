// A proxy in front of the stores that does not let anybody through: every SDK passes on what it said, and the message names
// `storage.proxy`. How requests go through one that does is in the tests of the logins.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { storageFromUrl } from '../../../src/config/storage/storage-url.ts';
import { openStore } from '../../../src/storage/open-store.ts';

/** How each is addressed, with what logs in without asking anybody. */
const STORES: Readonly<Record<string, { readonly url: string; readonly env?: Readonly<Record<string, string>> }>> = {
  s3: {
    url: 's3://bucket?region=us-east-1&',
    env: { KAFKA_BACKUP__STORAGE__ACCESS_KEY: 'a', KAFKA_BACKUP__STORAGE__SECRET_KEY: 'b' },
  },
  azure: { url: 'azure://account/container?', env: { KAFKA_BACKUP__STORAGE__ACCOUNT_KEY: 'a2V5' } },
  'azure by an identity': {
    url: 'azure://account/container?tenant_id=t&client_id=c&',
    env: { KAFKA_BACKUP__STORAGE__CLIENT_SECRET: 's' },
  },
  gcs: { url: 'gs://bucket?' },
};

describe('a proxy that lets nobody through', () => {
  let proxy: Server;
  let status: string;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'proxy-test-'));
    proxy = createServer();
    proxy.on('connect', (_request, socket) => socket.end(`HTTP/1.1 ${status}\r\n\r\n`));
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });

  after(() => {
    proxy?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A service account, whose token is asked for over the proxy too. */
  function keyFile(): string {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const file = join(directory, 'key.json');
    writeFileSync(file, JSON.stringify({ type: 'service_account', client_email: 'a@b', private_key: key }));
    return file;
  }

  async function refusal(
    name: string,
    address: string,
    patienceMs: number,
  ): Promise<Error & { readonly code?: string }> {
    const { url, env = {} } = STORES[name]!;
    const query = new URLSearchParams({
      proxy: `http://user:secret@${address}`,
      retry_timeout_ms: String(patienceMs),
      ...(name === 'gcs' ? { service_account_path: keyFile() } : {}),
    });
    const { store } = await openStore(storageFromUrl(url + query.toString(), env));
    const error = await store.head('a').then(
      () => assert.fail('it was let through'),
      (failure: Error) => failure,
    );
    await store.close();
    assert.doesNotMatch(error.message, /secret/);
    return error;
  }

  for (const name of Object.keys(STORES)) {
    it(`is told from ${name} by 407, which is not tried again`, async () => {
      status = '407 Proxy Authentication Required';
      const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const error = await refusal(name, address, 60_000);
      assert.equal(error.code, 'STORE_AUTHENTICATION_FAILED', error.message);
      assert.match(error.message, /the proxy answered 407 to CONNECT .*Mend user and password in storage\.proxy\.$/);
    });

    it(`is told from ${name} by any other answer, which may pass`, async () => {
      status = '503 Service Unavailable';
      const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const error = await refusal(name, address, 0);
      assert.equal(error.code, 'STORE_UNAVAILABLE', error.message);
      assert.match(error.message, /the proxy answered 503 to CONNECT .*Let the proxy of storage\.proxy connect/);
    });

    it(`is told from ${name} where there is none`, async () => {
      for (const address of ['127.0.0.1:9', 'no-such-host.invalid:3128']) {
        const error = await refusal(name, address, 0);
        assert.equal(error.code, 'STORE_UNAVAILABLE', error.message);
        assert.match(error.message, /the proxy \S+:\d+: .*(ECONNREFUSED|ENOTFOUND|EAI_AGAIN).*Check storage\.proxy\./);
        assert.doesNotMatch(error.message, /storage\.(endpoint|region|bucket|account_name)/);
      }
    });
  }
});
