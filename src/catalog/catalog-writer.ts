// Appends to the catalog: compare-and-set by creating commit N+1 only if it is absent. Whoever loses reads the winner's
// commit, drops those of its own actions that no longer continue their partition (it was fenced there) and tries N+2. No clock
// and no lock takes part. A put whose answer was lost shows as a winner that carries our own actions: that is a success.

import { createHash, randomBytes } from 'node:crypto';
import { BackupError } from '../model/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { CatalogState, PartitionHistory } from './catalog-state.ts';
import { follow, readCatalog, readCommit } from './catalog-reader.ts';
import { type CheckpointIndex, NO_CHECKPOINT, readCheckpointIndex, writeCheckpoint } from './checkpoint.ts';
import { actionText, type CatalogAction, type Commit, decodeCommit, encodeCommit } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

/** A checkpoint after so many commits: a start reads at most so many commit objects. */
const COMMITS_PER_CHECKPOINT = 64;

export interface CommitResult {
  readonly version: number;
  /** In the order given. */
  readonly committed: readonly CatalogAction[];
  /** Actions that lost against another writer of the same partition; their objects are orphans now. */
  readonly fenced: readonly CatalogAction[];
}

export class CatalogWriter {
  readonly state: CatalogState;
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;
  readonly #now: () => number;
  readonly #writer = randomBytes(8).toString('hex');
  #checkpoint: CheckpointIndex = NO_CHECKPOINT;
  #sinceCheckpoint: CatalogAction[] = [];

  private constructor(store: ObjectStore, layout: ObjectLayout, state: CatalogState, now: () => number) {
    this.#store = store;
    this.#layout = layout;
    this.state = state;
    this.#now = now;
  }

  /** Reads the catalog and stands at its end. @throws CATALOG_CORRUPT, FORMAT_TOO_NEW. */
  static async open(store: ObjectStore, layout: ObjectLayout, now: () => number): Promise<CatalogWriter> {
    const writer = new CatalogWriter(store, layout, await readCatalog(store, layout), now);
    await writer.#openCheckpoint();
    return writer;
  }

  /**
   * Commits the actions as one version; calls must not overlap. When it throws, it is not known whether they were committed; give the same actions
   * again: what is there already is recognised.
   */
  async commit(actions: readonly CatalogAction[]): Promise<CommitResult> {
    let open = [...actions];
    const committed: CatalogAction[] = [];
    const fenced: CatalogAction[] = [];
    for (;;) {
      open = this.#sort(open, committed, fenced);
      if (open.length === 0) return { version: this.state.version, committed, fenced };
      const version = this.state.version + 1;
      const commit = {
        version,
        previousSha256: this.state.sha256,
        writer: this.#writer,
        committedAtMs: this.#now(),
        actions: open,
      };
      const bytes = encodeCommit(commit);
      const key = this.#layout.commit(version);
      // What could not be read back would close this backup for good.
      decodeCommit(bytes, key);
      if ((await this.#store.putIfAbsent(key, [bytes])) === 'created') {
        this.state.apply(commit, createHash('sha256').update(bytes).digest('hex'));
        this.#sinceCheckpoint.push(...open);
        return { version, committed: [...committed, ...open], fenced };
      }
      const winner = await readCommit(this.#store, this.#layout, version);
      follow(this.state, winner, this.#layout);
      this.#sinceCheckpoint.push(...winner.commit.actions);
      if (winner.commit.writer === this.#writer) open = leaveOut(open, winner.commit, committed);
    }
  }

  /** Writes a checkpoint when enough commits have gathered; `force` when any has. */
  async checkpoint(force = false): Promise<void> {
    const commits = this.state.version - this.#checkpoint.version;
    if (commits === 0 || (!force && commits < COMMITS_PER_CHECKPOINT)) return;
    try {
      this.#checkpoint = await this.#write(this.#checkpoint, this.#sinceCheckpoint);
    } catch (error) {
      if (!(error instanceof BackupError) || error.code !== 'CATALOG_CORRUPT') throw error;
      // A piece of the former checkpoint is gone or damaged: the cache is made anew from the commits.
      this.#checkpoint = await this.#write(NO_CHECKPOINT, await this.#actionsAfter(0));
    }
    this.#sinceCheckpoint = [];
  }

  #write(previous: CheckpointIndex, recent: readonly CatalogAction[]): Promise<CheckpointIndex> {
    return writeCheckpoint(this.#store, this.#layout, this.state, previous, recent);
  }

  /**
   * Moves actions that are in the catalog already to `committed`, and those that can no longer enter it to `fenced`. The first
   * open action of a partition decides for all that follow it: they continue it.
   */
  #sort(actions: readonly CatalogAction[], committed: CatalogAction[], fenced: CatalogAction[]): CatalogAction[] {
    const open: CatalogAction[] = [];
    const admitted = new Map<PartitionHistory, boolean>();
    for (const action of actions) {
      const history = this.state.historyOf(action);
      if (history === undefined) {
        open.push(action);
      } else if (action.kind === 'segment' && history.segments.some((known) => known.key === action.segment.key)) {
        committed.push(action);
      } else {
        const isAdmitted = admitted.get(history) ?? history.admits(action);
        admitted.set(history, isAdmitted);
        (isAdmitted ? open : fenced).push(action);
      }
    }
    return open;
  }

  async #openCheckpoint(): Promise<void> {
    const { checkpointVersion } = this.state;
    if (checkpointVersion > 0) {
      this.#checkpoint = await readCheckpointIndex(this.#store, this.#layout, checkpointVersion).catch(
        () => NO_CHECKPOINT,
      );
    }
    this.#sinceCheckpoint = await this.#actionsAfter(this.#checkpoint.version);
  }

  async #actionsAfter(checkpointVersion: number): Promise<CatalogAction[]> {
    const actions: CatalogAction[] = [];
    for (let version = checkpointVersion + 1; version <= this.state.version; version += 1) {
      const { commit } = await readCommit(this.#store, this.#layout, version);
      actions.push(...commit.actions);
    }
    return actions;
  }
}

/** Moves those of `open` to `committed` that `own`, a commit of ours whose answer was lost, holds already. */
function leaveOut(open: readonly CatalogAction[], own: Commit, committed: CatalogAction[]): CatalogAction[] {
  const texts = new Set(own.actions.map(actionText));
  committed.push(...open.filter((action) => texts.has(actionText(action))));
  return open.filter((action) => !texts.has(actionText(action)));
}
