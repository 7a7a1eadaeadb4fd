// A store that holds every answer against its own checksum, as Azure does, and so finds damage before our hashes do.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { ValidationRun } from '../../../src/validation/validation-run.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';

class CheckingStore extends MemoryObjectStore {
  /** Keys, and `frame of KEY` for an object's first bytes alone. */
  readonly damaged = new Set<string>();

  override async get(...args: Parameters<MemoryObjectStore['get']>): Promise<Uint8Array | undefined> {
    const [key, range] = args;
    const isFrame = range !== undefined && 'position' in range && range.position === 0;
    if (this.damaged.has(isFrame ? `frame of ${key}` : key))
      throw new BackupError('STORE_CHECKSUM_MISMATCH', `GetBlob ${key}: other bytes arrived`, { context: { key } });
    return super.get(...args);
  }
}

describe('a validation of a store that finds answers damaged itself', () => {
  let workers: WorkerPool;
  before(() => {
    workers = startWorkers();
  });
  after(() => workers.close());

  test('goes on, and names each of them', async () => {
    const store = new CheckingStore();
    const backup = await TestBackup.create(store, workers);
    await backup.observe();
    const segments: SegmentSummary[] = [];
    for (let at = 0n; at < 20n; at += 5n) segments.push(await backup.add([jsonBatch(at, 5)]));
    const [first, second, third] = segments;
    store.damaged.add(`frame of ${first!.key}`).add(second!.key).add(backup.layout.commit(5));
    const { layout } = backup;
    const { signal } = new AbortController();
    const run = new ValidationRun({ store, layout, depth: 'deep', workers, sample: null, signal });
    const { problems, problemCount, bytesRead } = await run.run();
    assert.ok(problems.every(({ code }) => code === 'STORE_CHECKSUM_MISMATCH'));
    assert.deepEqual(new Set(problems.map(({ key }) => key)), new Set([layout.commit(5), first!.key, second!.key]));
    assert.equal(problemCount, 3);
    assert.equal(bytesRead, third!.storedSizeBytes - third!.footerSizeBytes);
    const frame = problems.find(({ key }) => key === first!.key);
    assert.deepEqual([frame?.topic, frame?.partition, frame?.offset], ['orders', 0, 0n]);
  });
});
