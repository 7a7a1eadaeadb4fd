// Reads the catalog: the newest readable checkpoint, then every commit after it, checking the chain of hashes. A hole or a
// commit that fails its checks is an integrity error; nothing is ever guessed across it.

import { createHash } from 'node:crypto';
import { BackupError } from '../model/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { CatalogState } from './catalog-state.ts';
import { loadCheckpoint } from './checkpoint/checkpoint.ts';
import { type Commit, decodeCommit } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

/** Commits read at once. */
const READ_AHEAD = 16;

export interface CatalogReadOptions {
  /** The state as of this version instead of the newest. */
  readonly version?: number;
  /** Of other topics only names and ids; undefined for all. The whole chain of commits is checked all the same. */
  readonly topics?: (topic: string) => boolean;
  /** Leave checkpoints aside and check every commit from the first. */
  readonly ignoreCheckpoints?: boolean;
}

/** @throws CATALOG_CORRUPT, FORMAT_TOO_NEW. */
export async function readCatalog(
  store: ObjectStore,
  layout: ObjectLayout,
  options: CatalogReadOptions = {},
): Promise<CatalogState> {
  const { version, topics, ignoreCheckpoints = false } = options;
  const atMost = version ?? Number.MAX_SAFE_INTEGER;
  const checkpoint = ignoreCheckpoints ? undefined : await loadCheckpoint(store, layout, atMost, topics);
  const state = checkpoint ?? new CatalogState();
  for await (const next of readCommits(store, layout, state.version, atMost)) follow(state, next, layout, topics);
  if (version !== undefined && version > state.version) {
    throw new BackupError('BACKUP_NOT_FOUND', `backup ${layout.backupId} has no catalog version ${version}`);
  }
  return state;
}

/** The commits after version `after`, in order, some of them read ahead. @throws CATALOG_CORRUPT, FORMAT_TOO_NEW. */
export async function* readCommits(
  store: ObjectStore,
  layout: ObjectLayout,
  after: number,
  atMost: number,
): AsyncGenerator<StoredCommit> {
  const versions = await listVersions(store, layout, after, atMost);
  for (let from = 0; from < versions.length; from += READ_AHEAD) {
    const read = versions.slice(from, from + READ_AHEAD).map((version) => readCommit(store, layout, version));
    yield* await Promise.all(read);
  }
}

/** What commits are applied to. */
export interface CommitFold {
  readonly version: number;
  readonly sha256: string;
  apply(commit: Commit, sha256: string, isWanted?: (topic: string) => boolean): void;
}

/** Applies `next`, or what it says of the topics that are wanted, after checking that it follows. @throws CATALOG_CORRUPT. */
export function follow(
  state: CommitFold,
  next: StoredCommit,
  layout: ObjectLayout,
  isWanted?: (topic: string) => boolean,
): void {
  if (next.commit.version !== state.version + 1 || next.commit.previousSha256 !== state.sha256) {
    const key = layout.commit(next.commit.version);
    throw new BackupError(
      'CATALOG_CORRUPT',
      `${key} does not follow commit ${state.version} (${state.sha256 || 'none'})`,
      {
        context: { key },
      },
    );
  }
  for (const action of next.commit.actions) {
    if (action.kind === 'segment') layout.assertSegmentKey(action.segment.key);
  }
  state.apply(next.commit, next.sha256, isWanted);
}

export interface StoredCommit {
  readonly commit: Commit;
  readonly sha256: string;
}

/** @throws CATALOG_CORRUPT when it is missing or damaged. */
export async function readCommit(store: ObjectStore, layout: ObjectLayout, version: number): Promise<StoredCommit> {
  const key = layout.commit(version);
  const bytes = await store.get(key);
  if (bytes === undefined) {
    throw new BackupError('CATALOG_CORRUPT', `commit ${version} of the catalog is missing (${key})`, {
      context: { key },
    });
  }
  const commit = decodeCommit(bytes, key);
  if (commit.version !== version) {
    throw new BackupError('CATALOG_CORRUPT', `${key} says it is commit ${commit.version}`, { context: { key } });
  }
  return { commit, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Versions after `after`, ascending. @throws CATALOG_CORRUPT at a hole. */
async function listVersions(
  store: ObjectStore,
  layout: ObjectLayout,
  after: number,
  atMost: number,
): Promise<number[]> {
  const versions: number[] = [];
  const startAfter = after === 0 ? '' : layout.commit(after);
  for await (const { key } of store.list(layout.catalogPrefix, startAfter)) {
    if (key.startsWith(layout.checkpointPrefix)) break;
    const version = layout.versionOfCommit(key);
    if (version === undefined) continue;
    const expected = after + versions.length + 1;
    if (version !== expected) {
      throw new BackupError(
        'CATALOG_CORRUPT',
        `commit ${expected} of the catalog is missing; the next one there is ${version}`,
        {
          context: { key: layout.commit(expected) },
        },
      );
    }
    if (version > atMost) break;
    versions.push(version);
  }
  return versions;
}
