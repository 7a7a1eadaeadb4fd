// What every cloud store does when single requests go wrong, as tests that run against each of them behind a proxy that spoils
// what it is told to. What only one of them knows is in the tests of that one.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BackupError } from '../../../src/model/errors.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { ProbedObjectStore, type PutInParts } from '../../../src/storage/probed-object-store.ts';
import type { RequestSettings } from '../../../src/storage/request/request-policy.ts';
import type { RequestSurroundings } from '../../../src/storage/request/store-requests.ts';
import type { Fault, FaultProxy, SeenRequest } from '../../support/stores/fault-proxy.ts';

interface PartStore extends ObjectStore {
  readonly putInParts: PutInParts;
}

/** One store, as the tests need it. */
export interface TroubledStore {
  readonly proxy: FaultProxy;
  /** Whose requests go through the proxy. */
  open(requests?: Partial<RequestSettings>, surroundings?: RequestSurroundings): PartStore;
  /** Of the parts that it puts. */
  readonly partBytes: number;
  /** False for a store to whom uploads under way leave nothing. */
  readonly showsUploads: boolean;
  /** The request that puts a small object. */
  readonly isWhole: (request: SeenRequest) => boolean;
  /** A request that brings a part of a large object. */
  readonly isPart: (request: SeenRequest) => boolean;
  /** False for a store whose protocol takes the parts of one object one after the other. */
  readonly takesPartsTogether: boolean;
  /** The request that makes a large object appear. */
  readonly isEnd: (request: SeenRequest) => boolean;
  /** Asks to be left alone for a second. */
  readonly busy: Fault;
  /** Lets in whoever asks, but not to this. */
  readonly denied: Fault;
  /** How messages name where the object is: `bucket NAME`. */
  readonly place: string;
  /** What they say to grant. */
  readonly grant: RegExp;
}

const SMALL = Buffer.from('a small object');
/** How long a part is made to take. */
const PART_MS = 200;
const NAMES = ['a/1', 'a/2', 'a/b/1', 'a/b/2', 'a-b/1', 'a.b', 'b', 'c/1', 'c/2', 'c/3', 'c/4', 'd/e/f/g'];

let keys = 0;

function newKey(): string {
  keys += 1;
  return `trouble/contract-${keys}`;
}

export function describeTrouble(troubled: () => TroubledStore): void {
  describeRequests(troubled);
  describeSingleFaults(troubled);
  describeLargePuts(troubled);
  describePages(troubled);
  describePagesForReads(troubled);
  describeClock(troubled);
  describeDenials(troubled);
  describeStart(troubled);

  it('lists in order over many pages, from any key', async () => {
    const { proxy, open } = troubled();
    proxy.decide = () => undefined;
    const paging = open({}, { pageSize: 3 });
    for (const name of NAMES) await paging.putIfAbsent(`pages/${name}`, []);
    const sorted = NAMES.map((name) => `pages/${name}`).sort();
    for (const startAfter of ['', 'pages/', 'pages/a', 'pages/a/b', 'pages/a0', 'pages/c/', 'pages/zz', ...sorted]) {
      const found: string[] = [];
      for await (const { key } of paging.list('pages/', startAfter)) found.push(key);
      const wanted = sorted.filter((key) => key > startAfter);
      assert.deepEqual(found, wanted, `after ${startAfter}`);
    }
    await paging.close();
  });
}

