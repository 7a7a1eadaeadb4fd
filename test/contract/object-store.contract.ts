// What every object store promises (storage/object-store.ts), as tests that run against each of them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import type { ByteRange, ObjectStore } from '../../src/storage/object-store.ts';
import { describeLeftovers } from './leftovers.contract.ts';

const SEED = { seed: 20_261_120 };
const MIB = 1024 * 1024;
/** What a store may hold of a large object at once. */
const MAX_GROWTH_BYTES = 32 * MIB;

/** Forms of keys that would leave the store's root, or that no store takes alike. */
export const ILLEGAL_KEYS: readonly string[] = [
  '',
  '.',
  '..',
  '../a',
  'a/..',
  'a/../b',
  'a/../../b',
  './a',
  'a/./b',
  '/a',
  '/etc/passwd',
  'a/',
  'a//b',
  '//a',
  '.hidden',
  'a/.hidden',
  'a\\..\\b',
  'C:\\a',
  'a\0b',
  'a%2e%2e/b',
  '%2e%2e/a',
  'a b',
  'a\nb',
  'ä',
  'a/…/b',
  '~/a',
  'a?b',
  'a#b',
  'a:b',
  'x'.repeat(256),
  Array<string>(200).fill('folder').join('/'),
];

export interface OpenStore {
  readonly store: ObjectStore;
  /** False for a store to whom uploads under way leave nothing. */
  readonly showsUploads: boolean;
  /** Removes what the tests left behind. */
  close(): Promise<void>;
}

export async function keysUnder(store: ObjectStore, prefix: string, startAfter?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, startAfter)) keys.push(key);
  return keys;
}

async function textOf(store: ObjectStore, key: string, range?: ByteRange): Promise<string | undefined> {
  const bytes = await store.get(key, range);
  return bytes && Buffer.from(bytes).toString('latin1');
}

export function put(store: ObjectStore, key: string, content: string): Promise<'created' | 'exists'> {
  return store.putIfAbsent(key, [Buffer.from(content, 'latin1')]);
}

async function* stream(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await setImmediate();
    yield Buffer.from(part, 'latin1');
  }
}

/** Runs the whole contract against one kind of store; `open` gives an empty one. */
export function describeObjectStore(name: string, open: () => Promise<OpenStore>): void {
  describe(`the store ${name}`, () => {
    let opened: OpenStore;
    let store: ObjectStore;
    before(async () => {
      opened = await open();
      store = opened.store;
    });
    after(async () => {
      await store.close();
      await opened.close();
    });
    describePuts(() => store);
    describeReads(() => store);
    describeLists(() => store, open);
    describeKeys(() => store);
    describeParts(() => store);
    describeLargeObjects(() => store);
    describeLeftovers(
      () => store,
      () => opened.showsUploads,
    );
  });
}

