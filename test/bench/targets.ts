// The project's targets, as questions to a scenario's results. They are reported, never asserted.
import { type Metric, type Results, ratio, spread } from './rounds.ts';

export interface Target {
  /** What is compared, e.g. `wall ours/peer`. */
  readonly text: string;
  readonly limit: number;
  readonly isMinimum?: boolean;
  readonly unit: '' | 'x' | ' %' | ' MB' | ' MB/s';
  /** Undefined when it was not measured, or does not apply. */
  readonly figure: (results: Results) => number | undefined;
}

export interface Verdict {
  readonly scenario: string;
  readonly text: string;
  /** The limit with its direction and unit. */
  readonly target: string;
  readonly figure: number | null;
  readonly figureText: string;
  readonly verdict: 'met' | 'missed' | 'not measured';
}

const METRIC_NAMES: Readonly<Record<Metric, string>> = {
  wallSeconds: 'wall',
  cpuSeconds: 'CPU',
  peakRssBytes: 'peak RSS',
  storedBytes: 'stored bytes',
  readBytes: 'bytes read',
  readShare: 'share of the stored bytes read',
};

/** The ratio of two programs' medians must not exceed `limit`. */
export function atMost(limit: number, metric: Metric, name: string, other: string): Target {
  const text = `${METRIC_NAMES[metric]} ${name} / ${other}`;
  return { text, limit, unit: 'x', figure: (results) => ratio(results, metric, name, other) };
}

/** `name` must take `limit` times less wall than `other`. */
export function timesFaster(limit: number, name: string, other: string): Target {
  const figure = (results: Results): number | undefined => ratio(results, 'wallSeconds', other, name);
  return { text: `wall ${other} / ${name}`, limit, isMinimum: true, unit: 'x', figure };
}

/** Of a backup's bytes, so much may be read to restore a part of it. */
export function readShareBelow(percent: number, name: string): Target {
  const figure = (results: Results): number | undefined => {
    const share = spread(results, name, 'readShare');
    return share === undefined ? undefined : share.median * 100;
  };
  return { text: `${METRIC_NAMES.readShare} ${name}`, limit: percent, unit: ' %', figure };
}

/** A program's throughput must reach `limit`; it does not apply where the peer stays below it. */
export function throughputAtLeast(limit: number, bytes: number, name: string, peer: string): Target {
  const rate = (results: Results, who: string): number | undefined => {
    const wall = spread(results, who, 'wallSeconds');
    return wall === undefined ? undefined : bytes / 1e6 / wall.median;
  };
  const figure = (results: Results): number | undefined => {
    const peerRate = rate(results, peer);
    return peerRate !== undefined && peerRate < limit ? undefined : rate(results, name);
  };
  return { text: `throughput ${name}, where the peer reaches it`, limit, isMinimum: true, unit: ' MB/s', figure };
}

/** Share of one core that a program may use. */
export function cpuShareBelow(percent: number, name: string): Target {
  const figure = (results: Results): number | undefined => {
    const share = ratioWithin(results, name);
    return share === undefined ? undefined : share * 100;
  };
  return { text: `CPU ${name}, of one core`, limit: percent, unit: ' %', figure };
}

export function rssBelow(megabytes: number, name: string): Target {
  const figure = (results: Results): number | undefined => {
    const rss = spread(results, name, 'peakRssBytes');
    return rss === undefined ? undefined : rss.median / 1e6;
  };
  return { text: `RSS ${name}`, limit: megabytes, unit: ' MB', figure };
}

function ratioWithin(results: Results, name: string): number | undefined {
  const cpu = spread(results, name, 'cpuSeconds');
  const wall = spread(results, name, 'wallSeconds');
  return cpu === undefined || wall === undefined ? undefined : cpu.median / wall.median;
}

export function judge(scenario: string, target: Target, results: Results): Verdict {
  const { text, limit, isMinimum = false, unit } = target;
  const figure = target.figure(results) ?? null;
  const isMet = figure !== null && (isMinimum ? figure >= limit : figure <= limit);
  return {
    scenario,
    text,
    target: `${isMinimum ? '>=' : '<='} ${limit}${unit}`,
    figure,
    figureText: figure === null ? '-' : `${figure.toFixed(unit === 'x' ? 2 : 1)}${unit}`,
    verdict: figure === null ? 'not measured' : isMet ? 'met' : 'missed',
  };
}
