import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { type Check, CheckList, exitCodeOf } from '../../../src/doctor/check-list.ts';
import { checkStore } from '../../../src/doctor/store-checks.ts';
import { BackupError, type ErrorCode } from '../../../src/model/errors.ts';
import type { Deletion, UnfinishedUpload } from '../../../src/storage/object-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';

const PART_BYTES = 1000;

/** A store with one fault. */
class FaultyStore extends MemoryObjectStore {
  overwrites: (sizeBytes: number) => boolean = () => false;
  /** Bytes of large objects. */
  swaps = false;
  hides = false;
  /** Of an upload that was given up. */
  keepsUploads = false;
  refuses: readonly string[] = [];
  refusal: ErrorCode = 'STORE_AUTHORIZATION_FAILED';
  skewMs = 0;

  #uploads: UnfinishedUpload[] = [];
  #isListing = false;

  override async putIfAbsent(
    key: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    this.#assert('put');
    const parts: Buffer[] = [];
    try {
      for await (const chunk of chunks) parts.push(Buffer.from(chunk));
    } catch (error) {
      if (this.keepsUploads) this.#uploads.push({ name: key, id: '1', touchedAtMs: null, sizeBytes: PART_BYTES });
      throw error;
    }
    if (Buffer.concat(parts).byteLength > PART_BYTES) this.#assert('put in parts');
    if (this.overwrites(Buffer.concat(parts).byteLength)) await super.delete(key);
    return super.putIfAbsent(key, parts);
  }

  override async get(...args: Parameters<MemoryObjectStore['get']>): ReturnType<MemoryObjectStore['get']> {
    this.#assert('get');
    const bytes = await super.get(...args);
    if (this.swaps && bytes !== undefined && bytes.byteLength > PART_BYTES) bytes.reverse();
    return bytes;
  }

  override async head(key: string): ReturnType<MemoryObjectStore['head']> {
    if (!this.#isListing) this.#assert('head');
    return super.head(key);
  }

  override async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    this.#assert('unfinished');
    yield* this.#uploads.filter(({ name }) => name.startsWith(prefix));
  }

  override async discard(upload?: UnfinishedUpload): Promise<void> {
    this.#assert('discard');
    this.#uploads = this.#uploads.filter((one) => one !== upload);
  }

  override async *list(...args: Parameters<MemoryObjectStore['list']>): ReturnType<MemoryObjectStore['list']> {
    this.#assert('list');
    // Which looks at each object.
    this.#isListing = true;
    try {
      yield* super.list(...args);
    } finally {
      this.#isListing = false;
    }
  }

  override async delete(key: string): Promise<Deletion> {
    this.#assert('delete');
    await super.delete(key);
    return this.hides ? 'hidden' : 'deleted';
  }

  override async clock(): Promise<number> {
    return Date.now() + this.skewMs;
  }

  #assert(operation: string): void {
    if (this.refuses.includes(operation)) throw new BackupError(this.refusal, `${operation}: no`);
  }
}

async function checksOf(
  spoil: (store: FaultyStore) => void,
  checksum: string | null = null,
): Promise<readonly Check[]> {
  const store = new FaultyStore();
  spoil(store);
  const list = new CheckList();
  await checkStore(
    {
      ...{ store, layout: new ObjectLayout('b'), partSizeBytes: PART_BYTES, checksum, objectLockDays: null },
      wallMs: () => Date.now(),
    },
    list,
  );
  if (!store.refuses.includes('delete') && !store.refuses.includes('list')) {
    for await (const { key } of store.list('')) assert.fail(`${key} was left behind`);
  }
  return list.checks;
}

/** `status name` of what is not well. */
function faults(checks: readonly Check[]): string[] {
  for (const { status, remedy } of checks) assert.equal(remedy !== null, status !== 'ok');
  return checks.filter(({ status }) => status !== 'ok').map(({ status, name }) => `${status} ${name}`);
}

