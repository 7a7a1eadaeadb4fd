import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { type Check, CheckList, exitCodeOf } from '../../../src/doctor/check-list.ts';
import { checkStore } from '../../../src/doctor/store-checks.ts';
import { BackupError, type ErrorCode } from '../../../src/model/errors.ts';
import type { Deletion } from '../../../src/storage/object-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';

const PART_BYTES = 1000;

/** A store with one fault. */
class FaultyStore extends MemoryObjectStore {
  overwrites: (sizeBytes: number) => boolean = () => false;
  refuses: readonly string[] = [];
  refusal: ErrorCode = 'STORE_AUTHORIZATION_FAILED';
  skewMs = 0;

  override async putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    this.#assert('put');
    const parts = [...chunks].map((chunk) => Buffer.from(chunk));
    if (this.overwrites(Buffer.concat(parts).byteLength)) await super.delete(key);
    return super.putIfAbsent(key, parts);
  }

  override get(...args: Parameters<MemoryObjectStore['get']>): ReturnType<MemoryObjectStore['get']> {
    this.#assert('get');
    return super.get(...args);
  }

  override async *list(...args: Parameters<MemoryObjectStore['list']>): ReturnType<MemoryObjectStore['list']> {
    this.#assert('list');
    yield* super.list(...args);
  }

  override async delete(key: string): Promise<Deletion> {
    this.#assert('delete');
    return super.delete(key);
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
    ['may not be read', (store) => (store.refuses = ['get']), ['fail read'], 1],
    ['may not be written', (store) => (store.refuses = ['put']), ['fail create'], 1],
    ['may not be listed', (store) => (store.refuses = ['list']), ['fail reach and list'], 1],
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

  test('warn where the store is sent no checksums', async () => {
    assert.deepEqual(faults(await checksOf(() => {}, 'when_required')), ['warn checksums']);
  });
});
