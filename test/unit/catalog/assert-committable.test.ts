import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertCommittable } from '../../../src/catalog/assert-committable.ts';
import { foundBackup } from '../../../src/catalog/backup-identity.ts';
import type { CatalogAction } from '../../../src/catalog/commit.ts';
import { BackupError, isRetriable } from '../../../src/model/errors.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { gap, LAYOUT, ORDERS, segment, T0, topicSeen } from './catalog-fixture.ts';

const SEGMENTS = Array.from({ length: 40 }, (_, index) => segment(ORDERS, BigInt(index * 10), BigInt(index * 10 + 10)));
const ACTIONS: readonly CatalogAction[] = [topicSeen(ORDERS), ...SEGMENTS, gap(ORDERS, 400n, 410n)];

function keyAt(index: number): string {
  const action = SEGMENTS[index];
  return action?.kind === 'segment' ? action.segment.key : assert.fail();
}

async function storeWithAll(): Promise<MemoryObjectStore> {
  const store = new MemoryObjectStore();
  await foundBackup(store, LAYOUT, 'cluster', T0);
  for (const action of SEGMENTS) {
    if (action.kind !== 'segment') continue;
    await store.putIfAbsent(action.segment.key, [Buffer.alloc(action.segment.storedSizeBytes)]);
  }
  return store;
}

describe('what a commit is to name', () => {
  test('may be committed while all of it is there', async () => {
    await assertCommittable(await storeWithAll(), LAYOUT, ACTIONS);
  });

  test('is not committed when one of its objects is gone, or is another one', async () => {
    const store = await storeWithAll();
    await store.delete(keyAt(37));
    await assert.rejects(assertCommittable(store, LAYOUT, ACTIONS), {
      code: 'OBJECT_MISSING',
      message: new RegExp(`${keyAt(37)} was stored and is gone before its commit`),
    });
    await store.putIfAbsent(keyAt(37), [Buffer.from('x')]);
    await assert.rejects(assertCommittable(store, LAYOUT, ACTIONS), { code: 'OBJECT_MISSING' });
  });

  test('waits for a store that became another one in the middle of the look', async () => {
    const disk = await storeWithAll();
    const bare = new MemoryObjectStore();
    let looks = 0;
    const store = Object.create(disk, {
      head: { value: (key: string) => ((looks += 1) > 20 ? bare : disk).head(key) },
    }) as MemoryObjectStore;
    await assert.rejects(assertCommittable(store, LAYOUT, ACTIONS), { code: 'STORE_UNAVAILABLE' });
  });

  test('waits for the store where the identity of the backup is gone, be there anything to name or not', async () => {
    const store = await storeWithAll();
    await store.delete(LAYOUT.identity);
    for (const actions of [ACTIONS, [topicSeen(ORDERS)], []]) {
      await assert.rejects(assertCommittable(store, LAYOUT, actions), (error: BackupError) => {
        return error.code === 'STORE_UNAVAILABLE' && isRetriable(error);
      });
    }
    await assert.rejects(assertCommittable(new MemoryObjectStore(), LAYOUT, ACTIONS), { code: 'STORE_UNAVAILABLE' });
  });
});
