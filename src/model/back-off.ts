// Waiting between attempts: exponential, jittered, bounded. Time and chance come in from outside, so that tests own them.

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;

export class BackOff {
  readonly #random: () => number;
  #attempts = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Attempts since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Milliseconds to wait before the next attempt: between half and all of 100 ms doubled with each failure, at most 10 s. */
  nextDelayMs(): number {
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#attempts, 10));
    this.#attempts += 1;
    return ceiling * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
