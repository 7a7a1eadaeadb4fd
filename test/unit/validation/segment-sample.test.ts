import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { sampleOf } from '../../../src/validation/segment-sample.ts';
import { type ValidationDepth, type ValidationReport, ValidationRun } from '../../../src/validation/validation-run.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';

const SEGMENTS = 40;

let workers: WorkerPool;
let backup: TestBackup;
const segments: SegmentSummary[] = [];

before(async () => {
  workers = startWorkers();
  backup = await TestBackup.create(new MemoryObjectStore(), workers);
  for (let at = 0n; at < BigInt(SEGMENTS * 5); at += 5n) segments.push(await backup.add([jsonBatch(at, 5)]));
});
after(() => workers.close());

function validate(share: number, seed: number, depth: ValidationDepth = 'deep'): Promise<ValidationReport> {
  const { store, layout } = backup;
  const { signal } = new AbortController();
  const sample = { share, seed };
  return new ValidationRun({ store, layout, depth, workers, sample, signal }).run();
}

describe('a validation by sample', () => {
  test('opens the same share for the same seed, and another for another', () => {
    const keys = (seed: number): string =>
      sampleOf(segments, { share: 0.25, seed })
        .map(({ key }) => key)
        .join();
    assert.equal(sampleOf(segments, { share: 0.25, seed: 1 }).length, SEGMENTS / 4);
    assert.equal(keys(1), keys(1));
    assert.notEqual(keys(1), keys(2));
    assert.equal(sampleOf(segments, { share: 0.000_01, seed: 1 }).length, 1);
    assert.deepEqual(sampleOf(segments, { share: 1, seed: 1 }), segments);
    assert.deepEqual(sampleOf([], { share: 1, seed: 1 }), []);
  });

  test('reads no more than that share, says so, and finds damage in it', async () => {
    const opened = sampleOf(segments, { share: 0.1, seed: 7 });
    const report = await validate(0.1, 7);
    assert.deepEqual(report.sample, { share: 0.1, seed: 7, segments: 4 });
    assert.equal(
      report.bytesRead,
      opened.reduce((total, one) => total + one.storedSizeBytes - one.footerSizeBytes, 0),
    );
    assert.deepEqual([report.isValid, report.segments], [true, SEGMENTS]);
    const { key } = opened[0]!;
    const whole = await backup.bytes(key);
    await backup.change(key, (bytes) => bytes.fill(0xff, 20, 24));
    assert.deepEqual(
      (await validate(0.1, 7)).problems.map((problem) => problem.key),
      [key],
    );
    await backup.change(key, (bytes) => bytes.fill(0xff, bytes.byteLength - 40));
    assert.equal((await validate(0.1, 7, 'quick')).isValid, false);
    await backup.change(key, () => whole);
  });

  test('finds an object outside the sample that is missing or has another size', async () => {
    const opened = new Set(sampleOf(segments, { share: 0.05, seed: 3 }).map(({ key }) => key));
    const [gone, grown] = segments.filter(({ key }) => !opened.has(key));
    await backup.change(gone!.key, () => undefined);
    await backup.change(grown!.key, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]));
    const { problems } = await validate(0.05, 3);
    assert.deepEqual(
      new Map(problems.map(({ key, code }) => [key, code])),
      new Map([
        [gone!.key, 'OBJECT_MISSING'],
        [grown!.key, 'OBJECT_CORRUPT'],
      ]),
    );
  });
});
