// A backup as it lies in its store, opened for reading: who it is and what its catalog says. What the commands that show a
// backup begin with.

import { assertNeverFounded, type BackupIdentity, firstDataKey, readIdentity } from '../catalog/backup-identity.ts';
import { readCatalog } from '../catalog/catalog-reader.ts';
import type { CatalogState, IncarnationHistory } from '../catalog/catalog-state.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError } from '../model/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';

export interface StoredBackup {
  readonly identity: BackupIdentity;
  readonly state: CatalogState;
  /** True when there is data and not one commit: a first run has still to commit, or never came to it, or the catalog was lost. */
  readonly isUncommitted: boolean;
}

/**
 * Identity and catalog; with `topic`, only that topic's segments are read where a checkpoint allows it.
 * @throws BACKUP_NOT_FOUND, CATALOG_CORRUPT, FORMAT_TOO_NEW.
 */
export async function openStoredBackup(
  store: ObjectStore,
  layout: ObjectLayout,
  topic?: string,
): Promise<StoredBackup> {
  const identity = await requireIdentity(store, layout);
  const state = await readCatalog(store, layout, topic === undefined ? {} : { topics: (one) => one === topic });
  const isUncommitted = state.version === 0 && (await firstDataKey(store, layout)) !== undefined;
  return { identity, state, isUncommitted };
}

/** @throws BACKUP_NOT_FOUND when there is nothing, CATALOG_CORRUPT when there is a catalog without an identity. */
export async function requireIdentity(store: ObjectStore, layout: ObjectLayout): Promise<BackupIdentity> {
  const identity = await readIdentity(store, layout);
  if (identity !== undefined) return identity;
  await assertNeverFounded(store, layout);
  throw new BackupError('BACKUP_NOT_FOUND', `there is no backup ${layout.backupId} in ${store.description}`);
}

/**
 * The newest life of a topic, or the one with `topicId`.
 * @throws NOT_IN_BACKUP naming what there is.
 */
export function findIncarnation(
  { identity, state }: StoredBackup,
  topic: string,
  topicId: string | undefined,
): IncarnationHistory {
  const lives = state.incarnations.filter((life) => life.topic === topic);
  if (lives.length === 0) {
    throw new BackupError('NOT_IN_BACKUP', `backup ${identity.backupId} holds no topic ${topic}${others(state)}`);
  }
  const found = topicId === undefined ? newestIncarnation(lives) : lives.find((life) => life.topicId === topicId);
  if (found === undefined) {
    const ids = lives.map((life) => life.topicId).join(', ');
    throw new BackupError('NOT_IN_BACKUP', `no topic ${topic} with id ${topicId} was backed up; there is ${ids}`);
  }
  return found;
}

/** The life that was found last: a topic that is deleted and created again gets a new id. */
export function newestIncarnation(lives: readonly IncarnationHistory[]): IncarnationHistory | undefined {
  return lives.at(-1);
}

const MAX_NAMED = 10;

function others({ incarnations }: CatalogState): string {
  const names = [...new Set(incarnations.map(({ topic }) => topic))].sort();
  if (names.length === 0) return '; it holds no topic yet';
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  return `; it holds ${names.slice(0, MAX_NAMED).join(', ')}${more}`;
}
