// The maps of a restore: which topic gets which name, which partitions, offsets, recovery target and configuration. Keys that are
// topic names are checked as such, and what stands below each is read as strictly as any other key of the file.

import type { Cut } from '../../model/restore/recovery-target.ts';
import type { Repartitioning } from '../../model/restore/restore-shape.ts';
import type { WrittenInstant } from '../../model/instant.ts';
import { called, isNull, type MapEntry, type SourceNode } from '../input/source-node.ts';
import { quoted } from '../problems.ts';
import { keyNode, mapOf, offsetOf, partitionOf, showMap } from './collection-formats.ts';
import type { Format, Report } from './format.ts';
import { COUNT } from './number-formats.ts';
import { INSTANT, regexFault, TOPIC_NAME } from './text-formats.ts';

/** Both ends of the offsets of one partition: from inclusive, to exclusive; null: no limit. */
export interface OffsetLimits {
  readonly from: bigint | null;
  readonly to: bigint | null;
}

/** What is different for one topic. `latest`: to the end, whatever the others do. */
export interface WrittenTarget {
  readonly start?: WrittenInstant;
  readonly end?: WrittenInstant | 'latest';
  readonly cut?: Cut;
}

/** Begins a rule of `topic_mapping` about beginnings of names. */
export const PREFIX = 'prefix:';

/** From topics to their names at the target, in order: by name, by `prefix:` or by `~regex`. */
export const TOPIC_MAP: Format<ReadonlyMap<string, string>> = {
  name: 'topic_map',
  describe: () => 'map of topic, `prefix:PREFIX` or `~regex` to topic',
  parse(node, _facts, report) {
    return mapWith(node, 'a map of topic names', report, (entry) => {
      const { key, origin } = entry;
      if (key.startsWith('~')) {
        const fault = regexFault(key.slice(1));
        if (fault === null) return nameText(entry.value, /^[A-Za-z0-9._$<>&-]{1,249}$/, report);
        report(origin, `${quoted(key)} ${fault}`);
        return undefined;
      }
      if (key.startsWith(PREFIX)) {
        if (/^[A-Za-z0-9._-]*$/.test(key.slice(PREFIX.length))) {
          return nameText(entry.value, /^[A-Za-z0-9._-]{0,249}$/, report);
        }
        report(origin, `${quoted(key)} is not the beginning of topic names.`, 'Write "prefix:orders." for example.');
        return undefined;
      }
      if (TOPIC_NAME.parse(keyNode(key, origin), {}, report) === undefined) return undefined;
      return TOPIC_NAME.parse(entry.value, {}, report);
    });
  },
  holds: (value) => value instanceof Map,
  show: showMap,
  jsonSchema: () => ({ type: 'object', additionalProperties: { type: 'string' } }),
};

/** By topic of the backup. */
export const TOPIC_TARGETS: Format<ReadonlyMap<string, WrittenTarget>> = {
  name: 'topic_target_map',
  describe: () => 'map of topic to `{time_window_start, time_window_end, cut}`',
  parse: (node, _facts, report) => topicMapWith(node, report, (value) => writtenTarget(value, report)),
  holds: (value) => value instanceof Map,
  show: (value) => showMap(new Map([...value].map(([topic, target]) => [topic, showTarget(target)]))),
  jsonSchema: () => ({
    type: 'object',
    additionalProperties: {
      type: 'object',
      additionalProperties: false,
      properties: {
        time_window_start: INSTANT.jsonSchema({}),
        time_window_end: INSTANT.jsonSchema({}),
        cut: { enum: [...CUTS] },
      },
    },
  }),
};

