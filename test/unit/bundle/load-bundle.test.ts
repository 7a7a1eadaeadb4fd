import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  compileBundle,
  keepCode,
  keptCode,
  loadBundle,
  readBundle,
  runBundle,
} from '../../../src/bundle/load-bundle.ts';

/** V8 knows a source again that it has compiled before, and then looks at no code: so each test has one of its own. */
const sourceOf = (test: number): string => `
  const { basename } = require('node:path');
  const called = () => basename(__filename) + ' in ' + basename(__dirname) + ' of ${test}';
  module.exports = { runCommandLine: async () => [called(), require('node:os').EOL] };
`;

describe('the bundle of the package', () => {
  let directory: string;
  let path: string;
  let tests = 0;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bundle-'));
    path = join(directory, 'agent.cjs');
    await writeFile(path, sourceOf((tests += 1)));
  });

  afterEach(() => rm(directory, { recursive: true }));

  async function assertRuns(): Promise<void> {
    const { runCommandLine } = loadBundle(path);
    const expected: unknown = [`agent.cjs in ${directory.split('/').at(-1)} of ${tests}`, '\n'];
    assert.deepEqual(await runCommandLine([], new AbortController().signal), expected);
  }

  /** Of a start. */
  async function codeOf(): Promise<Buffer> {
    const bundle = readBundle(path);
    const script = compileBundle(bundle);
    await runBundle(script, bundle).runCommandLine([], new AbortController().signal);
    return script.createCachedData();
  }

  const keep = (code: Buffer): void => keepCode(readBundle(path), { createCachedData: () => code });

  test('runs with the compiled code that is kept beside it', async () => {
    const code = await codeOf();
    keep(code);
    assert.deepEqual(keptCode(readBundle(path)), code);
    await assertRuns();
  });

  test('runs without any', async () => {
    assert.equal(keptCode(readBundle(path)), undefined);
    await assertRuns();
  });

  test('runs with code that V8 does not take', async () => {
    const strange = Buffer.alloc(5000, 7);
    keep(strange);
    assert.deepEqual(keptCode(readBundle(path)), strange);
    assert.equal(compileBundle(readBundle(path), strange).cachedDataRejected, true);
    await assertRuns();
  });

  test('takes no code that was damaged, nor that of another build', async () => {
    keep(await codeOf());
    const file = `${path}.code`;
    const kept = await readFile(file);
    for (const size of [0, 3, 4, 5, kept.length - 1]) {
      await writeFile(file, kept.subarray(0, size));
      assert.equal(keptCode(readBundle(path)), undefined, `${size} bytes`);
      await assertRuns();
    }
    const flipped = Buffer.from(kept);
    flipped[kept.length >> 1]! ^= 1;
    await writeFile(file, flipped);
    assert.equal(keptCode(readBundle(path)), undefined);
    await writeFile(file, kept);
    assert.ok(keptCode(readBundle(path)) !== undefined);
    await writeFile(path, sourceOf(tests).replace('called', 'caller'));
    assert.equal(keptCode(readBundle(path)), undefined);
  });
});
