import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BackupError } from '../../../../src/model/errors.ts';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { readCatalog } from '../../../../src/catalog/catalog-reader.ts';
import type { CatalogState } from '../../../../src/catalog/catalog-state.ts';
import { resumeCheckpoint } from '../../../../src/catalog/checkpoint/checkpoint.ts';
import type { CatalogAction } from '../../../../src/catalog/commit.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import {
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
} from '../catalog-fixture.ts';

/** Three incarnations of two topics, two partitions each. */
const PARTITIONS = ['A', 'B', 'C'].flatMap((letter) =>
  [0, 1].map((number) => partition(letter === 'C' ? 'orders' : `topic.${letter}`, number, letter)),
);

interface Step {
  readonly partition: number;
  readonly kind: 'start' | 'segment' | 'gap' | 'truncation' | 'topic' | 'note' | 'remove';
  readonly length: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  partition: fc.nat(PARTITIONS.length - 1),
  kind: fc.constantFrom('start', 'segment', 'segment', 'segment', 'gap', 'truncation', 'topic', 'note', 'remove'),
  length: fc.integer({ min: 1, max: 50 }),
});
const anyCommits = fc.array(
  fc.record({ steps: fc.array(anyStep, { minLength: 1, maxLength: 5 }), isCheckpoint: fc.boolean() }),
  {
    minLength: 1,
    maxLength: 14,
  },
);

/** Turns steps into actions that continue their partitions. */
class Author {
  readonly #positions = PARTITIONS.map(() => ({ nextOffset: 0n, timeline: 0, hasBegun: false, keys: [] as string[] }));

  action({ partition: index, kind, length }: Step): CatalogAction {
    const identity = PARTITIONS[index]!;
    const position = this.#positions[index]!;
    const from = position.nextOffset;
    const span = BigInt(length);
    const { hasBegun } = position;
    position.hasBegun ||= kind !== 'topic' && kind !== 'note' && kind !== 'remove';
    switch (kind) {
      case 'start':
        if (!hasBegun) position.nextOffset = span;
        return start(identity, span);
      case 'segment': {
        position.nextOffset = from + span;
        const action = segment(identity, from, position.nextOffset, {
          timeline: position.timeline,
          leaderEpoch: length,
          reachedLogEnd: length % 2 === 0,
          maxTimestampMs: T0 - length,
        });
        if (action.kind === 'segment') position.keys.push(action.segment.key);
        return action;
      }
      case 'gap':
        position.nextOffset = from + span;
        return gap(identity, from, position.nextOffset - 1n, position.timeline);
      case 'truncation':
        position.timeline += 1;
        position.nextOffset = from > span ? from - span : 0n;
        return truncation(identity, position.nextOffset, position.timeline);
      case 'topic':
        return topicSeen(identity, length);
      case 'note':
        return { kind: 'note', text: `note ${length}` };
      case 'remove':
        return {
          kind: 'remove',
          key: position.keys.shift() ?? LAYOUT.segment(identity, 0n, 'never', 'zstd'),
          partition: identity,
        };
    }
  }
}

function livesOf({ incarnations }: CatalogState): string[] {
  return incarnations.map(({ topic, topicId }) => `${topic}/${topicId}`);
}

