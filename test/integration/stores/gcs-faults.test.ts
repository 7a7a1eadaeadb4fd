// Google Cloud Storage in trouble: answers that are lost, bytes that change on their way, requests that the store refuses. The store
// is fake-gcs-server; what spoils the requests stands in front of it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { GcsSettings } from '../../../src/storage/gcs/gcs-client.ts';
import { GcsObjectStore } from '../../../src/storage/gcs/gcs-object-store.ts';
import { type FakeGcs, startFakeGcs } from '../../support/stores/fake-gcs.ts';
import { type Fault, FaultProxy, type SeenRequest } from '../../support/stores/fault-proxy.ts';
import { QUICK_REQUESTS } from '../../support/stores/store-server.ts';
import { describeTrouble, type TroubledStore } from './trouble.contract.ts';

const MIB = 1024 * 1024;
const BUCKET = 'backups';
const SMALL = Buffer.from('a small object');
/** More than one part, of different bytes. */
const LARGE = Buffer.from(Uint8Array.from({ length: 3 * MIB + 5 }, (_, index) => (index >>> 8) ^ index));

const isWhole = ({ url }: SeenRequest): boolean => url.includes('uploadType=multipart');
const isStart = ({ method, url }: SeenRequest): boolean => method === 'POST' && url.includes('uploadType=resumable');
const isChunk = ({ method }: SeenRequest): boolean => method === 'PUT';
const isEnd = ({ headers }: SeenRequest): boolean => /\/\d+$/.test(headers['content-range'] ?? '');
const isGet = ({ url }: SeenRequest): boolean => url.includes('alt=media');

/** Fits the one with this number, counted from 1, of those that `fits` fits. */
function nth(number: number, fits: (request: SeenRequest) => boolean): (request: SeenRequest) => boolean {
  let seen = 0;
  return (request) => {
    seen += fits(request) ? 1 : 0;
    return fits(request) && seen === number;
  };
}

/** An answer of Google in the server's stead. */
function refusal(status: number, reason: string, message: string): Fault {
  const body = JSON.stringify({ error: { code: status, message, errors: [{ reason, message }] } });
  return { kind: 'answer', status, headers: { 'content-type': 'application/json' }, body };
}

