import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { CatalogWriter } from '../../../src/catalog/catalog-writer.ts';
import { type CatalogAction, decodeCommit, encodeCommit } from '../../../src/catalog/commit.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { ByteRange, ObjectStore } from '../../../src/storage/object-store.ts';
import {
  AnswerLosingStore,
  contentOf,
  copyWith,
  gap,
  headOf,
  keysOf,
  LAYOUT,
  ORDERS,
  openWriter,
  partition,
  segment,
  start,
  T0,
  topicSeen,
  truncation,
} from './catalog-fixture.ts';

const CORRUPT = { name: 'BackupError', code: 'CATALOG_CORRUPT' };
const OTHER = partition('orders', 1);

/** Fails the first read after the put of a certain object. */
class ReadFailingStore extends MemoryObjectStore {
  failsAfter = '';
  #isFailing = false;

  override async putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    this.#isFailing ||= key === this.failsAfter;
    return super.putIfAbsent(key, chunks);
  }

  override async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    if (!this.#isFailing) return super.get(key, range, into);
    [this.#isFailing, this.failsAfter] = [false, ''];
    throw new BackupError('STORE_UNAVAILABLE', `get ${key}: connection reset`);
  }
}

async function segmentsOf(store: ObjectStore, number = 0): Promise<readonly SegmentSummary[]> {
  const state = await readCatalog(store, LAYOUT, { ignoreCheckpoints: true });
  return state.incarnation(ORDERS.topic, ORDERS.topicId).partition(number).segments;
}

describe('a catalog writer', () => {
  test('commits many actions as one version, and a new one goes on from there', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const actions = [topicSeen(ORDERS), segment(ORDERS, 0n, 10n), gap(ORDERS, 10n, 14n), segment(OTHER, 3n, 5n)];
    const result = await writer.commit(actions);
    assert.deepEqual(result, { version: 1, committed: actions, fenced: [] });
    const next = await openWriter(store);
    assert.deepEqual(headOf(next.state), headOf(writer.state));
    assert.deepEqual(next.state.historyOf(actions[2]!)?.resume, { nextOffset: 15n, leaderEpoch: 4, timeline: 0 });
    assert.equal((await next.commit([segment(ORDERS, 15n, 20n)])).version, 2);
  });

  test('writes nothing for no actions', async () => {
    const store = new MemoryObjectStore();
    assert.deepEqual(await (await openWriter(store)).commit([]), { version: 0, committed: [], fenced: [] });
    assert.deepEqual(await keysOf(store), []);
  });

  test('refuses to write what could not be read back', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const action = segment(ORDERS, 0n, 10n);
    assert.ok(action.kind === 'segment');
    const beyond = { ...action, segment: { ...action.segment, maxTimestampMs: 2 ** 60 } };
    await assert.rejects(writer.commit([beyond]), CORRUPT);
    assert.deepEqual(await keysOf(store), []);
  });
});

