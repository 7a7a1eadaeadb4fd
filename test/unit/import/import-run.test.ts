import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import { decodeCommit } from '../../../src/catalog/commit.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import {
  addedHeaders,
  encodePeerSegment,
  PeerBackup,
  type PeerRecord,
  peerRecord,
  peerRecords,
} from '../../support/peer-backup.ts';
import { startWorkers } from '../../support/stored-backup.ts';
import { asStored, historyOf, importInto, LAYOUT, NOW, problemsOf, storedRecords } from './import-fixture.ts';

const SEED = { seed: 20_261_123 };

let workers: WorkerPool;
before(() => {
  workers = startWorkers();
});
after(() => workers.close());

async function peerOf(...files: readonly (readonly PeerRecord[])[]): Promise<PeerBackup> {
  const peer = new PeerBackup(new MemoryObjectStore());
  for (const records of files) await peer.add(records);
  await peer.save();
  return peer;
}

/** Dies, as a process does, when its `lives` are used up: then nothing is written any more. */
class MortalStore extends MemoryObjectStore {
  lives = Number.POSITIVE_INFINITY;

  override async putIfAbsent(key: string, chunks: Parameters<MemoryObjectStore['putIfAbsent']>[1]) {
    this.lives -= 1;
    if (this.lives < 0) throw new BackupError('STORE_REFUSED', 'the process is dead');
    return super.putIfAbsent(key, chunks);
  }
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

describe('an import', () => {
  test('holds every record, with its offset, timestamp, null and empty fields and headers', async () => {
    const odd: PeerRecord[] = [
      peerRecord(3n, { key: null, value: null }),
      peerRecord(4n, { key: Buffer.alloc(0), value: Buffer.alloc(0), timestamp: 5n }),
      peerRecord(9n, {
        headers: [
          { key: 'h', value: null },
          { key: 'h', value: Buffer.from([0xff]) },
          { key: '', value: Buffer.alloc(0) },
        ],
      }),
      peerRecord(10n, { timestamp: -1n }),
      peerRecord(5_000_000_000n, { timestamp: 9_000_000_000_000_000n }),
      peerRecord(5_000_000_001n, { timestamp: -9_000_000_000_000_000n }),
    ];
    const { store: peer } = await peerOf(odd, peerRecords(5_000_000_002n, 3000));
    const store = new MemoryObjectStore();
    const report = await importInto(store, peer, workers);
    assert.equal(report.counters.records, 3006);
    assert.deepEqual(await storedRecords(store), [...odd, ...peerRecords(5_000_000_002n, 3000)].map(asStored));
    assert.deepEqual(await problemsOf(store, workers), []);
  });

  test('holds a timestamp that no number holds', async () => {
    const nanoseconds = peerRecord(1n, { timestamp: 1_700_000_000_000_000_001n });
    const { store: peer } = await peerOf([peerRecord(0n), nanoseconds, peerRecord(2n)]);
    const store = new MemoryObjectStore();
    await importInto(store, peer, workers, { settings: { segments: { codec: 'none', level: 1 } } });
    const [{ segment } = assert.fail()] = (await historyOf(store)).currentSegments();
    const bytes = Buffer.from((await store.get(segment.key))!);
    assert.ok(bytes.includes(Buffer.from('17979cfe362a0001', 'hex')), 'base timestamp of its batch');
    assert.deepEqual(await problemsOf(store, workers), []);
  });

  test('notes topics with what the manifest knows, and what it does not', async () => {
    const peer = new PeerBackup(new MemoryObjectStore());
    await peer.add(peerRecords(0n, 2), { topic: 'new', partition: 1 });
    await peer.add(peerRecords(0n, 2), { topic: 'old', partition: 4 });
    const configurations = { 'cleanup.policy': 'compact' };
    peer.fields.set('new', { original_partition_count: 6, source_replication_factor: 3, configurations });
    await peer.save();
    const [one, other] = [new MemoryObjectStore(), new MemoryObjectStore()];
    await importInto(one, peer.store, workers);
    await importInto(other, peer.store, workers);
    const { incarnations } = await readCatalog(one, LAYOUT);
    const [fresh, old] = incarnations.map(({ observations }) => observations[0]!);
    assert.deepEqual([fresh?.partitions, fresh?.replicationFactor, fresh?.configs], [6, 3, configurations]);
    assert.deepEqual([old?.partitions, old?.replicationFactor, old?.configs], [5, -1, null]);
    assert.equal(fresh?.observedAtMs, 1_795_000_000_000);
    const again = (await readCatalog(other, LAYOUT)).incarnations;
    assert.deepEqual(
      again.map(({ topicId }) => topicId),
      incarnations.map(({ topicId }) => topicId),
    );
    assert.notEqual(incarnations[0]!.topicId, incarnations[1]!.topicId);
    const commit = decodeCommit((await one.get(LAYOUT.commit(1)))!, 'commit');
    const notes = commit.actions.flatMap((action) => (action.kind === 'note' ? [action.text] : []));
    assert.match(notes.join(), /^imported from backup theirs of oso-kafka-backup, created 2026-11-18T/);
  });

  test('leaves out the headers that the peer added, or keeps them', async () => {
    const own = { key: 'trace', value: Buffer.from('1') };
    const records = peerRecords(0n, 3).map((record) => ({ ...record, headers: [own, ...addedHeaders(record, 'c')] }));
    const { store: peer } = await peerOf(records);
    const [dropped, kept] = [new MemoryObjectStore(), new MemoryObjectStore()];
    assert.equal((await importInto(dropped, peer, workers)).counters.recordsWithAddedHeaders, 3);
    await importInto(kept, peer, workers, { choices: { keepsAddedHeaders: true } });
    assert.deepEqual(
      await storedRecords(dropped),
      records.map((record) => asStored({ ...record, headers: [own] })),
    );
    assert.deepEqual(await storedRecords(kept), records.map(asStored));
  });

  test('keeps what looks like the end of a transaction, or leaves it out as a hole', async () => {
    const end = peerRecord(2n, { key: Buffer.from([0, 0, 0, 1]), value: Buffer.alloc(6) });
    const records = [...peerRecords(0n, 2), end, peerRecord(3n)];
    const onlyEnds = [4n, 5n].map((offset) => ({ ...end, offset }));
    const { store: peer } = await peerOf(
      records,
      onlyEnds,
      peerRecords(6n, 2),
      onlyEnds.map((one) => ({ ...one, offset: one.offset + 4n })),
    );
    const [kept, dropped] = [new MemoryObjectStore(), new MemoryObjectStore()];
    assert.equal((await importInto(kept, peer, workers)).counters.markers, 5);
    assert.equal((await storedRecords(kept)).length, 10);
    const settings = { segmentMaxRecords: 1 };
    const { counters } = await importInto(dropped, peer, workers, { choices: { dropsMarkers: true }, settings });
    assert.deepEqual([counters.markers, counters.records, counters.gaps], [5, 5, 0]);
    assert.deepEqual(
      (await storedRecords(dropped)).map(({ offset }) => offset),
      [0n, 1n, 3n, 6n, 7n],
    );
    assert.deepEqual(await problemsOf(dropped, workers), []);
  });

  test('takes an offset once, whatever the files repeat', async () => {
    // A second run of the peer overwrites the first file and keeps its entry, and may cut the others elsewhere.
    const peer = new PeerBackup(new MemoryObjectStore());
    const first = await peer.add(peerRecords(0n, 10));
    await peer.add(peerRecords(10n, 10));
    await peer.add(peerRecords(15n, 20));
    await peer.replace(first, encodePeerSegment(peerRecords(0n, 13)));
    await peer.save();
    const store = new MemoryObjectStore();
    const { counters } = await importInto(store, peer.store, workers);
    assert.deepEqual(await storedRecords(store), peerRecords(0n, 35).map(asStored));
    assert.deepEqual([counters.records, counters.repeatedRecords, counters.gaps], [35, 3 + 5, 0]);
  });

  test('declares what no file holds as gaps, with the reason where the peer knows it', async () => {
    const peer = new PeerBackup(new MemoryObjectStore());
    await peer.add(peerRecords(100n, 10));
    await peer.add(peerRecords(115n, 5));
    await peer.add(peerRecords(200n, 5));
    peer.fields.set('orders/0', {
      gaps: [{ start_offset: 120, end_offset: 200, reason: 'offset_out_of_range', detected_at: 1 }],
      pruned: [
        {
          start_offset: 40,
          end_offset: 99,
          segments: 1,
          bytes: 1,
          pruned_at: 1,
          cutoff_timestamp: 0,
          reason: 'retention',
        },
        {
          start_offset: 205,
          end_offset: 209,
          segments: 1,
          bytes: 1,
          pruned_at: 1,
          cutoff_timestamp: 0,
          reason: 'manual',
        },
      ],
    });
    await peer.save();
    const store = new MemoryObjectStore();
    const { counters } = await importInto(store, peer.store, workers);
    const { gaps, resume } = await historyOf(store);
    assert.deepEqual(
      gaps.map(({ baseOffset, lastOffset, reason }) => [baseOffset, lastOffset, reason]),
      [
        [40n, 99n, 'retention'],
        [110n, 114n, 'unknown'],
        [120n, 199n, 'retention'],
        [205n, 209n, 'retention'],
      ],
    );
    assert.deepEqual([counters.gaps, counters.gapOffsets, resume?.nextOffset], [4, 60n + 5n + 80n + 5n, 210n]);
    assert.equal(counters.undeclaredGaps, gaps.filter(({ reason }) => reason === 'unknown').length);
    assert.ok(counters.undeclaredGaps > 0);
    assert.deepEqual(await problemsOf(store, workers), []);
  });

  test('made again adds nothing, and then what the peer has added', async () => {
    const peer = await peerOf(peerRecords(0n, 5), peerRecords(5n, 5));
    const store = new MemoryObjectStore();
    const { catalogVersion } = await importInto(store, peer.store, workers);
    const second = await importInto(store, peer.store, workers);
    assert.deepEqual(
      [second.catalogVersion, second.counters.records, second.counters.skippedFiles],
      [catalogVersion, 0, 2],
    );
    await peer.add(peerRecords(10n, 3));
    peer.fields.set('orders', { original_partition_count: 2 });
    await peer.save();
    const third = await importInto(store, peer.store, workers);
    assert.equal(third.counters.records, 3);
    assert.deepEqual(await storedRecords(store), peerRecords(0n, 13).map(asStored));
    const [life = assert.fail()] = (await readCatalog(store, LAYOUT)).incarnations;
    assert.deepEqual(
      life.observations.map(({ partitions, observedAtMs }) => [partitions, observedAtMs]),
      [
        [1, 1_795_000_000_000],
        [2, NOW],
      ],
    );
  });

  test('made again says nothing of gaps that no file of the source reaches into', async () => {
    const peer = await peerOf(peerRecords(0n, 5), peerRecords(8n, 5));
    const store = new MemoryObjectStore();
    assert.equal((await importInto(store, peer.store, workers)).counters.undeclaredGaps, 1);
    const { counters } = await importInto(store, peer.store, workers);
    assert.deepEqual([counters.filesInGaps, counters.offsetsInGaps, counters.skippedFiles], [0, 0n, 2]);
  });

  test('tells of segment files that the manifest does not name, but for those that are pruned', async () => {
    const peer = await peerOf(peerRecords(10n, 5));
    const folder = 'theirs/topics/orders/partition=0';
    const name = (firstOffset: number, ending: string) =>
      `${folder}/segment-${firstOffset.toString().padStart(20, '0')}.bin${ending}`;
    const pruned = { start_offset: 0, end_offset: 9, segments: 1, bytes: 1, pruned_at: 1, reason: 'manual' };
    peer.fields.set('orders/0', { pruned: [pruned] });
    await peer.save();
    const others = ['theirs/topics/payments/partition=3/segment-00000000000000000000.bin.zst'];
    const keys = [name(0, '.zst'), name(10, '.lz4'), name(15, ''), ...others, `${folder}/notes.txt`];
    for (const key of keys) await peer.replace(key, encodePeerSegment(peerRecords(0n, 5)));
    const { unnamed, counters } = await importInto(new MemoryObjectStore(), peer.store, workers);
    assert.deepEqual(unnamed, [name(10, '.lz4'), name(15, ''), ...others]);
    assert.equal(counters.records, 5);
  });

  test('tells of no file that the other program has named by its end', async () => {
    const peer = await peerOf(peerRecords(0n, 5));
    await peer.add(peerRecords(5n, 5));
    const store = new MemoryObjectStore();
    const put = store.putIfAbsent.bind(store);
    store.putIfAbsent = async (key, chunks) => {
      await peer.save();
      return put(key, chunks);
    };
    const hasPut: boolean[] = [];
    const list = peer.store.list.bind(peer.store);
    peer.store.list = async function* (prefix, startAfter) {
      for await (const found of list(prefix, startAfter)) {
        hasPut.push(found.key.endsWith('5.bin.zst'));
        yield found;
      }
    };
    assert.deepEqual((await importInto(store, peer.store, workers)).unnamed, []);
    assert.ok(hasPut.includes(true), 'the file was there from the beginning');
  });

  test('refuses a backup that has lost its identity', async () => {
    const store = new MemoryObjectStore();
    const peer = await peerOf(peerRecords(0n, 5));
    await importInto(store, peer.store, workers);
    await store.delete(LAYOUT.identity);
    await assert.rejects(importInto(store, peer.store, workers), { code: 'CATALOG_CORRUPT' });
    assert.equal(await store.get(LAYOUT.identity), undefined);
  });

  test('refuses the folder of a backup of the other program, its source among them, and writes nothing there', async () => {
    const source = new PeerBackup(new MemoryObjectStore(), LAYOUT.backupId);
    await source.add(peerRecords(0n, 5));
    await source.save();
    const stranger = await peerOf(peerRecords(0n, 5));
    const keys = await keysOf(source.store);
    const peerBackupId = LAYOUT.backupId;
    for (const peer of [source.store, stranger.store]) {
      const change = peer === source.store ? { peerBackupId } : {};
      await assert.rejects(importInto(source.store, peer, workers, change), {
        code: 'USAGE_INVALID',
        message: /^ours in memory is a backup of the other program.* another backup_id, or another store$/,
      });
      assert.deepEqual(await keysOf(source.store), keys);
    }
    await importInto(stranger.store, stranger.store, workers);
    assert.equal((await storedRecords(stranger.store)).length, 5);
  });

  test('refuses a backup of another origin, and leaves it as it is', async () => {
    const store = new MemoryObjectStore();
    await importInto(store, (await peerOf(peerRecords(0n, 5))).store, workers);
    const other = new PeerBackup(new MemoryObjectStore(), 'another');
    await other.add(peerRecords(5n, 5));
    await other.save();
    await assert.rejects(importInto(store, other.store, workers), {
      code: 'BACKUP_OF_OTHER_CLUSTER',
      message: /is of oso-kafka-backup\/theirs\/.*give the import of oso-kafka-backup\/another/,
    });
    assert.equal((await storedRecords(store)).length, 5);
  });

  test('asks which backup when there are several, and says when there is none', async () => {
    const peer = await peerOf(peerRecords(0n, 5));
    const another = new PeerBackup(peer.store, 'another');
    await another.add(peerRecords(0n, 2));
    await another.save();
    const store = new MemoryObjectStore();
    await assert.rejects(importInto(store, peer.store, workers), { code: 'USAGE_INVALID', message: /another, theirs/ });
    await assert.rejects(importInto(store, new MemoryObjectStore(), workers), { code: 'BACKUP_NOT_FOUND' });
    const peerBackupId = 'missing';
    await assert.rejects(importInto(store, peer.store, workers, { peerBackupId }), { code: 'BACKUP_NOT_FOUND' });
    for (const path of ['../theirs', '/theirs', '.', '']) {
      const change = { peerBackupId: path };
      const refusal = { code: 'USAGE_INVALID', message: `--backup-id "${path}" is not a plain name` };
      await assert.rejects(importInto(store, peer.store, workers, change), refusal);
    }
    await importInto(store, peer.store, workers, { peerBackupId: 'another' });
    assert.equal((await storedRecords(store)).length, 2);
  });

  test('beside another one of the same backup is fenced, and nothing is there twice', async () => {
    const files = Array.from({ length: 12 }, (_, index) => peerRecords(BigInt(index * 10), 10));
    const { store: peer } = await peerOf(...files);
    const store = new MemoryObjectStore();
    const settings = { segmentMaxRecords: 10 };
    const both = [importInto(store, peer, workers, { settings }), importInto(store, peer, workers, { settings })];
    const outcomes = await Promise.allSettled(both);
    const fenced = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as BackupError] : []));
    for (const { code, message } of fenced) assert.equal(code, 'FENCED', message);
    assert.ok(fenced.length < 2, 'one of them gets through');
    await importInto(store, peer, workers, { settings });
    assert.deepEqual(await storedRecords(store), files.flat().map(asStored));
  });

  test('is stopped by a signal, and goes on afterwards', async () => {
    const { store: peer } = await peerOf(peerRecords(0n, 5));
    const store = new MemoryObjectStore();
    const signal = AbortSignal.abort();
    await assert.rejects(importInto(store, peer, workers, { signal }), { code: 'INTERRUPTED' });
    await importInto(store, peer, workers);
    assert.equal((await storedRecords(store)).length, 5);
  });

  test('killed after any write, and made again, ends with each record once', async () => {
    const files = fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 40 }), hole: fc.nat({ max: 2 }), again: fc.nat({ max: 3 }) }),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    await fc.assert(
      fc.asyncProperty(files, fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 4 }), async (shapes, deaths) => {
        const peer = new PeerBackup(new MemoryObjectStore());
        let expected: PeerRecord[] = [];
        for (const partition of [0, 1]) {
          expected = [];
          for (const { count, hole, again } of shapes) {
            const end = (expected.at(-1)?.offset ?? -1n) + 1n;
            const from = end + BigInt(hole === 2 ? 3 : 0) - BigInt(Math.min(again, Number(end)));
            const records = peerRecords(from, count + again).filter(({ offset }) => hole === 0 || offset % 5n !== 1n);
            if (records.length === 0) continue;
            await peer.add(records, { partition });
            expected.push(...records.filter(({ offset }) => offset >= end));
          }
        }
        await peer.save();
        const store = new MortalStore();
        const settings = { segmentMaxRecords: 20 };
        for (const lives of deaths) {
          store.lives = lives;
          await importInto(store, peer.store, workers, { settings }).catch((error: BackupError) =>
            assert.equal(error.code, 'STORE_REFUSED'),
          );
        }
        store.lives = Number.POSITIVE_INFINITY;
        await importInto(store, peer.store, workers, { settings });
        if (expected.length === 0) return;
        for (const partition of [0, 1]) {
          assert.deepEqual(await storedRecords(store, 'orders', partition), expected.map(asStored));
        }
        assert.deepEqual(await problemsOf(store, workers), []);
      }),
      { ...SEED, numRuns: 60 },
    );
  });
});