function describePuts(store: () => ObjectStore): void {
  test('creates an object once; a second put changes nothing', async () => {
    assert.equal(await put(store(), 'once/a', 'first'), 'created');
    assert.equal(await put(store(), 'once/a', 'second, and longer'), 'exists');
    assert.equal(await textOf(store(), 'once/a'), 'first');
  });

  test('lets exactly one of 20 concurrent puts win, whole', async () => {
    for (const round of [1, 2, 3]) {
      const key = `contended/${round}`;
      const bodies = Array.from({ length: 20 }, (_, index) => Array<string>(5).fill(`${index},`.repeat(2000)));
      const outcomes = await Promise.all(bodies.map((body) => store().putIfAbsent(key, stream(body))));
      const winners = outcomes.flatMap((outcome, index) => (outcome === 'created' ? [index] : []));
      assert.equal(winners.length, 1);
      assert.equal(await textOf(store(), key), bodies[winners[0]!]!.join(''));
      assert.deepEqual(await keysUnder(store(), key), [key]);
    }
  });

  test('takes a body of unknown length, in any pieces', async () => {
    const pieces = fc.array(fc.string({ unit: 'binary-ascii', maxLength: 50 }), { maxLength: 8 });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        count += 1;
        await store().putIfAbsent(`pieces/${count}`, stream(parts));
        assert.equal(await textOf(store(), `pieces/${count}`), parts.join(''));
      }),
      { ...SEED, numRuns: 25 },
    );
  });

  test('takes an empty object', async () => {
    assert.equal(await store().putIfAbsent('empty/none', []), 'created');
    assert.equal(await store().putIfAbsent('empty/zero', [new Uint8Array(0), new Uint8Array(0)]), 'created');
    for (const key of ['empty/none', 'empty/zero']) {
      assert.equal(await textOf(store(), key), '');
      assert.equal(await textOf(store(), key, { suffixBytes: 10 }), '');
      assert.equal((await store().head(key))?.sizeBytes, 0);
    }
    assert.equal(await put(store(), 'empty/none', 'x'), 'exists');
  });

  test('shows nothing of a body that throws, and takes the key afterwards', async () => {
    const failure = new Error('the body failed');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(100_000, 1);
      await setImmediate();
      throw failure;
    }
    await assert.rejects(store().putIfAbsent('failing/a', failing()), (error) => error === failure);
    assert.equal(await store().head('failing/a'), undefined);
    assert.equal(await store().get('failing/a'), undefined);
    assert.deepEqual(await keysUnder(store(), 'failing/'), []);
    assert.equal(await put(store(), 'failing/a', 'whole'), 'created');
  });

  test('shows nothing before the body has ended', async () => {
    let finish = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('first');
      await waiting;
      yield Buffer.from(' and last');
    }
    const pending = store().putIfAbsent('slow/a', slow());
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    assert.equal(await store().head('slow/a'), undefined);
    assert.deepEqual(await keysUnder(store(), 'slow/'), []);
    finish();
    assert.equal(await pending, 'created');
    assert.equal(await textOf(store(), 'slow/a'), 'first and last');
  });

  test('has read a chunk before it asks for the next one, so that its memory may be used again', async () => {
    async function* reusing(): AsyncGenerator<Uint8Array> {
      const shared = new Uint8Array(new SharedArrayBuffer(70_000));
      for (let round = 1; round <= 6; round += 1) {
        shared.fill(round);
        yield shared.subarray(0, 70_000 - round);
      }
      shared.fill(0xff);
    }
    await store().putIfAbsent('reused/a', reusing());
    const bytes = await store().get('reused/a');
    const wanted = Buffer.concat([1, 2, 3, 4, 5, 6].map((round) => Buffer.alloc(70_000 - round, round)));
    assert.ok(wanted.equals(bytes!));
  });

  test('lets exactly one of several large bodies win, whole', async () => {
    const bodies = [1, 2, 3].map((fill) => [Buffer.alloc(3 * PART, fill), Buffer.alloc(1000 + fill, fill)]);
    const outcomes = await Promise.all(bodies.map((body) => store().putIfAbsent('contended/large', body)));
    assert.deepEqual(outcomes.toSorted(), ['created', 'exists', 'exists']);
    const winner = Buffer.concat(bodies[outcomes.indexOf('created')]!);
    assert.ok(winner.equals((await store().get('contended/large'))!));
    assert.equal(await store().putIfAbsent('contended/large', bodies[0]!), 'exists');
    await store().delete('contended/large');
  });

  test('shows nothing of a large body that throws after its first parts', async () => {
    const failure = new Error('the body failed');
    async function* failing(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < 3; index += 1) yield Buffer.alloc(PART, index);
      throw failure;
    }
    await assert.rejects(store().putIfAbsent('failing/large', failing()), (error) => error === failure);
    assert.equal(await store().head('failing/large'), undefined);
    assert.deepEqual(await keysUnder(store(), 'failing/large'), []);
    assert.equal(await put(store(), 'failing/large', 'whole'), 'created');
  });

  test('ends the body early when it does not need the rest', async () => {
    await put(store(), 'ended/a', 'x');
    let isEnded = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from('y');
      } finally {
        isEnded = true;
      }
    }
    const body = endless();
    assert.equal(await store().putIfAbsent('ended/a', body), 'exists');
    // A store that never asked for it leaves the body to its owner.
    await body.return(undefined);
    assert.equal(isEnded || (await body.next()).done, true);
  });
}

