// Keeps a running attempt honest about two things that only the journal knows: whether another process has begun an attempt
// behind it, which fences this one, and how far it had come should it be killed.

import { BackupError, errorOf } from '../../../model/errors.ts';
import type { AttemptMark, RestoreAttempts } from './restore-attempts.ts';

/** Shorter than the ends of the target must stand still for a successor: it finds nobody writing. */
export const LOOK_EVERY_MS = 300;
/** Marks come at lengthening intervals: a restore of hours has some sixty, and what was killed lacks a fifth at most. */
const MARK_GROWTH = 1.2;
const FIRST_MARK_MS = 300;
const LAST_LOOK_MS = 3000;
/** Whoever has not looked for longer may have been frozen, while another process did its work: it looks before it writes. */
export const LOOK_HOLDS_MS = 2000;

export interface AttemptWatchOptions {
  /** Over a store that is not waited for. */
  readonly attempts: RestoreAttempts;
  readonly monotonicMs: () => number;
  /** A machine that sleeps may stop the monotonic clock. */
  readonly wallMs: () => number;
  /** Of this one. */
  readonly attempt: number;
  /** Resolves after so long, or at once when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly progress: () => AttemptMark;
}

export class AttemptWatch {
  readonly #options: AttemptWatchOptions;
  readonly #fenced = new AbortController();
  readonly #stopping = new AbortController();
  #marks = 0;
  #nextMarkMs = FIRST_MARK_MS;
  /** By both clocks. */
  #lookedAt: readonly [number, number];
  #permission: Promise<void> | undefined;

  constructor(options: AttemptWatchOptions) {
    this.#options = options;
    this.#lookedAt = [options.monotonicMs(), options.wallMs()];
  }

  /** Aborts when another process has taken the restore over. */
  get signal(): AbortSignal {
    return this.#fenced.signal;
  }

  /**
   * Undefined while the restore was this attempt's a moment ago; else resolves when `attempts`, over a store that is waited for,
   * say that it still is, and rejects with FENCED when it is not.
   */
  permit(attempts: RestoreAttempts): Promise<void> | undefined {
    const { monotonicMs, wallMs } = this.#options;
    const [monotonic, wall] = this.#lookedAt;
    if (Math.max(monotonicMs() - monotonic, wallMs() - wall) < LOOK_HOLDS_MS) return undefined;
    this.#permission ??= this.#assertNewest(attempts).finally(() => {
      this.#permission = undefined;
    });
    return this.#permission;
  }

  /**
   * Watches over `work`, once.
   * @throws FENCED when `work` failed because, or after, another process had taken over; else what it failed with.
   */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const watching = this.#watch();
    watching.catch(() => {});
    try {
      return await work();
    } catch (error) {
      await this.#lookBack();
      throw this.#fenced.signal.aborted ? errorOf(this.#fenced.signal.reason) : error;
    } finally {
      this.#stopping.abort();
    }
  }

  /** Not for long: the work may have failed because the store is away. */
  async #lookBack(): Promise<void> {
    const done = new AbortController();
    const looking = this.#mark()
      .catch(() => {})
      .then(() => this.#look());
    await Promise.race([looking, this.#options.wait(LAST_LOOK_MS, done.signal)]);
    done.abort();
  }

  async #watch(): Promise<void> {
    for (const { signal } = this.#stopping; !signal.aborted && !this.#fenced.signal.aborted; ) {
      await this.#options.wait(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      await this.#look();
      if (signal.aborted) return;
      if (this.#options.progress().durationMs >= this.#nextMarkMs) await this.#mark().catch(() => {});
    }
  }

  /** A store that is away says nothing: it is waited for by those who need it. */
  async #look(): Promise<void> {
    await this.#assertNewest(this.#options.attempts).catch(() => {});
  }

  async #assertNewest(attempts: RestoreAttempts): Promise<void> {
    const { attempt, monotonicMs, wallMs } = this.#options;
    // Taken before: nothing that is begun after the look counts as seen.
    const now = [monotonicMs(), wallMs()] as const;
    try {
      await attempts.assertNewest(attempt);
      this.#lookedAt = now;
    } catch (error) {
      if (error instanceof BackupError && error.code === 'FENCED') this.#fenced.abort(error);
      throw error;
    }
  }

  async #mark(): Promise<void> {
    const { attempts, attempt, progress } = this.#options;
    const mark = progress();
    this.#nextMarkMs = mark.durationMs * MARK_GROWTH;
    await attempts.putMark(attempt, this.#marks + 1, mark);
    this.#marks += 1;
  }
}
