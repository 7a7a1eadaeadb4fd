// What segments under way may hold in memory at their store. A cloud store takes an object in parts, so each object that is being
// written fills one first: with many busy partitions that is far more than what is being fetched. Above the budget nothing more
// is taken in, and the largest segments are sealed early.

import { WaitList } from '../model/wait-list.ts';

/** What one segment holds at most, until it is in the store or given up. */
export interface UploadHolding {
  readonly heldBytes: number;
  /** @param storedBytes handed to the store so far */
  grow(storedBytes: number): void;
  /** Nothing is held from now on, whatever still goes by. */
  end(): void;
}

export class UploadBudget {
  readonly budgetBytes: number;
  readonly #partBytes: number;
  #heldBytes = 0;
  readonly #releases = new WaitList();

  /** @param partBytes what a store gathers before it sends; 0 where objects are written as they come */
  constructor(budgetBytes: number, partBytes: number) {
    this.budgetBytes = budgetBytes;
    this.#partBytes = partBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isSpent(): boolean {
    return this.#heldBytes >= this.budgetBytes;
  }

  open(): UploadHolding {
    let heldBytes = 0;
    let isOver = false;
    const hold = (bytes: number): void => {
      if (isOver) return;
      this.#heldBytes += bytes - heldBytes;
      const isLess = bytes < heldBytes;
      heldBytes = bytes;
      if (isLess) this.#releases.wake();
    };
    return {
      get heldBytes() {
        return heldBytes;
      },
      // Memory doubles as the first part is filled, and is that of a whole part from then on. Full parts are on their way: how
      // many there are is bounded by the store.
      grow: (storedBytes) => hold(Math.min(2 * storedBytes, this.#partBytes)),
      end: () => {
        hold(0);
        isOver = true;
      },
    };
  }

  /** Resolves when something is held no longer. */
  released(): Promise<void> {
    return this.#releases.wait();
  }
}
