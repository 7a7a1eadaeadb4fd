// The body of a request for a restore, read with the schema of the configuration's section `restore`: the same keys, formats and
// rules, so that the two cannot drift apart. All faults are told at once, each at its place in the body. What belongs to the
// agent, such as hosts, paths and credentials, is never taken from a request.

import type { RestoreConfig } from '../agent-config.ts';
import { restoreConfig } from '../assemble-config.ts';
import { GivenValues, parseValues } from '../collect-values.ts';
import { isNull, type MapEntry, type SourceNode } from '../input/source-node.ts';
import { type Origin, originText, quoted } from '../problems.ts';
import { RESTORE_RULES } from '../rules/restore-rules.ts';
import { RuleSubject } from '../rules/rule.ts';
import { checkStatuses } from '../rules/status-rules.ts';
import { formatOf, isLeaf, type Leaf, type Section } from '../schema/leaf.ts';
import { fillValues, SCHEMA } from '../schema/schema.ts';
import { canTakeForever } from './slow-regex.ts';
import { nearestOf } from '../suggest-key.ts';

/** A place in the body, such as `body/topics/0`, and what is wrong with it. */
export interface BodyFault {
  readonly path: string;
  readonly message: string;
}

export type RestoreBody =
  /** `has` tells of a key of the section whether the body gives it; others hold their defaults. */
  | { readonly kind: 'restore'; readonly restore: RestoreConfig; readonly has: (key: string) => boolean }
  | { readonly kind: 'invalid'; readonly faults: readonly BodyFault[] };

/** Keys of `restore` that say how the agent speaks to store and target, whatever is restored. */
const SETTINGS: readonly (keyof typeof SCHEMA.restore)[] = ['produce_acks', 'produce_timeout_ms', 'outage_timeout_ms'];
/** Another name of `time_window_end`. */
const POINT_IN_TIME = 'point_in_time';
const ROOT = 'body';
const TOPICS_WANTED =
  'this must be a list of names, such as ["orders"], or an object, such as {"include": ["orders", "pay*"], "exclude": ["pay-test"]}.';
const TOPICS_EXAMPLE =
  'Write names as ["orders"], and other names to restore them to as "topic_mapping": {"orders": "orders-restored"}.';

/**
 * `otherKeys` are keys of the body that somebody else reads. Numbers that JSON does not hold exactly are refused; offsets may be
 * written as text.
 */
export function readRestoreBody(
  body: Readonly<Record<string, unknown>>,
  { nowMs, otherKeys }: { readonly nowMs: number; readonly otherKeys: readonly string[] },
): RestoreBody {
  const given = new GivenValues();
  given.sections.set('restore', at(ROOT));
  const said = Object.entries(body).filter(([key]) => !otherKeys.includes(key));
  for (const [key, value] of said) collect(entryOf(key, value, ROOT), otherKeys, given);
  refuseNulls(given);
  const parsed = parseValues(given);
  checkStatuses(given, parsed);
  const values = fillValues(SCHEMA, parsed);
  const subject = new RuleSubject(values, [], given, nowMs);
  for (const rule of RESTORE_RULES) rule.check(subject);
  refuseSlowPatterns(given);
  if (given.problems.length === 0) {
    return { kind: 'restore', restore: restoreConfig(values, nowMs), has: (key) => given.has(`restore.${key}`) };
  }
  const faults = given.problems.map(({ origin, message, suggestion }) => {
    const text = suggestion === null ? message : `${message} ${suggestion}`;
    return { path: originText(origin), message: text.replaceAll('restore.', '') };
  });
  return { kind: 'invalid', faults };
}

/** One key at the top of the body. */
function collect(entry: MapEntry, otherKeys: readonly string[], given: GivenValues): void {
  const key = entry.key === POINT_IN_TIME ? 'time_window_end' : entry.key;
  const node = nodeAt(SCHEMA.restore, key);
  const { value, origin } = entry;
  if (key === 'topics' && value.kind === 'list')
    put('restore.topics.include', SCHEMA.restore.topics.include, entry, given);
  else if (node === undefined)
    reportUnknown(entry, [...Object.keys(SCHEMA.restore), POINT_IN_TIME, ...otherKeys], given);
  else if (SETTINGS.some((setting) => setting === key)) {
    given.report(
      origin,
      `restore.${key}`,
      `is a setting of the agent: it stands in its configuration, as restore/${key}.`,
    );
  } else if (isLeaf(node)) put(`restore.${key}`, node, entry, given);
  else if (value.kind !== 'map') {
    const wanted = key === 'topics' ? TOPICS_WANTED : `this must be an object, with ${Object.keys(node).join(', ')}.`;
    given.report(origin, `restore.${key}`, wanted);
  } else for (const below of value.entries) collectBelow(below, node, `restore.${key}`, given);
}

