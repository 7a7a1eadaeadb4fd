// Commits of several partitions that are imported together: what comes while a commit is under way goes into the next one, and each
// partition waits for its own.

import type { CatalogWriter } from '../catalog/catalog-writer.ts';
import { type CatalogAction, partitionOf } from '../catalog/commit.ts';
import { BackupError, errorOf } from '../model/errors.ts';

interface Waiting {
  readonly actions: readonly CatalogAction[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class SharedCommits {
  readonly #catalog: CatalogWriter;
  readonly #ready: (actions: readonly CatalogAction[]) => Promise<void>;
  #waiting: Waiting[] = [];
  #isAtWork = false;

  /** `ready` rejects unless all is there that a commit of these actions needs. */
  constructor(catalog: CatalogWriter, ready: (actions: readonly CatalogAction[]) => Promise<void>) {
    this.#catalog = catalog;
    this.#ready = ready;
  }

  /** Resolves when the actions are in the catalog. @throws FENCED when another writer was there before. */
  commit(actions: readonly CatalogAction[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ actions, resolve, reject });
      if (!this.#isAtWork) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isAtWork = true;
    while (this.#waiting.length > 0) {
      const turn = this.#waiting;
      this.#waiting = [];
      try {
        const all = turn.flatMap(({ actions }) => actions);
        await this.#ready(all);
        const { fenced } = await this.#catalog.commit(all);
        await this.#catalog.checkpoint();
        for (const { actions, resolve, reject } of turn) {
          const lost = actions.find((action) => fenced.includes(action));
          if (lost === undefined) resolve();
          else reject(fencedError(lost));
        }
      } catch (error) {
        for (const { reject } of turn) reject(errorOf(error));
      }
    }
    this.#isAtWork = false;
  }
}

function fencedError(action: CatalogAction): BackupError {
  const { topic, partition } = partitionOf(action) ?? { topic: '-', partition: -1 };
  return new BackupError('FENCED', `another import or agent has committed ${topic}-${partition} in the meantime`);
}
