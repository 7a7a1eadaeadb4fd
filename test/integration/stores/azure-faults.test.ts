// Azure Blob in trouble: answers that are lost, bytes that change on their way, requests that the service refuses. The service is
// Azurite; what spoils the requests stands in front of it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_KINDS } from '../../../src/model/errors.ts';
import type { AzureSettings } from '../../../src/storage/azure/azure-client.ts';
import { AzureObjectStore } from '../../../src/storage/azure/azure-object-store.ts';
import type { UnfinishedUpload } from '../../../src/storage/object-store.ts';
import { AZURITE_ACCOUNT, type Azurite, azuriteSignature, startAzurite } from '../../support/stores/azurite.ts';
import { type Fault, FaultProxy, type SeenRequest } from '../../support/stores/fault-proxy.ts';
import { QUICK_REQUESTS } from '../../support/stores/store-server.ts';
import { TcpProxy } from '../../support/stores/tcp-proxy.ts';
import { describeTrouble } from './trouble.contract.ts';

const MIB = 1024 * 1024;
const CONTAINER = 'backups';
/** More than one part, of different bytes. */
const LARGE = Buffer.from(Uint8Array.from({ length: 3 * MIB + 5 }, (_, index) => (index >>> 8) ^ index));

const isBlock = ({ method, url }: SeenRequest): boolean => method === 'PUT' && /comp=block(&|$)/.test(url);
const isCommit = ({ method, url }: SeenRequest): boolean => method === 'PUT' && url.includes('comp=blocklist');
const isWhole = ({ method, url }: SeenRequest): boolean => method === 'PUT' && !url.includes('comp=');
const isListing = ({ url }: SeenRequest): boolean => url.includes('comp=list&');
const isGet = ({ method, url }: SeenRequest): boolean => method === 'GET' && !url.includes('comp=list');
/** The SDK's own name of the header. */
const rangeOf = ({ headers }: SeenRequest): string => String(headers['x-ms-range'] ?? headers.range);