function describeReads(store: () => ObjectStore): void {
  test('answers undefined for what is not there', async () => {
    await put(store(), 'folder/name', 'x');
    for (const key of ['absent', 'folder/absent', 'folder/nam', 'folder']) {
      assert.equal(await store().get(key), undefined, key);
      assert.equal(await store().get(key, { suffixBytes: 3 }), undefined, key);
      assert.equal(await store().head(key), undefined, key);
    }
  });

  test('reads every range as the bytes between its ends that exist', async () => {
    const content = '0123456789';
    await put(store(), 'ranges/a', content);
    for (const position of [0, 1, 5, 9, 10, 11, 1000]) {
      for (const sizeBytes of [0, 1, 3, 10, 11, 2 ** 40]) {
        const wanted = content.slice(position, position + sizeBytes);
        assert.equal(await textOf(store(), 'ranges/a', { position, sizeBytes }), wanted, `${position}+${sizeBytes}`);
      }
    }
    for (const suffixBytes of [0, 1, 9, 10, 11, 2 ** 40]) {
      const wanted = suffixBytes === 0 ? '' : content.slice(-suffixBytes);
      assert.equal(await textOf(store(), 'ranges/a', { suffixBytes }), wanted, `last ${suffixBytes}`);
    }
  });

  test('reads into the memory it is given, and gives a view of what it wrote', async () => {
    await put(store(), 'into/a', '0123456789');
    const into = new Uint8Array(new SharedArrayBuffer(8)).fill(0x2e);
    const read = await store().get('into/a', { position: 2, sizeBytes: 5 }, into);
    assert.equal(read?.buffer, into.buffer);
    assert.equal(Buffer.from(read!).toString(), '23456');
    assert.equal(Buffer.from(into).toString(), '23456...');
    const tail = await store().get('into/a', { position: 8, sizeBytes: 5 }, into);
    assert.equal(Buffer.from(tail!).toString(), '89');
    assert.equal(await store().get('into/absent', { position: 0, sizeBytes: 5 }, into), undefined);
  });

  test('gives memory that is the caller\u2019s own', async () => {
    await put(store(), 'own/a', 'unchanged');
    (await store().get('own/a'))!.fill(0);
    (await store().get('own/a', { suffixBytes: 3 }))!.fill(0);
    assert.equal(await textOf(store(), 'own/a'), 'unchanged');
  });

  test('tells size and time of an object, alike in head and list', async () => {
    const startedAtMs = Date.now();
    await put(store(), 'info/a', 'twelve bytes');
    const info = await store().head('info/a');
    assert.deepEqual([info?.key, info?.sizeBytes], ['info/a', 12]);
    assert.ok(Math.abs(info!.modifiedAtMs - startedAtMs) < 60_000);
    for await (const listed of store().list('info/')) assert.deepEqual(listed, info);
  });

  test('deletes an object, and again without complaint', async () => {
    await put(store(), 'deleted/a', 'x');
    await put(store(), 'deleted/b', 'y');
    assert.equal(await store().delete('deleted/a'), 'deleted');
    await store().delete('deleted/a');
    await store().delete('deleted/never');
    await store().delete('nowhere/at/all');
    assert.deepEqual(await keysUnder(store(), 'deleted/'), ['deleted/b']);
    assert.equal(await store().get('deleted/a'), undefined);
    assert.equal(await put(store(), 'deleted/a', 'again'), 'created');
  });
}

/** A name is never both an object and a folder: no key of ours is, and a filesystem cannot. */
const anyFolder = fc.constantFrom('a', 'ab', 'a-b', 'a.b', 'a=b', 'B', '0');
const anyName = fc
  .constantFrom('x', 'xy', 'x.y', 'x-y', 'X', '9', '00000000000000000010.json')
  .map((name) => `${name}_`);
const anyKey = fc
  .tuple(fc.array(anyFolder, { maxLength: 3 }), anyName)
  .map(([folders, name]) => [...folders, name].join('/'));

function describeLists(store: () => ObjectStore, open: () => Promise<OpenStore>): void {
  test('lists nothing where there is nothing', async () => {
    assert.deepEqual(await keysUnder(store(), 'no/such/folder/'), []);
    assert.deepEqual(await keysUnder(store(), 'no-such-name'), []);
  });

  test('lists as a model does: by bytes, any prefix, any place to start after', async () => {
    const opened = await open();
    const keys = [...new Set(fc.sample(anyKey, { ...SEED, numRuns: 120 }))];
    for (const key of keys) await put(opened.store, key, key);
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(await keysUnder(opened.store, ''), sorted);
    const anyPrefix = fc.tuple(anyKey, fc.nat(30)).map(([key, length]) => key.slice(0, length));
    const anyStart = fc.option(fc.oneof(anyKey, anyPrefix, fc.constantFrom('a', 'a/', 'zz', '')), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(anyPrefix, anyStart, async (prefix, startAfter) => {
        const wanted = sorted.filter((key) => key.startsWith(prefix) && key > (startAfter ?? ''));
        assert.deepEqual(await keysUnder(opened.store, prefix, startAfter), wanted);
      }),
      { ...SEED, numRuns: 150 },
    );
    await opened.close();
  });

  test('can be listed in part, and by two at a time', async () => {
    for (const index of [1, 2, 3, 4]) await put(store(), `parts/${index}`, 'x');
    for await (const { key } of store().list('parts/')) if (key === 'parts/2') break;
    const both = await Promise.all([keysUnder(store(), 'parts/'), keysUnder(store(), 'parts/', 'parts/2')]);
    assert.deepEqual(
      both.map((keys) => keys.length),
      [4, 2],
    );
  });

  test('survives objects that are deleted while it lists', async () => {
    for (const index of [1, 2, 3]) await put(store(), `vanishing/${index}`, 'x');
    const seen: string[] = [];
    for await (const { key } of store().list('vanishing/')) {
      seen.push(key);
      await store().delete('vanishing/2');
    }
    assert.ok(seen.includes('vanishing/1') && seen.includes('vanishing/3'));
  });
}

