// A configuration value as it was written, with its place: the neutral form between YAML, environment and flags on one side
// and the formats on the other. Numbers keep their text, so that nothing is rounded and `010` can be refused.

import { type Origin, quoted } from '../problems.ts';

/** A single value. `text` is the value as written (without quotes); `variables` names the variables expanded into it. */
export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly text: string;
  /** True when the text may stand for a number or boolean: it came from the environment, a flag or a variable. */
  readonly coercible: boolean;
  readonly variables: readonly string[];
  readonly origin: Origin;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly SourceNode[];
  readonly origin: Origin;
}

/** Keys are unique; `origin` of an entry is the place of its key. */
export interface MapNode {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
  readonly origin: Origin;
}

export interface MapEntry {
  readonly key: string;
  readonly origin: Origin;
  readonly value: SourceNode;
}

export type SourceNode = ScalarNode | ListNode | MapNode;

/** A value that came as text from outside the file: the environment or a file that a variable names. */
export function textNode(text: string, origin: Origin): ScalarNode {
  return { kind: 'scalar', value: text, text, coercible: true, variables: [], origin };
}

/** True for `key:` with nothing behind it, `~` and `null`. */
export function isNull(node: SourceNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/**
 * How a message may call this value: quoted as written, or only named when it came through a variable or the
 * environment, where it could be a secret that landed in the wrong place.
 */
export function called(node: SourceNode): string {
  if (node.kind === 'list') return 'a list';
  if (node.kind === 'map') return 'a section';
  if (node.variables.length > 0) return `the value of \${${node.variables.join('}, ${')}}`;
  if (node.origin.kind === 'env') return 'the value';
  if (node.value === null) return 'an empty value';
  return typeof node.value === 'string' ? quoted(node.text) : node.text.slice(0, 80);
}
