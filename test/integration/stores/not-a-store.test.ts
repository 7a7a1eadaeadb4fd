// A web server where the store should be: it says yes to everything, sends everybody to its login, or knows no such request. What
// the message says first is that it is no store, whatever the SDK makes of its answers. And servers whose certificate is not right.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { storageFromUrl } from '../../../src/config/storage/storage-url.ts';
import { openStore } from '../../../src/storage/open-store.ts';
import { ProbedObjectStore } from '../../../src/storage/probed-object-store.ts';
import { CertificateAuthority } from '../../support/certificates.ts';

const STORES: Readonly<Record<string, { readonly url: string; readonly env: Readonly<Record<string, string>> }>> = {
  S3: {
    url: 's3://bucket/p?region=us-east-1&',
    env: { KAFKA_BACKUP__STORAGE__ACCESS_KEY: 'a', KAFKA_BACKUP__STORAGE__SECRET_KEY: 'b' },
  },
  'Azure Blob': { url: 'azure://account/container/p?', env: { KAFKA_BACKUP__STORAGE__ACCOUNT_KEY: 'a2V5' } },
  'Google Cloud Storage': { url: 'gs://bucket/p?', env: {} },
};

const html = { 'content-type': 'text/html' };
const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'a page for everything': (response) =>
    response.writeHead(200, html).end('<html><h1>It works</h1><p>a<br>b</p></html>'),
  'nothing, and says yes': (response) => response.writeHead(200).end(),
  'a document for everything': (response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}'),
  'its login': (response) => response.writeHead(302, { location: '/login' }).end(),
  'that it knows no such request': (response) => response.writeHead(405, html).end('<html>Not allowed</html>'),
};

describe('an endpoint that is no store', () => {
  let server: Server;
  let answer: (response: ServerResponse) => void;

  before(async () => {
    server = createServer((request, response) => request.resume().on('end', () => answer(response)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  after(() => {
    server?.closeAllConnections();
    server?.close();
  });

  for (const [store, { url, env }] of Object.entries(STORES)) {
    for (const [what, answers] of Object.entries(ANSWERS)) {
      it(`is told from ${store} where it answers ${what}, to a start and to a listing`, async () => {
        answer = answers;
        const endpoint = encodeURIComponent(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        const opened = await openStore(storageFromUrl(`${url}endpoint=${endpoint}`, env));
        const strange = {
          code: 'STORE_UNSUITABLE',
          message: /\. This is not how such a store answers: look at storage\.endpoint\.$/,
        };
        const probed = new ProbedObjectStore(opened.store, 'id/probe.txt', opened.putInParts);
        await assert.rejects(probed.get('id/backup.json'), strange);
        await assert.rejects(async () => {
          for await (const { key } of opened.store.list('')) assert.fail(key);
        }, strange);
        await probed.close();
      });
    }
  }
});

describe('an endpoint that does not answer', () => {
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

  /** What `list` says on stderr, line by line. */
  async function listed(url: string, env: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const child = execFile(process.execPath, [main, 'list', '--path', url], { env: { ...process.env, ...env } });
    let stderr = '';
    child.stderr?.on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 1, stderr);
    return stderr.trim().split('\n');
  }

  it('is told of while it is asked again, not only in the end', async () => {
    const silent = createServer(() => {});
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const silentPort = (silent.address() as AddressInfo).port;
    for (const [address, terms] of [
      ['127.0.0.1:9', 'retry_timeout_ms=3000'],
      [`127.0.0.1:${silentPort}`, 'request_timeout_ms=6000&retry_timeout_ms=6000'],
    ] as const) {
      const { url, env } = STORES.S3!;
      const lines = await listed(`${url}endpoint=${encodeURIComponent(`http://${address}`)}&${terms}`, env);
      const [told] = lines;
      assert.match(told ?? '', /"level":"warn".*ListObjectsV2.*"msg":"the store does not answer, and is asked again"/);
      assert.equal(lines.filter((line) => line.includes('asked again')).length, 1);
    }
    silent.closeAllConnections();
    silent.close();
  });
});

describe('a certificate that is not right', () => {
  let authority: CertificateAuthority;
  let stranger: CertificateAuthority;

  before(async () => {
    [authority, stranger] = await Promise.all([CertificateAuthority.create(), CertificateAuthority.create()]);
  });

  after(async () => {
    await authority?.remove();
    await stranger?.remove();
  });

  for (const [what, name, days, isTrusted, says] of [
    [
      'of an authority that nobody named',
      'IP:127.0.0.1',
      1,
      false,
      /name that authority in storage\.ssl_ca_location\.$/,
    ],
    [
      'for another host',
      'DNS:elsewhere',
      1,
      true,
      /is for another host: use a name that it holds in storage\.endpoint/,
    ],
    ['that has expired', 'IP:127.0.0.1', 0, true, /has expired: have it renewed, and check the clock of this host\.$/],
  ] as const) {
    it(`is told with what there is to do: ${what}`, async () => {
      const { certificate, key } = await authority.sign(what, name, days);
      const server = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, () => {});
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const caPath = (isTrusted ? authority : stranger).certificate;
      for (const { url, env } of [STORES.S3!, STORES['Azure Blob']!]) {
        const terms = new URLSearchParams({
          endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
          ssl_ca_location: caPath,
        });
        const { store } = await openStore(storageFromUrl(url + terms.toString(), env));
        await assert.rejects(store.head('a'), { code: 'STORE_UNSUITABLE', message: says }, url);
        await store.close();
      }
      server.close();
    });
  }
});
