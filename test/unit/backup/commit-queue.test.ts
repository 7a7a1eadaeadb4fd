import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommitQueue } from '../../../src/backup/commit-queue.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { LAYOUT, ORDERS, openWriter, segment } from '../catalog/catalog-fixture.ts';

/** Calls back while an object is being put. */
class BusyStore extends MemoryObjectStore {
  onPut: () => void = () => {};

  override async putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    this.onPut();
    return super.putIfAbsent(key, chunks);
  }
}

describe('the commit queue', () => {
  test('keeps what is added while a commit is under way for the next one', async () => {
    const store = new BusyStore();
    const catalog = await openWriter(store);
    const queue = new CommitQueue({
      catalog,
      ready: () => Promise.resolve(),
      intervalMs: 60_000,
      onCommit: () => {},
      onTrouble: (error) => assert.fail(String(error)),
      onError: (error) => assert.fail(String(error)),
      onFailure: (error) => assert.fail(String(error)),
    });
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
