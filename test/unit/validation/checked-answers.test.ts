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

describe('a validation of a store that goes away, as a mount does', () => {
  let workers: WorkerPool;
  before(() => {
    workers = startWorkers();
  });
  after(() => workers.close());

  class Mount extends MemoryObjectStore {
    /** Nothing is found from the moment when this is read, until so many looks have been in vain. */
    awayFrom = '';
    looksInVain = 0;
    #hasGone = false;

    override async get(...args: Parameters<MemoryObjectStore['get']>): Promise<Uint8Array | undefined> {
      this.#hasGone ||= args[0] === this.awayFrom;
      return this.#isAway() ? undefined : super.get(...args);
    }

    override async head(...args: Parameters<MemoryObjectStore['head']>) {
      return this.#isAway() ? undefined : super.head(...args);
    }

    #isAway(): boolean {
      if (!this.#hasGone || this.looksInVain === 0) return false;
      this.looksInVain -= 1;
      return true;
    }
  }

  async function validated(part: 'commit' | 'segment', looksInVain: number) {
    const store = new Mount();
    const backup = await TestBackup.create(store, workers);
    await backup.observe();
    const { key } = await backup.add([jsonBatch(0n, 5)]);
    await backup.add([jsonBatch(5n, 5)]);
    store.awayFrom = part === 'segment' ? key : backup.layout.commit(2);
    store.looksInVain = looksInVain;
    const { layout } = backup;
    const { signal } = new AbortController();
    return new ValidationRun({ store, layout, depth: 'deep', workers, sample: null, signal }).run();
  }

  for (const part of ['commit', 'segment'] as const) {
    test(`gives no verdict where a ${part} is looked for meanwhile`, async () => {
      await assert.rejects(validated(part, Number.POSITIVE_INFINITY), {
        code: 'STORE_UNAVAILABLE',
        message: /backup\.json has gone from memory/,
      });
    });

    test(`calls nothing missing where it is back at the next look at a ${part}`, async () => {
      assert.deepEqual((await validated(part, 1)).problems, []);
    });
  }
});
