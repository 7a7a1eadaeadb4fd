// What validate says of a catalog that has lost commits, and what it advises then.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { ValidationRun, type ValidationReport } from '../../../src/validation/validation-run.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';

let workers: WorkerPool;
before(() => {
  workers = startWorkers(1);
});
after(() => workers.close());

/** Three segments of one partition, in three commits behind that of the topic. */
async function threeSegments(): Promise<TestBackup> {
  const backup = await TestBackup.create(new MemoryObjectStore(), workers);
  await backup.observe();
  for (const baseOffset of [0n, 5n, 10n]) await backup.add([jsonBatch(baseOffset, 5)]);
  return backup;
}

function validate({ store, layout }: TestBackup): Promise<ValidationReport> {
  const { signal } = new AbortController();
  return new ValidationRun({ store, layout, depth: 'quick', workers, sample: null, signal }).run();
}

describe('a catalog that has lost', () => {
  for (const [name, edit, message] of [
    ['missing', () => undefined, /^commit 2 is missing from the catalog; keep the checkpoint /],
    ['unreadable', (bytes: Buffer) => bytes.fill(0, 0, 4), /; keep the checkpoint b\/catalog\/checkpoints\/0*4\.json/],
  ] as const) {
    test(`a commit, ${name} now, before a checkpoint does not make the checkpoint wrong, which is to be kept`, async () => {
      const backup = await threeSegments();
      await backup.checkpoint();
      await backup.change(backup.layout.commit(2), edit);
      const messages = (await validate(backup)).problems.map((problem) => problem.message);
      assert.match(messages[0]!, message);
      assert.ok(!messages.some((one) => /is wrong|may be deleted/.test(one)), messages.join('\n'));
    });
  }

  test('all of its commits is found by the data that it has left', async () => {
    const backup = await threeSegments();
    for await (const { key } of backup.store.list(backup.layout.catalogPrefix)) await backup.store.delete(key);
    const { isValid, problems } = await validate(backup);
    assert.equal(isValid, false);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['CATALOG_CORRUPT'],
    );
    assert.match(problems[0]!.message, /no commit under b\/catalog\/, though there are 3 objects/);
  });
});
