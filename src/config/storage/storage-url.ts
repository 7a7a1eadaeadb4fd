// A store as `--path` names it: a directory, or a URL whose query holds further keys of `storage` by their own names. What is
// read and checked is what a configuration file would say; secrets do not belong into a command line and come from the environment.

import { fileURLToPath } from 'node:url';
import { BackupError } from '../../model/errors.ts';
import { GivenValues, parseValues } from '../collect-values.ts';
import { collectEnvironment, readSecretFiles } from '../input/environment.ts';
import type { Environment } from '../input/expand-variables.ts';
import { textNode } from '../input/source-node.ts';
import { type Origin, renderProblems } from '../problems.ts';
import { RuleSubject } from '../rules/rule.ts';
import { STORAGE_RULES } from '../rules/storage-rules.ts';
import { fillValues, SCHEMA } from '../schema/schema.ts';
import { type StorageConfig, storageConfig } from './storage-config.ts';

const FLAG: Origin = { kind: 'flag', name: 'path' };
const FORMS = 'Use a directory, file:/DIR, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azure://ACCOUNT/CONTAINER/PREFIX.';

/**
 * The store that a path or URL names. Keys of `storage` may also come from the environment, as they may for a file.
 * @throws USAGE_INVALID for a scheme that no store has, CONFIG_INVALID with every problem of the keys
 */
export function storageFromUrl(store: string, env: Environment = process.env): StorageConfig {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(store)?.[1];
  if (scheme === undefined) return { kind: 'filesystem', path: store, directIo: true };
  const url = URL.parse(store);
  if (url === null) throw new BackupError('USAGE_INVALID', `--path ${scheme}: is not a URL. ${FORMS}`);
  if (scheme === 'file') return { kind: 'filesystem', path: fileURLToPath(url), directIo: true };
  if (scheme === 'memory') return { kind: 'memory' };
  const place = placeOf(scheme, url);
  if (place === undefined) throw new BackupError('USAGE_INVALID', `--path ${scheme}: is not a store. ${FORMS}`);

  const given = new GivenValues();
  collectEnvironment(env, given);
  for (const [key, value] of Object.entries(place)) put(given, key, value);
  for (const [key, value] of url.searchParams) put(given, key, value);
  readSecretFiles(given);
  const values = fillValues(SCHEMA, parseValues(given));
  const subject = new RuleSubject(values, [], given, Date.now());
  for (const rule of STORAGE_RULES) rule.check(subject);
  if (given.problems.length > 0) throw new BackupError('CONFIG_INVALID', renderProblems(given.problems));
  return storageConfig(values.storage);
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
      // The peer writes the account's whole host name.
      return { backend: 'azure', account_name: hostname.split('.')[0] ?? '', container, prefix: rest.join('/') };
    }
    default:
      return undefined;
  }
}

function put(given: GivenValues, key: string, value: string): void {
  const path = `storage.${key}`;
  const leaf = given.leafAt(path);
  if (leaf === undefined)
    given.report(FLAG, path, 'there is no such key.', 'See config/REFERENCE.md for those of storage.');
  else if (leaf.sensitive === true) {
    given.report(
      FLAG,
      path,
      'a secret does not belong into a URL.',
      `Set ${leaf.env ?? ''}, or ${leaf.env ?? ''}_FILE.`,
    );
  } else if (value !== '') given.put(path, leaf, textNode(value, FLAG));
}
