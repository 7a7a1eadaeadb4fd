import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { foundBackup } from '../../../src/catalog/backup-identity.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { CatalogWriter } from '../../../src/catalog/catalog-writer.ts';
import { readCheckpoint, readWholeIndex } from '../../../src/catalog/checkpoint/checkpoint.ts';
import type { PartitionIdentity } from '../../../src/model/segment/segment.ts';
import { type PruneReport, PruneRun } from '../../../src/prune/prune-run.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { ObjectInfo } from '../../../src/storage/object-store.ts';
import {
  contentOf,
  copyWith,
  keysOf,
  LAYOUT,
  ORDERS,
  openWriter,
  partition,
  segment,
} from '../catalog/catalog-fixture.ts';

const HOUR_MS = 3_600_000;
const AUDIT = partition('audit', 0, 'B');

/** Stamps objects by a clock that the test moves. */
class ClockedStore extends MemoryObjectStore {
  nowMs = 1_700_000_000_000;
  readonly #stamps = new Map<string, number>();

  override async putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    const outcome = await super.putIfAbsent(key, chunks);
    if (outcome === 'created') this.#stamps.set(key, this.nowMs);
    return outcome;
  }

  override async head(key: string): Promise<ObjectInfo | undefined> {
    const found = await super.head(key);
    return found && { ...found, modifiedAtMs: this.#stamps.get(key) ?? found.modifiedAtMs };
  }

  override async clock(): Promise<number> {
    return this.nowMs;
  }
}

async function newStore(): Promise<ClockedStore> {
  const store = new ClockedStore();
  await foundBackup(store, LAYOUT, 'cluster-1', store.nowMs);
  return store;
}

/** Commits `count` segments of the partition, as one commit. */
async function append(writer: CatalogWriter, identity: PartitionIdentity, count = 1): Promise<void> {
  const { topic, topicId } = identity;
  const from = writer.state.incarnation(topic, topicId).partition(0).resume?.nextOffset ?? 0n;
  const offsets = Array.from({ length: count }, (_, index) => from + BigInt(index));
  await writer.commit(offsets.map((offset) => segment(identity, offset, offset + 1n)));
}

/** Checkpoints of versions 1 to `count`, an hour apart; the clock stands where the last one was written. */
async function written(count: number): Promise<ClockedStore> {
  const store = await newStore();
  const writer = await openWriter(store);
  for (let version = 1; version <= count; version += 1) {
    store.nowMs += HOUR_MS;
    await append(writer, version % 4 === 1 ? AUDIT : ORDERS);
    await writer.checkpoint(true);
  }
  return store;
}

function prune(store: MemoryObjectStore, olderThanMs = 0, isConfirmed = true): Promise<PruneReport> {
  const { signal } = new AbortController();
  return new PruneRun({ store, layout: LAYOUT, olderThanMs, isConfirmed, signal }).run();
}

async function versionsOf(store: MemoryObjectStore): Promise<number[]> {
  const keys = await keysOf(store, LAYOUT.checkpointPrefix);
  return keys.flatMap((key) => LAYOUT.versionOfCheckpoint(key) ?? []);
}

async function piecesNamedBy(store: MemoryObjectStore, versions: readonly number[]): Promise<Set<string>> {
  const indexes = await Promise.all(versions.map((version) => readWholeIndex(store, LAYOUT, version)));
  return new Set(indexes.flatMap(({ topics }) => topics.flatMap(({ pieces }) => pieces.map(({ key }) => key))));
}

