// From a file, the environment and flags to a checked, frozen AgentConfig. The only reader of process.env. Everything that
// is wrong is found in one go and returned; nothing is thrown for what an operator wrote.

import type { AgentConfig } from './agent-config.ts';
import { assembleConfig } from './assemble-config.ts';
import { collectFile, GivenValues, parseValues } from './collect-values.ts';
import { type EffectiveValue, effectiveValues } from './effective-config.ts';
import { collectEnvironment, readSecretFiles } from './input/environment.ts';
import { type Environment, expandVariables } from './input/expand-variables.ts';
import { readText } from './input/read-file.ts';
import { readYaml } from './input/read-yaml.ts';
import type { SourceNode } from './input/source-node.ts';
import { byPlace, type ConfigNotice, type ConfigProblem, type Origin } from './problems.ts';
import { type NamedCluster, RuleSubject } from './rules/rule.ts';
import { RULES } from './rules/rules.ts';
import { checkStatuses } from './rules/status-rules.ts';
import { CLUSTER, type ClusterValues, fillValues, SCHEMA, type SchemaValues, TARGETS } from './schema/schema.ts';

export interface LoadOptions {
  /** Path of the YAML file as the operator gave it; null to take everything from the environment and flags. */
  readonly file: string | null;
  /** Instead of the environment of the process. */
  readonly env?: Environment;
  /** Values from flags by dotted key, such as `backup.continuous`; they win over everything else. */
  readonly overrides?: Readonly<Record<string, OverrideValue>>;
  /** Instead of the clock: from when ages such as `-2h` count back. */
  readonly nowMs?: number;
}

export type OverrideValue = string | number | boolean | readonly string[];

/** A configuration to start with. Show the notices; `effective` makes what `config print` prints. */
export interface LoadedConfig {
  readonly kind: 'ok';
  readonly config: AgentConfig;
  readonly notices: readonly ConfigNotice[];
  readonly effective: () => readonly EffectiveValue[];
}

/** Nothing may start. Problems come in the order of the file. */
export interface InvalidConfig {
  readonly kind: 'invalid';
  readonly problems: readonly ConfigProblem[];
}

/** Loads and checks the configuration. Reads the file and files that it names; opens no connection, writes nothing. */
export function loadConfig(options: LoadOptions): LoadedConfig | InvalidConfig {
  const { env = process.env, nowMs = Date.now() } = options;
  const given = new GivenValues();
  const file = options.file === null ? 'none' : collectConfigFile(options.file, env, given);
  if (file === 'not understood') return invalid(given);
  const literalSecret = file === 'world-readable' ? literalSecretOf(given) : null;
  collectEnvironment(env, given);
  collectOverrides(options.overrides ?? {}, given);
  readSecretFiles(given);
  const parsed = parseValues(given);
  checkStatuses(given, parsed);
  const values = fillValues(SCHEMA, withoutTargets(parsed));
  const targets = new Map([...given.targetNames].map((name) => [name, clusterOf(name, parsed)]));
  checkRules({ values, targets, given, nowMs });
  if (given.problems.length > 0) return invalid(given);
  if (literalSecret !== null) given.notices.push(literalSecret);
  const config = assembleConfig({ values, targets, has: (path) => given.has(path), nowMs });
  return {
    kind: 'ok',
    config,
    notices: given.notices.toSorted(byPlace),
    effective: () => effectiveValues(parsed, given, config),
  };
}

/** Nothing further is said about a file that was not understood: it would only be noise. */
type FileState = 'none' | 'private' | 'world-readable' | 'not understood';

const LARGEST_FILE = 1024 * 1024;

function collectConfigFile(file: string, env: Environment, given: GivenValues): FileState {
  const read = readText(file, LARGEST_FILE);
  if (read.kind === 'failed') {
    given.report({ kind: 'file', file, line: 1, column: 1 }, '', read.message, read.suggestion);
    return 'not understood';
  }
  const yaml = readYaml(read.text, file);
  if (yaml.kind === 'invalid') {
    given.problems.push(...yaml.problems);
    return 'not understood';
  }
  given.problems.push(...yaml.problems);
  for (const path of yaml.unread) given.markBroken(keyOf(path));
  const unexpanded: ConfigProblem[] = [];
  const root = expandVariables(yaml.root, env, unexpanded);
  for (const { origin, key, message, suggestion } of unexpanded) {
    given.report(origin, key, message, suggestion);
    given.markBroken(keyOf(key));
  }
  if (!collectFile(root, given)) return 'not understood';
  return read.worldReadable ? 'world-readable' : 'private';
}

/** The key that holds a place such as `source.topics.include[2]`. */
function keyOf(path: string): string {
  return path.replace(/\[.*$/, '');
}

function collectOverrides(overrides: Readonly<Record<string, OverrideValue>>, given: GivenValues): void {
  for (const [path, value] of Object.entries(overrides)) {
    const origin: Origin = { kind: 'flag', name: path };
    const leaf = given.leafAt(path);
    if (leaf === undefined) given.report(origin, path, 'unknown key.');
    else given.put(path, leaf, overrideNode(value, origin));
  }
}

function overrideNode(value: OverrideValue, origin: Origin): SourceNode {
  if (typeof value === 'object')
    return { kind: 'list', items: value.map((item) => overrideNode(item, origin)), origin };
  return { kind: 'scalar', value, text: String(value), coercible: typeof value === 'string', variables: [], origin };
}

function withoutTargets(parsed: ReadonlyMap<string, unknown>): ReadonlyMap<string, unknown> {
  return new Map([...parsed].filter(([path]) => !path.startsWith(`${TARGETS}.`)));
}

function clusterOf(name: string, parsed: ReadonlyMap<string, unknown>): ClusterValues {
  const prefix = `${TARGETS}.${name}.`;
  const own = [...parsed].filter(([path]) => path.startsWith(prefix));
  return fillValues(CLUSTER, new Map(own.map(([path, value]) => [path.slice(prefix.length), value])));
}

interface RulesInput {
  readonly values: SchemaValues;
  readonly targets: ReadonlyMap<string, ClusterValues>;
  readonly given: GivenValues;
  readonly nowMs: number;
}

function checkRules({ values, targets, given, nowMs }: RulesInput): void {
  const clusters: NamedCluster[] = [
    ...(given.has('source') ? [{ path: 'source', values: values.source }] : []),
    ...(given.has('target') ? [{ path: 'target', values: values.target }] : []),
    ...[...targets].map(([name, cluster]) => ({ path: `${TARGETS}.${name}`, values: cluster })),
  ];
  const subject = new RuleSubject(values, clusters, given, nowMs);
  for (const rule of RULES) rule.check(subject);
}

/** The warning about a secret that stands in a file everybody may read, or null. */
function literalSecretOf(given: GivenValues): ConfigNotice | null {
  for (const { path, leaf, node } of given.values.values()) {
    const literal = node.kind === 'scalar' && node.variables.length === 0 && node.value !== null;
    if (leaf.sensitive !== true || !literal) continue;
    const message =
      'everybody on this host can read this secret. Set the file to mode 0600, or use ${NAME} or a _FILE variable.';
    return { kind: 'warning', origin: node.origin, key: path, message };
  }
  return null;
}

function invalid(given: GivenValues): InvalidConfig {
  return { kind: 'invalid', problems: given.problems.toSorted(byPlace) };
}
