// From sources to values: which keys are given, by whom, and what they say. Keeps the place of every value, so that later
// checks can point at it. Order of precedence: defaults < file < environment < files named by the environment < flags.

import { formatOf, isLeaf, type Leaf, mayBeEmpty, type Section } from './schema/leaf.ts';
import { CLUSTER, leavesOf, LENIENT_SECTIONS, SCHEMA, TARGET_NAME, TARGETS } from './schema/schema.ts';
import { type ConfigNotice, type ConfigProblem, type Origin, quoted } from './problems.ts';
import { called, isNull, type MapEntry, type SourceNode } from './input/source-node.ts';
import { suggestKey } from './suggest-key.ts';

/** A key that was given. `path` of a named target's key begins with `targets.NAME.` */
export interface GivenValue {
  readonly path: string;
  readonly leaf: Leaf<unknown>;
  readonly node: SourceNode;
}

/** What the sources said, before any value is read. Filled by {@link collectFile} and the environment. */
export class GivenValues {
  readonly values = new Map<string, GivenValue>();
  /** Sections that appear in the file, by path, with the place of their key. */
  readonly sections = new Map<string, Origin>();
  readonly targetNames = new Set<string>();
  readonly problems: ConfigProblem[] = [];
  readonly notices: ConfigNotice[] = [];
  /** Paths about which a problem was reported; further checks on them would only repeat it. */
  private readonly broken = new Set<string>();

  /** The definition of a key, or undefined when there is no such key. */
  leafAt(path: string): Leaf<unknown> | undefined {
    const [top, name, ...rest] = path.split('.');
    if (top !== TARGETS) return LEAVES.get(path);
    return name === undefined || !this.targetNames.has(name) ? undefined : CLUSTER_LEAVES.get(rest.join('.'));
  }

  /** Every key that can be given now: the table, and the keys of the targets seen so far. */
  *allLeaves(): Iterable<readonly [string, Leaf<unknown>]> {
    yield* LEAVES;
    for (const name of this.targetNames) {
      for (const [path, leaf] of CLUSTER_LEAVES) yield [`${TARGETS}.${name}.${path}`, leaf];
    }
  }

  put(path: string, leaf: Leaf<unknown>, node: SourceNode): void {
    this.values.set(path, { path, leaf, node });
  }

  report(origin: Origin, key: string, message: string, suggestion: string | null = null): void {
    this.problems.push({ origin, key, message, suggestion });
    this.broken.add(key);
  }

  markBroken(path: string): void {
    this.broken.add(path);
  }

  /** True when the key, or a section around it, already has a problem. */
  isBroken(path: string): boolean {
    for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
      if (this.broken.has(path.slice(0, end))) return true;
    }
    return false;
  }

  /** True when any key at or below the path was given a value, or its section stands in the file. */
  has(path: string): boolean {
    const given = this.values.get(path);
    if (given !== undefined) return !isNull(given.node);
    if (this.sections.has(path)) return true;
    return [...this.values.keys()].some((key) => key.startsWith(`${path}.`));
  }

  /** The place of the value, or of an entry `within` its map, of the nearest section around it, or the start of the file. */
  originOf(path: string, within: readonly string[] = []): Origin {
    const given = this.values.get(path);
    if (given !== undefined) return placeIn(given.node, within);
    for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
      const section = this.sections.get(path.slice(0, end));
      if (section !== undefined) return section;
    }
    return this.sections.get('') ?? { kind: 'default' };
  }
}

/** Takes over the keys of a parsed file, and reports what is not a key. False when the file holds no keys at all. */
export function collectFile(root: SourceNode, given: GivenValues): boolean {
  if (root.kind === 'map') {
    given.sections.set('', root.origin);
    collectSection(root.entries, SCHEMA, '', given);
    return true;
  }
  given.report(root.origin, '', `the file must hold keys such as "mode: backup", not ${called(root)}.`);
  return false;
}

/** Reads every given value but those with a problem already. Values that do not parse are reported and left out, so that the default stands in. */
export function parseValues(given: GivenValues): ReadonlyMap<string, unknown> {
  const parsed = new Map<string, unknown>();
  for (const { path, leaf, node } of given.values.values()) {
    if (given.isBroken(path)) continue;
    if (isNull(node)) {
      if (mayBeEmpty(leaf)) parsed.set(path, leaf.default);
      else given.report(node.origin, path, 'the key has no value.', 'Give it one, or remove the line.');
      continue;
    }
    const value = formatOf(leaf).parse(node, leaf, (origin, message, suggestion) => {
      given.report(origin, path, message, suggestion ?? null);
    });
    if (value !== undefined) parsed.set(path, value);
  }
  return parsed;
}

