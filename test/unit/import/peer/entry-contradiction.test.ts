// Files that are whole in themselves, but not those that the manifest names.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { encodePeerSegment, PeerBackup, type PeerRecord, peerRecords } from '../../../support/peer-backup.ts';
import { startWorkers } from '../../../support/stored-backup.ts';
import { asStored, historyOf, importInto, problemsOf, storedRecords } from '../import-fixture.ts';

let workers: WorkerPool;
before(() => {
  workers = startWorkers();
});
after(() => workers.close());

/** As {@link peerRecords}, of another partition. */
function laterRecords(from: bigint, count: number): PeerRecord[] {
  return peerRecords(from, count).map((record) => ({ ...record, timestamp: record.timestamp + 500n }));
}

interface Placed {
  readonly partition: number;
  /** What the manifest tells of. */
  readonly records: readonly PeerRecord[];
  /** What the file holds instead. */
  readonly held?: readonly PeerRecord[];
}

async function peerWith(placed: readonly Placed[], fields: Readonly<Record<string, unknown>> = {}) {
  const peer = new PeerBackup(new MemoryObjectStore());
  const keys: string[] = [];
  for (const { partition, records, held } of placed) {
    const key = await peer.add(records, { partition });
    if (held !== undefined) await peer.replace(key, encodePeerSegment(held));
    keys.push(key);
  }
  peer.fields.set('orders', fields);
  await peer.save();
  return { peer: peer.store, keys };
}

/** Imports it twice: what is damaged ends its partition, or is a gap. @returns what was damaged, and the gaps */
async function damageOf(peer: MemoryObjectStore | PeerBackup['store']) {
  const [stopped, gapped] = [new MemoryObjectStore(), new MemoryObjectStore()];
  const { damaged } = await importInto(stopped, peer, workers);
  const again = await importInto(gapped, peer, workers, { choices: { damaged: 'gap' } });
  const messages = damaged.map(({ message }) => message);
  assert.deepEqual(
    again.damaged.map(({ message, isGap }) => [message, isGap]),
    messages.map((message) => [message, true]),
  );
  assert.deepEqual(await problemsOf(gapped, workers), []);
  return { messages, stopped, gapped };
}

async function gapsOf(store: MemoryObjectStore, partition = 0): Promise<(readonly [bigint, bigint])[]> {
  const { gaps } = await historyOf(store, 'orders', partition);
  return gaps.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset] as const);
}