function describeKeys(store: () => ObjectStore): void {
  test('takes keys with every character of a topic, and the longest of them', async () => {
    const characters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-';
    const topics = [`t${characters}`, '__consumer_offsets', '-', '_', 'a..b', 't'.repeat(249)];
    const keys = topics.map(
      (topic) => `id-1.0_a/data/${topic}/AAAA_-BBBBBBBBBBBBBBBB==/0/00000000000000000000-x.log.zst`,
    );
    for (const key of keys) assert.equal(await put(store(), key, key), 'created', key);
    for (const key of keys) {
      assert.equal(await textOf(store(), key), key);
      assert.equal((await store().head(key))?.sizeBytes, key.length);
    }
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(await keysUnder(store(), 'id-1.0_a/data/'), sorted);
    for (const key of keys) await store().delete(key);
    assert.deepEqual(await keysUnder(store(), 'id-1.0_a/'), []);
  });

  for (const key of ILLEGAL_KEYS) {
    test(`refuses the key ${JSON.stringify(key.slice(0, 30))} for every operation`, async () => {
      const refused = { name: 'BackupError', code: 'OBJECT_CORRUPT' };
      await assert.rejects(put(store(), key, 'x'), refused);
      await assert.rejects(store().get(key), refused);
      await assert.rejects(store().head(key), refused);
      await assert.rejects(store().delete(key), refused);
    });
  }

  test('refuses a prefix that no key can begin with', async () => {
    for (const prefix of ['../', '../../etc/', '/', '/etc/', 'a/../', './', 'a//', '..']) {
      await assert.rejects(keysUnder(store(), prefix), { code: 'OBJECT_CORRUPT' }, prefix);
    }
  });
}

/** The smallest part that S3 takes, with which all cloud stores are opened here. */
export const PART = 5 * MIB;

function describeParts(store: () => ObjectStore): void {
  test('takes objects of any size around that of a part, and gives any range of them', async () => {
    for (const sizeBytes of [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1]) {
      const key = `parts/of-${sizeBytes}`;
      const content = Buffer.alloc(sizeBytes);
      for (let position = 0; position + 4 <= sizeBytes; position += 4096) content.writeUInt32LE(position, position);
      // Pieces that fit into nothing.
      const pieces = Array.from({ length: Math.ceil(sizeBytes / 777_777) }, (_, index) =>
        content.subarray(index * 777_777, (index + 1) * 777_777),
      );
      assert.equal(await store().putIfAbsent(key, pieces), 'created');
      assert.equal((await store().head(key))?.sizeBytes, sizeBytes);
      assert.ok(content.equals((await store().get(key))!), key);
      for (const position of [0, PART - 10, PART - 1, sizeBytes - 5]) {
        const found = await store().get(key, { position, sizeBytes: 20 });
        assert.ok(content.subarray(position, position + 20).equals(found!), `${key} from ${position}`);
      }
      assert.ok(content.subarray(-30).equals((await store().get(key, { suffixBytes: 30 }))!), key);
      await store().delete(key);
    }
  });

  test('lists more objects than fit into one answer, each once and in order', async () => {
    const keys = Array.from({ length: 1100 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
    for (let from = 0; from < keys.length; from += 50) {
      await Promise.all(keys.slice(from, from + 50).map((key) => put(store(), key, 'x')));
    }
    assert.deepEqual(await keysUnder(store(), 'many/'), keys);
    assert.deepEqual(await keysUnder(store(), 'many/', keys[40]), keys.slice(41));
    assert.deepEqual(await keysUnder(store(), 'many/0010'), keys.slice(100, 110));
  });
}

function describeLargeObjects(store: () => ObjectStore): void {
  test('streams an object of 64 MiB without holding it in memory', async () => {
    const chunk = Buffer.alloc(MIB);
    const wanted = createHash('sha256');
    let highest = 0;
    const before = outsideMemory(store());
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < 64; index += 1) {
        chunk.fill(index);
        wanted.update(chunk);
        yield chunk;
        highest = Math.max(highest, outsideMemory(store()) - before);
      }
    }
    assert.equal(await store().putIfAbsent('large/a', body()), 'created');
    assert.ok(highest < MAX_GROWTH_BYTES, `grew by ${highest} bytes`);
    assert.equal((await store().head('large/a'))?.sizeBytes, 64 * MIB);
    const found = createHash('sha256');
    const into = new Uint8Array(MIB);
    for (let position = 0; position < 64 * MIB; position += MIB) {
      found.update((await store().get('large/a', { position, sizeBytes: MIB }, into))!);
    }
    assert.equal(found.digest('hex'), wanted.digest('hex'));
    await store().delete('large/a');
  });
}

/** Buffers of this process; for a store that keeps its objects in memory there is nothing to measure. */
function outsideMemory({ description }: ObjectStore): number {
  return description === 'memory' ? 0 : process.memoryUsage().arrayBuffers;
}
