// A store as `--path` or `--from` names it: a directory, or a URL whose query holds further keys of `storage` by their own names. What
// is read and checked is what a configuration file would say; secrets do not belong into a command line and come from the environment.

import { fileURLToPath } from 'node:url';
import { BackupError } from '../../model/errors.ts';
import { GivenValues, parseValues } from '../collect-values.ts';
import { collectEnvironment, collectFromEnvironment, fromName, readSecretFiles } from '../input/environment.ts';
import type { Environment } from '../input/expand-variables.ts';
import { textNode } from '../input/source-node.ts';
import { type Origin, printable, renderProblems } from '../problems.ts';
import { RuleSubject } from '../rules/rule.ts';
import { STORAGE_RULES } from '../rules/storage-rules.ts';
import { environmentName, fillValues, leavesOf, SCHEMA } from '../schema/schema.ts';
import { isDecodable } from './decodable.ts';
import { type StorageConfig, storageConfig } from './storage-config.ts';

const FORMS = 'Use a directory, file:/DIR, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azure://ACCOUNT/CONTAINER/PREFIX.';

/** Other names for keys of `storage`. */
const ALIASES: ReadonlyMap<string, string> = new Map(
  [...leavesOf(SCHEMA)].flatMap(([path, { alias }]) =>
    path.startsWith('storage.') && alias !== undefined ? [[alias, path.slice('storage.'.length)]] : [],
  ),
);

/** Of Azure's public cloud; accounts elsewhere keep their host. */
const AZURE_HOST = /\.blob\.core\.windows\.net$/;

/** The flag that names a store, and the variables that say more of it. */
interface Asked {
  readonly origin: Extract<Origin, { kind: 'flag' }>;
  readonly collect: (env: Environment, given: GivenValues) => void;
  /** The variable of a key of `storage`, by its dotted path. */
  readonly variable: (path: string) => string;
}

const PATH: Asked = {
  origin: { kind: 'flag', name: '--path' },
  collect: collectEnvironment,
  variable: environmentName,
};
const FROM: Asked = { origin: { kind: 'flag', name: '--from' }, collect: collectFromEnvironment, variable: fromName };

/**
 * The store that a path or URL names. Keys of `storage` may also come from the environment, as they may for a file.
 * @throws USAGE_INVALID for a URL with parts that no store has, CONFIG_INVALID with every problem of the keys
 */
export function storageFromUrl(store: string, env: Environment = process.env): StorageConfig {
  return storageOf(store, env, PATH);
}

/** The same for the store that `--from` names beside our own, which has other variables. @throws as {@link storageFromUrl} */
export function sourceStorageFromUrl(store: string, env: Environment = process.env): StorageConfig {
  return storageOf(store, env, FROM);
}

function storageOf(store: string, env: Environment, asked: Asked): StorageConfig {
  const refusal = (of: string, fault: string): BackupError =>
    new BackupError('USAGE_INVALID', `${asked.origin.name} ${of}: ${fault}`);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(store)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: 'filesystem', path: store, directIo: true };
  const url = URL.parse(store);
  if (url === null) throw refusal(scheme, `is not a URL. ${FORMS}`);
  const fault = faultOf(url);
  if (fault !== null) throw refusal(scheme, fault);
  if (scheme === 'file') return { kind: 'filesystem', path: fileURLToPath(url), directIo: true };
  if (scheme === 'memory') return { kind: 'memory' };
  const place = placeOf(scheme, url);
  if (place === undefined) throw refusal(scheme, `is not a store. ${FORMS}`);

  const given = new GivenValues();
  asked.collect(env, given);
  given.sections.set('storage', asked.origin);
  for (const [key, value] of Object.entries(place)) put(given, asked, key, value);
  const query = [...url.searchParams].map(([key, value]) => [ALIASES.get(key) ?? key, value] as const);
  const queryFault = faultOfQuery(place, query, asked);
  if (queryFault !== null) throw refusal(scheme, queryFault);
  for (const [key, value] of query) put(given, asked, key, value);
  readSecretFiles(given);
  const values = fillValues(SCHEMA, parseValues(given));
  const subject = new RuleSubject(values, [], given, Date.now());
  for (const rule of STORAGE_RULES) rule.check(subject);
  if (given.problems.length > 0) throw new BackupError('CONFIG_INVALID', renderProblems(given.problems));
  return storageConfig(values.storage);
}

/** What a URL says that is not the name of a store, or null. Never quotes what could be a secret. */
function faultOf({ protocol, host, port, username, password, hash, pathname }: URL): string | null {
  if (username !== '' || password !== '') return 'takes no user and password; credentials come from the environment.';
  if (port !== '')
    return `takes no port (:${port}); the address of a store of your own is ?endpoint=https://HOST:PORT.`;
  if (hash !== '') return 'takes nothing behind a #; write %23 for the character itself.';
  if (protocol === 'file:' && host !== '') return 'names a host; a directory of this machine is file:/DIR.';
  // Of two and more escapes together only the decoder knows whether they are UTF-8.
  const escapes = pathname.match(/%[0-9a-f]{2}(?:%[0-9a-f]{2})*|%.{0,2}/gi) ?? [];
  const malformed = escapes.find((escape) => !isDecodable(escape));
  return malformed === undefined
    ? null
    : `has the malformed escape ${malformed} in its path; write %25 for a percent sign.`;
}

/** Keys of `storage`, as the URL's host and path say them. */
function placeOf(scheme: string, { hostname, pathname }: URL): Readonly<Record<string, string>> | undefined {
  const path = decodeURIComponent(pathname).replace(/^\/+/, '');
  switch (scheme) {
    case 's3':
      return { backend: 's3', bucket: hostname, prefix: path };
    case 'gs':
    case 'gcs':
      return { backend: 'gcs', bucket: hostname, prefix: path };
    case 'azure': {
      const [container = '', ...rest] = path.split('/');
      const [account = ''] = hostname.split('.');
      // The peer writes the account's whole host name.
      const isPublic = account === hostname || AZURE_HOST.test(hostname);
      const endpoint = isPublic ? '' : `https://${hostname}`;
      return { backend: 'azure', account_name: account, container, prefix: rest.join('/'), endpoint };
    }
    default:
      return undefined;
  }
}

/** What the query says that it cannot: a secret, or a key that the URL has said before. */
function faultOfQuery(
  place: Readonly<Record<string, string>>,
  query: readonly (readonly [key: string, value: string])[],
  { variable }: Asked,
): string | null {
  const sas = variable('storage.sas_token');
  if (query.some(([key]) => key === 'sig')) return `takes no shared access signature; set ${sas}, or ${sas}_FILE.`;
  const said = new Map(Object.entries(place));
  for (const [key, value] of query) {
    if ((said.get(key) ?? '') !== '') return `says ${printable(key).slice(0, 80)} twice. Say it once.`;
    said.set(key, value);
  }
  return null;
}

function put(given: GivenValues, { origin, variable }: Asked, key: string, value: string): void {
  const path = `storage.${key}`;
  const leaf = given.leafAt(path);
  if (leaf === undefined)
    given.report(origin, path, 'there is no such key.', 'See config/REFERENCE.md for those of storage.');
  else if (leaf.sensitive === true) {
    given.report(
      origin,
      path,
      'a secret does not belong into a URL.',
      `Set ${variable(path)}, or ${variable(path)}_FILE.`,
    );
  } else if (value !== '') given.put(path, leaf, textNode(value, origin));
}
