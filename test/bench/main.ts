// `npm run bench -- [--store s3] [scenario ...] [--runs 6] [--records 1000000] [--json FILE] [--peer FILE]`
// Measures our backup and restore beside the peer and bare zstd, on one broker that it starts itself. It reports, and
// never fails because of a figure; its exit code is 1 only when a program or a scenario could not be measured.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { STORE_KINDS, type StoreKind } from './bench-store.ts';
import { DEFAULT_PEER, findPrograms, type Programs } from './programs.ts';
import { gatherFacts, renderFacts, renderScenario, renderVerdicts } from './report.ts';
import { alternate, type Result } from './rounds.ts';
import { SCENARIOS } from './scenarios/all.ts';
import { judge, type Verdict } from './targets.ts';
import { Workbench } from './workbench.ts';

const USAGE = `usage: npm run bench -- [--store ${STORE_KINDS.join('|')}] [scenario ...] [--runs 6] [--records 1000000] [--json FILE] [--peer FILE]
scenarios (all of the store unless named):
${STORE_KINDS.map((store) => `  ${store}: ${[...SCENARIOS[store].keys()].join(' ')}`).join('\n')}`;
const MINIMUM_RECORDS = 1000;

interface Options {
  readonly names: readonly string[];
  readonly runs: number;
  readonly records: number;
  readonly store: StoreKind;
  readonly json: string | undefined;
  readonly peer: string;
}

interface ScenarioReport {
  readonly name: string;
  readonly title: string;
  readonly bytes: number | null;
  readonly results: readonly Result[];
  readonly verdicts: readonly Verdict[];
}

/** @throws with the usage */
function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '6' },
      records: { type: 'string', default: '1000000' },
      store: { type: 'string', default: 'filesystem' },
      json: { type: 'string' },
      peer: { type: 'string', default: DEFAULT_PEER },
    },
  });
  const runs = Number(values.runs);
  const records = Number(values.records);
  if (runs !== 1 && !(Number.isInteger(runs) && runs > 0 && runs % 2 === 0)) {
    throw new Error('--runs takes 1 or an even number: a program is measured as often after itself as after the other');
  }
  if (!Number.isInteger(records) || records < MINIMUM_RECORDS) {
    throw new Error(`--records takes a whole number from ${MINIMUM_RECORDS}`);
  }
  const store = STORE_KINDS.find((kind) => kind === values.store);
  if (store === undefined) throw new Error(`--store takes ${STORE_KINDS.join(' or ')}`);
  const known = [...SCENARIOS[store].keys()];
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown} for the store ${store}`);
  const names = known.filter((name) => positionals.length === 0 || positionals.includes(name));
  return { names, runs, records, store, json: values.json, peer: values.peer };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`);
}

/** Undefined when the scenario could not be set up, which is said. */
async function runScenario(
  name: string,
  options: Options,
  setting: { readonly workbench: Workbench; readonly programs: Programs },
): Promise<ScenarioReport | undefined> {
  const { workbench, programs } = setting;
  say(name);
  try {
    const scenario = await SCENARIOS[options.store].get(name)?.(workbench, programs);
    if (scenario === undefined) return undefined;
    const { title, bytes, contenders, targets, isSingle = false } = scenario;
    const rounds = { runs: isSingle ? 1 : options.runs, warmUp: !isSingle, say };
    const results = await alternate(workbench, contenders, rounds);
    print(renderScenario(name, scenario, results));
    const verdicts = targets.map((target) => judge(name, target, results));
    return { name, title, bytes, results: [...results.values()], verdicts };
  } catch (error) {
    print(`${name} failed: ${error instanceof Error ? error.message : String(error)}\n${workbench.broker.logTail(5)}`);
    return undefined;
  }
}

async function bench(options: Options): Promise<number> {
  const { records, runs, store } = options;
  say('starting Kafka and building');
  const workbench = await Workbench.open({ records, store, say });
  try {
    const programs = await findPrograms(await workbench.directory('package'), options.peer);
    const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
    const setting = { store: workbench.store.description, programs: programs.versions };
    const facts = gatherFacts({ command, records, runs, ...setting });
    print(renderFacts(facts));
    const scenarios: ScenarioReport[] = [];
    for (const name of options.names) {
      const report = await runScenario(name, options, { workbench, programs });
      if (report !== undefined) scenarios.push(report);
    }
    print(renderVerdicts(scenarios.flatMap(({ verdicts }) => verdicts)));
    if (options.json !== undefined) {
      await writeFile(options.json, `${JSON.stringify({ facts, scenarios }, null, 2)}\n`);
    }
    const isWhole = scenarios.every(({ results }) => results.every(({ failure }) => failure === undefined));
    return isWhole && scenarios.length === options.names.length ? 0 : 1;
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