describe('checkpoints that others have replaced', () => {
  test('go, but for the newest three and every piece that these name', async () => {
    const store = await written(9);
    const before = await keysOf(store);
    const dry = await prune(store, 0, false);
    assert.deepEqual(await keysOf(store), before);
    const named = await piecesNamedBy(store, [7, 8, 9]);
    const report = await prune(store);
    assert.deepEqual(report.listed, dry.listed);
    assert.deepEqual(new Set(report.listed.map(({ kind }) => kind)), new Set(['checkpoint']));
    assert.equal(report.checkpoints.count, before.length - (await keysOf(store)).length);
    assert.deepEqual(await versionsOf(store), [7, 8, 9]);
    assert.deepEqual(new Set(await keysOf(store, LAYOUT.checkpointPiecePrefix)), named);
    for (const version of [7, 8, 9]) {
      const fromLog = await readCatalog(store, LAYOUT, { version, ignoreCheckpoints: true });
      assert.deepEqual(contentOf(await readCheckpoint(store, LAYOUT, version)), contentOf(fromLog));
    }
    assert.deepEqual((await prune(store)).listed, []);
  });

  test('stay as long as the age limit after they were replaced: somebody may be reading them', async () => {
    const store = await written(9);
    const report = await prune(store, 4 * HOUR_MS);
    // Version 4 was replaced by version 5, four hours ago.
    assert.deepEqual(await versionsOf(store), [5, 6, 7, 8, 9]);
    await piecesNamedBy(store, [5, 6, 7, 8, 9]);
    assert.equal(report.young.count, 2);
    store.nowMs += 2 * HOUR_MS;
    assert.ok((await prune(store, 4 * HOUR_MS)).checkpoints.count >= 2);
    assert.deepEqual(await versionsOf(store), [7, 8, 9]);
  });

  test('are not replaced by damaged ones', async () => {
    const whole = await written(9);
    const of8 = await piecesNamedBy(whole, [8]);
    const onlyOf9 = [...(await piecesNamedBy(whole, [9]))].filter((key) => !of8.has(key));
    const noPiece = await copyWith(whole, onlyOf9[0]!, () => null);
    const store = await copyWith(noPiece, LAYOUT.checkpoint(7), (bytes) => bytes.subarray(0, 20));
    await prune(store);
    // Whether anything newer than 9 will be whole is not known; 7 is of no use to anybody.
    assert.deepEqual(await versionsOf(store), [5, 6, 8, 9]);
    await piecesNamedBy(store, [5, 6, 8]);
  });

  test('do not exist where no checkpoint is whole', async () => {
    const store = await written(6);
    for (const key of await keysOf(store, LAYOUT.checkpointPiecePrefix)) {
      await store.delete(key);
      await store.putIfAbsent(key, [Buffer.from('damaged')]);
    }
    assert.deepEqual((await prune(store)).listed, []);
    assert.equal((await versionsOf(store)).length, 6);
  });

  test('and their pieces stay when the next one is about to name them', async () => {
    const store = await written(5);
    const piece = LAYOUT.checkpointPiece(ORDERS.topic, ORDERS.topicId, 5, 6, 'abcd');
    await store.putIfAbsent(piece, [Buffer.from('of a checkpoint whose index is still to come')]);
    store.nowMs += HOUR_MS - 1;
    await prune(store, HOUR_MS);
    assert.notEqual(await store.head(piece), undefined);
    store.nowMs += 1;
    await prune(store, HOUR_MS);
    assert.equal(await store.head(piece), undefined);
  });
});

describe('a writer that runs while checkpoints are pruned', () => {
  test('does not build on one that is gone, though it would read none of its pieces', async () => {
    const store = await newStore();
    const quiet = await openWriter(store);
    await append(quiet, ORDERS, 10);
    await quiet.checkpoint(true);
    const busy = await openWriter(store);
    for (const count of [10, 20, 40, 80, 160, 320, 640, 1200]) {
      await append(busy, ORDERS, count);
      await busy.checkpoint(true);
    }
    await prune(store);
    await append(quiet, AUDIT);
    await quiet.checkpoint(true);
    const state = await readCatalog(store, LAYOUT);
    assert.equal(state.checkpointVersion, 10);
    assert.deepEqual(contentOf(state), contentOf(await readCatalog(store, LAYOUT, { ignoreCheckpoints: true })));
  });

  test('leaves its newest checkpoint whole, whatever two of them do and whenever somebody prunes', async () => {
    const step = fc.record({
      writer: fc.nat(1),
      partition: fc.constantFrom(ORDERS, AUDIT),
      count: fc.constantFrom(1, 2, 700, 1500),
      next: fc.constantFrom('checkpoint', 'checkpoint', 'prune', 'nothing'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 20 }), async (steps) => {
        const store = await newStore();
        const writers = [await openWriter(store), await openWriter(store)];
        for (const { writer: index, partition: identity, count, next } of steps) {
          const writer = writers[index]!;
          await append(writer, identity, count);
          if (next === 'prune') await prune(store);
          if (next !== 'checkpoint') continue;
          await writer.checkpoint(true);
          const [newest] = (await versionsOf(store)).slice(-1);
          await readWholeIndex(store, LAYOUT, newest!);
        }
      }),
      { seed: 20_261_123, numRuns: 15 },
    );
  });
});
