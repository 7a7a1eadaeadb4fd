// Integers, sizes and durations. Nothing is rounded: a value that is not exact in the key's unit is refused, and so is
// every spelling that two people could read differently (12MB, 010, 1_000, 1e3, "5" in quotes).

import type { SourceNode } from '../input/source-node.ts';
import {
  type Format,
  type FormatFacts,
  type JsonSchema,
  nameOf,
  type Report,
  scalarOf,
  VARIABLE_SCHEMA,
} from './format.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** A whole number between `min` and `max`. */
export const COUNT: Format<number> = {
  name: 'count',
  describe: (facts) => `integer${range(facts, String)}`,
  parse(node, facts, report) {
    const value = wholeNumber(node, facts, report, 'a whole number', '');
    return value === undefined ? undefined : within(value, node, facts, report, String);
  },
  holds: inRange,
  show: String,
  jsonSchema: (facts) => ({ anyOf: [integerSchema(facts), VARIABLE_SCHEMA] }),
};

/** A size in bytes: a whole number, or one with KiB, MiB, GiB or TiB. */
export const BYTES: Format<number> = withUnits(
  'bytes',
  'size',
  { KiB: KIB, MiB: MIB, GiB: GIB, TiB: 1024 * GIB },
  (text) => {
    const digits = /^\d+/.exec(text)?.[0] ?? '12';
    return `Use ${digits}MiB, ${digits}KiB, 1GiB or a number of bytes.`;
  },
);

/** A duration in milliseconds: a whole number, or one with ms, s, m, h or d. */
export const DURATION_MS: Format<number> = withUnits(
  'duration_ms',
  'duration',
  { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 },
  () => 'Use 500ms, 30s, 5m or a number of milliseconds.',
);

/** A duration in seconds: a whole number, or one with ms, s, m, h or d that is a whole number of seconds. */
export const DURATION_SECS: Format<number> = withUnits(
  'duration_secs',
  'duration',
  { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 },
  () => 'Use 30s, 5m, 1h or a number of seconds.',
);

/**
 * The whole number that was written, or undefined after a report. Text counts only where it came from a variable, the
 * environment or a flag.
 */
export function wholeNumber(
  node: SourceNode,
  facts: FormatFacts,
  report: Report,
  wanted: string,
  remedy: string,
): number | undefined {
  const scalar = scalarOf(node, wanted, report);
  if (scalar === undefined) return undefined;
  const name = nameOf(node, facts);
  const text = scalar.text.trim();
  if (/^-?(0|[1-9]\d*)$/.test(text)) {
    if (typeof scalar.value === 'string' && !scalar.coercible) {
      report(node.origin, `${name} is text, not a number.`, 'Remove the quotes.');
      return undefined;
    }
    if (Number.isSafeInteger(Number(text))) return Number(text);
    report(node.origin, `${name} is too large.`);
    return undefined;
  }
  if (/^[-+]?0\d+$/.test(text)) report(node.origin, `${name} has a leading zero.`, `Write ${Number(text)}.`);
  else report(node.origin, `${name} is not ${wanted}.`, remedy);
  return undefined;
}

type Units = Readonly<Record<string, number>>;

function withUnits(name: string, noun: string, units: Units, remedy: (text: string) => string): Format<number> {
  const suffixes = Object.keys(units);
  const pattern = `^(0|[1-9]\\d*)\\s?(${suffixes.join('|')})$`;
  const show = (value: number) => inLargestUnit(value, units);
  return {
    name,
    describe: (facts) => `${noun}${range(facts, show)}`,
    parse(node, facts, report) {
      const scalar = scalarOf(node, `a ${noun}`, report);
      if (scalar === undefined) return undefined;
      const [, digits, suffix] = new RegExp(pattern).exec(scalar.text.trim()) ?? [];
      if (digits === undefined || suffix === undefined) {
        const value = wholeNumber(node, facts, report, `a ${noun}`, remedy(scalar.text));
        return value === undefined ? undefined : within(value, node, facts, report, show);
      }
      const value = exactProduct(Number(digits), units[suffix] ?? Number.NaN);
      if (value === undefined) {
        report(
          node.origin,
          `${nameOf(node, facts)} is not a whole number of this key's unit, or too large.`,
          remedy(scalar.text),
        );
        return undefined;
      }
      return within(value, node, facts, report, show);
    },
    holds: inRange,
    show,
    jsonSchema: (facts) => ({ anyOf: [integerSchema(facts), { type: 'string', pattern }, VARIABLE_SCHEMA] }),
  };
}

/** The product when it is a whole number; a unit below 1 divides, so that 500ms is not taken for 0 or 1 seconds. */
function exactProduct(count: number, unit: number): number | undefined {
  const value = unit < 1 ? count / Math.round(1 / unit) : count * unit;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** 134217728 -> 128MiB; a value that no unit divides stays a number. */
function inLargestUnit(value: number, units: Units): string {
  const [suffix, unit] =
    Object.entries(units).findLast(([, size]) => size >= 1 && value > 0 && value % size === 0) ?? [];
  return suffix === undefined || unit === undefined ? String(value) : `${value / unit}${suffix}`;
}

function within(
  value: number,
  node: SourceNode,
  facts: FormatFacts,
  report: Report,
  show: (value: number) => string,
): number | undefined {
  if (inRange(value, facts)) return value;
  report(node.origin, `${nameOf(node, facts)} is out of range.`, `Use${range(facts, show).replace(',', '')}.`);
  return undefined;
}

function inRange(value: unknown, facts: FormatFacts): boolean {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = facts;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
}

function range(facts: FormatFacts, show: (value: number) => string): string {
  if (facts.min !== undefined && facts.max !== undefined) return `, ${show(facts.min)} to ${show(facts.max)}`;
  if (facts.min !== undefined) return `, ${show(facts.min)} or more`;
  return facts.max === undefined ? '' : `, ${show(facts.max)} or less`;
}

function integerSchema(facts: FormatFacts): JsonSchema {
  const { min, max } = facts;
  return {
    type: 'integer',
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  };
}
