// config/REFERENCE.md: every key of the configuration, from the schema table.

import { RULES } from '../config/rules/rules.ts';
import { formatOf, type Leaf } from '../config/schema/leaf.ts';
import { CLUSTER, leavesOf, SCHEMA, SECTION_DOCS } from '../config/schema/schema.ts';

/** The whole document. */
export function renderConfigReference(): string {
  const sections = Object.keys(SECTION_DOCS).filter((name) => name !== 'target');
  return `${[INTRODUCTION, ...sections.map(renderSection), STATUS, renderRules()].join('\n\n')}\n`;
}

const INTRODUCTION = `# Configuration reference

Generated from \`src/config/schema/\` by \`npm run docs\`; do not edit. Start from one of the examples beside this page.

- Files are YAML 1.2, one document, at most 1 MiB. Unknown keys are errors. All errors are reported at once, with their place.
- Sizes take \`12MiB\`, \`64KiB\`, \`1GiB\` or a number of bytes; durations take \`500ms\`, \`30s\`, \`5m\`, \`1h\` or a number in the
  key's own unit.
- \`\${NAME}\` and \`\${NAME:-default}\` in values are replaced from the environment (\`$\${\` stands for \`\${\`). An unset variable
  without default is an error.
- Every key but the maps can come from the environment: \`KAFKA_BACKUP__SECTION__KEY\`, or from a file that
  \`KAFKA_BACKUP__SECTION__KEY_FILE\` names. Lists are separated by commas. \`KAFKA_BACKUP__FROM__KEY\` is a key of \`storage\` for the store that
  \`import --from\` names, and of no other.
- Precedence: defaults < file < environment < \`_FILE\` < flags.`;

const STATUS = `## Status of keys

A key does what it says, or it is marked. **notice**: accepted so that files of other tools start unchanged; the text says what
happens instead, and the same text is printed at the start. **unavailable**: not part of this
version; any value but the default is an error.`;

function renderSection(name: string): string {
  const title = TITLES[name] ?? `## \`${name}\``;
  const doc = name === 'source' ? CLUSTER_DOC : (SECTION_DOCS[name] ?? '');
  const rows = [...leavesOf(name === 'source' ? CLUSTER : SCHEMA)].flatMap(([path, leaf]) => {
    if (name === 'source') return [row(path, leaf, ALL_LEAVES.get(`source.${path}`)?.env)];
    const own = name === '' ? !path.includes('.') : path.startsWith(`${name}.`);
    return own ? [row(name === '' ? path : path.slice(name.length + 1), leaf, leaf.env)] : [];
  });
  const head = ['| Key | Type | Unit | Default | Meaning | Environment |', '|---|---|---|---|---|---|'];
  return [title, '', doc, '', ...head, ...rows].join('\n');
}

const ALL_LEAVES = leavesOf(SCHEMA);
const TITLES: Readonly<Record<string, string>> = {
  '': '## Top level',
  source: '## `source`, `target`, `targets.NAME`',
};
const CLUSTER_DOC = `${SECTION_DOCS.source} \`target\`: ${SECTION_DOCS.target} \`targets\`: a map from a name to a cluster, each a
further restore target for the control port. All three have the keys below; the variables of \`target\` begin with
\`KAFKA_BACKUP__TARGET__\`, those of an entry \`dr\` with \`KAFKA_BACKUP__TARGETS__DR__\`.`;

function row(key: string, leaf: Leaf<unknown>, env: string | undefined): string {
  const cells = [
    `\`${key}\``,
    formatOf(leaf).describe(leaf),
    leaf.unit ?? '',
    defaultOf(leaf),
    `${leaf.doc}${backendsOf(leaf)}${statusOf(leaf)}`,
    env === undefined ? '' : `\`${env}\``,
  ];
  return `| ${cells.join(' | ')} |`;
}

function defaultOf(leaf: Leaf<unknown>): string {
  if (leaf.required === true) return 'required';
  if (leaf.defaultText !== undefined) return leaf.defaultText;
  const empty = leaf.default === null || (Array.isArray(leaf.default) && leaf.default.length === 0);
  if (empty || (leaf.default instanceof Map && leaf.default.size === 0)) return 'none';
  return `\`${formatOf(leaf).show(leaf.default)}\``;
}

function backendsOf(leaf: Leaf<unknown>): string {
  return leaf.backends === undefined ? '' : ` (${leaf.backends.join(', ')})`;
}

function statusOf(leaf: Leaf<unknown>): string {
  const secret = leaf.sensitive === true ? ' **secret**.' : '';
  if (leaf.status === undefined) return secret;
  return `${secret} **${leaf.status.kind}**: ${leaf.status.text}`;
}

function renderRules(): string {
  return ['## Keys that depend on each other', '', ...RULES.map((rule) => `- ${rule.doc}`)].join('\n');
}