describe('the store on Azure', { timeout: 120_000 }, () => {
  let azurite: Azurite;
  let proxy: FaultProxy;
  let store: AzureObjectStore;
  let keys = 0;

  before(async () => {
    azurite = await startAzurite();
    await azurite.createContainer(CONTAINER);
    proxy = await FaultProxy.start(`http://${azurite.server.address}`);
    store = new AzureObjectStore(settings());
  });

  after(async () => {
    await store?.close();
    await proxy?.stop();
    await azurite?.server.stop();
  });

  function settings(changes: Partial<AzureSettings> = {}): AzureSettings {
    const endpoint = `http://${proxy.address}/${AZURITE_ACCOUNT.name}`;
    return azurite.settings({ container: CONTAINER, endpoint, ...changes });
  }

  function newKey(): string {
    keys += 1;
    return `trouble/${keys}`;
  }

  for (const { what, fits, body } of [
    { what: 'a blob of one request', fits: isWhole, body: LARGE.subarray(0, 1000) },
    { what: 'a list of blocks', fits: isCommit, body: LARGE },
  ]) {
    it(`knows its own work where the answer to ${what} was lost`, async () => {
      const key = newKey();
      proxy.once(fits, { kind: 'lose-answer' });
      assert.equal(await store.putIfAbsent(key, [body]), 'created');
      assert.ok(body.equals((await store.get(key))!));
      assert.equal(await store.putIfAbsent(key, [body]), 'exists');
    });
  }

  it('stages a block again whose answer was lost', async () => {
    const key = newKey();
    proxy.once(isBlock, { kind: 'lose-answer' });
    assert.equal(await store.putIfAbsent(key, [LARGE]), 'created');
    assert.ok(LARGE.equals((await store.get(key))!));
  });

  for (const { what, fits, body } of [
    { what: 'a blob of one request', fits: isWhole, body: LARGE.subarray(0, 1000) },
    { what: 'a block', fits: isBlock, body: LARGE },
  ]) {
    it(`lets nothing appear of ${what} that changed on its way up`, async () => {
      const key = newKey();
      proxy.once(fits, { kind: 'damage-request' });
      await assert.rejects(store.putIfAbsent(key, [body]), {
        code: 'STORE_CHECKSUM_MISMATCH',
        message: new RegExp(`${key} in container ${CONTAINER} .*Md5Mismatch`),
      });
      assert.equal(await store.head(key), undefined);
      assert.equal(await store.putIfAbsent(key, [body]), 'created');
    });
  }

  it('tells bytes that changed on their way down', async () => {
    const key = newKey();
    await store.putIfAbsent(key, [LARGE]);
    for (const range of [undefined, { position: 10, sizeBytes: 100 }, { suffixBytes: 100 }]) {
      proxy.once(isGet, { kind: 'damage-answer' });
      await assert.rejects(store.get(key, range), { code: 'STORE_CHECKSUM_MISMATCH' });
    }
  });

  it('reads on where a download broke off, on the same blob', async () => {
    const key = newKey();
    const body = Buffer.concat([LARGE, LARGE, LARGE]);
    await store.putIfAbsent(key, [body]);
    const end = body.byteLength;
    for (const [range, from] of [
      [undefined, 0],
      [{ position: 1000, sizeBytes: end - 1000 }, 1000],
      [{ suffixBytes: end - 10 }, 10],
    ] as const) {
      proxy.seen.length = 0;
      const cuts = new Map<string, number>();
      proxy.decide = (request) => {
        if (!isGet(request)) return undefined;
        const pieceEnd = /-(\d+)$/.exec(rangeOf(request))?.[1] ?? '';
        cuts.set(pieceEnd, (cuts.get(pieceEnd) ?? 0) + 1);
        return (cuts.get(pieceEnd) ?? 0) <= 2 ? { kind: 'cut-answer', afterBytes: 500_000 } : undefined;
      };
      const into = new Uint8Array(new SharedArrayBuffer(end));
      const found = Buffer.from((await store.get(key, range, into))!);
      assert.ok(body.subarray(from).equals(found), JSON.stringify(range));
      const asked: string[] = [];
      for (let at = from; at < end; at += 4 * MIB) {
        const last = at === from + 8 * MIB ? end - 1 : at + 4 * MIB - 1;
        for (const start of [at, at + 500_000, at + 1_000_000]) asked.push(`bytes=${start}-${last}`);
      }
      assert.deepEqual(new Set(proxy.seen.filter(isGet).map(rangeOf)), new Set(asked));
      const [first, ...others] = proxy.seen.filter(isGet);
      assert.equal(first?.headers['if-match'] === undefined, !(range !== undefined && 'suffixBytes' in range));
      assert.equal(new Set(others.map(({ headers }) => headers['if-match'])).size, 1);
      assert.match(others[0]?.headers['if-match'] ?? '', /\w+/);
    }
  });

  it('holds a piece that broke off, and what went on with it, against the MD5 of the whole piece', async () => {
    const key = newKey();
    await store.putIfAbsent(key, [LARGE]);
    let asked = 0;
    proxy.decide = (request) => {
      if (!isGet(request)) return undefined;
      asked += 1;
      return asked === 1 ? { kind: 'cut-answer', afterBytes: 500_000 } : { kind: 'damage-answer' };
    };
    await assert.rejects(store.get(key), { code: 'STORE_CHECKSUM_MISMATCH', message: /MD5/ });
    assert.equal(asked, 2);
  });

  it('is patient for as long as a blob gets on, however long all of it takes', async () => {
    const slow = new AzureObjectStore(settings({ requests: { ...QUICK_REQUESTS, retryTimeoutMs: 1000 } }));
    const key = newKey();
    await store.putIfAbsent(key, [LARGE]);
    proxy.decide = (request) => (isGet(request) ? { kind: 'cut-answer', afterBytes: 300_000 } : undefined);
    assert.ok(LARGE.equals((await slow.get(key))!));
    await slow.close();
  });

  it('gets a blob over a link that carries less than a piece of it within the time of a request', async () => {
    const key = newKey();
    await store.putIfAbsent(key, [LARGE]);
    const link = await TcpProxy.start();
    link.targetPort = Number(azurite.server.address.split(':')[1]);
    link.trouble = { kind: 'throttle', direction: 'from-store', bytesPerSecond: MIB };
    const endpoint = `http://${link.address}/${AZURITE_ACCOUNT.name}`;
    const requests = { ...QUICK_REQUESTS, requestTimeoutMs: 1000, retryTimeoutMs: 2000 };
    const narrow = new AzureObjectStore(azurite.settings({ container: CONTAINER, endpoint, requests }));
    try {
      assert.ok(LARGE.equals((await narrow.get(key))!));
    } finally {
      await narrow.close();
      await link.stop();
    }
    const sent = narrow.policy.requests.get('GetBlob') ?? 0;
    assert.ok(sent >= 3, `${sent} requests`);
  });

  for (const { becomes, replace } of [
    {
      becomes: 'another one',
      replace: (direct: AzureObjectStore, key: string) => direct.putIfAbsent(key, [LARGE.toReversed()]),
    },
    { becomes: 'nothing', replace: async () => 'deleted' },
  ]) {
    it(`gives no blob that has become ${becomes} while it was read`, async () => {
      const key = newKey();
      const body = Buffer.concat([LARGE, LARGE]);
      await store.putIfAbsent(key, [body]);
      const direct = new AzureObjectStore(azurite.settings({ container: CONTAINER }));
      let changing: Promise<unknown> | undefined;
      proxy.decide = (request) => {
        if (!isGet(request)) return undefined;
        if (changing !== undefined) return { kind: 'delay', ms: 1500 };
        changing = sleep(500).then(() => direct.delete(key).then(() => replace(direct, key)));
        return { kind: 'cut-answer', afterBytes: 500_000 };
      };
      const found = await store.get(key).catch((error: unknown) => error);
      await changing;
      await direct.close();
      if (becomes === 'nothing') return assert.equal(found, undefined);
      assert.equal((found as { readonly code?: unknown }).code, 'STORE_UNSUITABLE');
      assert.match((found as Error).message, /^GetBlob trouble\/\d+: changed while it was read/);
    });
  }

  /** A listing as Microsoft writes it. */
  function listing(blobs: string): Fault {
    const body = `<?xml version="1.0"?><EnumerationResults><Blobs>${blobs}</Blobs><NextMarker/></EnumerationResults>`;
    return { kind: 'answer', status: 200, headers: { 'content-type': 'application/xml' }, body };
  }

  it('tells when an unfinished upload began where the listing does not', async () => {
    const key = newKey();
    let found: UnfinishedUpload[] = [];
    const startedAtMs = Date.now();
    async function* body(): AsyncGenerator<Uint8Array> {
      yield LARGE;
      const blob = `<Blob><Name>${key}</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>`;
      proxy.decide = (request) => (isListing(request) ? listing(blob) : undefined);
      while ((found[0]?.sizeBytes ?? 0) < 3 * MIB) found = await all(store.unfinished('trouble/'));
      throw new Error('enough');
    }
    await assert.rejects(store.putIfAbsent(key, body()), /enough/);
    assert.deepEqual(
      found.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [[key, 3 * MIB]],
    );
    const touchedAtMs = found[0]?.touchedAtMs ?? Number.NaN;
    assert.ok(startedAtMs <= touchedAtMs && touchedAtMs <= Date.now(), `${touchedAtMs}`);
    proxy.decide = () => undefined;
    await store.discard(found[0]!);
  });

  it('passes over the directories that an account with a hierarchical namespace lists', async () => {
    const item = (name: string, type: string, sizeBytes: number): string =>
      `<Blob><Name>${name}</Name><Properties><Last-Modified>Sun, 01 Jun 2025 10:00:00 GMT</Last-Modified>
       <ResourceType>${type}</ResourceType><Content-Length>${sizeBytes}</Content-Length></Properties></Blob>`;
    const blobs = [item('tree', 'directory', 0), item('tree/a', 'directory', 0), item('tree/a/object', 'file', 5)];
    proxy.decide = (request) => (isListing(request) ? listing(blobs.join('')) : undefined);
    proxy.seen.length = 0;
    assert.deepEqual(
      (await all(store.list('tree'))).map(({ key }) => key),
      ['tree/a/object'],
    );
    assert.deepEqual(await all(store.unfinished('tree')), []);
    assert.ok(proxy.seen.every(isListing), 'nothing is asked about directories');
    proxy.decide = () => undefined;
  });

  describeTrouble(() => ({
    proxy,
    open: (requests, surroundings) =>
      new AzureObjectStore(settings({ requests: { ...QUICK_REQUESTS, ...requests } }), surroundings),
    partBytes: QUICK_REQUESTS.partSizeBytes,
    showsUploads: true,
    isWhole,
    isPart: isBlock,
    takesPartsTogether: true,
    isEnd: isCommit,
    busy: { kind: 'answer', status: 503, headers: { 'x-ms-error-code': 'ServerBusy', 'retry-after': '1' } },
    denied: { kind: 'answer', status: 403, headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' } },
    place: `container ${CONTAINER} of account ${AZURITE_ACCOUNT.name}`,
    grant: /Grant the role Storage Blob Data Contributor/,
  }));

  describe('refuses', () => {
    async function assertRefused(changes: Partial<AzureSettings>, code: string, message: RegExp): Promise<string> {
      const refused = new AzureObjectStore(settings(changes));
      const error = await refused.putIfAbsent(newKey(), [Buffer.from('x')]).then(
        () => assert.fail('it was let in'),
        (failure: Error) => failure,
      );
      await refused.close();
      assert.equal((error as { code?: unknown }).code, code);
      assert.match(error.message, message);
      assert.match(error.message, /^PutBlob trouble\/\d+ in container /);
      return error.message;
    }

    const soon = new Date(Date.now() + 3_600_000);
    const past = new Date(Date.now() - 3_600_000);

    it('a container that is not there', async () => {
      await assertRefused(
        { container: 'no-such' },
        'STORE_UNSUITABLE',
        /no-such.*ContainerNotFound.*storage\.container/,
      );
    });

    it('a wrong account key, with exit code 12', async () => {
      const accountKey = Buffer.from('not the key').toString('base64');
      await assertRefused({ accountKey }, 'STORE_AUTHENTICATION_FAILED', /403.*account_key/);
      assert.equal(ERROR_KINDS.STORE_AUTHENTICATION_FAILED.exitCode, 12);
      assert.throws(() => new AzureObjectStore(settings({ accountKey: 'n o' })), { code: 'CONFIG_INVALID' });
    });

    it('a shared access signature that has expired or lacks a permission, and never shows it', async () => {
      const expired = { accountKey: null, sasToken: azuriteSignature(CONTAINER, 'racwdl', past) };
      const said = await assertRefused(expired, 'STORE_AUTHENTICATION_FAILED', /sas_token|shared access signature/);
      assert.ok(!said.includes('sig='));
      const readOnly = { accountKey: null, sasToken: `?${azuriteSignature(CONTAINER, 'rl', soon)}` };
      await assertRefused(readOnly, 'STORE_AUTHORIZATION_FAILED', /permission/i);
    });

    it('a host that nobody answers on, after its patience', async () => {
      const requests = { ...QUICK_REQUESTS, retryTimeoutMs: 300 };
      const endpoint = 'http://127.0.0.1:9/account';
      await assertRefused({ endpoint, requests }, 'STORE_UNAVAILABLE', /ECONNREFUSED.*attempts? in/);
    });

    it('no shared access signature that has what it takes', async () => {
      const sasToken = azuriteSignature(CONTAINER, 'racwdl', soon);
      const signed = new AzureObjectStore(settings({ accountKey: null, sasToken }));
      const key = newKey();
      assert.equal(await signed.putIfAbsent(key, [LARGE]), 'created');
      assert.equal(await signed.putIfAbsent(key, [LARGE]), 'exists');
      assert.ok(LARGE.equals((await signed.get(key))!));
      await signed.delete(key);
      assert.equal(await signed.head(key), undefined);
      await signed.close();
    });
  });
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
