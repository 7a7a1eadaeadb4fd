// Appends to the catalog: compare-and-set by creating commit N+1 only if it is absent. Whoever loses reads the winner's
// commit, drops those of its own actions that no longer continue their partition (it was fenced there) and tries N+2. No clock
// and no lock takes part. A put whose answer was lost shows as a winner that carries our own actions: that is a success.

import { createHash, randomBytes } from 'node:crypto';
import { BackupError } from '../model/errors.ts';
import { addRequests, NO_REQUESTS, type RequestCounts, requestsSince } from '../model/request-counts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type CatalogHead, PartitionHead } from './catalog-head.ts';
import { follow, readCatalog, readCommit } from './catalog-reader.ts';
import { CheckpointSeries } from './checkpoint/checkpoint-series.ts';
import { actionText, type CatalogAction, decodeCommit, encodeCommit, partitionOf } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

export interface CommitResult {
  readonly version: number;
  /** In the order given. */
  readonly committed: readonly CatalogAction[];
  /** Actions that lost against another writer of the same partition; their objects are orphans now. */
  readonly fenced: readonly CatalogAction[];
}

interface CatalogWriterOptions {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly now: () => number;
  readonly requests: () => RequestCounts;
}

export class CatalogWriter {
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;
  readonly #now: () => number;
  readonly #requests: () => RequestCounts;
  readonly #writer = randomBytes(8).toString('hex');
  #checkpoints: CheckpointSeries;
  /** Texts of our own actions that a commit turned out to hold whose answer was lost, until a commit returns. */
  readonly #landed = new Set<string>();
  /** Partitions that another writer has taken over: segments that were under way by then must not go on behind its own. */
  readonly #lost = new Set<string>();
  /** Requests that commits of our own have told of. */
  readonly #told = new Map<string, number>();

  private constructor({ store, layout, now, requests }: CatalogWriterOptions, checkpoints: CheckpointSeries) {
    this.#store = store;
    this.#layout = layout;
    this.#now = now;
    this.#requests = requests;
    this.#checkpoints = checkpoints;
  }

  /**
   * Reads the catalog's head and stands at its end.
   * @param requests what this process has asked of the store so far; nothing unless given
   * @throws CATALOG_CORRUPT, FORMAT_TOO_NEW.
   */
  static async open(
    store: ObjectStore,
    layout: ObjectLayout,
    now: () => number,
    requests: () => RequestCounts = () => NO_REQUESTS,
  ): Promise<CatalogWriter> {
    const checkpoints = await CheckpointSeries.resume(store, layout);
    return new CatalogWriter({ store, layout, now, requests }, checkpoints);
  }

  get state(): CatalogHead {
    return this.#checkpoints.head;
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
      if (open.length === 0) return this.#result(committed, fenced);
      const version = this.state.version + 1;
      const commit = {
        version,
        previousSha256: this.state.sha256,
        writer: this.#writer,
        committedAtMs: this.#now(),
        requests: requestsSince(this.#requests(), this.#told),
        actions: open,
      };
      const bytes = encodeCommit(commit);
      const key = this.#layout.commit(version);
      // What could not be read back would close this backup for good.
      decodeCommit(bytes, key);
      if ((await this.#store.putIfAbsent(key, [bytes])) === 'created') {
        this.state.apply(commit, createHash('sha256').update(bytes).digest('hex'));
        this.#checkpoints.note(open);
        addRequests(this.#told, commit.requests);
        return this.#result([...committed, ...open], fenced);
      }
      await this.#followWinner(version);
    }
  }

  /** Objects of fenced segments are deleted, so none may be among them that the catalog names after all. */
  async #result(committed: readonly CatalogAction[], fenced: readonly CatalogAction[]): Promise<CommitResult> {
    const { version } = this.state;
    const suspects = new Set(fenced.flatMap((action) => (action.kind === 'segment' ? [action.segment.topic] : [])));
    const keys = new Set<string>();
    if (suspects.size > 0) {
      // When this cannot be read, the actions come again.
      for (const action of committed) this.#landed.add(actionText(action));
      const state = await readCatalog(this.#store, this.#layout, { version, topics: (topic) => suspects.has(topic) });
      const histories = state.incarnations.flatMap(({ partitions }) => [...partitions.values()]);
      for (const { segments } of histories) for (const { key } of segments) keys.add(key);
    }
    this.#landed.clear();
    const isHeld = (action: CatalogAction): boolean => action.kind === 'segment' && keys.has(action.segment.key);
    const lost = fenced.filter((action) => !isHeld(action));
    for (const action of lost) this.#lost.add(placeOf(action));
    return { version, committed: [...committed, ...fenced.filter(isHeld)], fenced: lost };
  }

  async #followWinner(version: number): Promise<void> {
    const { commit, sha256 } = await readCommit(this.#store, this.#layout, version);
    follow(this.state, { commit, sha256 }, this.#layout);
    this.#checkpoints.note(commit.actions);
    if (commit.writer !== this.#writer) return;
    addRequests(this.#told, commit.requests);
    for (const action of commit.actions) this.#landed.add(actionText(action));
  }

  /** Writes a checkpoint when enough has gathered; `force` when anything has. */
  async checkpoint(force = false): Promise<void> {
    try {
      await this.#checkpoints.write(force);
    } catch (error) {
      if (!(error instanceof BackupError) || error.code !== 'CATALOG_CORRUPT') throw error;
      // The former checkpoint or a piece of it is gone or damaged: the next one is made from one that is whole.
      this.#checkpoints = await CheckpointSeries.resume(this.#store, this.#layout, this.state.version);
      await this.#checkpoints.write(true);
    }
  }

  /**
   * Moves actions that are in the catalog already to `committed`, and those that can no longer enter it to `fenced`: each must
   * continue where the open ones before it leave its partition. All that follow a fenced one are fenced too, here and in later
   * commits.
   */
  #sort(actions: readonly CatalogAction[], committed: CatalogAction[], fenced: CatalogAction[]): CatalogAction[] {
    const open: CatalogAction[] = [];
    const ahead = new Map<PartitionHead, PartitionHead | 'lost'>();
    for (const action of actions) {
      const history = this.state.historyOf(action);
      if (this.#landed.size > 0 && this.#landed.has(actionText(action))) {
        committed.push(action);
      } else if (history === undefined) {
        open.push(action);
      } else {
        const isLost = this.#lost.has(placeOf(action));
        const head = ahead.get(history) ?? (isLost ? 'lost' : new PartitionHead(history.identity, history.position));
        const isAdmitted = head !== 'lost' && head.admits(action);
        if (isAdmitted) head.apply(action);
        ahead.set(history, isAdmitted ? head : 'lost');
        (isAdmitted ? open : fenced).push(action);
      }
    }
    return open;
  }
}

/** What tells partitions apart: a topic made anew has another id. */
function placeOf(action: CatalogAction): string {
  const { topic, topicId, partition } = partitionOf(action) ?? {};
  return `${topic}/${topicId}/${partition}`;
}
