// The configuration in force, key by key, with who said so: the content of `config print`. Secrets are hidden here, before
// anything is handed out.

import type { AgentConfig } from './agent-config.ts';
import type { GivenValues } from './collect-values.ts';
import { type Origin, originText } from './problems.ts';
import { formatOf, type Leaf } from './schema/leaf.ts';

/** One key. `value` is written as in the file, `[hidden]` for a secret; `origin` as in problems (`file:line:column`). */
export interface EffectiveValue {
  readonly key: string;
  readonly value: string;
  readonly origin: string;
}

/** Defaults that follow from other keys, as the assembly has settled them. */
const DERIVED: ReadonlyMap<string, (config: AgentConfig) => unknown> = new Map<
  string,
  (config: AgentConfig) => unknown
>([
  ['storage.region', ({ storage }) => (storage.kind === 's3' ? storage.region : null)],
  ['storage.path_style', ({ storage }) => (storage.kind === 's3' ? storage.pathStyle : null)],
  ['backup.fetch_min_bytes', ({ backup }) => backup.fetchMinBytes],
  ['backup.memory_budget_bytes', ({ backup }) => backup.memoryBudgetBytes],
  ['backup.upload_budget_bytes', ({ backup }) => backup.uploadBudgetBytes],
  ['backup.frame_bytes', ({ backup }) => backup.frameBytes],
  ['control.listen', ({ control }) => control.listen ?? false],
]);

/** Every key that does something, in the order of the reference; keys kept for compatibility only where they are given. */
export function effectiveValues(
  parsed: ReadonlyMap<string, unknown>,
  given: GivenValues,
  config: AgentConfig,
): readonly EffectiveValue[] {
  const effective: EffectiveValue[] = [];
  for (const [path, leaf] of given.allLeaves()) {
    const source = given.values.get(path);
    const absent = /^(source|target)\./.test(path) && !given.has(path.split('.')[0] ?? '');
    if (source === undefined && (leaf.status !== undefined || absent || isOfOtherBackend(leaf, parsed))) continue;
    const origin: Origin = source?.node.origin ?? { kind: 'default' };
    const derived = source === undefined ? DERIVED.get(path) : undefined;
    const value = derived !== undefined ? derived(config) : parsed.has(path) ? parsed.get(path) : leaf.default;
    const isInWords = source === undefined && derived === undefined;
    effective.push({ key: path, value: shown(value, leaf, isInWords), origin: originText(origin) });
  }
  return effective;
}

function isOfOtherBackend(leaf: Leaf<unknown>, parsed: ReadonlyMap<string, unknown>): boolean {
  const backend = parsed.get('storage.backend');
  return leaf.backends !== undefined && !leaf.backends.some((each) => each === backend);
}

/** A default that says nothing by itself is told in words. */
function shown(value: unknown, leaf: Leaf<unknown>, isInWords: boolean): string {
  if (value !== null && leaf.sensitive === true) return '[hidden]';
  if (isInWords && leaf.defaultText !== undefined) return leaf.defaultText;
  return value === null ? 'null' : formatOf(leaf).show(value);
}
