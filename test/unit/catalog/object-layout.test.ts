import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backupIdOf, ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { isObjectKey } from '../../../src/storage/object-key.ts';
import { LAYOUT, ORDERS, topicId } from './catalog-fixture.ts';

describe('the layout of a backup', () => {
  test('makes every key where DESIGN 4 says', () => {
    assert.equal(LAYOUT.identity, 'team/a/nightly/backup.json');
    assert.equal(LAYOUT.commit(7), 'team/a/nightly/catalog/00000000000000000007.json');
    assert.equal(LAYOUT.checkpoint(7), 'team/a/nightly/catalog/checkpoints/00000000000000000007.json.zst');
    const folder = `team/a/nightly/data/orders/${ORDERS.topicId}/0`;
    assert.equal(LAYOUT.segment(ORDERS, 12n, 'ab12', 'zstd'), `${folder}/00000000000000000012-ab12.log.zst`);
    assert.equal(LAYOUT.segment(ORDERS, 12n, 'ab12', 'lz4'), `${folder}/00000000000000000012-ab12.log.lz4`);
    assert.equal(LAYOUT.segment(ORDERS, 2n ** 63n - 1n, 'ab12', 'none'), `${folder}/09223372036854775807-ab12.log`);
    assert.equal(new ObjectLayout('b').commit(1), 'b/catalog/00000000000000000001.json');
  });

  test('gives each restore a folder of its own, and finds the restore in a key', () => {
    const report = LAYOUT.restoreObject('rst_1', 'report');
    assert.equal(report, 'team/a/nightly/restores/rst_1/report.json');
    const [begun, mark] = [LAYOUT.restoreAttempt('rst_1', 2, 'begun'), LAYOUT.restoreAttempt('rst_1', 2, 17)];
    assert.equal(begun, 'team/a/nightly/restores/rst_1/attempts/00000000000000000002/begun.json');
    assert.deepEqual(LAYOUT.attemptOf(begun), { attempt: 2, mark: undefined });
    assert.deepEqual(LAYOUT.attemptOf(mark), { attempt: 2, mark: 17 });
    assert.equal(LAYOUT.attemptOf(report), undefined);
    assert.ok(isObjectKey(LAYOUT.filling(`-${'x'.repeat(21)}`, 1)));
    const offsets = LAYOUT.restoreOffsets('rst_1', { topic: '.orders', partition: 3 }, 0);
    assert.equal(offsets, 'team/a/nightly/restores/rst_1/offsets/=.orders/3/0.json.zst');
    assert.ok(isObjectKey(offsets));
    for (const key of [report, offsets]) assert.equal(LAYOUT.restoreOf(key), 'rst_1');
    for (const key of [
      LAYOUT.restorePlan('0123456789ab'),
      LAYOUT.identity,
      `${LAYOUT.restoresPrefix}.x/report.json`,
      `${LAYOUT.restoresPrefix}notes`,
    ]) {
      assert.equal(LAYOUT.restoreOf(key), undefined, key);
    }
  });

  test('reads versions back from its own keys only', () => {
    for (const version of [1, 64, 10 ** 15]) {
      assert.equal(LAYOUT.versionOfCommit(LAYOUT.commit(version)), version);
      assert.equal(LAYOUT.versionOfCheckpoint(LAYOUT.checkpoint(version)), version);
    }
    for (const key of [
      LAYOUT.identity,
      LAYOUT.checkpoint(1),
      `${LAYOUT.commit(1)}.bak`,
      `${LAYOUT.catalogPrefix}1.json`,
      'x',
    ]) {
      assert.equal(LAYOUT.versionOfCommit(key), undefined, key);
    }
  });

  test('gives every legal topic name and id a key that stores take, and no two the same', () => {
    const names = ['.hidden', '..x', 'a.b', '-dash', '_', 'A'.repeat(249), '.'.repeat(3), '=x'.slice(1)];
    const ids = [topicId('A'), topicId('-'), topicId('_')];
    const keys = new Set<string>();
    for (const topic of names) {
      for (const id of ids) {
        const key = LAYOUT.segment({ topic, topicId: id, partition: 0 }, 0n, 'x', 'none');
        assert.ok(isObjectKey(key), key);
        keys.add(key);
      }
    }
    assert.equal(keys.size, names.length * ids.length);
  });

  test('refuses names that no topic can have', () => {
    for (const topic of ['', '.', '..', 'a/b', 'a\0', 'ä', 'a'.repeat(250), '=x']) {
      assert.throws(() => LAYOUT.segment({ ...ORDERS, topic }, 0n, 'x', 'none'), { code: 'CATALOG_CORRUPT' }, topic);
    }
  });

  test('refuses a backup id that is not one plain name', () => {
    for (const id of ['', '.', '..', 'a/b', '/a', 'a\\b', 'a..b', '-a', '.a', 'a b', 'a\0b', 'ä', 'a'.repeat(129)]) {
      assert.throws(() => new ObjectLayout(id), { code: 'CONFIG_INVALID' }, id);
    }
  });

  test('knows a backup by its identity object', () => {
    assert.equal(backupIdOf('team/a/nightly/backup.json'), 'nightly');
    assert.equal(backupIdOf('nightly/backup.json'), 'nightly');
    for (const key of ['backup.json', 'a/backup.json.bak', 'a/xbackup.json']) assert.equal(backupIdOf(key), undefined);
  });
});
