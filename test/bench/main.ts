// `npm run bench -- [scenario ...] [--runs 5] [--records 1000000] [--json FILE] [--peer FILE]`
// Measures our backup and restore beside the peer and bare zstd, on one broker that it starts itself. It reports, and
// never fails because of a figure; its exit code is 1 only when a program under measurement failed.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DEFAULT_PEER, findPrograms } from './programs.ts';
import { gatherFacts, renderFacts, renderScenario, renderVerdicts } from './report.ts';
import { alternate, type Result } from './rounds.ts';
import { SCENARIOS } from './scenarios.ts';
import { judge, type Verdict } from './targets.ts';
import { Workbench } from './workbench.ts';

const USAGE = `usage: npm run bench -- [scenario ...] [--runs 5] [--records 1000000] [--json FILE] [--peer FILE]
scenarios (all unless named): ${[...SCENARIOS.keys()].join(' ')}`;
const MINIMUM_RECORDS = 1000;

interface Options {
  readonly names: readonly string[];
  readonly runs: number;
  readonly records: number;
  readonly json: string | undefined;
  readonly peer: string;
}

interface ScenarioReport {
  readonly name: string;
  readonly title: string;
  readonly bytes: number | null;
  readonly results: readonly Result[];
}

/** @throws with the usage */
function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '5' },
      records: { type: 'string', default: '1000000' },
      json: { type: 'string' },
      peer: { type: 'string', default: DEFAULT_PEER },
    },
  });
  const runs = Number(values.runs);
  const records = Number(values.records);
  if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs takes a whole number from 1');
  if (!Number.isInteger(records) || records < MINIMUM_RECORDS) {
    throw new Error(`--records takes a whole number from ${MINIMUM_RECORDS}`);
  }
  const unknown = positionals.find((name) => !SCENARIOS.has(name));
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown}`);
  const names = [...SCENARIOS.keys()].filter((name) => positionals.length === 0 || positionals.includes(name));
  return { names, runs, records, json: values.json, peer: values.peer };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`);
}

async function measure(options: Options, bench: Workbench, programs: Awaited<ReturnType<typeof findPrograms>>) {
  const reports: ScenarioReport[] = [];
  const verdicts: Verdict[] = [];
  for (const name of options.names) {
    const prepare = SCENARIOS.get(name);
    if (prepare === undefined) continue;
    say(name);
    const scenario = await prepare(bench, programs);
    const { title, bytes, isSingle = false } = scenario;
    const rounds = { runs: isSingle ? 1 : options.runs, warmUp: !isSingle, say };
    const results = await alternate(bench, scenario.contenders, rounds);
    print(renderScenario(name, scenario, results));
    reports.push({ name, title, bytes, results: [...results.values()] });
    verdicts.push(...scenario.targets.map((target) => judge(name, target, results)));
  }
  return { reports, verdicts };
}

async function bench(options: Options): Promise<number> {
  say('building');
  const programs = await findPrograms(options.peer);
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const { records, runs } = options;
  const facts = gatherFacts({ command, records, runs, programs: programs.versions });
  print(renderFacts(facts));
  const workbench = await Workbench.open({ records, say });
  try {
    const { reports, verdicts } = await measure(options, workbench, programs);
    print(renderVerdicts(verdicts));
    if (options.json !== undefined) {
      await writeFile(options.json, `${JSON.stringify({ facts, scenarios: reports, verdicts }, null, 2)}\n`);
    }
    return reports.some(({ results }) => results.some(({ failure }) => failure !== undefined)) ? 1 : 0;
  } finally {
    await workbench.close();
  }
}

// Everything that was started ends with this process, through its `exit` handlers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

let options: Options | undefined;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  say(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
if (options !== undefined) process.exitCode = await bench(options);
