// A byte of the store is not as it was written: which depth of a validation finds it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
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

/** Changes a bit of every byte of the object in turn. @returns the positions where that was not found */
async function missedIn(backup: TestBackup, key: string, depth: ValidationDepth): Promise<number[]> {
  const whole = await backup.bytes(key);
  const missed: number[] = [];
  for (let position = 0; position < whole.length; position += 1) {
    const flipped = Buffer.from(whole);
    flipped[position]! ^= 1 << (position % 8);
    await backup.change(key, () => flipped);
    const { isValid, problems } = await validate(backup, depth);
    if (isValid) missed.push(position);
    else
      assert.ok(
        problems.every((problem) => problem.key === key),
        problems.map(({ message }) => message).join('\n'),
      );
  }
  await backup.change(key, () => whole);
  return missed;
}

describe('a damaged byte', () => {
  let backup: TestBackup;
  let segment: Awaited<ReturnType<TestBackup['add']>>;
  before(async () => {
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe();
    segment = await backup.add([jsonBatch(0n, 5)]);
  });

  test('of a segment is found, unless the validation is quick and the byte is no part of the footer', async () => {
    assert.deepEqual(await missedIn(backup, segment.key, 'bytes'), []);
    const bodyBytes = segment.storedSizeBytes - segment.footerSizeBytes;
    assert.deepEqual(await missedIn(backup, segment.key, 'quick'), [...Array(bodyBytes).keys()]);
    const { problems, bytesRead } = await validate(backup, 'bytes');
    assert.deepEqual([problems, bytesRead], [[], bodyBytes]);
  });

  test('of the newest commit, to which nothing is chained, or of the identity is found by every validation', async () => {
    for (const key of [backup.layout.commit(2), backup.layout.identity]) {
      const whole = await backup.bytes(key);
      const missed = await missedIn(backup, key, 'quick');
      // In the name of the seal, or the end of the line: no content.
      const seal = [whole.indexOf('contentSha256'), whole.indexOf('contentSha256":') + 'contentSha256'.length] as const;
      assert.ok(
        missed.every((position) => (position >= seal[0] && position < seal[1]) || position === whole.length - 1),
      );
    }
    assert.equal((await validate(backup, 'quick')).isValid, true);
  });
});
