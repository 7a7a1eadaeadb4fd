import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { CHOICES, choicesWith, measureCodecs, type TopicSample } from '../../../src/estimate/measure-codecs.ts';
import { COMMIT_HEAD_BYTES } from '../../../src/estimate/object-overhead.ts';
import type { SampleFrame } from '../../../src/estimate/sample-frame.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { splitBatches } from '../../../src/record/batch-header.ts';
import { shared } from '../../support/record-batches.ts';
import { jsonBatch, startWorkers, TestBackup, TOPIC_ID } from '../../support/stored-backup.ts';

const IDENTITY = { topic: 'orders', topicId: TOPIC_ID, partition: 0 };
const ZSTD_1 = CHOICES.findIndex(({ codec, level }) => codec === 'zstd' && level === 1);

let workers: WorkerPool;
before(() => {
  workers = startWorkers(1);
});
after(() => workers.close());

/** Of `count` objects of `records` records each, one batch a record. */
const objects = (count: number, records: number): Buffer[][] =>
  Array.from({ length: count }, (_, object) =>
    Array.from({ length: records }, (__, record) => jsonBatch(BigInt(object * records + record), 1)),
  );

function frameOf(batches: readonly Uint8Array[]): SampleFrame {
  const raw = new Uint8Array(shared(...batches));
  const headers = [...splitBatches(raw)];
  const [baseOffset, lastOffset] = [headers[0]!.baseOffset, headers.at(-1)!.lastOffset];
  const counts = { recordCount: headers.length, batchCount: headers.length };
  return { identity: IDENTITY, raw, baseOffset, lastOffset, ...counts, hasProducerTimes: true };
}

async function measure(batches: readonly Buffer[][]): Promise<TopicSample> {
  async function* frames(): AsyncGenerator<SampleFrame> {
    for (const some of batches) yield frameOf(some);
  }
  const layout = new ObjectLayout('b');
  const { signal } = new AbortController();
  return measureCodecs(frames(), {
    ...{ choices: CHOICES, workers, recompress: 'never', layout, signal },
    onBytes: () => {},
  });
}

describe('what is measured of a sample', () => {
  for (const [count, records] of [
    [40, 3],
    [1, 2000],
  ] as const) {
    test(`is what ${count} object(s) of ${records} records then take, and their commits`, async () => {
      const batches = objects(count, records);
      const sample = await measure(batches);
      const store = new MemoryObjectStore();
      const backup = await TestBackup.create(store, workers);
      let frameBytes = 0;
      let besideBytes = 0;
      for (const some of batches) {
        const { storedSizeBytes, footerSizeBytes } = await backup.add(some);
        frameBytes += storedSizeBytes - footerSizeBytes;
        besideBytes += footerSizeBytes;
      }
      for await (const { sizeBytes } of store.list(backup.layout.catalogPrefix)) besideBytes += sizeBytes;
      assert.equal(sample.measured[ZSTD_1]!.storedBytes, frameBytes);

      const estimated = sample.overheadBytes + count * COMMIT_HEAD_BYTES;
      assert.ok(Math.abs(estimated - besideBytes) < besideBytes * 0.05, `${estimated}, not about ${besideBytes}`);
      assert.deepEqual([sample.frames, sample.batches, sample.offsets], [count, count * records, count * records]);
    });
  }
});

describe('the codecs that are measured', () => {
  const levels = (level: number): number[] =>
    choicesWith({ codec: 'zstd', level }).flatMap((choice) => (choice.codec === 'zstd' ? [choice.level] : []));

  test('are the usual ones, and the configured one in its place', () => {
    assert.deepEqual(
      [levels(3), levels(4), levels(12)],
      [
        [1, 3, 6],
        [1, 3, 4, 6],
        [1, 3, 6, 12],
      ],
    );
    assert.deepEqual(choicesWith({ codec: 'lz4', level: 12 }), CHOICES);
  });
});
