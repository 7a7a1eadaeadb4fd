import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommitQueue } from '../../../src/backup/commit-queue.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { CatalogWriter } from '../../../src/catalog/catalog-writer.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { pause } from '../../../src/model/back-off.ts';
import { LAYOUT, ORDERS, openWriter, segment, start } from '../catalog/catalog-fixture.ts';

/** Calls back while an object is being put. */
class BusyStore extends MemoryObjectStore {
  onPut: () => void = () => {};

  override async putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    this.onPut();
    return super.putIfAbsent(key, chunks);
  }
}

describe('the commit queue', () => {
  function queueOf(catalog: CatalogWriter): CommitQueue {
    return new CommitQueue({
      catalog,
      ready: () => Promise.resolve(),
      intervalMs: 60_000,
      onCommit: () => {},
      onTrouble: (error) => assert.fail(String(error)),
      onError: (error) => assert.fail(String(error)),
      onFailure: (error) => assert.fail(String(error)),
    });
  }

  test('commits what is wanted soon without waiting for the interval, and what is wanted shortly after with it', async () => {
    const catalog = await openWriter(new MemoryObjectStore());
    const queue = queueOf(catalog);
    for (const number of [0, 1]) {
      queue.add(start({ ...ORDERS, partition: number }, 7n));
      queue.commitSoon();
    }
    while (queue.pendingCount > 0) await pause(5);
    queue.add(segment(ORDERS, 7n, 9n));
    await pause(200);
    assert.deepEqual([catalog.state.version, queue.pendingCount], [1, 1]);
    queue.stop();
  });

  test('keeps what is added while a commit is under way for the next one', async () => {
    const store = new BusyStore();
    const catalog = await openWriter(store);
    const queue = queueOf(catalog);
    store.onPut = () => {
      store.onPut = () => {};
      queue.add(segment(ORDERS, 5n, 9n));
    };
    queue.add(segment(ORDERS, 0n, 5n));
    await queue.flush(new AbortController().signal);
    queue.stop();
    assert.equal(queue.pendingCount, 0);
    assert.equal(catalog.state.version, 2);
    const { segments } = (await readCatalog(store, LAYOUT)).incarnation('orders', ORDERS.topicId).partition(0);
    assert.deepEqual(
      segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
      [
        [0n, 5n],
        [5n, 9n],
      ],
    );
    assert.equal((await store.head(LAYOUT.commit(2)))?.key, LAYOUT.commit(2));
  });
});
