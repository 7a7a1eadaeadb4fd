// Every object that any commit ever named, of whatever timeline and incarnation, removed ones included: each catalog version is a
// restore point. Read from the commits themselves, the chain of their hashes checked; a checkpoint is a cache, on which nothing is
// deleted. Reading on from where it stopped takes only the commits that came since. What is held of a name is a digest: two that
// are alike spare an object that nobody names, and no other.

import { readCommits, type CommitFold, follow } from '../catalog/catalog-reader.ts';
import type { Commit } from '../catalog/commit.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError } from '../model/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { KeyDigests } from './key-digests.ts';

export class NamedObjects implements CommitFold {
  version = 0;
  sha256 = '';
  readonly #keys = new KeyDigests();

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  apply(commit: Commit, sha256: string): void {
    for (const action of commit.actions) {
      if (action.kind === 'segment') this.#keys.add(action.segment.key);
      else if (action.kind === 'remove') this.#keys.add(action.key);
    }
    this.version = commit.version;
    this.sha256 = sha256;
  }

  /** @throws CATALOG_CORRUPT, FORMAT_TOO_NEW, INTERRUPTED, and what the store fails with. */
  async readOn(store: ObjectStore, layout: ObjectLayout, signal: AbortSignal): Promise<void> {
    const checkpointVersion = await newestCheckpoint(store, layout);
    for await (const next of readCommits(store, layout, this.version, Number.MAX_SAFE_INTEGER)) {
      assertNotStopped(signal, layout);
      follow(this, next, layout);
    }
    // The end of a log can be lost without a hole; a checkpoint that was made of it remembers.
    if (checkpointVersion > this.version) {
      throw new BackupError(
        'CATALOG_CORRUPT',
        `the catalog ends at commit ${this.version}, though there is a checkpoint of version ${checkpointVersion}`,
        { context: { key: layout.commit(this.version + 1) } },
      );
    }
  }
}

/** @throws INTERRUPTED. */
export function assertNotStopped(signal: AbortSignal, { backupId }: ObjectLayout): void {
  if (signal.aborted) throw new BackupError('INTERRUPTED', `pruning ${backupId} was stopped`);
}

async function newestCheckpoint(store: ObjectStore, layout: ObjectLayout): Promise<number> {
  let newest = 0;
  for await (const { key } of store.list(layout.checkpointPrefix)) {
    if (key.startsWith(layout.checkpointPiecePrefix)) break;
    newest = layout.versionOfCheckpoint(key) ?? newest;
  }
  return newest;
}
