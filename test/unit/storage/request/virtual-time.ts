// Time that a test owns: it stands still while anything can happen without it, and then jumps to the next timer.

import { setImmediate } from 'node:timers/promises';

interface Timer {
  readonly atMs: number;
  readonly ring: () => void;
}

export class VirtualTime {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  readonly monotonicMs = (): number => this.#nowMs;

  /** Resolves after `ms` of this time, or at once when the signal aborts. */
  readonly wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const timer = {
        atMs: this.#nowMs + ms,
        ring: () => {
          this.#timers.delete(timer);
          resolve();
        },
      };
      this.#timers.add(timer);
      signal.addEventListener('abort', timer.ring, { once: true });
    });

  /** Lets time pass until the promise has an outcome. @throws when nothing is left to wait for */
  async until<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
    let outcome: PromiseSettledResult<T> | undefined;
    void Promise.allSettled([promise]).then(([settled]) => {
      outcome = settled;
    });
    for (;;) {
      for (let turn = 0; turn < 5; turn += 1) await setImmediate();
      if (outcome !== undefined) return outcome;
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) throw new Error(`nothing to wait for at ${this.#nowMs} ms`);
      this.#nowMs = next.atMs;
      next.ring();
    }
  }
}
