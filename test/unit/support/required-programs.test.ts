import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { missingPrograms } from '../../support/required-programs.ts';

test('programs that a stage needs and that are not there are named with their use', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'programs-'));
  for (const name of ['zstd', 'lz4', 'openssl', 'gzip']) {
    await writeFile(join(directory, name), '');
    await chmod(join(directory, name), name === 'gzip' ? 0o644 : 0o755);
  }
  const path = `/nowhere:${directory}`;
  assert.deepEqual(missingPrograms(['check'], path), []);
  assert.deepEqual(missingPrograms(['check', 'unit'], path), ['gzip is not installed: it judges record batches']);
  const names = missingPrograms(['unit', 'system'], path).map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['gzip', 'java', 'javac', 'mvn', 'go']);
  await rm(directory, { recursive: true });
});