describe('the checks of a store', () => {
  test('are all well where it keeps its contract', async () => {
    const checks = await checksOf(() => {});
    assert.deepEqual(faults(checks), []);
    assert.deepEqual(
      checks.map(({ number }) => number),
      checks.map((_, index) => index + 1),
    );
    assert.equal(exitCodeOf(checks), 0);
  });

  const cases: readonly (readonly [string, (store: FaultyStore) => void, readonly string[], number])[] = [
    [
      'overwrites small objects',
      (store) => (store.overwrites = (size) => size < PART_BYTES),
      ['fail put if absent'],
      1,
    ],
    [
      'overwrites those that go up in parts',
      (store) => (store.overwrites = (size) => size > PART_BYTES),
      ['fail put if absent in parts'],
      1,
    ],
    ['mixes up parts', (store) => (store.swaps = true), ['fail read in parts'], 1],
    ['only hides what is deleted', (store) => (store.hides = true), ['warn delete'], 0],
    ['leaves an upload that was given up for a second request', (store) => (store.keepsUploads = true), [], 0],
    [
      'may not discard an upload',
      (store) => {
        store.keepsUploads = true;
        store.refuses = ['discard'];
      },
      ['warn give up an upload'],
      0,
    ],
    ['may not list uploads', (store) => (store.refuses = ['unfinished']), ['warn unfinished uploads'], 0],
    ['may not be read', (store) => (store.refuses = ['get', 'head']), ['fail read', 'fail read in parts'], 12],
    ['may not be written', (store) => (store.refuses = ['put']), ['fail create'], 12],
    [
      'may neither be written nor deleted from',
      (store) => (store.refuses = ['put', 'delete']),
      ['fail create', 'warn delete'],
      12,
    ],
    ['may not be written in parts', (store) => (store.refuses = ['put in parts']), ['fail create in parts'], 12],
    ['may not be listed', (store) => (store.refuses = ['list']), ['fail reach and list'], 12],
    [
      'may neither be listed nor read',
      (store) => (store.refuses = ['list', 'get', 'head']),
      ['fail reach and list', 'fail read', 'fail read in parts'],
      12,
    ],
    [
      'is away',
      (store) => {
        store.refuses = ['list', 'put', 'get'];
        store.refusal = 'STORE_UNAVAILABLE';
      },
      ['fail reach and list'],
      1,
    ],
    ['may not be deleted from', (store) => (store.refuses = ['delete']), ['warn delete'], 0],
    ['has a clock a minute off', (store) => (store.skewMs = 60_000), ['warn clock'], 0],
    ['has a clock an hour off', (store) => (store.skewMs = -3_600_000), ['fail clock'], 1],
    [
      'does not know us',
      (store) => {
        store.refuses = ['list'];
        store.refusal = 'STORE_AUTHENTICATION_FAILED';
      },
      ['fail reach and list'],
      12,
    ],
  ];
  for (const [what, spoil, expected, exitCode] of cases) {
    test(`tell that it ${what}`, async () => {
      const checks = await checksOf(spoil);
      assert.deepEqual(faults(checks), expected);
      assert.equal(exitCodeOf(checks), exitCode);
    });
  }

  const looks: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['create', ['put'], ['put if absent', 'list after a key', 'create in parts', 'read in parts', 'give up an upload']],
    ['create in parts', ['put in parts'], ['put if absent in parts', 'read in parts', 'give up an upload']],
    ['list', ['list'], ['clock', 'list after a key']],
    ['list or create', ['list', 'put'], ['clock', 'put if absent', 'read', 'create in parts', 'give up an upload']],
  ];
  for (const [what, refuses, notMade] of looks) {
    test(`leave out only what rests on being allowed to ${what}`, async () => {
      const names = (await checksOf((store) => (store.refuses = refuses))).map(({ name }) => name);
      const all = (await checksOf(() => {})).map(({ name }) => name);
      for (const name of notMade) assert.ok(!names.includes(name) && all.includes(name), name);
      const wanted = ['create', 'delete', 'unfinished uploads', 'checksums'];
      for (const name of refuses.includes('list') && refuses.includes('put') ? wanted : [...wanted, 'read']) {
        assert.ok(names.includes(name), name);
      }
    });
  }

  test('tell what is wrong with an upload that stays, and what to do', async () => {
    const checks = await checksOf((store) => {
      store.keepsUploads = true;
      store.refuses = ['discard'];
    });
    const check = checks.find(({ name }) => name === 'give up an upload');
    assert.equal(check?.message, 'discard: no');
    assert.match(check?.remedy ?? '', /s3:AbortMultipartUpload/);
  });

  test('do not claim that checksums were tried', async () => {
    const [last] = (await checksOf(() => {}, 'CRC32 of every request and object')).slice(-1);
    assert.equal(last?.name, 'checksums');
    assert.match(last.message, /is sent along, and it is up to the store to check it/);
  });

  test('warn where the store is sent no checksums', async () => {
    assert.deepEqual(faults(await checksOf(() => {}, 'when_required')), ['warn checksums']);
  });
});
