// Gathers what new partitions, sealed segments, gaps and topics have to say and commits it to the catalog: many actions in one
// commit, at most one commit per interval, sooner on request. A failure keeps everything for the next attempt; nothing is dropped
// but what another writer's commit has fenced.

import type { CatalogWriter, CommitResult } from '../catalog/catalog-writer.ts';
import type { CatalogAction } from '../catalog/commit.ts';
import { BackOff, pause } from '../model/back-off.ts';
import { errorOf, isRetriable } from '../model/errors.ts';

export interface CommitQueueOptions {
  readonly catalog: CatalogWriter;
  /** Rejects unless all is there that a commit of these actions needs; asked before each attempt. */
  readonly ready: (actions: readonly CatalogAction[]) => Promise<void>;
  readonly intervalMs: number;
  readonly onCommit: (result: CommitResult) => void;
  /** A failed attempt; it is repeated. */
  readonly onTrouble: (error: unknown) => void;
  /** A checkpoint that could not be written: the next commit makes up for it. */
  readonly onError: (error: unknown) => void;
  /** An error that repeating does not mend: the catalog is not what it was. Nothing is committed afterwards. */
  readonly onFailure: (error: unknown) => void;
}

/** Leaders tell one after another where their partitions begin: what they say within so long is one commit. */
const SOON_MS = 100;

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #backOff = new BackOff();
  #pending: CatalogAction[] = [];
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /** Actions of one partition must be added in the order of their offsets. */
  add(action: CatalogAction): void {
    this.#pending.push(action);
    if (this.#timer === undefined) this.#schedule(this.#options.intervalMs);
  }

  /** Does not leave what is pending to the interval. What is added meanwhile goes into the same commit. */
  commitSoon(): void {
    // In trouble, the next attempt is not far off, and has its reason not to be nearer.
    if (this.#backOff.attempts > 0) return;
    clearTimeout(this.#timer);
    this.#schedule(Math.min(SOON_MS, this.#options.intervalMs));
  }

  /**
   * Commits what is pending now, trying again until it is done or the signal aborts.
   * @throws the failure that no repetition mends.
   */
  async flush(signal: AbortSignal): Promise<void> {
    while (this.#pending.length > 0 && !signal.aborted && this.#failure === undefined) {
      const pending = this.#pending.length;
      await this.#commitOnce();
      if (this.#pending.length >= pending && this.#failure === undefined)
        await pause(this.#backOff.nextDelayMs(), signal);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#commitOnce().then(() => {
        if (this.#pending.length > 0 && this.#failure === undefined && this.#timer === undefined) {
          this.#schedule(this.#backOff.attempts === 0 ? this.#options.intervalMs : this.#backOff.nextDelayMs());
        }
      });
    }, delayMs);
  }

  /** One attempt; never throws. Attempts do not overlap. */
  async #commitOnce(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
    this.#working = this.#attempt();
    await this.#working;
    this.#working = undefined;
  }

  async #attempt(): Promise<void> {
    // A copy: what is added while the commit is under way is not part of it.
    const actions = [...this.#pending];
    if (actions.length === 0 || this.#failure !== undefined) return;
    const { catalog, ready, onCommit, onTrouble, onError, onFailure } = this.#options;
    try {
      await ready(actions);
      const result = await catalog.commit(actions);
      this.#pending = this.#pending.slice(actions.length);
      this.#backOff.reset();
      onCommit(result);
      await catalog.checkpoint().catch(onError);
    } catch (error) {
      if (isRetriable(error)) {
        this.#backOff.nextDelayMs();
        onTrouble(error);
      } else {
        this.#failure = errorOf(error);
        onFailure(error);
      }
    }
  }
}