describe('a file that is not the one its manifest entry names', () => {
  test('is damaged where an older one holds less, at the end and in the middle', async () => {
    const behind = { partition: 0, records: peerRecords(25n, 5) };
    for (const rest of [[], [behind]]) {
      const older = { partition: 0, records: peerRecords(5n, 20), held: peerRecords(5n, 15) };
      const { peer, keys } = await peerWith([{ partition: 0, records: peerRecords(0n, 5) }, older, ...rest]);
      const { messages, stopped, gapped } = await damageOf(peer);
      assert.deepEqual(messages, [
        `${keys[1]}, byte 8: the file says it holds 15 records of offsets 5 to 19, the manifest 20 of 5 to 24; it is an older file, or another one's`,
      ]);
      assert.deepEqual(await storedRecords(stopped), peerRecords(0n, 5).map(asStored));
      assert.deepEqual(await gapsOf(gapped), [[5n, 24n]]);
      assert.equal((await storedRecords(gapped)).length, 5 + rest.length * 5);
    }
  });

  test('is damaged where it holds fewer records of the same offsets', async () => {
    const held = peerRecords(0n, 10).filter(({ offset }) => offset !== 4n);
    const kept = { configurations: { 'cleanup.policy': 'delete' } };
    const { peer } = await peerWith([{ partition: 0, records: peerRecords(0n, 10), held }], kept);
    const { messages, gapped } = await damageOf(peer);
    assert.match(messages.join(), /9 records of offsets 0 to 9, the manifest 10 of 0 to 9/);
    assert.deepEqual(await gapsOf(gapped), [[0n, 9n]]);
  });

  test('is not damaged by holding fewer where compaction took them before a second run', async () => {
    const held = peerRecords(0n, 12).filter(({ offset }) => offset % 3n === 0n || offset === 11n);
    // Old releases of the peer do not tell the configuration: it may be.
    for (const told of [{ configurations: { 'cleanup.policy': 'compact,delete' } }, {}]) {
      const { peer } = await peerWith([{ partition: 0, records: peerRecords(0n, 10), held }], told);
      const { messages, stopped } = await damageOf(peer);
      assert.deepEqual(messages, []);
      assert.deepEqual(await storedRecords(stopped), held.map(asStored));
    }
  });

  test('is damaged where the files of two partitions were exchanged', async () => {
    const [one, other] = [peerRecords(0n, 5), laterRecords(3n, 9)];
    const ranges = await peerWith([
      { partition: 0, records: one, held: other },
      { partition: 1, records: other, held: one },
    ]);
    const { messages, stopped, gapped } = await damageOf(ranges.peer);
    assert.match(messages[0]!, /9 records of offsets 3 to 11, the manifest 5 of 0 to 4/);
    assert.match(messages[1]!, /5 records of offsets 0 to 4, the manifest 9 of 3 to 11/);
    for (const partition of [0, 1]) {
      assert.deepEqual(await storedRecords(stopped, 'orders', partition), []);
      assert.deepEqual(await storedRecords(gapped, 'orders', partition), []);
    }
    assert.deepEqual([await gapsOf(gapped, 0), await gapsOf(gapped, 1)], [[[0n, 4n]], [[3n, 11n]]]);
  });

  test('is damaged where their offsets are equal, but not the times of their records', async () => {
    const [one, other] = [peerRecords(0n, 5), laterRecords(0n, 5)];
    const sameBegin = other.with(0, one[0]!);
    for (const [first, second] of [
      [one, other],
      [one, sameBegin],
    ] as const) {
      const { peer, keys } = await peerWith([
        { partition: 0, records: first, held: second },
        { partition: 1, records: second, held: first },
      ]);
      const { messages, stopped } = await damageOf(peer);
      assert.equal(messages.length, 2);
      const at = second === sameBegin ? 4 : 0;
      const [seen, said] = [1_700_000_000_500 + at, 1_700_000_000_000 + at];
      assert.equal(
        messages[0],
        `${keys[0]}: its record of offset ${at} has timestamp ${seen}, the manifest says ${said}; it is the file of another topic or partition`,
      );
      assert.deepEqual(await storedRecords(stopped), []);
    }
  });

  test('is damaged where it is longer, but of another topic', async () => {
    const placed = { partition: 0, records: peerRecords(0n, 5), held: laterRecords(0n, 50) };
    const { messages } = await damageOf((await peerWith([placed])).peer);
    assert.match(messages.join(), /record of offset 0 has timestamp/);
  });

  test('is damaged where it ends before all that was imported', async () => {
    const foreign = { partition: 0, records: peerRecords(10n, 10), held: laterRecords(2n, 3) };
    const { peer } = await peerWith([{ partition: 0, records: peerRecords(0n, 10) }, foreign]);
    const { messages, gapped } = await damageOf(peer);
    assert.match(messages.join(), /3 records of offsets 2 to 4, the manifest 10 of 10 to 19/);
    assert.deepEqual(await gapsOf(gapped), [[10n, 19n]]);
  });

  test('does not matter once its offsets are in the backup', async () => {
    const records = peerRecords(0n, 10);
    const store = new MemoryObjectStore();
    await importInto(store, (await peerWith([{ partition: 0, records }])).peer, workers);
    const { peer } = await peerWith([{ partition: 0, records, held: laterRecords(3n, 3) }]);
    const { damaged, counters } = await importInto(store, peer, workers);
    assert.deepEqual([damaged, counters.skippedFiles], [[], 1]);
  });
});

describe('a file that a second run of the peer wrote over another, whose entry it kept', () => {
  test('may hold more, at timestamps that no number holds too', async () => {
    const long = peerRecords(0n, 13).map((one) => ({ ...one, timestamp: 1_700_000_000_000_000_001n + one.offset }));
    const { peer } = await peerWith([{ partition: 0, records: long.slice(0, 10), held: long }]);
    const { messages, stopped } = await damageOf(peer);
    assert.deepEqual(messages, []);
    assert.equal((await storedRecords(stopped)).length, 13);
  });

  test('may end before, where the rest is in files that begin inside', async () => {
    const { peer } = await peerWith([
      { partition: 0, records: peerRecords(0n, 100), held: peerRecords(0n, 30) },
      { partition: 0, records: peerRecords(30n, 40) },
      { partition: 0, records: peerRecords(70n, 50) },
    ]);
    const { messages, stopped } = await damageOf(peer);
    assert.deepEqual(messages, []);
    assert.deepEqual(await storedRecords(stopped), peerRecords(0n, 120).map(asStored));
    const { damaged, counters } = await importInto(stopped, peer, workers);
    assert.deepEqual([damaged, counters.records, counters.skippedFiles], [[], 0, 3]);
  });

  test('is damaged where they do not hold all of it', async () => {
    const { peer } = await peerWith([
      { partition: 0, records: peerRecords(0n, 100), held: peerRecords(0n, 30) },
      { partition: 0, records: peerRecords(30n, 40) },
    ]);
    const { messages, gapped } = await damageOf(peer);
    assert.match(messages.join(), /30 records of offsets 0 to 29, the manifest 100 of 0 to 99/);
    assert.deepEqual(await gapsOf(gapped), [
      [0n, 29n],
      [70n, 99n],
    ]);
  });
});
