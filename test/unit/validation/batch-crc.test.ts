import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { readFooter } from '../../../src/segment/segment-reader.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { type ValidationDepth, type ValidationReport, ValidationRun } from '../../../src/validation/validation-run.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';

let workers: WorkerPool;
before(() => {
  workers = startWorkers();
});
after(() => workers.close());

function validate({ store, layout }: TestBackup, depth: ValidationDepth): Promise<ValidationReport> {
  const { signal } = new AbortController();
  return new ValidationRun({ store, layout, depth, workers, sample: null, signal }).run();
}

test('a batch that was damaged before its frame, footer and object were hashed is found by its CRC', async () => {
  const backup = await TestBackup.create(new MemoryObjectStore(), workers);
  await backup.observe();
  const [first, second] = [jsonBatch(0n, 5), jsonBatch(5n, 5)];
  const segment = await backup.segment([[first], [second]], { codec: 'none' });
  const { bodySizeBytes } = await readFooter(backup.store, segment);
  assert.equal(bodySizeBytes, first.byteLength + second.byteLength);
  await backup.change(segment.key, (object) => {
    object[bodySizeBytes - 1]! ^= 0x01;
    return object;
  });
  const object = await backup.bytes(segment.key);
  const forged = await backup.forge(segment, (footer) => ({
    ...footer,
    frames: footer.frames.map((frame) => {
      const stored = object.subarray(frame.position, frame.position + frame.storedSizeBytes);
      return { ...frame, sha256: createHash('sha256').update(stored).digest('hex') };
    }),
  }));
  await backup.commit({ kind: 'segment', segment: forged });
  assert.deepEqual((await validate(backup, 'bytes')).problems, []);
  const { isValid, problems } = await validate(backup, 'deep');
  assert.equal(isValid, false);
  assert.equal(problems.length, 1);
  const { code, key, topic, partition, offset, message } = problems[0]!;
  assert.deepEqual([code, key, topic, partition, offset], ['BATCH_CORRUPT', segment.key, 'orders', 0, 5n]);
  assert.match(message, /batch at offset 5 fails its CRC-32C/);
});
