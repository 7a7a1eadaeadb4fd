import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ObjectLayout } from '../../../../src/catalog/object-layout.ts';
import { OffsetMap } from '../../../../src/restore/journal/offset-map.ts';
import { RUNS_PER_PIECE } from '../../../../src/restore/journal/offset-runs.ts';
import { newestRestores, RestoreJournal } from '../../../../src/restore/journal/restore-journal.ts';
import type { RestoreReport } from '../../../../src/restore/journal/restore-report.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { INTENT, REPORT } from './journal-fixture.ts';

describe('the journal of a restore', () => {
  const layout = new ObjectLayout('b');
  let store: MemoryObjectStore;
  let journal: RestoreJournal;
  beforeEach(() => {
    store = new MemoryObjectStore();
    journal = new RestoreJournal(store, layout, 'rst_1');
  });

  test('gives back what was put', async () => {
    assert.equal(await journal.intent(), undefined);
    await journal.putIntent(INTENT);
    const read = (await journal.intent())!;
    assert.deepEqual(read.target, INTENT.target);
    assert.deepEqual(read.settings, INTENT.settings);
    assert.deepEqual(read.topics, INTENT.topics);
    assert.deepEqual(read.request.offsets, INTENT.request.offsets);
    const producers = {
      identity: { producerId: 2n ** 60n, producerEpoch: 0 },
      topics: [{ topic: 'new', topicId: 'T2', startOffsets: [0n, 7n] }],
    };
    assert.deepEqual(await journal.putProducers(producers), producers);
    await journal.putVerified(REPORT);
    assert.deepEqual(await journal.verified(), REPORT);
    assert.equal(await journal.isComplete(), false);
    await journal.putReport(REPORT);
    assert.deepEqual(await journal.report(), REPORT);
    assert.equal(await journal.isComplete(), true);
  });

  test('what was put first stays', async () => {
    const first = { identity: { producerId: 1n, producerEpoch: 0 }, topics: [] };
    await journal.putProducers(first);
    const second = { ...first, identity: { producerId: 2n, producerEpoch: 0 } };
    assert.deepEqual(await journal.putProducers(second), first);
  });

  test('a damaged object is told by its key', async () => {
    await store.putIfAbsent('b/restores/rst_1/intent.json', [Buffer.from('{"id":"rst_1"}')]);
    await assert.rejects(journal.intent(), { code: 'OBJECT_CORRUPT', message: /restores\/rst_1\/intent\.json/ });
  });

  test('a restore that gave way is known as such', async () => {
    await journal.putIntent(INTENT);
    await journal.putWithdrawn('rst_0');
    const [known] = await newestRestores(store, layout, assert.fail);
    assert.deepEqual([known?.isComplete, known?.isGivenUp], [false, true]);
  });

  test('the newest restores come first; plans and folders without an intent are none', async () => {
    await store.putIfAbsent('b/restores/plans/0123456789ab.json', [Buffer.from('{}')]);
    await store.putIfAbsent('b/restores/rst_0/report.json', [Buffer.from('{}')]);
    for (const id of ['rst_1', 'rst_2', 'rst_3']) {
      const one = new RestoreJournal(store, layout, id);
      await one.putIntent({ ...INTENT, id });
      if (id === 'rst_2') await one.putReport({ ...REPORT, id });
    }
    const known = await newestRestores(store, layout, assert.fail);
    assert.deepEqual(
      known.map(({ intent, isComplete }) => [intent.id, isComplete]),
      [
        ['rst_3', false],
        ['rst_2', true],
        ['rst_1', false],
      ],
    );
  });

  test('one with damaged documents is told of and left out, the others are not', async () => {
    for (const id of ['rst_1', 'rst_3']) await new RestoreJournal(store, layout, id).putIntent({ ...INTENT, id });
    await store.putIfAbsent('b/restores/rst_2/intent.json', [Buffer.from('{')]);
    const damaged: string[] = [];
    const known = await newestRestores(store, layout, ({ message }) => damaged.push(message));
    assert.deepEqual(
      known.map(({ intent }) => intent.id),
      ['rst_3', 'rst_1'],
    );
    assert.match(damaged.join(), /^\S*restores\/rst_2\/intent\.json is not JSON/);
  });

  test('restores are found behind one with a long offset map', async () => {
    const [target] = REPORT.targets;
    for (const id of ['rst_1', 'rst_2']) {
      const one = new RestoreJournal(store, layout, id);
      await one.putIntent({ ...INTENT, id });
      for (let piece = 0; piece < 250; piece += 1) {
        await one.putOffsets(target!, piece, { runs: target!.runs!, firstTargetOffset: 0n });
      }
    }
    const ids = (await newestRestores(store, layout, assert.fail)).map(({ intent }) => intent.id);
    assert.deepEqual(ids, ['rst_2', 'rst_1']);
  });

  test('no id leaves the folder of restores', () => {
    for (const id of ['', '..', 'a/b', 'plans', '.x', 'x'.repeat(65)]) {
      assert.throws(() => new RestoreJournal(store, layout, id), { code: 'RESTORE_NOT_FOUND' }, id);
    }
  });
});