function describeSingleFaults(troubled: () => TroubledStore): void {
  it('waits as long as a busy store asks for, and sends it fewer requests at once', async () => {
    const { proxy, open, isWhole, busy } = troubled();
    const store = open();
    proxy.once(isWhole, busy);
    const startedAt = performance.now();
    assert.equal(await store.putIfAbsent(newKey(), [SMALL]), 'created');
    assert.ok(performance.now() - startedAt >= 1000);
    await store.close();
  });

  it('asks again after a request that is never answered', async () => {
    const { proxy, open, isWhole } = troubled();
    const impatient = open({ requestTimeoutMs: 300 });
    proxy.once(isWhole, { kind: 'hang' });
    assert.equal(await impatient.putIfAbsent(newKey(), [SMALL]), 'created');
    await impatient.close();
  });

  it('gives a request up after its patience, and names it', async () => {
    const { proxy, open, place } = troubled();
    const impatient = open({ retryTimeoutMs: 500 });
    proxy.decide = () => ({ kind: 'drop' });
    const key = newKey();
    await assert.rejects(impatient.putIfAbsent(key, [SMALL]), {
      code: 'STORE_UNAVAILABLE',
      message: new RegExp(`^\\w+ ${key} in ${place}: .*\\(\\d+ attempts in \\d`),
    });
    proxy.decide = () => undefined;
    await impatient.close();
  });
}

/** What a load balancer says in the store's stead, as if all were well. */
const PAGE = {
  kind: 'answer',
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<html><p>We will be back soon.<br></html>',
} as const satisfies Fault;

const any = (): boolean => true;

function describePages(troubled: () => TroubledStore): void {
  for (const place of ['before the store', 'behind it, so that its answer is lost'] as const) {
    it(`takes a page of success for no answer: ${place}`, async () => {
      const { proxy, open, isWhole, isPart, isEnd, takesPartsTogether, partBytes } = troubled();
      const store = open();
      const large = Buffer.alloc(2 * partBytes + 1, 'large');
      await store.putIfAbsent(newKey(), [SMALL]);
      for (const [fits, body] of [
        [isWhole, SMALL],
        // The request with which a large object begins.
        [any, large],
        // fake-gcs-server ends an upload when it is asked how much it has: those of Google are in test/unit/storage/gcs.
        ...(takesPartsTogether ? ([isPart, isEnd].map((each) => [each, large]) as [typeof isPart, Buffer][]) : []),
      ] as const) {
        const key = newKey();
        proxy.once(fits, place === 'before the store' ? PAGE : { kind: 'replace-answer', by: PAGE });
        assert.equal(await store.putIfAbsent(key, [body]), 'created', String(fits));
        assert.equal((await store.head(key))?.sizeBytes, body.byteLength);
        assert.ok(body.equals(Buffer.from((await store.get(key))!)));
        // Where the answer to its beginning was lost, nobody knows of the first upload.
        for await (const upload of store.unfinished(key)) await store.discard(upload);
      }
      await store.close();
    });
  }

  it('asks again for a listing that is a page of success', async () => {
    const { proxy, open } = troubled();
    const store = open();
    const key = newKey();
    await store.putIfAbsent(key, [SMALL]);
    proxy.once(any, PAGE);
    const listed: string[] = [];
    for await (const object of store.list(key)) listed.push(object.key);
    assert.deepEqual(listed, [key]);
    await store.close();
  });

  it('is away for whoever has used it, while a page of success stands in for it', async () => {
    const { proxy, open, place } = troubled();
    const store = open({ retryTimeoutMs: 300 });
    await store.putIfAbsent(newKey(), [SMALL]);
    proxy.decide = () => PAGE;
    const says = String.raw`${place}: .*This is not how such a store answers: look at storage\.endpoint\. \(\d+ attempts? in`;
    const away = { code: 'STORE_UNAVAILABLE', message: new RegExp(says) };
    await assert.rejects(store.putIfAbsent(newKey(), [SMALL]), away);
    await assert.rejects(async () => {
      for await (const { key } of store.list('')) assert.fail(key);
    }, away);
    proxy.decide = () => undefined;
    await store.close();
  });
}

