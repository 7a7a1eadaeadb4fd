// Holds a flow to a rate, over the whole restore: every batch takes its share before it is sent, and waits until it is there.
// A second's worth may gather while the flow is slower.

import { pause } from '../model/back-off.ts';

export class TokenBucket {
  readonly #perSecond: number;
  readonly #monotonicMs: () => number;
  #available: number;
  #filledAtMs: number;
  #turn: Promise<void> = Promise.resolve();

  constructor(perSecond: number, monotonicMs: () => number) {
    this.#perSecond = perSecond;
    this.#monotonicMs = monotonicMs;
    this.#available = perSecond;
    this.#filledAtMs = monotonicMs();
  }

  /** Waits until `amount` may pass, in the order of asking. A larger amount than a second's worth passes and is paid off after. */
  take(amount: number, signal: AbortSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#wait(amount, signal));
    return this.#turn;
  }

  async #wait(amount: number, signal: AbortSignal): Promise<void> {
    this.#fill();
    while (this.#available <= 0 && !signal.aborted) {
      await pause(Math.max(1, (-this.#available / this.#perSecond) * 1000), signal);
      this.#fill();
    }
    this.#available -= amount;
  }

  #fill(): void {
    const nowMs = this.#monotonicMs();
    this.#available = Math.min(
      this.#perSecond,
      this.#available + ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond,
    );
    this.#filledAtMs = nowMs;
  }
}