describe('two writers of one backup', () => {
  test('that find a partition begin where the first of them said; only what does not continue that is fenced', async () => {
    const store = new MemoryObjectStore();
    const [a, b] = [await openWriter(store), await openWriter(store)];
    const [mine, other] = [start(ORDERS, 500n), start(ORDERS, 503n)];
    assert.deepEqual(await a.commit([mine, start(OTHER, 0n)]), {
      version: 1,
      committed: [mine, start(OTHER, 0n)],
      fenced: [],
    });
    assert.deepEqual(await b.commit([other, start(OTHER, 0n)]), {
      version: 2,
      committed: [other, start(OTHER, 0n)],
      fenced: [],
    });
    assert.equal(b.state.historyOf(mine)?.resume?.nextOffset, 500n);
    const late = segment(ORDERS, 503n, 510n);
    assert.deepEqual((await b.commit([late, segment(OTHER, 0n, 5n)])).fenced, [late]);
    assert.deepEqual((await a.commit([segment(ORDERS, 500n, 510n)])).fenced, []);
  });

  test('commit different partitions side by side', async () => {
    const store = new MemoryObjectStore();
    const [a, b] = [await openWriter(store), await openWriter(store)];
    const [first, second] = await Promise.all([
      a.commit([segment(ORDERS, 0n, 5n)]),
      b.commit([segment(OTHER, 0n, 5n)]),
    ]);
    assert.deepEqual([first.fenced, second.fenced], [[], []]);
    assert.deepEqual(new Set([first.version, second.version]), new Set([1, 2]));
  });

  test('of the same partition: one is fenced, with all that follows there, and keeps its other partitions', async () => {
    const store = new MemoryObjectStore();
    const [a, b] = [await openWriter(store), await openWriter(store)];
    await a.commit([segment(ORDERS, 0n, 10n)]);
    const lost = [segment(ORDERS, 0n, 5n), segment(ORDERS, 5n, 20n), gap(ORDERS, 20n, 30n), segment(ORDERS, 31n, 40n)];
    const kept = [segment(OTHER, 0n, 9n), segment(OTHER, 9n, 12n)];
    const result = await b.commit([lost[0]!, kept[0]!, ...lost.slice(1), kept[1]!]);
    assert.deepEqual(result.fenced, lost);
    assert.deepEqual(result.committed, kept);
    assert.equal((await segmentsOf(store)).length, 1);
    assert.equal((await segmentsOf(store, 1)).length, 2);
  });

  test('of the same partition: what the fenced one had under way does not fence the other in turn', async () => {
    const store = new MemoryObjectStore();
    const [a, b] = [await openWriter(store), await openWriter(store)];
    await a.commit([segment(ORDERS, 0n, 10n)]);
    assert.equal((await b.commit([segment(ORDERS, 0n, 10n)])).fenced.length, 1);
    const late = [segment(ORDERS, 10n, 20n), gap(ORDERS, 20n, 24n), truncation(ORDERS, 25n, 1)];
    assert.deepEqual((await b.commit(late)).fenced, late);
    assert.deepEqual((await a.commit([segment(ORDERS, 10n, 15n)])).fenced, []);
  });

  test('of the same partition: the fate of each action stays the same when it could not be told at first', async () => {
    const store = new ReadFailingStore();
    const [a, b] = [await openWriter(store), await openWriter(store)];
    await a.commit([segment(ORDERS, 0n, 10n)]);
    const [lost, kept] = [segment(ORDERS, 0n, 5n), [gap(OTHER, 0n, 4n), segment(OTHER, 5n, 9n)]];
    store.failsAfter = LAYOUT.commit(2);
    await assert.rejects(b.commit([lost, ...kept]), { code: 'STORE_UNAVAILABLE' });
    assert.deepEqual(await b.commit([lost, ...kept]), { version: 2, committed: kept, fenced: [lost] });
    assert.equal((await segmentsOf(store, 1)).length, 1);
  });

  test('on different timelines: who has not seen the truncation is fenced', async () => {
    const store = new MemoryObjectStore();
    const [a, b, c] = [await openWriter(store), await openWriter(store), await openWriter(store)];
    await a.commit([segment(ORDERS, 0n, 100n)]);
    await a.commit([truncation(ORDERS, 60n, 1), segment(ORDERS, 60n, 80n, { timeline: 1 })]);
    assert.equal((await b.commit([segment(ORDERS, 100n, 120n)])).fenced.length, 1);
    assert.equal((await c.commit([truncation(ORDERS, 70n, 1)])).fenced.length, 1);
    assert.deepEqual((await a.commit([truncation(ORDERS, 70n, 2)])).fenced, []);
  });

  test('racing at random never both commit the same offsets, each action has one fate, and each partition keeps a writer', async () => {
    const step = fc.record({
      writer: fc.nat(2),
      partition: fc.nat(1),
      lengths: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }),
        async (rounds) => {
          const store = new MemoryObjectStore();
          const writers = [await openWriter(store), await openWriter(store), await openWriter(store)];
          const committed: CatalogAction[] = [];
          const fenced: CatalogAction[] = [];
          const losers = [new Set<number>(), new Set<number>()];
          for (const round of rounds) {
            await Promise.all(
              writers.map(async (writer, index) => {
                for (const { partition: number, lengths } of round.filter((one) => one.writer === index)) {
                  const result = await writer.commit(continuation(writer, number, lengths));
                  committed.push(...result.committed);
                  fenced.push(...result.fenced);
                  if (result.fenced.length > 0) losers[number]?.add(index);
                  else assert.ok(losers[number]?.has(index) === false, 'who was fenced once does not come back');
                }
              }),
            );
          }
          const keys = new Set<string>();
          for (const number of [0, 1]) {
            let nextOffset = 0n;
            for (const { key, baseOffset, nextOffset: after } of await segmentsOf(store, number)) {
              assert.equal(baseOffset, nextOffset, 'no overlap and no hole');
              nextOffset = after;
              keys.add(key);
            }
          }
          assert.deepEqual(new Set(committed.map(keyOf)), keys);
          assert.equal(committed.length, keys.size);
          for (const of of losers) assert.ok(of.size < writers.length);
          assert.ok(fenced.every((action) => !keys.has(keyOf(action))));
        },
      ),
      { seed: 20_261_120, numRuns: 60 },
    );
  });

  function continuation(writer: CatalogWriter, number: number, lengths: readonly number[]): CatalogAction[] {
    const identity = partition('orders', number);
    let baseOffset =
      writer.state.incarnation(identity.topic, identity.topicId).partition(number).resume?.nextOffset ?? 0n;
    return lengths.map((length) => {
      const action = segment(identity, baseOffset, baseOffset + BigInt(length));
      baseOffset += BigInt(length);
      return action;
    });
  }

  function keyOf(action: CatalogAction): string {
    assert.ok(action.kind === 'segment');
    return action.segment.key;
  }
});