function describeClock(troubled: () => TroubledStore): void {
  it('tells once that the clock of this host is wrong, and nothing of one that is right', async (test) => {
    const { proxy, open } = troubled();
    proxy.decide = () => undefined;
    const warnings: string[] = [];
    const ignore = (): void => {};
    const logger = { debug: ignore, info: ignore, warn: (text: string) => void warnings.push(text), error: ignore };
    const now = Date.now;
    let aheadMs = 0;
    test.mock.method(Date, 'now', () => now.call(Date) + aheadMs);
    const store = open({}, { logger });
    await store.putIfAbsent(newKey(), [SMALL]);
    assert.deepEqual(warnings, []);
    aheadMs = 3_600_000;
    for (const _ of [1, 2]) await store.putIfAbsent(newKey(), [SMALL]);
    assert.equal(warnings.length, 1, warnings.join());
    assert.match(warnings[0]!, /^the clock of this host is (3599|360[01]) s ahead of that of the store: set it right$/);
    await store.close();
  });
}

/** Of what is there, and of its bytes. */
function describePagesForReads(troubled: () => TroubledStore): void {
  it('takes no page of success for an object or for what is told of it', async () => {
    const { proxy, open } = troubled();
    const store = open();
    const key = newKey();
    await store.putIfAbsent(key, [SMALL]);
    for (const range of [undefined, { position: 0, sizeBytes: SMALL.byteLength }, { suffixBytes: SMALL.byteLength }]) {
      proxy.once(any, PAGE);
      assert.ok(SMALL.equals(Buffer.from((await store.get(key, range))!)));
    }
    proxy.once(any, PAGE);
    assert.equal((await store.head(key))?.sizeBytes, SMALL.byteLength);
    await store.close();
  });
}

/** The most of these requests that were under way together, each of which took so long. */
function mostTogether(arrivedAtMs: readonly number[], tookMs: number): number {
  return Math.max(...arrivedAtMs.map((at) => arrivedAtMs.filter((each) => each >= at && each < at + tookMs).length));
}

function describeRequests(troubled: () => TroubledStore): void {
  it('puts a small object by one request', async () => {
    const { proxy, open, isWhole, partBytes } = troubled();
    proxy.decide = () => undefined;
    const store = open();
    for (const sizeBytes of [0, 1000, partBytes]) {
      proxy.seen.length = 0;
      assert.equal(await store.putIfAbsent(newKey(), [Buffer.alloc(sizeBytes)]), 'created');
      assert.deepEqual([proxy.seen.length, proxy.seen.filter(isWhole).length], [1, 1], `${sizeBytes} bytes`);
    }
    await store.close();
  });

  it('brings the parts of one object together where the store takes them so, and those of several everywhere', async () => {
    const { proxy, open, isPart, takesPartsTogether, partBytes } = troubled();
    const store = open();
    const arrivedAtMs: number[] = [];
    proxy.decide = (request) => {
      if (!isPart(request)) return undefined;
      arrivedAtMs.push(performance.now());
      return { kind: 'delay', ms: PART_MS };
    };
    const put = () => store.putIfAbsent(newKey(), [Buffer.alloc(3 * partBytes + 1)]);
    assert.equal(await put(), 'created');
    const ofOne = mostTogether(arrivedAtMs, PART_MS);
    assert.ok(arrivedAtMs.length >= 4, `${arrivedAtMs.length} parts`);
    assert.ok(takesPartsTogether ? ofOne > 1 : ofOne === 1, `${ofOne} parts of one object`);
    arrivedAtMs.length = 0;
    assert.deepEqual(await Promise.all([put(), put()]), ['created', 'created']);
    const ofTwo = mostTogether(arrivedAtMs, PART_MS);
    assert.ok(ofTwo > 1, `${ofTwo} parts of two objects`);
    proxy.decide = () => undefined;
    await store.close();
  });
}