function collectBelow(entry: MapEntry, section: Section, path: string, given: GivenValues): void {
  const node = nodeAt(section, entry.key);
  if (node === undefined || !isLeaf(node)) {
    const isName = section === SCHEMA.restore.topics && entry.value.kind !== 'list';
    reportUnknown(entry, Object.keys(section), given, isName ? TOPICS_EXAMPLE : null);
  } else put(`${path}.${entry.key}`, node, entry, given);
}

function nodeAt(section: Section, key: string): Section | Leaf<unknown> | undefined {
  return Object.hasOwn(section, key) ? section[key] : undefined;
}

function put(path: string, leaf: Leaf<unknown>, { origin, value }: MapEntry, given: GivenValues): void {
  if (given.values.has(path)) given.report(origin, path, 'another spelling of the same key is given too.', 'Keep one.');
  else if (value.kind === 'list' && value.items.length === 0)
    given.report(origin, path, 'the list is empty.', 'Leave it out.');
  else given.put(path, leaf, value);
}

/** `otherwise` is what to do where no key is near. */
function reportUnknown(
  { key, origin }: MapEntry,
  known: readonly string[],
  given: GivenValues,
  otherwise: string | null = null,
): void {
  const nearest = nearestOf(key, known);
  given.report(
    origin,
    `unknown ${key}`,
    'is not known here.',
    nearest === null ? otherwise : `Did you mean ${quoted(nearest)}?`,
  );
}

/** Nothing is the default already: who sends null has a fault elsewhere. */
function refuseNulls(given: GivenValues): void {
  for (const { path, node } of given.values.values()) {
    if (isNull(node)) given.report(node.origin, path, 'has no value.', 'Leave it out.');
  }
}

/** Patterns are tried on the names of all topics, and on keys and headers: one from outside must not hold everything up. */
function refuseSlowPatterns(given: GivenValues): void {
  for (const { path, leaf, node } of given.values.values()) {
    for (const { pattern, origin } of patternsIn(node, leaf)) {
      if (given.isBroken(path) || !canTakeForever(pattern)) continue;
      given.report(origin, path, `${quoted(pattern)} repeats what repeats or chooses, which can take forever.`);
    }
  }
}

function patternsIn(node: SourceNode, leaf: Leaf<unknown>): { readonly pattern: string; readonly origin: Origin }[] {
  const { origin } = node;
  if (node.kind === 'scalar') return formatOf(leaf).name === 'regex' ? [{ pattern: node.text, origin }] : [];
  if (node.kind === 'list') {
    return node.items.flatMap((item) => (item.kind === 'scalar' ? afterTilde(item.text, item.origin) : []));
  }
  return formatOf(leaf).name === 'topic_map'
    ? node.entries.flatMap((entry) => afterTilde(entry.key, entry.origin))
    : [];
}

function afterTilde(text: string, origin: Origin): { readonly pattern: string; readonly origin: Origin }[] {
  return text.startsWith('~') ? [{ pattern: text.slice(1), origin }] : [];
}

function at(path: string): Origin {
  return { kind: 'body', path };
}

function entryOf(key: string, value: unknown, parent: string): MapEntry {
  const path = `${parent}/${key}`;
  return { key, origin: at(path), value: nodeOf(value, path) };
}

function nodeOf(value: unknown, path: string): SourceNode {
  const origin = at(path);
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((item, index) => nodeOf(item, `${path}/${index}`)), origin };
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, each]) => entryOf(name, each, path));
    return { kind: 'map', entries, origin };
  }
  const scalar = { kind: 'scalar', coercible: false, variables: [], origin } as const;
  if (typeof value === 'number') {
    const isExact = !Number.isInteger(value) || Number.isSafeInteger(value);
    return { ...scalar, value, text: isExact ? String(value) : `${value} (too large for JSON; write it as text)` };
  }
  const text = String(value);
  // Beyond 2^53 an offset can only be written as text.
  if (/^body\/offsets\/.*\/(from|to)$/.test(path) && /^\d+$/.test(text))
    return { ...scalar, value: Number(text), text };
  return { ...scalar, value: typeof value === 'string' || typeof value === 'boolean' ? value : null, text };
}
