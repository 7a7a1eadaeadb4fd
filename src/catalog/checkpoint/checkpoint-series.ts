// The writer's side of checkpoints: the head of the catalog, what was committed since the last checkpoint, and when the next
// one is due. What is held is bounded: a checkpoint is due before too many actions have gathered, also while commits are
// only being read at a start.

import type { ObjectStore } from '../../storage/object-store.ts';
import { CatalogHead } from '../catalog-head.ts';
import { follow, readCommits } from '../catalog-reader.ts';
import { type ResumedCheckpoint, resumeCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { type CheckpointIndex, NO_CHECKPOINT } from './checkpoint-index.ts';
import type { CatalogAction } from '../commit.ts';
import type { ObjectLayout } from '../object-layout.ts';

/** A checkpoint after so many commits: a start reads at most so many commit objects. */
export const COMMITS_PER_CHECKPOINT = 64;
/** Or after so many actions, which are held until then. */
export const ACTIONS_PER_CHECKPOINT = 20_000;

export class CheckpointSeries {
  readonly head: CatalogHead;
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;
  #last: CheckpointIndex;
  #recent: CatalogAction[] = [];

  private constructor(store: ObjectStore, layout: ObjectLayout, { index, head }: ResumedCheckpoint) {
    this.#store = store;
    this.#layout = layout;
    this.#last = index;
    this.head = head;
  }

  /**
   * Goes on from the newest checkpoint that is whole, and from the commits after it up to version `atMost`.
   * @throws CATALOG_CORRUPT, FORMAT_TOO_NEW.
   */
  static async resume(
    store: ObjectStore,
    layout: ObjectLayout,
    atMost = Number.MAX_SAFE_INTEGER,
  ): Promise<CheckpointSeries> {
    const checkpoint = await resumeCheckpoint(store, layout, atMost);
    const series = new CheckpointSeries(store, layout, checkpoint ?? { index: NO_CHECKPOINT, head: new CatalogHead() });
    await series.#follow(atMost);
    return series;
  }

  /** Takes note of actions that the head has taken over. */
  note(actions: readonly CatalogAction[]): void {
    this.#recent.push(...actions);
  }

  /** Writes a checkpoint when enough has gathered; `force` when anything has. @throws CATALOG_CORRUPT when a piece is gone. */
  async write(force: boolean): Promise<void> {
    const commits = this.head.version - this.#last.version;
    const isDue = commits >= COMMITS_PER_CHECKPOINT || this.#recent.length >= ACTIONS_PER_CHECKPOINT;
    if (commits === 0 || (!force && !isDue)) return;
    this.#last = await writeCheckpoint(this.#store, this.#layout, this.head, this.#last, this.#recent);
    this.#recent = [];
  }

  async #follow(atMost: number): Promise<void> {
    for await (const next of readCommits(this.#store, this.#layout, this.head.version, atMost)) {
      follow(this.head, next, this.#layout);
      this.note(next.commit.actions);
      if (this.#recent.length >= ACTIONS_PER_CHECKPOINT) await this.write(true);
    }
  }
}
