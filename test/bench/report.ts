// What the benchmark prints: machine facts, one table per scenario, and the table of targets.
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { kafkaVersion } from '../support/kafka-jars.ts';
import { type Metric, type Results, ratio, spread } from './rounds.ts';
import type { Scenario } from './scenarios/scenario.ts';
import type { Verdict } from './targets.ts';

interface Column {
  readonly title: string;
  readonly metric: Metric;
  readonly scale: number;
  readonly digits: number;
}

const COLUMNS: readonly Column[] = [
  { title: 'wall s', metric: 'wallSeconds', scale: 1, digits: 2 },
  { title: 'CPU s', metric: 'cpuSeconds', scale: 1, digits: 2 },
  { title: 'peak RSS MB', metric: 'peakRssBytes', scale: 1e6, digits: 0 },
  { title: 'stored MB', metric: 'storedBytes', scale: 1e6, digits: 1 },
];

/** Only where somebody counts them. */
const READ_COLUMNS: readonly Column[] = [
  { title: 'read MB', metric: 'readBytes', scale: 1e6, digits: 1 },
  { title: 'read %', metric: 'readShare', scale: 0.01, digits: 2 },
];

/** What a reader needs to judge the figures. */
export interface Facts {
  readonly date: string;
  readonly command: string;
  readonly commit: string;
  readonly cores: number;
  readonly cpu: string;
  readonly memoryMb: number;
  readonly kernel: string;
  readonly node: string;
  readonly kafka: string;
  readonly records: number;
  readonly runs: number;
  /** Where backups are written. */
  readonly store: string;
  readonly programs: Readonly<Record<string, string>>;
}

export function gatherFacts(run: Pick<Facts, 'command' | 'records' | 'runs' | 'store' | 'programs'>): Facts {
  const processors = cpus();
  return {
    ...run,
    date: new Date().toISOString(),
    commit: commit(),
    cores: processors.length,
    cpu: processors[0]?.model ?? 'unknown',
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
    node: process.version,
    kafka: kafkaVersion(),
  };
}

export function renderFacts(facts: Facts): string {
  const { programs, ...rest } = facts;
  return [
    `$ ${rest.command}`,
    `${rest.date}, commit ${rest.commit}`,
    `${rest.cores} cores (${rest.cpu}, shared with the broker), ${rest.memoryMb} MB memory, Linux ${rest.kernel}`,
    `Node ${rest.node}, Kafka ${rest.kafka}`,
    `store: ${rest.store}`,
    ...Object.entries(programs).map(([name, version]) => `${name}: ${version}`),
    `${rest.records} records per topic; median (min..max) of ${rest.runs} alternating run(s) after a warm-up`,
  ].join('\n');
}

export function renderScenario(name: string, scenario: Scenario, results: Results): string {
  const { title, bytes, contenders, ratios } = scenario;
  const columns = [
    ...COLUMNS,
    ...READ_COLUMNS.filter(({ metric }) => contenders.some((row) => spread(results, row.name, metric) !== undefined)),
  ];
  const header = ['', ...columns.map((column) => column.title), ...(bytes === null ? [] : ['MB/s'])];
  const rows = contenders
    .filter(({ name: row }) => (results.get(row)?.runs.length ?? 0) > 0)
    .map(({ name: row }) => [
      row,
      ...columns.map((column) => spreadText(results, row, column)),
      ...rate(results, row, bytes),
    ]);
  const divided = ratios
    .filter(([one, other]) => ratio(results, 'wallSeconds', one, other) !== undefined)
    .map(([one, other]) => [
      `${one} / ${other}`,
      ...columns.map(({ metric }) => ratioText(ratio(results, metric, one, other))),
    ]);
  const failures = [...results.values()].flatMap(({ name: row, failure }) =>
    failure === undefined ? [] : [`${row} failed: ${failure.trimEnd()}`],
  );
  return [`${name}: ${title}`, renderTable([header, ...rows, ...divided]), ...failures].join('\n');
}

export function renderVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ scenario, text, target, figureText, verdict }) => {
    return [scenario, text, target, figureText, verdict];
  });
  return renderTable([['scenario', 'measure', 'target', 'figure', ''], ...rows]);
}

function rate(results: Results, name: string, bytes: number | null): string[] {
  const wall = spread(results, name, 'wallSeconds');
  return bytes === null || wall === undefined ? [] : [(bytes / 1e6 / wall.median).toFixed(0)];
}

function spreadText(results: Results, name: string, { metric, scale, digits }: Column): string {
  const measured = spread(results, name, metric);
  if (measured === undefined) return '-';
  const [median, min, max] = [measured.median, measured.min, measured.max].map((value) =>
    (value / scale).toFixed(digits),
  );
  return `${median} (${min}..${max})`;
}

function ratioText(value: number | undefined): string {
  return value === undefined ? '-' : `${value.toFixed(2)}x`;
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows
    .map((row) => `  ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}

/** With `+` when the working tree differs from it. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}