/** By topic of the backup and partition. */
export const OFFSETS: Format<ReadonlyMap<string, ReadonlyMap<number, OffsetLimits>>> = {
  name: 'offset_map',
  describe: () => 'map of topic to partition to `{from, to}`',
  parse(node, _facts, report) {
    return topicMapWith(node, report, (value) => {
      const map = mapOf(value, 'a map of partition to {from, to}', report);
      if (map === undefined) return undefined;
      const limits = new Map<number, OffsetLimits>();
      for (const { key, origin, value: ends } of map.entries) {
        const partition = partitionOf(key, origin, report);
        const read = offsetLimits(ends, report);
        if (partition !== undefined && read !== undefined) limits.set(partition, read);
      }
      return limits.size === map.entries.length ? limits : undefined;
    });
  },
  holds: (value) => value instanceof Map,
  show: (value) => {
    const shown = ([partition, { from, to }]: [number, OffsetLimits]): [number, string] => [
      partition,
      `${from ?? ''}..${to ?? ''}`,
    ];
    return showMap(new Map([...value].map(([topic, limits]) => [topic, new Map([...limits].map(shown))])));
  },
  jsonSchema: () => {
    const offset = { type: 'integer', minimum: 0 };
    const limits = { type: 'object', additionalProperties: false, properties: { from: offset, to: offset } };
    return { type: 'object', additionalProperties: { type: 'object', additionalProperties: limits } };
  },
};

/** By target topic. */
export const REPARTITIONING: Format<ReadonlyMap<string, Repartitioning>> = {
  name: 'repartitioning_map',
  describe: () => 'map of target topic to `{strategy: murmur2 \\| automatic \\| preserve, target_partitions}`',
  parse: (node, _facts, report) => topicMapWith(node, report, (value) => repartitioning(value, report)),
  holds: (value) => value instanceof Map,
  show: (value) =>
    showMap(
      new Map([...value].map(([topic, { partitions, partitioning }]) => [topic, `${partitioning} ${partitions}`])),
    ),
  jsonSchema: () => ({
    type: 'object',
    additionalProperties: {
      type: 'object',
      additionalProperties: false,
      required: ['target_partitions'],
      properties: { strategy: { enum: [...STRATEGIES.keys()] }, target_partitions: { type: 'integer', minimum: 1 } },
    },
  }),
};

/** By target topic, or `*` for all; null for the broker's default. */
export const TOPIC_CONFIGS: Format<ReadonlyMap<string, ReadonlyMap<string, string | null>>> = {
  name: 'topic_config_map',
  describe: () => 'map of target topic or `*` to configuration entries',
  parse: (node, _facts, report) =>
    mapWith(node, 'a map of target topics', report, ({ key, origin, value }) => {
      const isTopic = key === '*' || TOPIC_NAME.parse(keyNode(key, origin), {}, report) !== undefined;
      return isTopic ? configEntries(value, report) : undefined;
    }),
  holds: (value) => value instanceof Map,
  show: showMap,
  jsonSchema: () => {
    const entry = { type: ['string', 'number', 'boolean', 'null'] };
    return { type: 'object', additionalProperties: { type: 'object', additionalProperties: entry } };
  },
};

const MOST_PARTITIONS = 100_000;
const CUTS: readonly Cut[] = ['timestamp', 'log'];
const STRATEGIES: ReadonlyMap<string, Repartitioning['partitioning']> = new Map([
  ['murmur2', 'by-key'],
  ['automatic', 'by-key'],
  ['preserve', 'preserve'],
]);

function nameText(node: SourceNode, allowed: RegExp, report: Report): string | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'string' && allowed.test(node.text)) return node.text;
  report(node.origin, `${called(node)} is not a topic name, or part of one.`);
  return undefined;
}

function writtenTarget(node: SourceNode, report: Report): WrittenTarget | undefined {
  return fieldsWith<WrittenTarget>(node, report, {
    time_window_start: (value) => wrapped('start', INSTANT.parse(value, {}, report)),
    time_window_end: (value) => {
      const isLatest = value.kind === 'scalar' && value.text === 'latest';
      return wrapped('end', isLatest ? ('latest' as const) : INSTANT.parse(value, {}, report));
    },
    cut: (value) => {
      const cut = CUTS.find((one) => value.kind === 'scalar' && value.text === one);
      if (cut === undefined) report(value.origin, `${called(value)} is not accepted here.`, 'Use timestamp or log.');
      return wrapped('cut', cut);
    },
  });
}