describe('the store on Google Cloud Storage', { timeout: 120_000 }, () => {
  let gcs: FakeGcs;
  let proxy: FaultProxy;
  let store: GcsObjectStore;
  let keys = 0;

  before(async () => {
    gcs = await startFakeGcs();
    await gcs.createBucket(BUCKET);
    proxy = await FaultProxy.start(gcs.endpoint);
    store = new GcsObjectStore(settings());
  });

  after(async () => {
    await store?.close();
    await proxy?.stop();
    await gcs?.server.stop();
  });

  function settings(changes: Partial<GcsSettings> = {}): GcsSettings {
    return gcs.settings({ bucket: BUCKET, endpoint: `http://${proxy.address}`, ...changes });
  }

  function newKey(): string {
    keys += 1;
    return `trouble/${keys}`;
  }

  async function assertCreated(key: string, body: Buffer): Promise<void> {
    assert.equal(await store.putIfAbsent(key, [body]), 'created');
    assert.ok(body.equals((await store.get(key))!));
    assert.equal(await store.putIfAbsent(key, [body]), 'exists');
  }

  it('knows its own work where the answer to an object of one request was lost', async () => {
    proxy.once(isWhole, { kind: 'lose-answer' });
    await assertCreated(newKey(), SMALL);
  });

  it('begins an upload again where the answer to its beginning was lost', async () => {
    proxy.once(isStart, { kind: 'lose-answer' });
    await assertCreated(newKey(), LARGE);
  });

  it('knows its own work where the answer to the last chunk was lost', async () => {
    proxy.once(nth(4, isChunk), { kind: 'lose-answer' });
    await assertCreated(newKey(), LARGE);
  });

  // What fake-gcs-server does when it is asked how much it has; how an upload goes on is told by test/unit/storage/gcs.
  it('takes back an object that the store let appear too early', async () => {
    const key = newKey();
    proxy.once(nth(2, isChunk), { kind: 'lose-answer' });
    await assert.rejects(store.putIfAbsent(key, [LARGE]), { code: 'STORE_UNAVAILABLE', message: /before its end/ });
    assert.equal(await store.head(key), undefined);
    await assertCreated(key, LARGE);
  });

  it('takes it back too where the answer that told of it was lost', async () => {
    const key = newKey();
    let chunks = 0;
    proxy.decide = (request) => {
      chunks += isChunk(request) ? 1 : 0;
      if (!isChunk(request) || chunks < 4) return undefined;
      // The last chunk does not arrive; the answer to how much did, is lost.
      return chunks === 4 ? { kind: 'drop' } : chunks === 5 ? { kind: 'lose-answer' } : undefined;
    };
    await assert.rejects(store.putIfAbsent(key, [LARGE]), { code: 'STORE_UNAVAILABLE', message: /before its end/ });
    assert.equal(await store.head(key), undefined);
    proxy.decide = () => undefined;
    await assertCreated(key, LARGE);
  });

  for (const { what, fits, body } of [
    { what: 'an object of one request', fits: isWhole, body: LARGE.subarray(0, 100_000) },
    { what: 'a chunk', fits: nth(2, isChunk), body: LARGE },
  ]) {
    it(`leaves nothing of ${what} that changed on its way up`, async () => {
      const key = newKey();
      proxy.once(fits, { kind: 'damage-request' });
      await assert.rejects(store.putIfAbsent(key, [body]), {
        code: 'STORE_CHECKSUM_MISMATCH',
        message: new RegExp(key),
      });
      assert.equal(await store.head(key), undefined);
      await assertCreated(key, body);
    });
  }

  it('tells a whole object that changed on its way down', async () => {
    const key = newKey();
    await store.putIfAbsent(key, [LARGE]);
    proxy.once(isGet, { kind: 'damage-answer' });
    await assert.rejects(store.get(key), { code: 'STORE_CHECKSUM_MISMATCH', message: new RegExp(key) });
  });

  it('reads on where a download broke off', async () => {
    const key = newKey();
    await store.putIfAbsent(key, [LARGE]);
    for (const [range, wanted] of [
      [undefined, LARGE],
      [{ position: 100, sizeBytes: 2 * MIB }, LARGE.subarray(100, 100 + 2 * MIB)],
      [{ suffixBytes: 2 * MIB }, LARGE.subarray(-2 * MIB)],
    ] as const) {
      proxy.once(isGet, { kind: 'cut-answer', afterBytes: MIB });
      assert.ok(wanted.equals((await store.get(key, range))!));
    }
  });

  it('cancels a large put that is given up, and nobody sees anything of it', async () => {
    const key = newKey();
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield LARGE;
      throw new Error('the body failed');
    }
    await assert.rejects(store.putIfAbsent(key, failing()), { message: 'the body failed' });
    assert.equal(proxy.seen.at(-1)?.method, 'DELETE');
    assert.equal(await store.head(key), undefined);
    await assertCreated(key, LARGE);
  });

  it('says so when the store has forgotten an upload', async () => {
    const key = newKey();
    proxy.once(nth(2, isChunk), { kind: 'answer', status: 410 });
    await assert.rejects(store.putIfAbsent(key, [LARGE]), { code: 'STORE_UNAVAILABLE', message: /upload expired/ });
    await assertCreated(key, LARGE);
  });

  const troubled = (): TroubledStore => ({
    proxy,
    open: (requests, surroundings) =>
      new GcsObjectStore(settings({ requests: { ...QUICK_REQUESTS, ...requests } }), surroundings),
    partBytes: QUICK_REQUESTS.partSizeBytes,
    showsUploads: false,
    isWhole,
    isPart: isChunk,
    // A resumable upload goes on only where its last chunk has ended.
    takesPartsTogether: false,
    isEnd,
    busy: { kind: 'answer', status: 429, headers: { 'retry-after': '1' } },
    denied: refusal(403, 'forbidden', 'backup@example does not have this access'),
    place: `bucket ${BUCKET}`,
    grant: /Grant the role Storage Object User \(roles\/storage\.objectUser\)/,
  });
  describeTrouble(troubled);

  describe('refuses', () => {
    async function assertRefused(changes: Partial<GcsSettings>, code: string, message: RegExp): Promise<void> {
      const refused = new GcsObjectStore(settings(changes));
      await assert.rejects(refused.putIfAbsent(newKey(), [SMALL]), (error: Error & { readonly code?: string }) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        assert.match(error.message, /^InsertObject trouble\/\d+ in bucket /);
        return true;
      });
      await refused.close();
    }

    function answers(status: number, reason: string, message: string): void {
      proxy.once(isWhole, refusal(status, reason, message));
    }

    it('a bucket that is not there', async () => {
      await assertRefused({ bucket: 'no-such' }, 'STORE_UNSUITABLE', /no-such.*404.*storage\.bucket/);
      answers(404, 'notFound', 'The specified bucket does not exist.');
      await assertRefused({}, 'STORE_UNSUITABLE', /storage\.bucket/);
    });

    it('a token that is refused and a permission that is lacking', async () => {
      answers(401, 'authError', 'Invalid Credentials');
      await assertRefused({}, 'STORE_AUTHENTICATION_FAILED', /401 authError Invalid Credentials.*service_account_path/);
      const message = 'backup@example does not have storage.objects.create access';
      answers(403, 'forbidden', message);
      await assertRefused({}, 'STORE_AUTHORIZATION_FAILED', /storage\.objects\.create.*roles\/storage\.objectUser/);
    });

    it('a host that nobody answers on, after its patience', async () => {
      const requests = { ...QUICK_REQUESTS, retryTimeoutMs: 300 };
      await assertRefused(
        { endpoint: 'http://127.0.0.1:9', requests },
        'STORE_UNAVAILABLE',
        /ECONNREFUSED.*attempts? in/,
      );
    });
  });
});