describe('a commit whose answer was lost', () => {
  const actions = [topicSeen(ORDERS), segment(ORDERS, 0n, 10n), gap(ORDERS, 10n, 19n), segment(ORDERS, 20n, 30n)];
  const other = [gap(OTHER, 0n, 4n), { kind: 'note', text: 'hello' } as const];
  const cut = [truncation(ORDERS, 25n, 1), segment(ORDERS, 25n, 28n, { timeline: 1 })];

  test('is recognised when it is given again: everything is committed once, nothing is fenced', async () => {
    const store = new AnswerLosingStore();
    const writer = await openWriter(store);
    store.isLost = () => true;
    await assert.rejects(writer.commit([...actions, ...other]), { code: 'STORE_UNAVAILABLE' });
    store.isLost = () => false;
    const result = await writer.commit([...actions, ...other]);
    assert.deepEqual(result.fenced, []);
    assert.deepEqual(new Set(result.committed), new Set([...actions, ...other]));
    assert.equal(result.version, 1);
    assert.deepEqual(await keysOf(store), [LAYOUT.commit(1)]);
    assert.equal((await segmentsOf(store)).length, 2);
  });

  test('is recognised though more actions have come in the meantime, and its answers were lost time and again', async () => {
    const store = new AnswerLosingStore();
    const writer = await openWriter(store);
    store.isLost = () => true;
    await assert.rejects(writer.commit(actions));
    await assert.rejects(writer.commit([...actions, ...other]));
    await assert.rejects(writer.commit([...actions, ...other, ...cut]));
    store.isLost = () => false;
    const result = await writer.commit([...actions, ...other, ...cut]);
    assert.deepEqual(result.fenced, []);
    assert.equal(result.committed.length, actions.length + other.length + cut.length);
    const state = await readCatalog(store, LAYOUT);
    const history = state.incarnation(ORDERS.topic, ORDERS.topicId).partition(0);
    assert.deepEqual([history.segments.length, history.gaps.length, history.truncations.length], [3, 1, 1]);
    assert.deepEqual(headOf(writer.state), headOf(state));
  });

  test('and that another writer has followed, is recognised too', async () => {
    const store = new AnswerLosingStore();
    const [writer, competitor] = [await openWriter(store), await openWriter(store)];
    store.isLost = () => true;
    await assert.rejects(writer.commit(actions));
    store.isLost = () => false;
    await competitor.commit([segment(OTHER, 0n, 3n)]);
    assert.deepEqual((await writer.commit([...actions, segment(ORDERS, 30n, 31n)])).fenced, []);
    assert.equal((await segmentsOf(store)).length, 3);
  });

  test('by an agent that was started again since, is recognised by its segments', async () => {
    const store = new AnswerLosingStore();
    const writer = await openWriter(store);
    store.isLost = () => true;
    const only = segment(ORDERS, 0n, 10n);
    await assert.rejects(writer.commit([only]));
    store.isLost = () => false;
    const result = await (await openWriter(store)).commit([only]);
    assert.deepEqual([result.committed, result.fenced], [[only], []]);
    assert.equal((await segmentsOf(store)).length, 1);
  });
});