function offsetLimits(node: SourceNode, report: Report): OffsetLimits | undefined {
  const read = fieldsWith<Partial<OffsetLimits>>(node, report, {
    from: (value) => wrapped('from', offsetOf(value, report)),
    to: (value) => wrapped('to', offsetOf(value, report)),
  });
  return read && { from: read.from ?? null, to: read.to ?? null };
}

function repartitioning(node: SourceNode, report: Report): Repartitioning | undefined {
  const read = fieldsWith<Partial<Repartitioning>>(node, report, {
    strategy: (value) => {
      const strategy = value.kind === 'scalar' ? STRATEGIES.get(value.text) : undefined;
      if (strategy === undefined) {
        report(
          value.origin,
          `${called(value)} is not accepted here.`,
          'Use murmur2 (by key), automatic (the same) or preserve.',
        );
      }
      return wrapped('partitioning', strategy);
    },
    target_partitions: (value) => {
      const count = COUNT.parse(value, { min: 1, max: MOST_PARTITIONS }, report);
      return wrapped('partitions', count);
    },
  });
  if (read === undefined) return undefined;
  if (read.partitions === undefined) {
    report(node.origin, 'target_partitions is needed.', 'Write {strategy: murmur2, target_partitions: 12}.');
    return undefined;
  }
  return { partitions: read.partitions, partitioning: read.partitioning ?? 'by-key' };
}

function configEntries(node: SourceNode, report: Report): ReadonlyMap<string, string | null> | undefined {
  return mapWith(node, 'a map of configuration entries', report, ({ key, origin, value }) => {
    if (!/^[a-z0-9][a-z0-9._-]*$/i.test(key)) {
      report(origin, `${quoted(key)} is not the name of a configuration entry.`);
      return undefined;
    }
    if (isNull(value)) return null;
    if (value.kind === 'scalar') return value.text;
    report(value.origin, `${called(value)} is not a single value.`);
    return undefined;
  });
}

/** A map by topic name, whose values `read` reads. */
function topicMapWith<T>(
  node: SourceNode,
  report: Report,
  read: (value: SourceNode) => T | undefined,
): ReadonlyMap<string, T> | undefined {
  return mapWith(node, 'a map of topics', report, ({ key, origin, value }) => {
    const topic = TOPIC_NAME.parse(keyNode(key, origin), {}, report);
    const result = read(value);
    return topic === undefined ? undefined : result;
  });
}

/** Undefined when one of the entries is: it was reported then. */
function mapWith<T>(
  node: SourceNode,
  wanted: string,
  report: Report,
  read: (entry: MapEntry) => T | undefined,
): ReadonlyMap<string, T> | undefined {
  const map = mapOf(node, wanted, report);
  if (map === undefined) return undefined;
  const result = new Map<string, T>();
  for (const entry of map.entries) {
    const value = read(entry);
    if (value !== undefined) result.set(entry.key, value);
  }
  return result.size === map.entries.length ? result : undefined;
}

/** A map with these fields and no others, merged into one object. */
function fieldsWith<T>(
  node: SourceNode,
  report: Report,
  fields: Readonly<Record<string, (value: SourceNode) => T | undefined>>,
): T | undefined {
  const names = Object.keys(fields);
  const read = mapWith(node, `a section with ${names.join(', ')}`, report, ({ key, origin, value }) => {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field !== undefined) return field(value);
    report(origin, `${quoted(key)} is not a key here.`, `Use ${names.join(', ')}.`);
    return undefined;
  });
  return read && Object.assign({}, ...read.values());
}

function wrapped<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]: V } | undefined {
  return value === undefined ? undefined : ({ [key]: value } as { readonly [P in K]: V });
}

function showTarget({ start, end, cut }: WrittenTarget): string {
  const ends = [start?.text ?? '', end === undefined || end === 'latest' ? (end ?? '') : end.text];
  return `${ends.join('..')}${cut === undefined ? '' : ` cut ${cut}`}`;
}
