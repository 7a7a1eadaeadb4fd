// The static checks judged by themselves: each finds what was planted for it. A check that cannot fail is a defect.
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '../support/cache.ts';
import { misdirectedImports } from '../support/checks/import-direction.ts';
import { runTool } from '../support/checks/run-tool.ts';
import { forbiddenText } from '../support/checks/tree-text.ts';

/** One import that breaks exactly the rule named, each in a folder that may not have it. */
const IMPORTS: Readonly<Record<string, readonly [file: string, code: string]>> = {
  'storage-imports-only-what-is-below': ['storage/planted.ts', "import '../kafka/partition-log.ts';"],
  'backup-imports-only-what-is-below': ['backup/planted.ts', "import type {} from '../restore/restore-job.ts';"],
  'restore-imports-only-what-is-below': ['restore/planted.ts', "import '../kafka/connection/cluster.ts';"],
  'model-imports-only-what-is-below': ['model/planted.ts', "import '../record/varint.ts';"],
  'kafkajs-has-one-home': ['cli/planted.ts', "import 'kafkajs';"],
  'kafkajs/src-has-one-home': ['kafka/planted.ts', "import 'kafkajs/src/broker/index.js';"],
  'snappy-has-one-home': ['record/planted.ts', "await import('snappy');"],
  'every-package-is-in-the-table': ['cli/stranger.ts', "import 'fast-check';"],
  'every-folder-is-in-the-table': ['utils/planted.ts', "import '../model/errors.ts';"],
  'files-are-read-in-few-places': ['catalog/planted.ts', "import 'node:fs/promises';"],
  'src-never-imports-test': ['config/planted.ts', "import '../../test/planted.ts';"],
  'every-import-resolves': ['segment/planted.ts', "import './absent.ts';"],
  'no-cycles': ['control/planted.ts', "import type {} from './planted-before.ts';"],
  'everything-is-reached-from-a-root': ['telemetry/lonely.ts', 'export const lonely = 1;'],
};

const LINES: Readonly<Record<string, string>> = {
  'no-floating-promises': "import { setTimeout } from 'node:timers/promises';\nsetTimeout(1);",
  'no-misused-promises': "['a'].forEach(async () => {});",
  'switch-exhaustiveness-check':
    "export function f(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n      break;\n  }\n}",
  'only-throw-error': "throw 'text';",
  'no-process-env': 'export const home = process.env.HOME;',
  'no-explicit-any': 'export const x: any = 1;',
  'no-non-null-assertion': "export const y = ['a'].at(0)!;",
  'no-default-export': 'export default 1;',
  'max-lines': 'export {};\n'.repeat(501),
  'max-lines-per-function': `export function long(): void {\n${'  void 0;\n'.repeat(71)}}`,
};

describe('the static checks', { timeout: 120_000 }, () => {
  let root: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'kafka-backup-checks-'));
    for (const name of ['src', 'package.json', 'tsconfig.json', '.gitignore', '.oxlintrc.json']) {
      await cp(join(projectRoot, name), join(root, name), { recursive: true });
    }
    await symlink(join(projectRoot, 'node_modules'), join(root, 'node_modules'));
  });

  after(() => rm(root, { recursive: true, force: true }));

  async function plant(file: string, text: string): Promise<void> {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  }

  it('find every kind of wrong import', async () => {
    await plant('test/planted.ts', 'export {};');
    await plant('src/control/planted-before.ts', "import type {} from './planted.ts';");
    for (const [file, code] of Object.values(IMPORTS)) await plant(`src/${file}`, code);
    const found = await misdirectedImports(root);
    for (const [rule, [file]] of Object.entries(IMPORTS)) {
      const isFound = found.some((line) => line.startsWith(`${rule}: `) && line.includes(`src/${file}`));
      assert.ok(isFound, `${rule} in ${file}, among\n${found.join('\n')}`);
    }
  });

  it('find every kind of line that the linter refuses', async () => {
    for (const [rule, text] of Object.entries(LINES)) await plant(`src/linted/${rule}.ts`, `${text}\n`);
    const { output, exitCode } = await runTool('oxlint', ['--format=unix', 'src/linted'], root);
    assert.notEqual(exitCode, 0);
    for (const rule of Object.keys(LINES)) {
      const pattern = new RegExp(`^src/linted/${rule}\\.ts:.*\\(${rule}\\)\\]$`, 'm');
      assert.match(output, pattern);
    }
  });

  it('find registries, paths of one machine and places of packages', async () => {
    const registry = ['registry', 'npmjs', 'org'].join('.');
    await plant('notes/registry.md', `one\nfetch it from https://${registry}/x\n`);
    await plant('notes/path.yaml', `path: ${['', 'home', 'somebody', 'store'].join('/')}\n`);
    await plant('notes/root.md', `see ${root}/src\n`);
    await plant('package-lock.json', '{\n  "resolved": "somewhere"\n}\n');
    await plant('.cache/ignored.md', `https://${registry}/x\n`);
    await plant('notes/innocent.md', 'npm, ${HOME}/home/x, a/work/b, https://example.org/root/x\n');
    const found = forbiddenText(root).map((line) => line.replace(/ \(.*/, ''));
    assert.deepEqual(found, [
      'notes/path.yaml:1: names a path of one machine',
      'notes/registry.md:2: names a package registry',
      'notes/root.md:1: names a path of one machine',
      'package-lock.json:2: names the place of a package',
    ]);
  });
});
