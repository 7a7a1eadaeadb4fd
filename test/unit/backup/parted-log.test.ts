// A source whose leaders were elected uncleanly: each backs up what the leader of the moment has, and goes on with the next one's
// log from where that agrees with what is stored.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { splitBatches } from '../../../src/record/batch-header.ts';
import { readFooter, readFrame } from '../../../src/segment/segment-reader.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { jsonBatch, startWorkers } from '../segment/segment-fixture.ts';
import { SETTINGS, superviseQuietly } from './backup-settings-fixture.ts';
import { MemoryPartitionLog, TOPIC, TOPIC_ID } from './memory-log.ts';

/** Batches of so many records each, by epoch: `[epoch, end offset]`, one after the other. */
function logOf(...epochs: readonly (readonly [epoch: number, end: number])[]): Buffer[] {
  const batches: Buffer[] = [];
  let offset = 0;
  for (const [leaderEpoch, end] of epochs) {
    for (; offset < end; offset += 5) batches.push(jsonBatch(BigInt(offset), 5, { leaderEpoch }));
  }
  return batches;
}

/** What the newest timeline of the backup holds, batch by batch. */
async function storedBatches(store: MemoryObjectStore): Promise<Buffer[]> {
  const state = await readCatalog(store, LAYOUT);
  const batches: Buffer[] = [];
  for (const { segment, fromOffset, toOffset } of state.incarnation(TOPIC, TOPIC_ID).partition(0).currentSegments()) {
    for (const frame of (await readFooter(store, segment)).frames) {
      const raw = Buffer.from(await readFrame(store, segment, frame));
      for (const { position, sizeBytes, baseOffset } of splitBatches(raw)) {
        const isCurrent = baseOffset >= fromOffset && baseOffset < toOffset;
        if (isCurrent) batches.push(raw.subarray(position, position + sizeBytes));
      }
    }
  }
  return batches;
}

describe('a source whose log has parted from what is stored', { timeout: 120_000 }, () => {
  let workers: WorkerPool;

  before(() => {
    workers = startWorkers();
  });

  after(() => workers.close());

  /** One run of a backup after the other, each to the end of the log that the source has then. */
  async function assertFollows(logs: readonly Buffer[][]): Promise<void> {
    const store = new MemoryObjectStore();
    const log = new MemoryPartitionLog([[]]);
    for (const batches of logs) {
      log.replace(0, batches);
      const run = superviseQuietly({ settings: { ...SETTINGS, commitIntervalMs: 5 }, log, store, workers });
      const outcome = await run.run(new AbortController().signal);
      assert.deepEqual(outcome.shortfalls, []);
      assert.deepEqual(await storedBatches(store), batches);
    }
  }

  test('is followed from the end of its own epoch, where that was stored', async () => {
    await assertFollows([logOf([1, 20], [2, 60]), logOf([1, 20], [2, 40], [3, 70])]);
  });

  test('is followed from where ours left an epoch of which the source has more', async () => {
    await assertFollows([logOf([1, 50], [2, 90]), logOf([1, 100], [3, 120])]);
    await assertFollows([logOf([1, 50], [2, 90]), logOf([1, 70], [3, 120])]);
  });

  test('is followed from further back where what is left has parted from it too', async () => {
    await assertFollows([logOf([1, 10], [2, 50], [4, 90]), logOf([1, 30], [3, 100], [5, 120])]);
  });

  test('is followed wherever unclean elections have led it', async () => {
    const step = fc.record({
      leader: fc.nat(1),
      batches: fc.integer({ min: 1, max: 4 }),
      /** How much of it the other one takes over, if it is there at all. */
      followed: fc.option(fc.nat(12)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
        const replicas: [Buffer[], Buffer[]] = [[], []];
        const logs: Buffer[][] = [];
        steps.forEach(({ leader, batches, followed }, leaderEpoch) => {
          const log = replicas[leader]!;
          for (let index = 0; index < batches; index += 1) {
            log.push(jsonBatch(BigInt(log.length * 5), 5, { leaderEpoch }));
          }
          if (followed !== null) {
            const other = replicas[1 - leader]!;
            const parting = log.findIndex((batch, index) => other[index]?.equals(batch) !== true);
            replicas[1 - leader] = log.slice(0, Math.max(parting, followed));
          }
          logs.push([...log]);
        });
        await assertFollows(logs);
      }),
      { seed: 20_261_129, numRuns: 40 },
    );
  });
});
