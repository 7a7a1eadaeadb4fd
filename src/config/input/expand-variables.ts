// `${VAR}` and `${VAR:-default}` in string values of the parsed file. Never in keys and never in the YAML text, so a secret
// with `: # { }` in it cannot change the structure. One pass: what comes out of a variable is not expanded again.

import type { ConfigProblem } from '../problems.ts';
import type { ScalarNode, SourceNode } from './source-node.ts';

/** The environment, as the process sees it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the tree with variables expanded; unset and malformed ones are added to `problems`, one per value, and left as they are. */
export function expandVariables(root: SourceNode, env: Environment, problems: ConfigProblem[]): SourceNode {
  const visit = (node: SourceNode, key: string): SourceNode => {
    switch (node.kind) {
      case 'scalar':
        return typeof node.value === 'string' && node.value.includes('$') ? expand(node, key, env, problems) : node;
      case 'list':
        return { ...node, items: node.items.map((item, index) => visit(item, `${key}[${index}]`)) };
      case 'map':
        return {
          ...node,
          entries: node.entries.map((entry) => ({
            ...entry,
            value: visit(entry.value, key === '' ? entry.key : `${key}.${entry.key}`),
          })),
        };
    }
  };
  return visit(root, '');
}

// `$${` stands for `${`; a `${` that does not complete a reference is a mistake, not text.
const REFERENCE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\})?/g;

function expand(node: ScalarNode, key: string, env: Environment, problems: ConfigProblem[]): ScalarNode {
  const variables: string[] = [];
  let sound = true;
  const report = (message: string, suggestion: string) => {
    if (sound) problems.push({ origin: node.origin, key, message, suggestion });
    sound = false;
  };
  const text = node.text.replace(REFERENCE, (match: string, name?: string, fallback?: string) => {
    if (match === '$${') return '${';
    if (name === undefined) {
      report(
        '"${" does not start a variable.',
        'Write ${NAME} or ${NAME:-default} without nesting, or $${ for the characters.',
      );
      return match;
    }
    const value = env[name];
    if (value !== undefined && (value !== '' || fallback === undefined)) {
      variables.push(name);
      return value;
    }
    if (fallback !== undefined) {
      variables.push(name);
      return fallback;
    }
    report(`the variable ${name} is not set.`, `Set it, or write \${${name}:-default}.`);
    return match;
  });
  return { ...node, value: text, text, coercible: variables.length > 0, variables };
}
