// A restore request as JSON: kept with a plan and with the journal of a restore, and read back as the same request. Equal
// requests have equal text.

import { PRODUCER_CODECS } from '../model/codec.ts';
import type { RecordFilter } from '../model/restore/record-filter.ts';
import type { RecoveryTarget } from '../model/restore/recovery-target.ts';
import { JsonFields, toJson } from '../model/json-fields.ts';
import type { MappingRule, PartitionOffsets, Repartitioning } from '../model/restore/restore-shape.ts';
import type { RestoreRequest } from './restore-job.ts';
import type { RestoreSettings } from './restore-settings.ts';

/** Keys in the order in which they are written, whatever the order in which a request was put together. */
const KEYS = [
  'recoveryTarget',
  'topicTargets',
  'offsets',
  'catalogVersion',
  'includeTopics',
  'excludeTopics',
  'topicMapping',
  'mappingRules',
  'partitions',
  'partitionMapping',
  'repartitioning',
  'filter',
  'includeOriginalOffsetHeader',
  'intoExisting',
  'settings',
  'target',
  'dryRun',
] as const satisfies readonly (keyof RestoreRequest)[];

/** The request as JSON text; `dryRun` is false in it, since a plan that was only shown is carried out as the same request. */
export function requestText(request: RestoreRequest): string {
  const lasting: RestoreRequest = { ...request, dryRun: false };
  return toJson(Object.fromEntries(KEYS.map((key) => [key, sorted(lasting[key])])));
}

/** What a request says of how it is done, as text that equal requests share; nothing where it says nothing. */
export function askedSettings({ settings }: RestoreRequest): { readonly asked?: string } {
  return Object.keys(settings).length === 0 ? {} : { asked: toJson(sorted(settings)) };
}

/** The request that {@link requestText} wrote. @throws the code of `fields` when it is not one. */
export function decodeRequest(fields: JsonFields): RestoreRequest {
  return {
    recoveryTarget: decodeTarget(fields.fields('recoveryTarget')),
    topicTargets: mapOf(fields, 'topicTargets', (all, topic) => decodeTarget(all.fields(topic))),
    offsets: fields.list('offsets').map(decodeOffsets),
    catalogVersion: fields.nullableInteger('catalogVersion', 1),
    includeTopics: fields.texts('includeTopics'),
    excludeTopics: fields.texts('excludeTopics'),
    topicMapping: fields.strings('topicMapping'),
    mappingRules: fields.list('mappingRules').map(decodeRule),
    partitions: fields.has('partitions') ? fields.integers('partitions') : null,
    partitionMapping: mapOf(fields, 'partitionMapping', (all, partition) => all.integer(partition)),
    repartitioning: mapOf(fields, 'repartitioning', (all, topic) => decodeRepartitioning(all.fields(topic))),
    filter: fields.has('filter') ? decodeFilter(fields.fields('filter')) : null,
    includeOriginalOffsetHeader: fields.boolean('includeOriginalOffsetHeader'),
    intoExisting: fields.choice('intoExisting', ['refuse', 'append']),
    settings: fields.has('settings') ? decodeSettings(fields.fields('settings')) : {},
    target: fields.string('target'),
    dryRun: fields.boolean('dryRun'),
  };
}

function decodeSettings(fields: JsonFields): Partial<RestoreSettings> {
  const read = <K extends keyof RestoreSettings>(name: K, value: () => RestoreSettings[K]) =>
    fields.has(name) ? { [name]: value() } : {};
  const atLeastOne = (name: keyof RestoreSettings) => read(name, () => fields.integer(name, 1));
  return {
    ...read('isolation', () => fields.choice('isolation', ['read_committed', 'read_uncommitted'])),
    ...read('compression', () => fields.choice('compression', ['producer', ...PRODUCER_CODECS])),
    ...atLeastOne('maxConcurrentPartitions'),
    ...atLeastOne('maxBatchRecords'),
    ...atLeastOne('maxBatchBytes'),
    ...atLeastOne('recordsPerSecond'),
    ...atLeastOne('bytesPerSecond'),
    ...read('requireTopicConfigs', () => fields.boolean('requireTopicConfigs')),
    ...read('allowLogAppendTime', () => fields.boolean('allowLogAppendTime')),
    ...read('createTopics', () => fields.boolean('createTopics')),
    ...read('replicationFactor', () => fields.integer('replicationFactor', -1)),
    ...read('topicConfigs', () => mapOf(fields, 'topicConfigs', (all, topic) => decodeConfigs(all.fields(topic)))),
  };
}

function decodeConfigs(fields: JsonFields): Record<string, string | null> {
  return Object.fromEntries(fields.names().map((name) => [name, fields.has(name) ? fields.string(name) : null]));
}

function decodeTarget(fields: JsonFields): RecoveryTarget {
  return {
    ...(fields.has('fromMs') ? { fromMs: fields.integer('fromMs', Number.MIN_SAFE_INTEGER) } : {}),
    ...(fields.has('toMs') ? { toMs: fields.integer('toMs', Number.MIN_SAFE_INTEGER) } : {}),
    cut: fields.choice('cut', ['timestamp', 'log']),
  };
}

function decodeOffsets(fields: JsonFields): PartitionOffsets {
  return {
    topic: fields.string('topic'),
    partition: fields.integer('partition'),
    fromOffset: fields.has('fromOffset') ? fields.bigint('fromOffset') : null,
    toOffset: fields.has('toOffset') ? fields.bigint('toOffset') : null,
  };
}

function decodeRule(fields: JsonFields): MappingRule {
  const kind = fields.choice('kind', ['prefix', 'regex']);
  return kind === 'prefix'
    ? { kind, from: fields.string('from'), to: fields.string('to') }
    : { kind, pattern: fields.string('pattern'), name: fields.string('name') };
}

function decodeRepartitioning(fields: JsonFields): Repartitioning {
  return {
    partitions: fields.integer('partitions', 1),
    partitioning: fields.choice('partitioning', ['preserve', 'by-key']),
  };
}

function decodeFilter(fields: JsonFields): RecordFilter {
  const textOrNull = (from: JsonFields, name: string): string | null => (from.has(name) ? from.string(name) : null);
  const header = fields.has('header') ? fields.fields('header') : null;
  return {
    keyRegex: textOrNull(fields, 'keyRegex'),
    header: header === null ? null : { name: header.string('name'), valueRegex: textOrNull(header, 'valueRegex') },
  };
}

/** Without a prototype: a topic may be called `constructor`. */
function mapOf<T>(fields: JsonFields, name: string, read: (all: JsonFields, key: string) => T): Record<string, T> {
  const all = fields.fields(name);
  const map: Record<string, T> = Object.create(null);
  for (const key of all.names()) map[key] = read(all, key);
  return map;
}

/** Keys of maps in the order of the alphabet; lists as they are. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
