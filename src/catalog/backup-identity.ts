// The identity of a backup (backup.json): read before anything is fetched, written once, before the first commit. It ties a
// backup to one Kafka cluster, so that a wrong bootstrap address can never mix two clusters into one backup.

import { BackupError } from '../model/errors.ts';
import { parseJson, sealJson, toJson } from '../model/json-fields.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { assertFormat, CATALOG_FORMAT_VERSION } from './commit.ts';
import { backupIdOf, type ObjectLayout } from './object-layout.ts';

export interface BackupIdentity {
  readonly backupId: string;
  readonly clusterId: string;
  readonly createdAtMs: number;
}

/** Undefined when there is no such backup. @throws CATALOG_CORRUPT, FORMAT_TOO_NEW. */
export async function readIdentity(store: ObjectStore, layout: ObjectLayout): Promise<BackupIdentity | undefined> {
  const bytes = await store.get(layout.identity);
  if (bytes === undefined) return undefined;
  const fields = parseJson(bytes, layout.identity, 'CATALOG_CORRUPT');
  assertFormat(fields, layout.identity);
  return {
    backupId: fields.string('backupId'),
    clusterId: fields.string('clusterId'),
    createdAtMs: fields.integer('createdAtMs'),
  };
}

/**
 * To be asked before a backup is founded whose identity is not there. One that was lost must not be made up: it says whose the
 * catalog is.
 * @throws CATALOG_CORRUPT when there is a catalog without an identity.
 */
export async function assertNeverFounded(store: ObjectStore, layout: ObjectLayout): Promise<void> {
  const key = await firstKey(store, layout.catalogPrefix, '');
  // Asked after the catalog: whoever founds a backup just now does it in the other order.
  if (key === undefined || (await readIdentity(store, layout)) !== undefined) return;
  throw new BackupError('CATALOG_CORRUPT', `${layout.identity} is missing, though there is a catalog (${key})`, {
    context: { key: layout.identity },
  });
}

/** The first object of data, by key; undefined when there is none. */
export function firstDataKey(store: ObjectStore, layout: ObjectLayout): Promise<string | undefined> {
  return firstKey(store, layout.dataPrefix, '');
}

/** Writes the identity; whoever founded the backup before us has it. @throws BACKUP_OF_OTHER_CLUSTER. */
export async function foundBackup(
  store: ObjectStore,
  layout: ObjectLayout,
  clusterId: string,
  nowMs: number,
): Promise<BackupIdentity> {
  const wanted: BackupIdentity = { backupId: layout.backupId, clusterId, createdAtMs: nowMs };
  const bytes = Buffer.from(
    sealJson(toJson({ format: 'kafka-backup-agent', formatVersion: CATALOG_FORMAT_VERSION, ...wanted }, 2)),
  );
  if ((await store.putIfAbsent(layout.identity, [bytes])) === 'created') return wanted;
  const known = (await readIdentity(store, layout)) ?? wanted;
  assertCluster(known, clusterId, store);
  return known;
}

/** @throws BACKUP_OF_OTHER_CLUSTER. */
export function assertCluster(
  known: Pick<BackupIdentity, 'backupId' | 'clusterId'>,
  clusterId: string,
  store: ObjectStore,
): void {
  if (known.clusterId === clusterId) return;
  throw new BackupError(
    'BACKUP_OF_OTHER_CLUSTER',
    `backup ${known.backupId} in ${store.description} is of cluster ${known.clusterId}; the source is cluster ${clusterId}`,
  );
}

/** Greater than every character that a key holds: behind it begins the next folder. */
const BEHIND_ALL_KEYS = '~';

/**
 * Ids of the backups under `prefix`, ascending, those included that have lost their identity and still have a catalog. Reads a few
 * keys of each folder there, not all that the folders hold.
 */
export async function listBackups(store: ObjectStore, prefix = ''): Promise<string[]> {
  const root = prefix === '' ? '' : `${prefix}/`;
  const ids: string[] = [];
  for (let key = await firstKey(store, root, ''); key !== undefined; ) {
    const slash = key.indexOf('/', root.length);
    const folder = slash < 0 ? undefined : key.slice(0, slash + 1);
    const id = folder === undefined ? undefined : backupIdOf(`${folder}backup.json`);
    if (folder !== undefined && id !== undefined && (await isBackup(store, folder))) ids.push(id);
    key = await firstKey(store, root, folder === undefined ? key : `${folder}${BEHIND_ALL_KEYS}`);
  }
  return ids;
}

async function isBackup(store: ObjectStore, folder: string): Promise<boolean> {
  if ((await store.head(`${folder}backup.json`)) !== undefined) return true;
  const key = await firstKey(store, `${folder}catalog/`, '');
  return key !== undefined;
}

async function firstKey(store: ObjectStore, prefix: string, startAfter: string): Promise<string | undefined> {
  for await (const { key } of store.list(prefix, startAfter)) return key;
  return undefined;
}
