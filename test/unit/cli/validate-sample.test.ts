import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { FilesystemObjectStore } from '../../../src/storage/filesystem/filesystem-object-store.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';
import { jsonOf, removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

let workers: WorkerPool;
let directory: string;

before(async () => {
  workers = startWorkers();
  directory = await temporaryDirectory();
  const backup = await TestBackup.create(new FilesystemObjectStore(directory), workers);
  for (let at = 0n; at < 50n; at += 5n) await backup.add([jsonBatch(at, 5)]);
});
after(async () => {
  await workers.close();
  await removeDirectory(directory);
});

const validate = (...args: readonly string[]) => runCommand(['validate', '-p', directory, '-b', 'b', ...args]);

describe('validate --sample', () => {
  test('says what it opened, and prints the seed that opens the same again', async () => {
    const { exitCode, stdout } = await validate('--deep', '--sample', '25%');
    assert.equal(exitCode, 0);
    const [, seed = assert.fail(stdout)] = /Sample: 25%, 3 of 10 segments, seed (\d+)/.exec(stdout) ?? [];
    assert.match(stdout, /Result: VALID in a sample of 25%\n$/);
    const again = jsonOf(await validate('--deep', '--sample', '25%', '--seed', seed, '--json'));
    assert.deepEqual(again.sample, { share: 0.25, seed: Number(seed), segments: 3 });
    assert.equal(again.result, 'VALID in a sample of 25%');
    assert.equal(jsonOf(await validate('--deep', '--json')).sample, null);
  });

  test('refuses what is no share, and a seed without a sample', async () => {
    for (const share of ['5', '0%', '101%', '-1%', 'x%', '5 %']) {
      const { exitCode, stderr } = await validate('--sample', share);
      assert.deepEqual([exitCode, stderr.includes('is not a share; write 5%')], [2, true], share);
    }
    assert.equal((await validate('--seed', '5')).exitCode, 2);
    assert.equal((await validate('--sample', '5%', '--seed', 'x')).exitCode, 2);
  });
});
