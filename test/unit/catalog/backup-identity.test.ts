import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { foundBackup, listBackups, readIdentity } from '../../../src/catalog/backup-identity.ts';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { AnswerLosingStore, LAYOUT, T0 } from './catalog-fixture.ts';

describe('the identity of a backup', () => {
  test('is put once, and read ever after', async () => {
    const store = new MemoryObjectStore();
    assert.equal(await readIdentity(store, LAYOUT), undefined);
    const founded = await foundBackup(store, LAYOUT, 'cluster-1', T0);
    assert.deepEqual(founded, { backupId: 'nightly', clusterId: 'cluster-1', createdAtMs: T0 });
    assert.deepEqual(await foundBackup(store, LAYOUT, 'cluster-1', T0 + 5), founded);
    assert.deepEqual(await readIdentity(store, LAYOUT), founded);
  });

  test('refuses another cluster', async () => {
    const store = new MemoryObjectStore();
    await foundBackup(store, LAYOUT, 'cluster-1', T0);
    await assert.rejects(foundBackup(store, LAYOUT, 'cluster-2', T0), { code: 'BACKUP_OF_OTHER_CLUSTER' });
  });

  test('goes to one of two that found it at once, and the other sees whose it is', async () => {
    const store = new MemoryObjectStore();
    const outcomes = await Promise.allSettled(
      ['cluster-1', 'cluster-2'].map((id) => foundBackup(store, LAYOUT, id, T0)),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    const same = await Promise.all(
      [1, 2, 3].map((index) => foundBackup(store, new ObjectLayout('other'), 'cluster-1', T0 + index)),
    );
    assert.equal(new Set(same.map(({ createdAtMs }) => createdAtMs)).size, 1);
  });

  test('whose put succeeded without an answer is there at the next attempt', async () => {
    const store = new AnswerLosingStore();
    store.isLost = () => true;
    await assert.rejects(foundBackup(store, LAYOUT, 'cluster-1', T0), { code: 'STORE_UNAVAILABLE' });
    store.isLost = () => false;
    assert.equal((await foundBackup(store, LAYOUT, 'cluster-1', T0 + 9)).createdAtMs, T0);
  });

  test('that is damaged or of a later format is refused', async () => {
    for (const [content, code] of [
      ['', 'CATALOG_CORRUPT'],
      ['{', 'CATALOG_CORRUPT'],
      ['[]', 'CATALOG_CORRUPT'],
      ['{"formatVersion":1}', 'CATALOG_CORRUPT'],
      ['{"formatVersion":1,"backupId":1,"clusterId":"c","createdAtMs":1}', 'CATALOG_CORRUPT'],
      ['{"formatVersion":2}', 'FORMAT_TOO_NEW'],
    ] as const) {
      const store = new MemoryObjectStore();
      await store.putIfAbsent(LAYOUT.identity, [Buffer.from(content)]);
      await assert.rejects(foundBackup(store, LAYOUT, 'c', T0), { code }, content);
    }
  });
});

describe('listing backups', () => {
  test('finds those under a prefix, by name, one without its identity too, whatever else lies beside and below them', async () => {
    const store = new MemoryObjectStore();
    for (const key of [
      'b/backup.json',
      'b/catalog/00000000000000000001.json',
      'b/data/topic/x/0/1.log',
      'B/backup.json',
      'a-1/backup.json',
      'a/backup.json',
      'lost/catalog/00000000000000000001.json',
      'not-a-backup/data/x',
      'stray.txt',
      'team/c/backup.json',
      'team/d/data/backup.json',
      'z9/backup.json',
    ]) {
      await store.putIfAbsent(key, [Buffer.from('{}')]);
    }
    assert.deepEqual(await listBackups(store), ['B', 'a-1', 'a', 'b', 'lost', 'z9']);
    assert.deepEqual(await listBackups(store, 'team'), ['c']);
    assert.deepEqual(await listBackups(store, 'tea'), []);
    assert.deepEqual(await listBackups(new MemoryObjectStore()), []);
  });
});
