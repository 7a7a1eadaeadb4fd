// prune over backups in a temporary directory: its exit codes, and what it prints.
import assert from 'node:assert/strict';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { FilesystemObjectStore } from '../../../src/storage/filesystem/filesystem-object-store.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../support/stored-backup.ts';
import { jsonOf, removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

const TWO_DAYS_AGO = new Date(Date.now() - 2 * 86_400_000);
const THREE_DAYS_AGO = new Date(Date.now() - 3 * 86_400_000);

let workers: WorkerPool;
const directories: string[] = [];
before(() => {
  workers = startWorkers(1);
});
after(async () => {
  await workers.close();
  for (const directory of directories) await removeDirectory(directory);
});

/** One committed segment, an old orphan and a younger one, an old temporary file of data and one of the catalog. */
async function leftovers() {
  const directory = await temporaryDirectory();
  directories.push(directory);
  const backup = await TestBackup.create(new FilesystemObjectStore(directory), workers);
  const { key } = await backup.add([jsonBatch(0n, 5)]);
  const old = await backup.segment([[jsonBatch(5n, 5)]]);
  const young = await backup.segment([[jsonBatch(10n, 5)]]);
  const temporary = join(directory, dirname(key), '.0123456789abcdef.tmp');
  const ofCatalog = join(directory, 'b', 'catalog', '.0123456789abcdef.tmp');
  for (const file of [temporary, ofCatalog]) await writeFile(file, 'half');
  for (const file of [temporary, ofCatalog, join(directory, old.key)]) await utimes(file, TWO_DAYS_AGO, TWO_DAYS_AGO);
  await utimes(join(directory, backup.layout.commit(1)), THREE_DAYS_AGO, THREE_DAYS_AGO);
  const address = ['--path', directory, '--backup-id', 'b'];
  const files = async (): Promise<string[]> => {
    const found = await readdir(directory, { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  };
  return { directory, backup, address, files, old: join(directory, old.key), young: young.key, temporary, ofCatalog };
}

describe('kafka-backup prune', () => {
  test('prints what would go, then removes just that', async () => {
    const { address, files, old, temporary, ofCatalog } = await leftovers();
    const before = (await files()).sort();
    const dry = await runCommand(['prune', ...address]);
    assert.equal(dry.exitCode, 0);
    assert.match(dry.stdout, /^object +20\S+Z +.* b\/data\/orders\/.*\.log\.zst\n^unfinished upload +20.*\.tmp\n/m);
    assert.match(dry.stdout, /Left alone, since it is younger than 24 h: 1, /);
    assert.match(dry.stdout, /^ {2}Unfinished uploads: 2, 8 B\n {2}Checkpoints that others have replaced: none$/m);
    assert.match(dry.stdout, /^Result: 3 to remove; --confirm removes them$/m);
    assert.deepEqual((await files()).sort(), before);
    const removed = await runCommand(['prune', ...address, '--confirm', '--json']);
    const { confirmed, orphan_count, upload_count, upload_bytes, younger_count, checkpoint_count } = jsonOf(removed);
    assert.deepEqual([confirmed, orphan_count, upload_count, upload_bytes], [true, 1, 2, 8]);
    assert.deepEqual([younger_count, checkpoint_count], [1, 0]);
    const gone = new Set([old, temporary, ofCatalog]);
    assert.deepEqual(
      (await files()).sort(),
      before.filter((file) => !gone.has(file)),
    );
    assert.match((await runCommand(['prune', ...address])).stdout, /^Result: nothing to remove$/m);
  });

  test('says of a young age that no agent may run', async () => {
    const { address } = await leftovers();
    const run = await runCommand(['prune', ...address, '--confirm', '--older-than', '0s', '--json']);
    assert.match(run.stderr, /only while none does/);
    assert.equal(jsonOf(run).orphan_count, 2);
  });

  test('stops before a catalog with a hole, and removes nothing', async () => {
    const { address, backup, files } = await leftovers();
    await backup.add([jsonBatch(5n, 5)]);
    await backup.store.delete(backup.layout.commit(1));
    const before = await files();
    const run = await runCommand(['prune', ...address, '--confirm']);
    assert.deepEqual([run.exitCode, await files()], [13, before]);
    assert.match(run.stderr, /commit 1 of the catalog is missing/);
  });

  test('says what it did, and what was in the way, when it fails', async () => {
    const { address, backup } = await leftovers();
    await backup.store.delete(backup.layout.commit(1));
    const text = await runCommand(['prune', ...address, '--confirm']);
    assert.equal(text.exitCode, 13);
    assert.match(
      text.stdout,
      /\n {2}Failed: backup b has no commit, .*\nResult: nothing found to remove; incomplete, run it again/,
    );
    const json = await runCommand(['prune', ...address, '--confirm', '--json']);
    const { complete, failures } = jsonOf(json);
    assert.deepEqual([complete, failures[0].code, failures.length], [false, 'CATALOG_CORRUPT', 1]);
  });

  test('refuses what it does not understand, and a backup that is not there', async () => {
    const { address, directory } = await leftovers();
    assert.equal((await runCommand(['prune', ...address, '--older-than', '24'])).exitCode, 2);
    assert.equal((await runCommand(['prune', '--path', directory])).exitCode, 2);
    assert.equal((await runCommand(['prune', '--path', directory, '--backup-id', 'other'])).exitCode, 10);
  });
});
