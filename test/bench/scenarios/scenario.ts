// What a scenario is: a topic, the programs that are given it, and the targets that their figures answer to.
import type { Contender } from '../contenders.ts';
import type { Programs } from '../programs.ts';
import type { Target } from '../targets.ts';
import type { FilledTopic, Workbench } from '../workbench.ts';

/** The peer's peak memory, times this, is ours to use. */
export const RSS_LIMIT = 0.3;

/** What counts as not growing: the spread of a quiet machine is a few percent. */
export const GROWTH_LIMIT = 1.1;
export const SEGMENT_SIZES = [16, 128, 1024].map((mib) => ({
  label: `${mib} MiB`,
  segmentMaxBytes: mib * 1024 * 1024,
}));

export interface Scenario {
  readonly title: string;
  /** Bytes that each run moves, for MB/s; null where that says nothing. */
  readonly bytes: number | null;
  readonly contenders: readonly Contender[];
  /** Which medians to divide, in the order of the table. */
  readonly ratios: readonly (readonly [name: string, other: string])[];
  readonly targets: readonly Target[];
  /** Runs once, without a warm-up. */
  readonly isSingle?: boolean;
}

/** Fills what topics it needs. */
export type Prepare = (bench: Workbench, programs: Programs) => Promise<Scenario>;

export function describe({ partitions, logBytes }: FilledTopic): string {
  return `${(logBytes / 1e6).toFixed(0)} MB of JSON records in ${partitions} partition${partitions === 1 ? '' : 's'}`;
}
