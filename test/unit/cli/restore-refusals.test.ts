// What a restore is refused with before anything is opened: the words fit the command line, where no agent and no token is.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

let directory: string;
before(async () => {
  directory = await temporaryDirectory();
});
after(() => removeDirectory(directory));

test('a file without a target is a fault of the file, not of the rights of its reader', async () => {
  const file = join(directory, 'backup.yaml');
  const config = {
    mode: 'backup',
    backup_id: 'b',
    source: { bootstrap_servers: ['127.0.0.1:1'] },
    storage: { backend: 'filesystem', path: join(directory, 'store') },
  };
  await writeFile(file, JSON.stringify(config));
  for (const command of ['restore', 'validate-restore']) {
    const { exitCode, stderr } = await runCommand([command, '-c', file]);
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, /error: the configuration names no target "default"; add target: with bootstrap_servers/);
    assert.doesNotMatch(stderr, /token/);
  }
});

test('a file that is for dry runs writes nothing, whatever plan or restore is named beside it', async () => {
  const file = join(directory, 'dry.yaml');
  const config = {
    mode: 'restore',
    backup_id: 'b',
    target: { bootstrap_servers: ['127.0.0.1:1'] },
    storage: { backend: 'filesystem', path: join(directory, 'store') },
    restore: { dry_run: true },
  };
  await writeFile(file, JSON.stringify(config));
  const named = [['--plan', '0123456789ab'] as const, ['--resume', 'rst_1'] as const, ['--abandon', 'rst_1'] as const];
  for (const [flag, id] of named) {
    const { exitCode, stderr } = await runCommand(['restore', '-c', file, flag, id]);
    assert.equal(exitCode, 2, stderr);
    assert.match(
      stderr,
      new RegExp(`${flag} ${id} writes to the target, and restore\\.dry_run: true .* set it to false`),
    );
  }
});
