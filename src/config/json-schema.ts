// The schema for editors, generated from the table. Draft-07, because that is what yaml-language-server understands.

import type { JsonSchema } from './formats/format.ts';
import { formatOf, isLeaf, type Leaf, mayBeEmpty, type Section } from './schema/leaf.ts';
import { CLUSTER, SCHEMA, SECTION_DOCS, TARGET_NAME, TARGETS } from './schema/schema.ts';

/** The whole configuration file as a draft-07 schema. It judges keys and forms; contradictions only the loader finds. */
export function configJsonSchema(): JsonSchema {
  const { properties, ...rest } = sectionSchema(SCHEMA, '');
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'kafka-backup-agent configuration',
    ...rest,
    required: Object.entries(SCHEMA).flatMap(([key, node]) => (isLeaf(node) && node.required === true ? [key] : [])),
    properties: {
      ...properties,
      [TARGETS]: {
        description: 'Named restore targets for the control port.',
        type: ['object', 'null'],
        additionalProperties: false,
        patternProperties: { [TARGET_NAME.source]: sectionSchema(CLUSTER, '') },
      },
    },
  };
}

interface SectionSchema extends JsonSchema {
  readonly properties: JsonSchema;
}

function sectionSchema(section: Section, path: string): SectionSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [key, node] of Object.entries(section)) {
    const below = path === '' ? key : `${path}.${key}`;
    if (!isLeaf(node)) {
      properties[key] = sectionSchema(node, below);
      continue;
    }
    properties[key] = leafSchema(node);
    if (node.alias !== undefined) properties[node.alias] = leafSchema(node);
  }
  const description = path === '' ? undefined : SECTION_DOCS[path];
  return {
    ...(description === undefined ? {} : { description }),
    type: path === '' ? 'object' : ['object', 'null'],
    additionalProperties: false,
    properties,
  };
}

function leafSchema(leaf: Leaf<unknown>): JsonSchema {
  const format = formatOf(leaf);
  const schema = format.jsonSchema(leaf);
  const status = leaf.status === undefined ? '' : ` [${leaf.status.kind}] ${leaf.status.text}`;
  const plain = ['string', 'number', 'boolean'].includes(typeof leaf.default);
  return {
    description: `${leaf.doc}${status}`,
    ...(plain ? { default: leaf.default } : {}),
    ...(mayBeEmpty(leaf) ? { anyOf: [schema, { type: 'null' }] } : schema),
  };
}