function describeLargePuts(troubled: () => TroubledStore): void {
  it('lets exactly one of several large puts win, whole', async () => {
    const { proxy, open, partBytes } = troubled();
    proxy.decide = () => undefined;
    const [store, key] = [open(), newKey()];
    const bodies = [1, 2, 3, 4].map((fill) => Buffer.alloc(2 * partBytes + fill, fill));
    const outcomes = await Promise.all(bodies.map((body) => store.putIfAbsent(key, [body])));
    assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1, String(outcomes));
    assert.ok(bodies[outcomes.indexOf('created')]!.equals((await store.get(key))!));
    await store.close();
  });

  it('waits longer than for others for the request that makes a large object appear', async () => {
    const { proxy, open, partBytes, isEnd } = troubled();
    const [store, key] = [open({ requestTimeoutMs: 1000 }), newKey()];
    proxy.once(isEnd, { kind: 'delay', ms: 1800 });
    proxy.seen.length = 0;
    assert.equal(await store.putIfAbsent(key, [Buffer.alloc(2 * partBytes + 1)]), 'created');
    assert.equal(proxy.seen.filter(isEnd).length, 1);
    assert.equal((await store.head(key))?.sizeBytes, 2 * partBytes + 1);
    await store.close();
  });

  it('leaves nothing that anybody sees of a large put that was given up', async () => {
    const { proxy, open, partBytes } = troubled();
    proxy.decide = () => undefined;
    const [store, key] = [open(), newKey()];
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * partBytes + 1);
      throw new Error('the body failed');
    }
    await assert.rejects(store.putIfAbsent(key, failing()), { message: 'the body failed' });
    assert.equal(await store.head(key), undefined);
    for await (const { key: found } of store.list('trouble/')) assert.notEqual(found, key);
    assert.equal(await store.putIfAbsent(key, [SMALL]), 'created');
    await store.close();
  });
}

interface Operation {
  readonly name: string;
  /** An object that is there before. */
  readonly needs?: 'object' | 'upload';
  run(store: ObjectStore, key: string, partBytes: number): Promise<unknown>;
}

const OPERATIONS: readonly Operation[] = [
  { name: 'a small put', run: (store, key) => store.putIfAbsent(key, [SMALL]) },
  { name: 'a large put', run: (store, key, part) => store.putIfAbsent(key, [Buffer.alloc(2 * part + 1)]) },
  { name: 'a put where there is one', needs: 'object', run: (store, key) => store.putIfAbsent(key, [SMALL]) },
  { name: 'a get', needs: 'object', run: (store, key) => store.get(key) },
  { name: 'a get of the end', needs: 'object', run: (store, key) => store.get(key, { suffixBytes: 3 }) },
  { name: 'a head', needs: 'object', run: (store, key) => store.head(key) },
  { name: 'a listing', needs: 'object', run: (store, key) => first(store.list(key)) },
  { name: 'a delete', needs: 'object', run: (store, key) => store.delete(key) },
  { name: 'a listing of uploads', needs: 'upload', run: (store, key) => first(store.unfinished(key)) },
  { name: 'a discard', needs: 'upload', run: (store, name) => store.discard(uploadOf(name)) },
  { name: 'the clock', run: (store) => store.clock() },
];

/** By key, as the store showed it. */
const uploadIds = new Map<string, string>();

function uploadOf(name: string) {
  return { name, id: uploadIds.get(name) ?? '', touchedAtMs: null, sizeBytes: null };
}

function describeDenials(troubled: () => TroubledStore): void {
  for (const { name, needs, run } of OPERATIONS) {
    it(`names the request, the object and the permission where a request of ${name} is denied`, async () => {
      const { proxy, open, partBytes, showsUploads, denied, place, grant } = troubled();
      if (needs === 'upload' && !showsUploads) return;
      const store = open();
      /** Requests of one run, the one of this index denied. */
      const requestsOf = async (deniedIndex: number): Promise<number> => {
        const key = newKey();
        proxy.decide = () => undefined;
        if (needs === 'object') await store.putIfAbsent(key, [SMALL]);
        const end = needs === 'upload' ? await beginUpload(store, key, partBytes) : async () => {};
        let seen = 0;
        proxy.decide = () => ((seen += 1) - 1 === deniedIndex ? denied : undefined);
        const outcome = await run(store, key, partBytes).catch((error: unknown) => error);
        const requests = seen;
        proxy.decide = () => undefined;
        await end();
        if (deniedIndex < 0) assert.ok(!(outcome instanceof Error), String(outcome));
        else {
          assert.ok(outcome instanceof BackupError, `request ${deniedIndex} denied: ${String(outcome)}`);
          assert.deepEqual([outcome.code, outcome.kind.exitCode], ['STORE_AUTHORIZATION_FAILED', 12], outcome.message);
          assert.match(outcome.message, new RegExp(`^\\w+ (${key}\\S* in )?${place}: HTTP 403 `));
          if (name !== 'the clock') assert.match(outcome.message, new RegExp(key));
          assert.match(outcome.message, grant);
        }
        return requests;
      };
      const requests = await requestsOf(-1);
      assert.ok(requests > 0);
      for (let index = 0; index < requests; index += 1) await requestsOf(index);
      await store.close();
    });
  }
}

