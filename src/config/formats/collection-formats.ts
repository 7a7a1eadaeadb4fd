// Lists and maps. Maps become Map objects: keys such as `__proto__` or `orders.eu` stay plain data, and convict, which
// splits plain objects at the dots of their keys, leaves them alone.

import { called, isNull, type MapNode, type ScalarNode, type SourceNode } from '../input/source-node.ts';
import { type Origin, quoted } from '../problems.ts';
import { type Format, type FormatFacts, type Report, VARIABLE_SCHEMA } from './format.ts';
import { COUNT, wholeNumber } from './number-formats.ts';
import { BROKER, HOST_NAME, TEXT, TOPIC_NAME, TOPIC_PATTERN } from './text-formats.ts';

/** Where a backup begins for partitions that the catalog does not know yet. Offsets are inclusive. */
export type StartOffset =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'specific'; readonly offsets: ReadonlyMap<string, ReadonlyMap<number, bigint>> };

/** Which partitions this agent backs up. */
export type Assignment = { readonly kind: 'all' };

const LARGEST_PARTITION = 2_147_483_647;

export const BROKERS = listOf('brokers', BROKER);
export const HOST_NAMES = listOf('host_names', HOST_NAME);
export const TOPIC_PATTERNS = listOf('topic_patterns', TOPIC_PATTERN);
export const TEXTS = listOf('texts', TEXT);
export const PARTITIONS = listOf('partitions', COUNT);

/** Any text to any text, such as tags. */
export const TEXT_MAP: Format<ReadonlyMap<string, string>> = {
  name: 'text_map',
  describe: () => 'map of text to text',
  parse(node, facts, report) {
    const map = mapOf(node, 'a map of text to text', report);
    if (map === undefined) return undefined;
    const result = new Map<string, string>();
    for (const { key, value } of map.entries) {
      const text = TEXT.parse(value, facts, report);
      if (text !== undefined) result.set(key, text);
    }
    return result.size === map.entries.length ? result : undefined;
  },
  holds: (value) => value instanceof Map,
  show: showMap,
  jsonSchema: () => ({ type: 'object', additionalProperties: { type: 'string' } }),
};

/** Partition numbers to partition numbers. */
export const PARTITION_MAP: Format<ReadonlyMap<number, number>> = {
  name: 'partition_map',
  describe: () => 'map of partition to partition',
  parse(node, facts, report) {
    const map = mapOf(node, 'a map of partition to partition', report);
    if (map === undefined) return undefined;
    const result = new Map<number, number>();
    for (const { key, origin, value } of map.entries) {
      const from = wholeNumber({ ...keyNode(key, origin), coercible: true }, facts, report, 'a partition number', '');
      const to = COUNT.parse(value, { min: 0 }, report);
      if (from !== undefined && to !== undefined) result.set(from, to);
    }
    return result.size === map.entries.length ? result : undefined;
  },
  holds: (value) => value instanceof Map,
  show: showMap,
  jsonSchema: () => ({ type: 'object', additionalProperties: { type: 'integer' } }),
};

/** A map whose content this version does not use; only whether it is empty matters. */
export const OPAQUE: Format<ReadonlyMap<string, string>> = {
  name: 'opaque',
  describe: () => 'map',
  parse(node, _facts, report) {
    const map = mapOf(node, 'a map', report);
    return map === undefined ? undefined : new Map(map.entries.map((entry) => [entry.key, called(entry.value)]));
  },
  holds: (value) => value instanceof Map,
  show: showMap,
  jsonSchema: () => ({ type: 'object' }),
};

export const START_OFFSET: Format<StartOffset> = {
  name: 'start_offset',
  describe: () => '`earliest` \\| `latest` \\| `specific: {topic: {partition: offset}}`',
  parse(node, _facts, report) {
    if (node.kind === 'scalar' && (node.value === 'earliest' || node.value === 'latest')) return { kind: node.value };
    const specific = node.kind === 'map' ? node.entries.find((entry) => entry.key === 'specific') : undefined;
    if (node.kind !== 'map' || specific === undefined || node.entries.length !== 1) {
      report(
        node.origin,
        `${called(node)} is not a start.`,
        'Use earliest, latest or specific: {topic: {partition: offset}}.',
      );
      return undefined;
    }
    return specificOffsets(specific.value, report);
  },
  holds: (value) => typeof value === 'object' && value !== null && 'kind' in value,
  show: (value) => (value.kind === 'specific' ? `specific: ${showMap(value.offsets)}` : value.kind),
  jsonSchema: () => ({
    anyOf: [
      { enum: ['earliest', 'latest'] },
      {
        type: 'object',
        additionalProperties: false,
        required: ['specific'],
        properties: {
          specific: {
            type: 'object',
            additionalProperties: { type: 'object', additionalProperties: { type: 'integer' } },
          },
        },
      },
      VARIABLE_SCHEMA,
    ],
  }),
};

