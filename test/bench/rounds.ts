// Alternates programs: one run of each per round, the order turned round by round, the first round thrown away.
// What ran just before weighs on a figure: on a virtual machine the memory that a large program gave back is quicker to
// take again. Of two programs, an even number of rounds puts each as often after itself as after the other.
// A program that fails once is out; the others go on.
import { rm } from 'node:fs/promises';
import { type Measured, settle } from './measure.ts';
import type { Contender } from './contenders.ts';
import type { Workbench } from './workbench.ts';

export type Metric = keyof Measured;

/** Median of the rounds that count, and their extremes. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Result {
  readonly name: string;
  /** The rounds that count, in order. */
  readonly runs: readonly Measured[];
  /** Why there are no further runs. */
  readonly failure?: string;
}

/** What a scenario measured, by contender. */
export type Results = ReadonlyMap<string, Result>;

export interface RoundOptions {
  /** Rounds that count. */
  readonly runs: number;
  /** Whether a round that does not count comes first. */
  readonly warmUp: boolean;
  readonly say: (text: string) => void;
}

export async function alternate(
  bench: Workbench,
  contenders: readonly Contender[],
  { runs, warmUp, say }: RoundOptions,
): Promise<Results> {
  const results = new Map<string, Result>(contenders.map(({ name }) => [name, { name, runs: [] }]));
  const rounds = runs + (warmUp ? 1 : 0);
  for (let round = 0; round < rounds; round++) {
    const isWarmUp = warmUp && round === 0;
    for (const contender of turned(contenders, round)) {
      const result = results.get(contender.name);
      if (result === undefined || result.failure !== undefined) continue;
      try {
        const measured = await runOnce(bench, contender);
        if (!isWarmUp) results.set(contender.name, { ...result, runs: [...result.runs, measured] });
        const label = isWarmUp ? 'warm-up' : `round ${round + (warmUp ? 0 : 1)}`;
        say(`  ${label} ${contender.name}: ${measured.wallSeconds.toFixed(2)} s`);
      } catch (error) {
        const failure = error instanceof Error ? error.message : String(error);
        results.set(contender.name, { ...result, failure });
        say(`  ${contender.name} failed: ${failure}`);
      }
    }
  }
  return results;
}

async function runOnce(bench: Workbench, contender: Contender): Promise<Measured> {
  const directory = await bench.directory(contender.name);
  try {
    await settle();
    return await contender.run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function turned<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Undefined when nothing was measured. */
export function spread(results: Results, name: string, metric: Metric): Spread | undefined {
  const values = (results.get(name)?.runs ?? [])
    .map((run) => run[metric])
    .filter((value) => typeof value === 'number')
    .sort((a, b) => a - b);
  const min = values[0];
  const max = values.at(-1);
  const lower = values[Math.floor((values.length - 1) / 2)];
  const upper = values[Math.ceil((values.length - 1) / 2)];
  if (min === undefined || max === undefined || lower === undefined || upper === undefined) return undefined;
  return { median: (lower + upper) / 2, min, max };
}

/** Median of one by median of the other; undefined unless both were measured. */
export function ratio(results: Results, metric: Metric, name: string, other: string): number | undefined {
  const one = spread(results, name, metric);
  const two = spread(results, other, metric);
  return one === undefined || two === undefined || two.median === 0 ? undefined : one.median / two.median;
}
