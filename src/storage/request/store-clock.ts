// The clock of a store, as its answers are dated. What is to hold by that clock (a lock until its day) is reckoned by it, and the log
// says once when the clock of this host is another one: the SDK corrects its signatures in silence.

import type { Logger } from '../../model/logger.ts';

const WORTH_TELLING_MS = 60_000;

export class StoreClock {
  readonly #logger: Logger | undefined;
  readonly #hostMs: () => number;
  #aheadOfHostMs: number | undefined;
  #isTold = false;

  constructor(logger?: Logger, hostMs: () => number = Date.now) {
    this.#logger = logger;
    this.#hostMs = hostMs;
  }

  /** @param date header of an answer that has just arrived */
  hear(date: string | null | undefined): void {
    const aheadMs = Date.parse(date ?? '') - this.#hostMs();
    if (Number.isNaN(aheadMs)) return;
    this.#aheadOfHostMs = aheadMs;
    if (this.#isTold || Math.abs(aheadMs) <= WORTH_TELLING_MS) return;
    this.#isTold = true;
    const by = `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'}`;
    this.#logger?.warn(`the clock of this host is ${by} that of the store: set it right`);
  }

  /** In whole seconds, and late by the way of an answer. Undefined where the store has told no time. */
  nowMs(): number | undefined {
    return this.#aheadOfHostMs === undefined ? undefined : this.#hostMs() + this.#aheadOfHostMs;
  }
}