describe('the requests to the store', () => {
  test('are told by each commit since the one before, and added up whoever wrote it', async () => {
    const store = new MemoryObjectStore();
    const counts = new Map([['ListObjectsV2', 2]]);
    const writer = await openWriter(store, () => counts);
    const other = await openWriter(store, () => new Map([['PutObject', 7]]));
    await writer.commit([segment(ORDERS, 0n, 5n)]);
    counts.set('PutObject', 3);
    await writer.commit([segment(ORDERS, 5n, 9n)]);
    await other.commit([segment(OTHER, 0n, 9n)]);
    await writer.commit([segment(ORDERS, 9n, 10n)]);
    const told = [1, 2, 3, 4].map(async (version) => {
      const { requests } = decodeCommit((await store.get(LAYOUT.commit(version)))!, '');
      return Object.fromEntries(requests);
    });
    assert.deepEqual(await Promise.all(told), [{ ListObjectsV2: 2 }, { PutObject: 3 }, { PutObject: 7 }, {}]);
    const sum = new Map(Object.entries({ ListObjectsV2: 2, PutObject: 10 }));
    assert.deepEqual((await readCatalog(store, LAYOUT)).requests, sum);
    assert.deepEqual((await readCatalog(store, LAYOUT, { topics: () => false })).requests, sum);
    assert.deepEqual(writer.state.requests, sum);
  });

  test('of a commit whose answer was lost are told once, and those of one that never arrived are not lost', async () => {
    const store = new AnswerLosingStore();
    const writer = await openWriter(store, () => new Map([['PutObject', store.puts]]));
    await writer.commit([segment(ORDERS, 0n, 1n)]);
    store.isLost = () => true;
    const unanswered = segment(ORDERS, 1n, 2n);
    await assert.rejects(writer.commit([unanswered]));
    store.isLost = () => false;
    await writer.commit([unanswered, segment(OTHER, 0n, 5n)]);
    assert.equal(store.puts, 4, 'the third one found the second commit');
    assert.deepEqual(writer.state.requests, new Map([['PutObject', 3]]));
    await writer.commit([segment(ORDERS, 2n, 3n)]);
    assert.deepEqual((await readCatalog(store, LAYOUT)).requests, new Map([['PutObject', 4]]));
  });
});

