// Keys from the environment: KAFKA_BACKUP__SECTION__KEY holds the value, KAFKA_BACKUP__SECTION__KEY_FILE names a file that
// does (one line break at its end is dropped). A name with this prefix that fits no key is a mistake, not noise. Of the store that
// another program's backup is read from, KAFKA_BACKUP__FROM__KEY holds a key of `storage`: with the same names it would be our own.

import type { GivenValues } from '../collect-values.ts';
import type { Origin } from '../problems.ts';
import { environmentName } from '../schema/schema.ts';
import { nearestOf } from '../suggest-key.ts';
import type { Environment } from './expand-variables.ts';
import { readText } from './read-file.ts';
import { textNode } from './source-node.ts';

/** Lays the environment over what the file gave. */
export function collectEnvironment(env: Environment, given: GivenValues): void {
  collect(env, given, (name) => name.startsWith(PREFIX) && !name.startsWith(FROM_PREFIX), environmentPaths);
}

/** Lays what the environment says of the store that is read from over what its URL gave. */
export function collectFromEnvironment(env: Environment, given: GivenValues): void {
  collect(env, given, (name) => name.startsWith(FROM_PREFIX), fromPaths);
}

/** The variable of a key of `storage` for the store that is read from: `storage.sas_token` is `KAFKA_BACKUP__FROM__SAS_TOKEN`. */
export function fromName(path: string): string {
  return environmentName(path.replace(STORAGE, 'from.'));
}

function collect(
  env: Environment,
  given: GivenValues,
  isWanted: (name: string) => boolean,
  pathsOf: (given: GivenValues) => ReadonlyMap<string, string>,
): void {
  const names = Object.keys(env).filter((name) => isWanted(name) && env[name] !== undefined);
  if (names.length === 0) return;
  const paths = pathsOf(given);
  const nameOf = new Map<string, string>();
  for (const name of names.toSorted()) {
    const path = paths.get(name);
    const other = path === undefined ? undefined : nameOf.get(path);
    if (path !== undefined && other !== undefined)
      given.report({ kind: 'env', name }, path, `${other} and ${name} are both set.`, 'Unset one of them.');
    if (path !== undefined) nameOf.set(path, name);
    // `sasl_password_file` is a key too, as those of other secrets are, but here it means the same as the suffix.
    const suffixed = name.endsWith(FILE_SUFFIX) ? paths.get(name.slice(0, -FILE_SUFFIX.length)) : undefined;
    if (suffixed !== undefined) overrideFromFile(name, suffixed, env, given);
    else overrideFromText(name, paths, env, given);
  }
}

/** Lays the content of every file that a key such as `sasl_password_file` names over the secret that it holds. */
export function readSecretFiles(given: GivenValues): void {
  for (const { path, node } of [...given.values.values()]) {
    if (!path.endsWith('_file') || node.kind !== 'scalar' || typeof node.value !== 'string') continue;
    const secretPath = path.slice(0, -FILE_SUFFIX.length);
    if (given.leafAt(secretPath)?.sensitive !== true) continue;
    if (given.has(secretPath)) {
      const key = secretPath.slice(secretPath.lastIndexOf('.') + 1);
      given.report(node.origin, path, `${key} and ${key}_file are both given.`, 'Keep one of them.');
    } else if (node.text !== '') putFileContent(secretPath, path, node.text, node.origin, given);
  }
}

const PREFIX = 'KAFKA_BACKUP__';
const FROM_PREFIX = 'KAFKA_BACKUP__FROM__';
const STORAGE_PREFIX = 'KAFKA_BACKUP__STORAGE__';
const STORAGE = 'storage.';
const FILE_SUFFIX = '_FILE';
const LARGEST_SECRET = 64 * 1024;

function environmentPaths(given: GivenValues): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const [path, leaf] of given.allLeaves()) {
    const settable = leaf.env !== undefined || (path.startsWith('targets.') && !leaf.format.endsWith('_map'));
    if (settable) paths.set(leaf.env ?? environmentName(path), path);
    if (settable && leaf.alias !== undefined)
      paths.set(environmentName(`${path.slice(0, path.lastIndexOf('.') + 1)}${leaf.alias}`), path);
  }
  return paths;
}

function fromPaths(given: GivenValues): ReadonlyMap<string, string> {
  const ofStorage = [...environmentPaths(given)].filter(([, path]) => path.startsWith(STORAGE));
  return new Map(ofStorage.map(([name, path]) => [name.replace(STORAGE_PREFIX, FROM_PREFIX), path]));
}

function overrideFromText(
  name: string,
  paths: ReadonlyMap<string, string>,
  env: Environment,
  given: GivenValues,
): void {
  const origin: Origin = { kind: 'env', name };
  const path = paths.get(name);
  const leaf = path === undefined ? undefined : given.leafAt(path);
  if (path === undefined || leaf === undefined) {
    const nearest = nearestOf(name, paths.keys());
    given.report(origin, '', 'this variable belongs to no key.', nearest === null ? null : `Did you mean ${nearest}?`);
    return;
  }
  if (env[`${name}${FILE_SUFFIX}`] !== undefined) {
    given.report(origin, path, `${name} and ${name}${FILE_SUFFIX} are both set.`, 'Unset one of them.');
  }
  dropSecretFile(path, given);
  given.put(path, leaf, textNode(env[name] ?? '', origin));
}

function overrideFromFile(name: string, path: string, env: Environment, given: GivenValues): void {
  dropSecretFile(path, given);
  putFileContent(path, path, env[name] ?? '', { kind: 'env', name }, given);
}

/** A secret from the environment wins over a file that the configuration file names for it. */
function dropSecretFile(path: string, given: GivenValues): void {
  if (given.leafAt(path)?.sensitive === true) given.values.delete(`${path}_file`);
}

/** Never names the file in a message: a secret put there by mistake would show. */
function putFileContent(path: string, reportedAs: string, file: string, origin: Origin, given: GivenValues): void {
  const leaf = given.leafAt(path);
  if (leaf === undefined) return;
  const read = readText(file, LARGEST_SECRET);
  if (read.kind === 'failed') given.report(origin, reportedAs, read.message, read.suggestion);
  else given.put(path, leaf, textNode(read.text.replace(/\r?\n$/, ''), origin));
  if (read.kind === 'failed') given.markBroken(path);
}