/** What a start asks a store for, before it reads anything of the backup. */
function describeStart(troubled: () => TroubledStore): void {
  const start = (store: PartStore, probe: string) =>
    new ProbedObjectStore(store, probe, (...put) => store.putInParts(...put)).get(`${probe}-x`);

  it('is tried out by few requests, the first time and later, and is left with one object', async () => {
    const { proxy, open, isPart } = troubled();
    const probe = newKey();
    let store = open();
    proxy.decide = () => undefined;
    for (let index = 0; index < 2; index += 1) {
      proxy.seen.length = 0;
      assert.equal(await start(store, probe), undefined);
      assert.ok(proxy.seen.length <= 11, `${proxy.seen.length} requests`);
      assert.equal(proxy.seen.filter(isPart).length, 1);
      const found: string[] = [];
      for await (const { key } of store.list(probe)) found.push(key);
      assert.deepEqual(found, [probe]);
      // The trial upload is given up by then, for which a start does not wait.
      await store.close();
      store = open();
      for await (const { name } of store.unfinished(probe)) assert.fail(`${name} stayed behind`);
    }
    await store.close();
  });

  it('is tried out for every request of an object in parts', async () => {
    const { proxy, open, isPart, isEnd, denied } = troubled();
    const requests: Readonly<Record<string, (request: SeenRequest) => boolean>> = {
      begin: ({ method, url }) => method === 'POST' && /[?&](uploads|uploadType=resumable)/.test(url),
      part: isPart,
      end: isEnd,
    };
    let found = 0;
    for (const [name, fits] of Object.entries(requests)) {
      const [store, probe] = [open(), newKey()];
      proxy.seen.length = 0;
      proxy.decide = (request) => (fits(request) ? denied : undefined);
      const refused = await start(store, probe).catch((error: unknown) => error);
      if (!proxy.seen.some(fits)) continue;
      found += 1;
      assert.ok(refused instanceof BackupError, `${name} denied: ${String(refused)}`);
      assert.deepEqual([refused.code, refused.kind.exitCode], ['STORE_AUTHORIZATION_FAILED', 12], refused.message);
      proxy.decide = () => undefined;
      // The trial upload is given up by then, for which a start does not wait.
      await store.close();
      const after = open();
      for await (const { name: left } of after.unfinished(probe)) assert.fail(`${left} stayed behind`);
      await after.close();
    }
    assert.ok(found >= 2, `${found} kinds of requests`);
  });
}

async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}

/** An upload that waits for its end, shown by the store. Returns what ends it. */
async function beginUpload(store: ObjectStore, key: string, partBytes: number): Promise<() => Promise<void>> {
  let release = (): void => {};
  const waiting = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(2 * partBytes + 1);
    await waiting;
    throw new Error('given up');
  }
  const ended = store.putIfAbsent(key, slow()).catch(() => {});
  for (let turn = 0; turn < 100; turn += 1) {
    const found = await first(store.unfinished(key));
    if ((found?.sizeBytes ?? 0) >= 2 * partBytes) {
      uploadIds.set(key, found!.id);
      return async () => {
        release();
        await ended;
      };
    }
    await sleep(30);
  }
  throw new Error(`the store shows no upload of ${key}`);
}
