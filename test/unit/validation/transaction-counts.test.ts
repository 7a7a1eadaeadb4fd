import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import type { TransactionStart } from '../../../src/model/segment/segment.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { ValidationRun } from '../../../src/validation/validation-run.ts';
import { encodeMarker } from '../../support/record-batches.ts';
import { jsonBatch, startWorkers, T0, TestBackup } from '../../support/stored-backup.ts';

describe('the records that a footer counts for transactions', () => {
  let workers: WorkerPool;
  before(() => {
    workers = startWorkers(1);
  });
  after(() => workers.close());

  const transactional = (baseOffset: bigint, producerId: bigint): Buffer =>
    jsonBatch(baseOffset, 2, { producerId, transactional: true });
  const frames = [
    [transactional(0n, 7n), transactional(2n, 8n)],
    [transactional(4n, 7n), encodeMarker({ baseOffset: 6n, producerId: 7n, outcome: 'abort', timestampMs: T0 })],
  ];

  /** What `validate --deep` finds in a segment whose footer has other starts than were written. */
  async function problemsWith(change: (starts: readonly TransactionStart[]) => readonly TransactionStart[]) {
    const backup = await TestBackup.create(new MemoryObjectStore(), workers);
    const segment = await backup.segment(frames);
    const forged = await backup.forge(segment, (footer) => {
      return { ...footer, transactions: { ...footer.transactions, starts: change(footer.transactions.starts) } };
    });
    await backup.commit({ kind: 'segment', segment: forged });
    const { store, layout } = backup;
    const { signal } = new AbortController();
    const { problems } = await new ValidationRun({ store, layout, depth: 'deep', workers, sample: null, signal }).run();
    return problems.map(({ code, key, message }) => {
      assert.equal(key, segment.key);
      assert.match(message, /its batches hold other transactions than the footer says/);
      return code;
    });
  }

  test('are held against its batches', async () => {
    assert.deepEqual(await problemsWith((starts) => starts), []);
    const wrong = (starts: readonly TransactionStart[]) => starts.with(-1, { ...starts.at(-1)!, recordCount: 3 });
    assert.deepEqual(await problemsWith(wrong), ['OBJECT_CORRUPT']);
  });

  test('may be absent, as in segments from before they were counted', async () => {
    // Of a run that reaches over frames there was only the first part.
    const uncounted = (starts: readonly TransactionStart[]) =>
      starts.slice(0, 2).map((start) => ({ ...start, recordCount: null }));
    assert.deepEqual(await problemsWith(uncounted), []);
    const elsewhere = (starts: readonly TransactionStart[]) =>
      uncounted(starts).map((start) => ({ ...start, firstOffset: start.firstOffset + 1n }));
    assert.deepEqual(await problemsWith(elsewhere), ['OBJECT_CORRUPT']);
  });
});