describe('an offset map', () => {
  const layout = new ObjectLayout('b');

  async function mapOf(report: RestoreReport, store = new MemoryObjectStore()): Promise<OffsetMap> {
    await new RestoreJournal(store, layout, report.id).putReport(report);
    const opened = await OffsetMap.open(store, layout, report.id);
    assert.ok(opened.kind === 'open');
    return opened.map;
  }

  test('finds the record of an offset, or the next one that was restored', async () => {
    const map = await mapOf(REPORT);
    const at = async (offset: bigint) => (await map.lookUp({}, offset)).at?.offset;
    assert.deepEqual(await Promise.all([7n, 10n, 12n, 17n].map(at)), [50n, 53n, 54n, 59n]);
    assert.deepEqual(await Promise.all([6n, 11n, 18n].map(at)), [undefined, undefined, undefined]);
    const { next } = await map.lookUp({ topic: 'orders', sourcePartition: 1 }, 11n);
    assert.deepEqual(next, { topic: '.new', partition: 0, offset: 54n, sourceOffset: 12n });
    assert.equal((await map.lookUp({ topic: '.new' }, 18n)).next, null);
  });

  test('takes a name that is also that of a target for the one in the backup', async () => {
    const [source, target] = [REPORT.sources[0]!, REPORT.targets[0]!];
    const map = await mapOf({
      ...REPORT,
      sources: [source, { ...source, topic: '.new', partition: 1, targetTopic: 'newer' }],
      targets: [target, { ...target, topic: 'newer', startOffset: 90n, sourceTopic: '.new' }],
    });
    const at = async (topic: string) => (await map.lookUp({ topic, sourcePartition: 1 }, 7n)).at;
    assert.deepEqual(await at('orders'), { topic: '.new', partition: 0, offset: 50n });
    assert.deepEqual(await at('.new'), { topic: 'newer', partition: 0, offset: 90n });
    assert.deepEqual(await at('newer'), { topic: 'newer', partition: 0, offset: 90n });
  });

  test('is read from its pieces where it is long', async () => {
    const store = new MemoryObjectStore();
    const [target] = REPORT.targets;
    const runs = [0, 1].map((piece) =>
      Array.from({ length: RUNS_PER_PIECE }, (_, index) => ({
        sourcePartition: 1,
        firstSourceOffset: BigInt(2 * (piece * RUNS_PER_PIECE + index)),
        count: 1,
      })),
    );
    const journal = new RestoreJournal(store, layout, 'rst_1');
    for (const [piece, list] of runs.entries()) {
      const firstTargetOffset = 50n + BigInt(piece * RUNS_PER_PIECE);
      await journal.putOffsets(target!, piece, { runs: list, firstTargetOffset });
    }
    const long = {
      ...target!,
      runs: null,
      pieceCount: 2,
      recordCount: 2 * RUNS_PER_PIECE,
      runCount: 2 * RUNS_PER_PIECE,
    };
    const map = await mapOf({ ...REPORT, targets: [long] }, store);
    assert.equal((await map.lookUp({}, 30_000n)).at?.offset, 15_050n);
    let count = 0;
    for await (const { firstSourceOffset, firstTargetOffset } of map.runs({})) {
      assert.equal(firstTargetOffset, 50n + firstSourceOffset / 2n);
      count += 1;
    }
    assert.equal(count, 2 * RUNS_PER_PIECE);
  });

  test('says whose map it is when nothing of it was asked for', async () => {
    const map = await mapOf(REPORT);
    assert.throws(() => map.assertHolds({ topic: 'other' }), { code: 'NOT_IN_BACKUP' });
    assert.throws(() => map.assertHolds({ topic: 'orders', sourcePartition: 0 }), { code: 'NOT_IN_BACKUP' });
    map.assertHolds({ topic: '.new', sourcePartition: 1 });
  });
});