/** A file with more problems than this is not a configuration file, and looking for near keys takes time. */
const MOST_SUGGESTIONS = 100;
const LEAVES = leavesOf(SCHEMA);
const CLUSTER_LEAVES = leavesOf(CLUSTER);

/** Where the keys lead, as far as they do: to a single value, or to the key of more. */
function placeIn(node: SourceNode, keys: readonly string[], origin = node.origin): Origin {
  const [key, ...rest] = keys;
  const entry = node.kind === 'map' ? node.entries.find((each) => each.key === key) : undefined;
  if (entry === undefined) return origin;
  return placeIn(entry.value, rest, entry.value.kind === 'scalar' ? entry.value.origin : entry.origin);
}

function collectSection(entries: readonly MapEntry[], section: Section, at: string, given: GivenValues): void {
  const aliases = new Map(
    Object.entries(section).flatMap(([key, node]) =>
      isLeaf(node) && node.alias !== undefined ? [[node.alias, key]] : [],
    ),
  );
  const pathOf = (written: string): string => {
    const key = aliases.get(written) ?? written;
    return at === '' ? key : `${at}.${key}`;
  };
  const present = new Set(entries.map((entry) => pathOf(entry.key)));
  for (const entry of entries) {
    const key = aliases.get(entry.key) ?? entry.key;
    const path = pathOf(entry.key);
    const node = Object.hasOwn(section, key) ? section[key] : undefined;
    if (at === '' && key === TARGETS) collectTargets(entry, given);
    else if (node === undefined) reportUnknown(entry, section, { at, present }, given);
    else if (!isLeaf(node)) collectBelow(entry, node, path, given);
    else if (given.values.has(path)) {
      given.report(
        entry.origin,
        path,
        `${quoted(entry.key)} and another spelling of the same key are both given.`,
        'Keep one of them.',
      );
    } else given.put(path, node, entry.value);
  }
}

function collectBelow(entry: MapEntry, section: Section, path: string, given: GivenValues): void {
  const { value } = entry;
  if (isNull(value)) return;
  given.sections.set(path, entry.origin);
  if (value.kind === 'map') collectSection(value.entries, section, path, given);
  else
    given.report(
      value.origin,
      path,
      `this must be a section with keys, not ${value.kind === 'list' ? 'a list' : 'a value'}.`,
    );
}

function collectTargets(entry: MapEntry, given: GivenValues): void {
  const { value } = entry;
  if (isNull(value)) return;
  if (value.kind !== 'map') {
    given.report(value.origin, TARGETS, 'this must be a map from a name to a cluster.');
    return;
  }
  for (const target of value.entries) {
    const path = `${TARGETS}.${target.key}`;
    if (!TARGET_NAME.test(target.key)) {
      given.report(
        target.origin,
        path,
        `${quoted(target.key)} is not a name. Use letters, digits, "_" and "-", at most 64.`,
      );
      continue;
    }
    given.targetNames.add(target.key);
    given.sections.set(path, target.origin);
    collectBelow(target, CLUSTER, path, given);
  }
}

/** A key that was probably meant is not missed as well; what is `present` under its own name is judged by itself. */
function reportUnknown(
  entry: MapEntry,
  section: Section,
  { at, present }: { readonly at: string; readonly present: ReadonlySet<string> },
  given: GivenValues,
): void {
  const suggestion = given.problems.length < MOST_SUGGESTIONS ? suggestKey(section, at, entry.key) : null;
  const short = entry.key.length > 80 ? `${entry.key.slice(0, 80)}...` : entry.key;
  const path = at === '' ? short : `${at}.${short}`;
  if (LENIENT_SECTIONS.has(at)) {
    const message = ['this key does nothing here.', ...(suggestion === null ? [] : [suggestion.text])].join(' ');
    given.notices.push({ kind: 'notice', origin: entry.origin, key: path, message });
    return;
  }
  given.report(entry.origin, path, 'unknown key.', suggestion?.text ?? null);
  if (suggestion?.meant != null && !present.has(suggestion.meant)) given.markBroken(suggestion.meant);
}
