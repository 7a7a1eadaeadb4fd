import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import type { BackupError } from '../../../src/model/errors.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { encodePeerSegment, PeerBackup, peerRecords } from '../../support/peer-backup.ts';
import { startWorkers } from '../../support/stored-backup.ts';
import { asStored, historyOf, importInto, problemsOf, storedRecords } from './import-fixture.ts';

let workers: WorkerPool;
before(() => {
  workers = startWorkers();
});
after(() => workers.close());

describe('a damaged file', () => {
  async function damagedPeer(): Promise<{ peer: PeerBackup; second: string }> {
    const peer = new PeerBackup(new MemoryObjectStore());
    await peer.add(peerRecords(0n, 5));
    const second = await peer.add(peerRecords(5n, 5));
    await peer.add(peerRecords(10n, 5));
    await peer.add(peerRecords(0n, 4), { topic: 'payments' });
    await peer.save();
    const bytes = await peer.bytes(second);
    bytes[40] = bytes[40]! ^ 1;
    await peer.replace(second, bytes);
    return { peer, second };
  }

  test('ends its partition: what is before it is committed, other partitions are whole', async () => {
    const { peer, second } = await damagedPeer();
    const store = new MemoryObjectStore();
    const { damaged, counters } = await importInto(store, peer.store, workers);
    assert.equal(damaged.length, 1);
    assert.deepEqual([damaged[0]!.topic, damaged[0]!.partition, damaged[0]!.isGap], ['orders', 0, false]);
    assert.ok(damaged[0]!.message.startsWith(`${second}, byte `), damaged[0]!.message);
    assert.deepEqual(await storedRecords(store), peerRecords(0n, 5).map(asStored));
    assert.equal((await storedRecords(store, 'payments')).length, 4);
    assert.deepEqual([counters.files, counters.records], [2, 9]);
    await peer.replace(second, encodePeerSegment(peerRecords(5n, 5)));
    assert.deepEqual((await importInto(store, peer.store, workers)).damaged, []);
    assert.deepEqual(await storedRecords(store), peerRecords(0n, 15).map(asStored));
  });

  test('is a gap when that is wanted', async () => {
    const { peer } = await damagedPeer();
    const store = new MemoryObjectStore();
    const { damaged, counters } = await importInto(store, peer.store, workers, { choices: { damaged: 'gap' } });
    assert.deepEqual(
      damaged.map(({ isGap }) => isGap),
      [true],
    );
    assert.deepEqual([counters.gaps, counters.gapOffsets], [1, 5n]);
    const { gaps } = await historyOf(store);
    assert.deepEqual(
      gaps.map(({ baseOffset, lastOffset, reason }) => [baseOffset, lastOffset, reason]),
      [[5n, 9n, 'unknown']],
    );
    assert.deepEqual(await storedRecords(store), [...peerRecords(0n, 5), ...peerRecords(10n, 5)].map(asStored));
    assert.deepEqual(await problemsOf(store, workers), []);
  });

  test('that is mended after it became a gap is told, not counted as without news', async () => {
    const { peer, second } = await damagedPeer();
    const store = new MemoryObjectStore();
    const choices = { damaged: 'gap' } as const;
    const first = await importInto(store, peer.store, workers, { choices });
    assert.deepEqual([first.counters.filesInGaps, first.counters.offsetsInGaps], [0, 0n]);
    const still = await importInto(store, peer.store, workers, { choices });
    assert.deepEqual([still.counters.filesInGaps, still.counters.offsetsInGaps], [1, 5n]);
    await peer.replace(second, encodePeerSegment(peerRecords(5n, 5)));
    const { counters, damaged } = await importInto(store, peer.store, workers, { choices });
    assert.deepEqual(damaged, []);
    assert.deepEqual([counters.filesInGaps, counters.offsetsInGaps, counters.skippedFiles], [1, 5n, 3]);
    // The other program has written over its last file, which reaches back into the gap.
    await peer.replace(second, encodePeerSegment(peerRecords(5n, 20)));
    const longer = await importInto(store, peer.store, workers, { choices });
    assert.deepEqual(
      [longer.counters.records, longer.counters.filesInGaps, longer.counters.offsetsInGaps],
      [10, 1, 5n],
    );
  });

  test('or a missing one is named at either end of a partition', async () => {
    for (const at of [0, 2]) {
      const peer = new PeerBackup(new MemoryObjectStore());
      const keys: string[] = [];
      for (const from of [0n, 5n, 10n]) keys.push(await peer.add(peerRecords(from, 5)));
      await peer.save();
      await peer.replace(keys[at]!, undefined);
      const [stopped, gapped] = [new MemoryObjectStore(), new MemoryObjectStore()];
      const { damaged } = await importInto(stopped, peer.store, workers);
      assert.match(damaged[0]!.message, new RegExp(`${keys[at]}, which the manifest names, is not in`));
      assert.equal((await storedRecords(stopped)).length, at * 5);
      await importInto(gapped, peer.store, workers, { choices: { damaged: 'gap' } });
      const { gaps, resume } = await historyOf(gapped);
      assert.deepEqual(
        gaps.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]),
        [[BigInt(at) * 5n, BigInt(at) * 5n + 4n]],
      );
      assert.equal(resume?.nextOffset, 15n);
    }
  });

  test('ends the import when it is the manifest', async () => {
    const peer = new PeerBackup(new MemoryObjectStore());
    await peer.add(peerRecords(0n, 5));
    await peer.save();
    const key = 'theirs/manifest.json';
    const manifest = await peer.bytes(key);
    const parsed = JSON.parse(manifest.toString());
    const [topic] = parsed.topics;
    const topicsTwice = JSON.stringify({ ...parsed, topics: [topic, topic] });
    const partitions = [...topic.partitions, ...topic.partitions];
    const partitionsTwice = JSON.stringify({ ...parsed, topics: [{ ...topic, partitions }] });
    for (const [text, message] of [
      ['{"backup_id": ', /manifest\.json is not JSON/],
      [manifest.toString().replace('"orders"', '"no/topic"'), /names "no\/topic", which is no name of a topic/],
      [manifest.toString().replace('"start_offset": 0', '"start_offset": "0"'), /start_offset is not an integer/],
      [
        manifest.toString().replace('"partition_id": 0', '"partition_id": 2147483647'),
        /\.partition_id is not an integer from 0 to 199999$/,
      ],
      [
        manifest.toString().replace('"original_partition_count": null', '"original_partition_count": 1000000000'),
        /manifest\.json\.topics\[0\]\.original_partition_count is not an integer from 0 to 200000$/,
      ],
      [
        manifest.toString().replace('"created_at": 1795000000000', '"created_at": 9007199254740991'),
        /created_at is not an integer/,
      ],
      [topicsTwice, /theirs\/manifest\.json names topic orders twice$/],
      [
        manifest.toString().replace('"orders"', '"osders"'),
        /for partition 0 of topic osders, from offset 0 on, which is not what its name says$/,
      ],
      [
        manifest.toString().replace('"partition_id": 0', '"partition_id": 4'),
        /partition=0\/\S+ for partition 4 of topic/,
      ],
      [manifest.toString().replace('"start_offset": 0', '"start_offset": 1000'), /from offset 1000 on, which is not/],
      [partitionsTwice, /theirs\/manifest\.json names partition 0 of topic orders twice$/],
      [manifest.toString().replace(/"key": "theirs[^"]*"/, '"key": "../../etc/passwd"'), /passwd/],
    ] as const) {
      await peer.replace(key, Buffer.from(text));
      const report = importInto(new MemoryObjectStore(), peer.store, workers);
      const failure = await report.then(
        ({ damaged }) => damaged[0]?.message ?? 'none',
        (error: BackupError) => `${error.code}: ${error.message}`,
      );
      assert.match(failure, message);
      if (!message.source.includes('passwd')) assert.match(failure, /^SOURCE_DAMAGED: /);
    }
  });
});
