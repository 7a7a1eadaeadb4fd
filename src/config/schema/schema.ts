// The one definition of the configuration: which keys there are and everything that is known about each. Defaults, checks,
// the reference, the JSON Schema and the TypeScript types all follow from this table; nothing repeats it. It is a convict
// schema; convict fills in defaults and has the last word on every value (`fillValues`).

import convict from 'convict';
import { backupSection } from './backup-section.ts';
import { kafkaSection } from './kafka-section.ts';
import { backupId, choice, FORMATS, isLeaf, type Leaf, type Section, type ValuesOf } from './leaf.ts';
import { restoreSection } from './restore-section.ts';
import { controlSection, loggingSection, metricsSection, offsetStorageSection } from './service-sections.ts';
import { storageSection } from './storage-section.ts';

/** Every key of the file but `targets`, whose entries follow {@link CLUSTER}. */
export const SCHEMA = withEnvironmentNames(
  {
    mode: choice(['backup', 'restore'], { doc: 'What a start with this file does.', default: null, required: true }),
    backup_id: backupId({
      doc: 'Name of the backup; the first element of all its object keys.',
      default: null,
      required: true,
    }),
    source: kafkaSection(),
    target: kafkaSection(),
    storage: storageSection(),
    backup: backupSection(),
    restore: restoreSection(),
    control: controlSection(),
    metrics: metricsSection(),
    logging: loggingSection(),
    offset_storage: offsetStorageSection(),
  },
  'KAFKA_BACKUP',
);

/** The keys of one entry under `targets`, without environment names: those depend on the entry. */
export const CLUSTER = kafkaSection();

/** Top-level key of the named restore targets. */
export const TARGETS = 'targets';

/** Names under `targets`. */
export const TARGET_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export type SchemaValues = ValuesOf<typeof SCHEMA>;
export type ClusterValues = ValuesOf<typeof CLUSTER>;

/** What each section is about, in the order of the reference. */
export const SECTION_DOCS: Readonly<Record<string, string>> = {
  '': 'Top of the file.',
  source: 'The cluster that is backed up. A backup needs it.',
  target: 'The cluster that is restored to. A restore needs it; on the control port it is the target named `default`.',
  storage: 'Where the backup is kept.',
  backup: 'How the backup is made.',
  restore: 'What is put back, and how.',
  control: 'The control port.',
  metrics: 'Prometheus metrics and health.',
  logging: 'Log lines on stderr. Further keys that other tools have here do nothing, and a notice says so.',
  offset_storage: 'Accepted from other tools’ files.',
};

/** Sections of which other tools' files may hold further keys: those do nothing, and a notice says so. */
export const LENIENT_SECTIONS: ReadonlySet<string> = new Set(['logging']);

/** The leaves below a section, by dotted path, in the order of the table. */
export function leavesOf(section: Section, prefix = ''): ReadonlyMap<string, Leaf<unknown>> {
  const leaves = new Map<string, Leaf<unknown>>();
  for (const [key, node] of Object.entries(section)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (isLeaf(node)) leaves.set(path, node);
    else for (const [below, leaf] of leavesOf(node, path)) leaves.set(below, leaf);
  }
  return leaves;
}

/** The environment variable of a key: `backup.compression` is `KAFKA_BACKUP__BACKUP__COMPRESSION`. */
export function environmentName(path: string): string {
  const words = path.split('.').map((word) => word.toUpperCase().replace(/[^A-Z0-9]/g, '_'));
  return ['KAFKA_BACKUP', ...words].join('__');
}

/**
 * Defaults overlaid with parsed values (by path below `section`), judged once more by convict in strict mode.
 * @throws Error when a value does not hold: the formats have let it through, so that is a defect.
 */
export function fillValues<S extends Section>(section: S, values: ReadonlyMap<string, unknown>): ValuesOf<S> {
  // Empty environment and arguments: otherwise convict reads those of the process by itself.
  const filled = convict<Record<string, unknown>>(section as unknown as convict.Schema<Record<string, unknown>>, {
    env: {},
    args: [],
  });
  for (const [path, value] of values) filled.set(path, value);
  filled.validate({ allowed: 'strict' });
  return filled.getProperties() as ValuesOf<S>;
}

for (const format of FORMATS.values()) {
  convict.addFormat({
    name: format.name,
    validate(value: unknown, leaf: convict.SchemaObj) {
      if (!format.holds(value, leaf as Leaf<unknown>)) throw new Error(`is not a ${format.name}`);
    },
  });
}

function withEnvironmentNames<S extends Section>(section: S, prefix: string): S {
  const named = Object.entries(section).map(([key, node]) => {
    const name = `${prefix}__${key.toUpperCase()}`;
    if (!isLeaf(node)) return [key, withEnvironmentNames(node, name)];
    return [key, node.format === 'opaque' || node.format.endsWith('_map') ? node : { ...node, env: name }];
  });
  return Object.fromEntries(named) as S;
}