describe('a damaged catalog', () => {
  async function written(commits = 5): Promise<MemoryObjectStore> {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    for (let index = 0; index < commits; index += 1)
      await writer.commit([segment(ORDERS, BigInt(index), BigInt(index + 1))]);
    return store;
  }

  test('with a hole is refused by readers and writers, and nothing is written', async () => {
    const whole = await written();
    for (const version of [1, 2, 3, 4]) {
      const store = await copyWith(whole, LAYOUT.commit(version), () => null);
      const before = await keysOf(store);
      await assert.rejects(readCatalog(store, LAYOUT), CORRUPT);
      await assert.rejects(openWriter(store), CORRUPT);
      assert.deepEqual(await keysOf(store), before);
    }
  });

  test('whose history was rewritten shows it: any field of any commit but the last', async () => {
    const whole = await written();
    for (const version of [1, 2, 3, 4]) {
      const store = await copyWith(whole, LAYOUT.commit(version), (bytes) => {
        const commit = decodeCommit(bytes, '');
        return encodeCommit({ ...commit, committedAtMs: commit.committedAtMs + 1 });
      });
      await assert.rejects(readCatalog(store, LAYOUT), CORRUPT);
      await assert.rejects(openWriter(store), CORRUPT);
    }
  });

  test('with any bit of a commit flipped is refused', async () => {
    const whole = await written(2);
    const size = (await whole.head(LAYOUT.commit(1)))!.sizeBytes;
    for (let bit = 0; bit < size * 8; bit += 1) {
      const store = await copyWith(whole, LAYOUT.commit(1), (bytes) => {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        return bytes;
      });
      await assert.rejects(readCatalog(store, LAYOUT), (error: { code?: string }) =>
        /^(CATALOG_CORRUPT|FORMAT_TOO_NEW)$/.test(error.code ?? ''),
      );
    }
  });

  test('with two commits exchanged, or one replayed under a later number, is refused', async () => {
    const whole = await written();
    const third = (await whole.get(LAYOUT.commit(3)))!;
    await assert.rejects(readCatalog(await copyWith(whole, LAYOUT.commit(4), () => third), LAYOUT), CORRUPT);
    const replayed = await copyWith(whole, 'none', (bytes) => bytes);
    await replayed.putIfAbsent(LAYOUT.commit(6), [third]);
    await assert.rejects(readCatalog(replayed, LAYOUT), CORRUPT);
  });

  test('that a writer meets while it runs stops it before it writes', async () => {
    const store = await written(2);
    const writer = await openWriter(store);
    const forged = encodeCommit({
      version: 3,
      previousSha256: 'ab'.repeat(32),
      writer: 'x',
      committedAtMs: T0,
      requests: new Map(),
      actions: [],
    });
    await store.putIfAbsent(LAYOUT.commit(3), [forged]);
    const before = await keysOf(store);
    await assert.rejects(writer.commit([segment(ORDERS, 2n, 3n)]), CORRUPT);
    assert.deepEqual(await keysOf(store), before);
  });

  test('is not shortened by objects that do not belong there', async () => {
    const store = await written(4);
    for (const name of [
      '00000000000000000001.json.bak',
      '00000000000000000000-README',
      '0',
      '00000000000000000002-copy.json',
      'lost.found',
    ]) {
      await store.putIfAbsent(`${LAYOUT.catalogPrefix}${name}`, [Buffer.from('{}')]);
    }
    assert.equal((await readCatalog(store, LAYOUT)).version, 4);
    const writer = await openWriter(store);
    assert.equal((await writer.commit([segment(ORDERS, 4n, 5n)])).version, 5);
  });

  test('in a store that fails reports the failure once, with nothing left unhandled', async () => {
    const store = await written(40);
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const gone = await copyWith(store, LAYOUT.commit(3), () => Buffer.from('not JSON'));
    const broken = await copyWith(gone, LAYOUT.commit(9), () => Buffer.from('not JSON'));
    await assert.rejects(readCatalog(broken, LAYOUT), CORRUPT);
    await setImmediate();
    await setImmediate();
    process.off('unhandledRejection', note);
    assert.deepEqual(unhandled, []);
  });
});

describe('a catalog as of a version', () => {
  test('is what it was then', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const contents: unknown[] = [];
    for (let index = 0; index < 6; index += 1) {
      await writer.commit([segment(ORDERS, BigInt(index), BigInt(index + 1))]);
      contents.push(contentOf(await readCatalog(store, LAYOUT)));
      if (index === 3) await writer.checkpoint(true);
    }
    for (const [index, content] of contents.entries()) {
      assert.deepEqual(contentOf(await readCatalog(store, LAYOUT, { version: index + 1 })), content);
    }
    await assert.rejects(readCatalog(store, LAYOUT, { version: 7 }), { code: 'BACKUP_NOT_FOUND' });
  });
});
