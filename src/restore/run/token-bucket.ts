// Holds a flow to a rate, over the whole restore: every batch waits for its share before it is sent, so no moment has seen more
// than the rate allows since the start. What a slower stretch has left over is kept for one second.

export interface TokenBucketClock {
  readonly monotonicMs: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

export class TokenBucket {
  readonly #perSecond: number;
  readonly #clock: TokenBucketClock;
  #available = 0;
  /** Undefined before the first batch: a restore that begins late has nothing left over. */
  #filledAtMs: number | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(perSecond: number, clock: TokenBucketClock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Waits until `amount` may pass, in the order of asking; returns at once when the signal aborts. */
  take(amount: number, signal: AbortSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#wait(amount, signal));
    return this.#turn;
  }

  async #wait(amount: number, signal: AbortSignal): Promise<void> {
    this.#fill(amount);
    while (this.#available < amount && !signal.aborted) {
      await this.#clock.wait(Math.max(1, ((amount - this.#available) / this.#perSecond) * 1000), signal);
      this.#fill(amount);
    }
    this.#available -= amount;
  }

  /** Holds a second's worth, or as much as is waited for. */
  #fill(wanted: number): void {
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - (this.#filledAtMs ?? nowMs)) / 1000) * this.#perSecond;
    this.#available = Math.min(Math.max(this.#perSecond, wanted), this.#available + gained);
    this.#filledAtMs = nowMs;
  }
}
