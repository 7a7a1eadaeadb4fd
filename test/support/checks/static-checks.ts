// Everything that can be judged without running the product, as one table. A check answers with its complaints; none is a pass.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../cache.ts';
import { misdirectedImports } from './import-direction.ts';
import { runTool } from './run-tool.ts';
import { forbiddenText } from './tree-text.ts';

const MAX_LINES_SHOWN = 120;

interface Check {
  readonly name: string;
  readonly by: string;
  readonly complaints: () => Promise<readonly string[]>;
}

const CHECKS: readonly Check[] = [
  { name: 'node', by: 'the version that package.json pins', complaints: async () => otherNode() },
  { name: 'format', by: 'biome', complaints: () => tool('biome', 'format', '--reporter=summary', '.') },
  {
    name: 'lint',
    by: 'oxlint, with types',
    complaints: () => tool('oxlint', '--deny-warnings', '--format=unix', 'src', 'test', 'deploy'),
  },
  { name: 'types', by: 'tsc', complaints: () => tool('tsc', '--noEmit', '-p', 'tsconfig.json') },
  { name: 'imports', by: 'dependency-cruiser, every file of src seen', complaints: () => misdirectedImports() },
  {
    name: 'documents',
    by: 'npm run docs -- --check',
    complaints: () => tool('node', 'src/reference/print.ts', '--check'),
  },
  { name: 'text', by: 'no registry, no path of one machine', complaints: async () => forbiddenText() },
];

export interface CheckCounts {
  readonly passed: number;
  readonly failed: number;
}

/** Runs all of them at once and prints a line for each, with its complaints below. */
export async function runStaticChecks(): Promise<CheckCounts> {
  const verdicts = await Promise.all(CHECKS.map(runOne));
  const passed = verdicts.filter((isPassed) => isPassed).length;
  return { passed, failed: verdicts.length - passed };
}

async function runOne({ name, by, complaints }: Check): Promise<boolean> {
  const startedAt = performance.now();
  const found = await complaints().catch((error: unknown) => [String(error)]);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${found.length === 0 ? 'ok  ' : 'FAIL'}  ${name.padEnd(10)} ${seconds.padStart(5)} s  ${by}`);
  const lines = found.flatMap((complaint) => complaint.split('\n'));
  for (const line of lines.slice(0, MAX_LINES_SHOWN)) console.log(`      ${line}`);
  if (lines.length > MAX_LINES_SHOWN) console.log(`      ... and ${lines.length - MAX_LINES_SHOWN} lines more`);
  return found.length === 0;
}

async function tool(name: string, ...args: readonly string[]): Promise<string[]> {
  const { exitCode, output } = await runTool(name, args);
  return exitCode === 0 ? [] : [output === '' ? `${name} ended with ${exitCode}` : output];
}

function otherNode(): string[] {
  const { devDependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const pinned = devDependencies['node'];
  const actual = process.versions.node;
  if (actual === pinned) return [];
  return [`this is node ${actual}, not ${pinned}: start it by npm, which puts node_modules/.bin first on PATH`];
}