describe('a checkpoint', () => {
  test('gives the state that the commits give, whatever was done and whenever it was written', async () => {
    await fc.assert(
      fc.asyncProperty(anyCommits, async (commits) => {
        const store = new MemoryObjectStore();
        const author = new Author();
        let requests = 0;
        const counted = () => openWriter(store, () => new Map([['PutObject', requests]]));
        let writer = await counted();
        let checkpointVersion = 0;
        for (const { steps, isCheckpoint } of commits) {
          requests += steps.length;
          const { fenced } = await writer.commit(steps.map((step) => author.action(step)));
          assert.deepEqual(fenced, []);
          if (isCheckpoint) {
            await writer.checkpoint(true);
            checkpointVersion = writer.state.version;
            // Another process, which has asked for nothing yet.
            if (steps.length === 1) [writer, requests] = [await counted(), 0];
          }
        }
        const asked = commits.reduce((sum, { steps }) => sum + steps.length, 0);
        assert.deepEqual(writer.state.requests, new Map([['PutObject', asked]]));
        const fromLog = await readCatalog(store, LAYOUT, { ignoreCheckpoints: true });
        const state = await readCatalog(store, LAYOUT);
        assert.deepEqual(contentOf(state), contentOf(fromLog));
        assert.deepEqual(livesOf(state), livesOf(fromLog), 'the newest life of a topic is its last one');
        assert.equal(state.checkpointVersion, checkpointVersion, 'no fault was found with it');
        const head = headOf(fromLog);
        assert.deepEqual(headOf(writer.state), head);
        assert.deepEqual(headOf((await openWriter(store)).state), head);
      }),
      { seed: 20_261_120, numRuns: 120 },
    );
  });

  test('carries where partitions begin of which nothing is stored', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    await writer.commit([topicSeen(ORDERS), start(ORDERS, 500n), start(partition('orders', 1), 0n)]);
    await writer.checkpoint(true);
    await store.delete(LAYOUT.commit(1));
    const { state } = await openWriter(store);
    assert.deepEqual(
      [...state.incarnation(ORDERS.topic, ORDERS.topicId).partitions].map(([number, { resume }]) => [number, resume]),
      [500n, 0n].map((nextOffset, number) => [number, { nextOffset, leaderEpoch: -1, timeline: 0 }]),
    );
    assert.deepEqual(headOf(await readCatalog(store, LAYOUT)), headOf(state));
  });

  async function written(commits: number, isDue: (index: number) => boolean): Promise<MemoryObjectStore> {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const other = partition('other', 0, 'B');
    for (let index = 0; index < commits; index += 1) {
      const from = BigInt(index);
      await writer.commit([
        segment(ORDERS, from, from + 1n),
        ...(index % 4 === 0 ? [segment(other, from / 4n, from / 4n + 1n)] : []),
      ]);
      if (isDue(index)) await writer.checkpoint(true);
    }
    return store;
  }

  test('is written after so many commits, not before, and by nobody twice', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const checkpoints = async (): Promise<number> =>
      (await keysOf(store, LAYOUT.checkpointPrefix)).filter((key) => LAYOUT.versionOfCheckpoint(key) !== undefined)
        .length;
    for (let index = 0; index < 130; index += 1) {
      await writer.commit([segment(ORDERS, BigInt(index), BigInt(index + 1))]);
      await writer.checkpoint();
      assert.equal(await checkpoints(), Math.floor((index + 1) / 64));
    }
    await writer.checkpoint(true);
    await writer.checkpoint(true);
    assert.equal(await checkpoints(), 3);
  });

  test('has logarithmically many pieces of a topic, and none of a topic that did not change is written again', async () => {
    const store = await written(100, () => true);
    const { index } = (await resumeCheckpoint(store, LAYOUT))!;
    assert.equal(index.version, 100);
    const { pieces } = index.topics.get(`orders/${ORDERS.topicId}`)!;
    assert.ok(pieces.length <= 8, `${pieces.length} pieces`);
    assert.equal(
      pieces.reduce((sum, piece) => sum + piece.actionCount, 0),
      100,
    );
    const ofOther = (await keysOf(store, `${LAYOUT.checkpointPiecePrefix}other/`)).length;
    assert.equal(ofOther, 25, 'one for each checkpoint at which it had changed');
  });

  test('that was deleted, whole or in part, is done without', async () => {
    const store = await written(9, (index) => index === 3 || index === 6);
    const state = await readCatalog(store, LAYOUT, { ignoreCheckpoints: true });
    const [fromLog, head] = [contentOf(state), headOf(state)];
    for (const key of await keysOf(store, LAYOUT.checkpointPrefix)) {
      const without = await copyWith(store, key, () => null);
      assert.deepEqual(contentOf(await readCatalog(without, LAYOUT)), fromLog, key);
      assert.deepEqual(headOf((await openWriter(without)).state), head, key);
    }
    for (const key of await keysOf(store, LAYOUT.checkpointPrefix)) await store.delete(key);
    assert.deepEqual(headOf((await openWriter(store)).state), head);
  });

  test('that was damaged at any byte, or cut, is done without', async () => {
    const store = await written(5, (index) => index === 3);
    const fromLog = contentOf(await readCatalog(store, LAYOUT, { ignoreCheckpoints: true }));
    for (const key of await keysOf(store, LAYOUT.checkpointPrefix)) {
      const size = (await store.head(key))!.sizeBytes;
      for (let at = 0; at < size; at += 1) {
        const damaged = await copyWith(store, key, (bytes) => {
          bytes[at]! ^= 0x04;
          return bytes;
        });
        assert.deepEqual(contentOf(await readCatalog(damaged, LAYOUT)), fromLog, `${key} byte ${at}`);
      }
      for (const length of [0, 1, 8, size - 1]) {
        const cut = await copyWith(store, key, (bytes) => bytes.subarray(0, length));
        assert.deepEqual(contentOf(await readCatalog(cut, LAYOUT)), fromLog, `${key} cut at ${length}`);
      }
    }
  });

  for (const code of ['STORE_CHECKSUM_MISMATCH', 'OBJECT_CORRUPT'] as const) {
    test(`that the store itself finds damaged (${code}) is done without`, async (context) => {
      const store = await written(5, (index) => index === 3);
      const fromLog = contentOf(await readCatalog(store, LAYOUT, { ignoreCheckpoints: true }));
      const get = store.get.bind(store);
      context.mock.method(store, 'get', async (...args: Parameters<typeof get>) => {
        if (args[0].startsWith(LAYOUT.checkpointPrefix)) throw new BackupError(code, args[0]);
        return get(...args);
      });
      assert.deepEqual(contentOf(await readCatalog(store, LAYOUT)), fromLog);
    });
  }

  test('of another version under its name is done without', async () => {
    const store = await written(8, (index) => index === 2 || index === 5);
    const older = (await store.get(LAYOUT.checkpoint(3)))!;
    const replayed = await copyWith(store, LAYOUT.checkpoint(6), () => older);
    const state = await readCatalog(replayed, LAYOUT);
    assert.deepEqual(contentOf(state), contentOf(await readCatalog(store, LAYOUT, { ignoreCheckpoints: true })));
    assert.equal(state.checkpointVersion, 3);
  });

  test('with positions that its pieces do not lead to is done without', async () => {
    const store = await written(8, (index) => index === 2 || index === 5);
    const forged = await copyWith(store, LAYOUT.checkpoint(6), (bytes) => {
      const text = zstdDecompressSync(bytes).toString();
      assert.match(text, /"nextOffset":"6"/);
      return zstdCompressSync(text.replace('"nextOffset":"6"', '"nextOffset":"7"'));
    });
    const state = await readCatalog(forged, LAYOUT);
    assert.deepEqual(contentOf(state), contentOf(await readCatalog(store, LAYOUT, { ignoreCheckpoints: true })));
    assert.equal(state.checkpointVersion, 3);
  });

  test('has pieces of a bounded size, though their number grows with that', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const length = 900;
    for (let round = 0; round < 8; round += 1) {
      const first = round * length;
      const offsets = Array.from({ length }, (_, index) => BigInt(first + index));
      await writer.commit(offsets.map((offset) => segment(ORDERS, offset, offset + 1n)));
      await writer.checkpoint(true);
    }
    const { index } = (await resumeCheckpoint(store, LAYOUT))!;
    const counts = index.topics.get(`orders/${ORDERS.topicId}`)!.pieces.map(({ actionCount }) => actionCount);
    assert.deepEqual(counts, [1800, 1800, 1800, 1800]);
    await writer.commit(Array.from({ length: 4500 }, () => topicSeen(ORDERS)));
    await writer.checkpoint(true);
    const [added] = (await resumeCheckpoint(store, LAYOUT))!.index.topics.values();
    assert.deepEqual(
      added!.pieces.map(({ actionCount }) => actionCount),
      [1800, 1800, 1800, 1800, 2000, 2000, 500],
      'nor is one for all of them, when many come at once',
    );
    const state = await readCatalog(store, LAYOUT);
    assert.equal(state.checkpointVersion, 9);
    assert.equal(state.incarnation('orders', ORDERS.topicId).partition(0).segments.length, 8 * length);
  });

  test('is written while a writer still reads, when there are too many commits to hold', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    for (let round = 0; round < 3; round += 1) {
      const offsets = Array.from({ length: 9000 }, (_, index) => BigInt(round * 9000 + index));
      await writer.commit(offsets.map((offset) => segment(ORDERS, offset, offset + 1n)));
    }
    const next = await openWriter(store);
    assert.deepEqual(headOf(next.state), headOf(writer.state));
    assert.equal((await resumeCheckpoint(store, LAYOUT))?.index.version, 3);
  });

  test('heals: after damage to a piece the next one is readable again', async () => {
    const whole = await written(9, (index) => index % 3 === 2);
    for (const key of await keysOf(whole, LAYOUT.checkpointPiecePrefix)) {
      const store = await copyWith(whole, key, (bytes) => bytes.fill(0, 5));
      const writer = await openWriter(store);
      await writer.commit([segment(ORDERS, 9n, 10n)]);
      await writer.checkpoint(true);
      const state = await readCatalog(store, LAYOUT);
      assert.equal(state.checkpointVersion, 10, key);
      assert.deepEqual(contentOf(state), contentOf(await readCatalog(store, LAYOUT, { ignoreCheckpoints: true })));
    }
  });

  test('heals while the writer runs, when somebody clears the cache under it', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    await writer.commit([segment(ORDERS, 0n, 1n)]);
    await writer.checkpoint(true);
    for (const key of await keysOf(store, LAYOUT.checkpointPrefix)) await store.delete(key);
    await writer.commit([segment(ORDERS, 1n, 2n)]);
    await writer.checkpoint(true);
    const state = await readCatalog(store, LAYOUT);
    assert.equal(state.checkpointVersion, 2);
    assert.deepEqual(headOf(state), headOf(writer.state));
    assert.equal(state.incarnation('orders', ORDERS.topicId).partition(0).segments.length, 2);
  });

  test('does not hide that a commit after it is missing', async () => {
    const store = await written(9, (index) => index === 3);
    await assert.rejects(openWriter(await copyWith(store, LAYOUT.commit(7), () => null)), { code: 'CATALOG_CORRUPT' });
  });

  test('reads only the topics asked for, from the checkpoint and from the commits after it', async () => {
    for (const checkpointAt of [[3], [7], []]) {
      const store = await written(8, (index) => checkpointAt.includes(index));
      const state = await readCatalog(store, LAYOUT, { topics: (topic) => topic === 'other' });
      assert.equal(state.version, 8);
      const held = state.incarnations.filter((life) => life.partitions.size > 0 || life.observations.length > 0);
      assert.deepEqual([...new Set(held.map(({ topic }) => topic))], ['other']);
      assert.ok(state.incarnations.some(({ topic }) => topic === 'orders'));
      assert.equal(state.incarnation('other', partition('other', 0, 'B').topicId).partition(0).segments.length, 2);
    }
  });
});

describe('a log that is gone', () => {
  test('is not begun anew beside a checkpoint that cannot be read', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    for (let version = 1; version <= 3; version += 1) await writer.commit([topicSeen(ORDERS, version)]);
    await writer.checkpoint(true);
    for (let version = 1; version <= 3; version += 1) await store.delete(LAYOUT.commit(version));
    const corrupt = await copyWith(store, LAYOUT.checkpoint(3), (bytes) => bytes.fill(0, 0, 4));
    await assert.rejects(openWriter(corrupt), { code: 'CATALOG_CORRUPT' });
    await assert.rejects(readCatalog(corrupt, LAYOUT), { code: 'CATALOG_CORRUPT' });
    assert.equal((await readCatalog(store, LAYOUT)).version, 3);
  });
});
