// The configuration in force, key by key, with who said so: the content of `config print`. Secrets are hidden here, before
// anything is handed out.

import type { GivenValues } from './collect-values.ts';
import { type Origin, originText } from './problems.ts';
import { formatOf, type Leaf } from './schema/leaf.ts';

/** One key. `value` is written as in the file, `[hidden]` for a secret; `origin` as in problems (`file:line:column`). */
export interface EffectiveValue {
  readonly key: string;
  readonly value: string;
  readonly origin: string;
}

/** Every key that does something, in the order of the reference; keys kept for compatibility only where they are given. */
export function effectiveValues(parsed: ReadonlyMap<string, unknown>, given: GivenValues): readonly EffectiveValue[] {
  const effective: EffectiveValue[] = [];
  for (const [path, leaf] of given.allLeaves()) {
    const source = given.values.get(path);
    const absent = /^(source|target)\./.test(path) && !given.has(path.split('.')[0] ?? '');
    if (source === undefined && (leaf.status !== undefined || absent || isOfOtherBackend(leaf, parsed))) continue;
    const origin: Origin = source?.node.origin ?? { kind: 'default' };
    const value = parsed.has(path) ? parsed.get(path) : leaf.default;
    effective.push({ key: path, value: shown(value, leaf, source === undefined), origin: originText(origin) });
  }
  return effective;
}

function isOfOtherBackend(leaf: Leaf<unknown>, parsed: ReadonlyMap<string, unknown>): boolean {
  const backend = parsed.get('storage.backend');
  return leaf.backends !== undefined && !leaf.backends.some((each) => each === backend);
}

function shown(value: unknown, leaf: Leaf<unknown>, isDefault: boolean): string {
  if (value !== null && leaf.sensitive === true) return '[hidden]';
  if (isDefault && leaf.defaultText !== undefined) return leaf.defaultText;
  return value === null ? 'null' : formatOf(leaf).show(value);
}
