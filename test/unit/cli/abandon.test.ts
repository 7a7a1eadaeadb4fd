import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { renderAbandoned } from '../../../src/cli/output/reports/restore/render-abandoned.ts';
import { removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

let directory: string;
let config: string;

before(async () => {
  directory = await temporaryDirectory();
  config = join(directory, 'restore.yaml');
  const path = join(directory, 'store');
  await mkdir(path);
  const target = { bootstrap_servers: ['127.0.0.1:1'] };
  const storage = { backend: 'filesystem', path };
  await writeFile(config, JSON.stringify({ mode: 'restore', backup_id: 'b', target, storage }));
});
after(() => removeDirectory(directory));

const abandoning = (...args: readonly string[]) => runCommand(['restore', '-c', config, '--abandon', ...args]);

describe('restore --abandon', () => {
  test('stands alone', async () => {
    for (const more of [['--dry-run'], ['--resume', 'rst_1'], ['--to', 'latest']]) {
      const { exitCode, stderr } = await abandoning('rst_1', ...more);
      assert.equal(exitCode, 2);
      assert.match(stderr, /--abandon rst_1 says all that is meant/);
    }
  });

  test('does not know what has not begun', async () => {
    const { exitCode, stderr } = await abandoning('rst_1');
    assert.equal(exitCode, 10);
    assert.match(stderr, /no restore rst_1 has begun/);
  });

  test('tells what has become of each topic, and where what it left there begins', () => {
    const topics = [
      { topic: 'a', isReleased: true, startOffsets: [5n, 0n] },
      { topic: 'b', isReleased: false, startOffsets: [] },
    ];
    assert.equal(
      renderAbandoned({ id: 'rst_1', topics }),
      [
        'Restore rst_1 is abandoned',
        '  a: has its own configuration; what the restore wrote begins at partition:offset 0:5, 1:0',
        '  b: was left as it is; nothing was written to it',
      ].join('\n'),
    );
  });
});