export const ASSIGNMENT: Format<Assignment> = {
  name: 'assignment',
  describe: () => '`all`',
  parse(node, _facts, report) {
    const first = node.kind === 'map' ? node.entries[0]?.key : undefined;
    const word = node.kind === 'scalar' ? node.text : (first ?? '');
    const plain = node.kind === 'scalar' || (node.kind === 'map' && node.entries.length === 1);
    if (word === 'all' && plain) return { kind: 'all' };
    if (PLANNED_ASSIGNMENTS.has(word)) {
      report(node.origin, `assignment ${word} is not available in this version.`, 'Use all.');
    } else {
      report(node.origin, `${called(node)} is not an assignment.`, 'Use all.');
    }
    return undefined;
  },
  holds: (value) => typeof value === 'object' && value !== null && 'kind' in value,
  show: (value) => value.kind,
  jsonSchema: () => ({ anyOf: [{ enum: ['all'] }, VARIABLE_SCHEMA] }),
};

const PLANNED_ASSIGNMENTS = new Set(['static', 'shard', 'brokers', 'rack', 'group']);

function specificOffsets(node: SourceNode, report: Report): StartOffset | undefined {
  const topics = mapOf(node, 'a map of topics', report);
  if (topics === undefined) return undefined;
  const offsets = new Map<string, ReadonlyMap<number, bigint>>();
  for (const entry of topics.entries) {
    const topic = TOPIC_NAME.parse(keyNode(entry.key, entry.origin), {}, report);
    const partitions = partitionOffsets(entry.value, report);
    if (topic !== undefined && partitions !== undefined) offsets.set(topic, partitions);
  }
  return offsets.size === topics.entries.length ? { kind: 'specific', offsets } : undefined;
}

function partitionOffsets(node: SourceNode, report: Report): ReadonlyMap<number, bigint> | undefined {
  const map = mapOf(node, 'a map of partition to offset', report);
  if (map === undefined) return undefined;
  const offsets = new Map<number, bigint>();
  for (const { key, origin, value } of map.entries) {
    const partition = partitionOf(key, origin, report);
    const offset = offsetOf(value, report);
    if (partition !== undefined && offset !== undefined) offsets.set(partition, offset);
  }
  return offsets.size === map.entries.length ? offsets : undefined;
}

/** The partition that a key of a map names. */
export function partitionOf(key: string, origin: Origin, report: Report): number | undefined {
  if (/^(0|[1-9]\d{0,9})$/.test(key) && Number(key) <= LARGEST_PARTITION) return Number(key);
  report(origin, `${quoted(key)} is not a partition number.`);
  return undefined;
}

/** Offsets go to 2^63 - 1, beyond what a number holds, so the text is read. */
export function offsetOf(node: SourceNode, report: Report): bigint | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'number' && /^(0|[1-9]\d{0,18})$/.test(node.text)) {
    const offset = BigInt(node.text);
    if (offset < 2n ** 63n) return offset;
  }
  report(node.origin, `${called(node)} is not an offset.`, 'Use a whole number from 0.');
  return undefined;
}

function listOf<T>(name: string, item: Format<T>): Format<readonly T[]> {
  return {
    name,
    describe: (facts) => `list of ${item.describe(facts)}`,
    parse(node, facts, report) {
      const nodes = itemsOf(node, report);
      if (nodes === undefined) return undefined;
      const values = nodes.map((each) => parseItem(each, item, facts, report));
      const sound = values.filter((value) => value !== undefined);
      return sound.length === values.length ? sound : undefined;
    },
    holds: (value, facts) => Array.isArray(value) && value.every((each) => item.holds(each, facts)),
    show: (value) => `[${value.map((each) => item.show(each)).join(', ')}]`,
    jsonSchema: (facts) => ({ anyOf: [{ type: 'array', items: item.jsonSchema(facts) }, VARIABLE_SCHEMA] }),
  };
}

function parseItem<T>(node: SourceNode, item: Format<T>, facts: FormatFacts, report: Report): T | undefined {
  if (!isNull(node)) return item.parse(node, facts, report);
  report(node.origin, 'this entry of the list is empty.', 'Remove it.');
  return undefined;
}

/** The items; text from a variable, the environment or a flag is split at commas, whole or as one item of a list. */
function itemsOf(node: SourceNode, report: Report): readonly SourceNode[] | undefined {
  if (node.kind === 'list') return node.items.flatMap((item) => (item.kind === 'scalar' ? splitText(item) : [item]));
  if (node.kind === 'scalar' && node.coercible) return splitText(node);
  const example = node.kind === 'scalar' ? `Write it as [${called(node)}].` : undefined;
  report(node.origin, `this must be a list, not ${called(node)}.`, example);
  return undefined;
}

function splitText(node: ScalarNode): readonly SourceNode[] {
  if (!node.coercible || !node.text.includes(',')) return [node];
  return node.text.split(',').map((part) => ({ ...node, value: part.trim(), text: part.trim() }));
}

export function mapOf(node: SourceNode, wanted: string, report: Report): MapNode | undefined {
  if (node.kind === 'map') return node;
  report(node.origin, `this must be ${wanted}, not ${called(node)}.`);
  return undefined;
}

export function keyNode(key: string, origin: ScalarNode['origin']): ScalarNode {
  return { kind: 'scalar', value: key, text: key, coercible: false, variables: [], origin };
}

export function showMap(map: ReadonlyMap<unknown, unknown>): string {
  const entries = [...map].map(
    ([key, value]) => `${String(key)}: ${value instanceof Map ? showMap(value) : String(value)}`,
  );
  return `{${entries.join(', ')}}`;
}
