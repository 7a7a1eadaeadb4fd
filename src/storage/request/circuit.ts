// Whether a store answers at all, told to the log once when it does not and once when it does again. The circuit counts as open when
// the last requests all failed without an answer; a refusal, a plea for fewer requests or a full disk is an answer.

import type { BackupError, ErrorCode } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';

/** Unanswered requests in a row after which the circuit counts as open. */
const OPENS_AFTER = 5;
/** A failure after so long is told at once: the next one may be a time-out away. */
const TOLD_AFTER_MS = 5000;

export class Circuit {
  readonly #logger: Logger | undefined;
  #unanswered = 0;
  #isTold = false;
  #answeredAtMs = 0;
  #failingSinceMs: number | undefined;
  #lastFailure: ErrorCode | null = null;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  get isOpen(): boolean {
    return this.#unanswered >= OPENS_AFTER;
  }

  /** Of the last request, where that one may still succeed. */
  get lastFailure(): ErrorCode | null {
    return this.#lastFailure;
  }

  /** How long nothing has been answered; 0 while the store answers. */
  failingForMs(nowMs: number): number {
    return this.#failingSinceMs === undefined ? 0 : nowMs - this.#failingSinceMs;
  }

  /** @param failure what the store said, where that may pass */
  answered(nowMs: number, failure: ErrorCode | null): void {
    if (this.#isTold) this.#logger?.info('the store answers again');
    this.#isTold = false;
    this.#unanswered = 0;
    this.#answeredAtMs = nowMs;
    this.#failingSinceMs = undefined;
    this.#lastFailure = failure;
  }

  unanswered(error: BackupError, startedAtMs: number, nowMs: number): void {
    this.#unanswered += 1;
    // While this one waited, others may have been answered.
    this.#failingSinceMs ??= Math.max(startedAtMs, this.#answeredAtMs);
    this.#lastFailure = error.code;
    if (this.#isTold || (!this.isOpen && this.failingForMs(nowMs) < TOLD_AFTER_MS)) return;
    this.#isTold = true;
    this.#logger?.warn('the store does not answer, and is asked again', { error });
  }
}
