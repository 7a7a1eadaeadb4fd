// `npm test`: the static checks, then node's own test runner over each stage, in the order of what is cheapest to be told.
// `npm test -- unit integration` runs only these stages; `large`, which needs minutes and much disk, runs only when it is named.
// A test that is skipped or marked as todo fails the run, since what was not run proves nothing. The last line is always
// `N passed, M failed`, over all stages.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { BUILT_MAIN, MAIN_VARIABLE } from './agent-process.ts';
import { projectRoot } from './cache.ts';
import { runTool } from './checks/run-tool.ts';
import { missingPrograms } from './required-programs.ts';
import { type CheckCounts, runStaticChecks } from './checks/static-checks.ts';

const MINUTE_MS = 60_000;
const LONGEST_SHOWN = 12;

interface Stage {
  readonly name: string;
  /** Below test/. */
  readonly folders: readonly string[];
  /** Files at once. Tests beside servers mostly wait for those, for timers and for each other's deaths: two of them fill two cores. */
  readonly concurrency: number;
  /** Longest time for one file: what hangs is told, not waited for. */
  readonly fileTimeoutMs: number;
  /** True: its tests start the program as it is built, which is done first. */
  readonly isBuilt?: boolean;
  /** Left out unless it is named. */
  readonly isOnRequest?: boolean;
}

const STAGES: readonly Stage[] = [
  {
    name: 'unit',
    folders: ['unit'],
    concurrency: Math.max(2, availableParallelism()),
    fileTimeoutMs: 5 * MINUTE_MS,
  },
  { name: 'integration', folders: ['contract', 'integration'], concurrency: 2, fileTimeoutMs: 15 * MINUTE_MS },
  { name: 'system', folders: ['system'], concurrency: 2, fileTimeoutMs: 15 * MINUTE_MS, isBuilt: true },
  {
    name: 'large',
    folders: ['large'],
    concurrency: 1,
    fileTimeoutMs: 60 * MINUTE_MS,
    isBuilt: true,
    isOnRequest: true,
  },
];
const NAMES = ['check', ...STAGES.map(({ name }) => name)];
const USUAL = ['check', ...STAGES.filter(({ isOnRequest = false }) => !isOnRequest).map(({ name }) => name)];

/** The test files of a stage. @throws when it has lost them */
function filesOf({ name, folders }: Stage): string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(projectRoot, 'test', folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => join(projectRoot, 'test', folder, file)),
  );
  if (files.length === 0) throw new Error(`stage ${name} has no test files`);
  return files.sort();
}

async function runStage(stage: Stage): Promise<CheckCounts> {
  const { concurrency, fileTimeoutMs, isBuilt = false } = stage;
  if (isBuilt) await useBuilt();
  // kafkajs 2.2.4 arms a timer with a negative delay, on which Node 24 remarks (tulios/kafkajs#1751).
  const execArgv = ['--disable-warning=TimeoutNegativeWarning'];
  const events = run({ files: filesOf(stage), cwd: projectRoot, concurrency, timeout: fileTimeoutMs, execArgv });
  let passed = 0;
  let failed = 0;
  const took: [ms: number, file: string][] = [];
  events.on('test:summary', ({ file, success, counts, duration_ms }) => {
    if (file !== undefined) {
      took.push([duration_ms, relative(projectRoot, file)]);
      return; // the last summary is of all
    }
    passed = counts.passed;
    failed = counts.tests - counts.passed;
    if (counts.skipped + counts.todo > 0)
      console.log(`${counts.skipped} skipped and ${counts.todo} todo count as failed`);
    // a suite or hook that failed with all of its tests passed
    if (!success && failed === 0) failed = 1;
  });
  const report = events.compose(spec);
  report.pipe(process.stdout, { end: false });
  await finished(report);
  tellLongest(stage.name, took);
  return { passed, failed };
}

/** Builds the program for the tests that come, and has them start that. @throws when it cannot be built */
async function useBuilt(): Promise<void> {
  const { exitCode, output } = await runTool('node', ['esbuild.config.js']);
  if (exitCode !== 0) throw new Error(`cannot build the program: ${output}`);
  process.env[MAIN_VARIABLE] = BUILT_MAIN;
}

/** Says where the time of a stage went. */
function tellLongest(stage: string, took: [ms: number, file: string][]): void {
  console.log(`longest files of ${stage}:`);
  took.sort(([a], [b]) => b - a);
  for (const [ms, file] of took.slice(0, LONGEST_SHOWN))
    console.log(`${(ms / 1000).toFixed(1).padStart(8)} s  ${file}`);
}

/** What could not even begin counts as one failure, so that the closing line is always told. */
async function runNamed(name: string): Promise<CheckCounts> {
  const stage = STAGES.find((one) => one.name === name);
  try {
    return stage === undefined ? await runStaticChecks() : await runStage(stage);
  } catch (error) {
    console.log(String(error));
    return { passed: 0, failed: 1 };
  }
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !NAMES.includes(name));
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(', ')} (there are ${NAMES.join(', ')})`);
  process.exit(2);
}
console.log(`node ${process.versions.node} at ${process.execPath}, ${availableParallelism()} cores`);

const stages = NAMES.filter((one) => (wanted.length === 0 ? USUAL : wanted).includes(one));
const missing = missingPrograms(stages, process.env.PATH ?? '');
if (missing.length > 0) {
  console.error(`${missing.join('\n')}\n0 passed, ${missing.length} failed`);
  process.exit(1);
}

const total = { passed: 0, failed: 0 };
const times: string[] = [];
for (const name of stages) {
  const startedAt = performance.now();
  console.log(`\n== ${name}`);
  const { passed, failed } = await runNamed(name);
  total.passed += passed;
  total.failed += failed;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  times.push(`${name.padEnd(12)} ${seconds.padStart(6)} s  ${passed} passed, ${failed} failed`);
}
console.log(`\n${times.join('\n')}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
