// How many requests may be under way at once: starts at the bound, falls to half of those under way when the store asks for less, and
// grows again by one for every round of requests that went well (additive increase, multiplicative decrease, as TCP does: RFC 5681).
// Waiting is in order of arrival. The queue needs no bound of its own: it holds callers, each of which waits for its turn.

interface Waiter {
  readonly go: () => void;
  readonly fail: (reason: unknown) => void;
}

export class AdaptiveLimit {
  readonly #max: number;
  #limit: number;
  #inFlight = 0;
  /** Counts the turns given, so that one burst of refusals counts only once. */
  #turns = 0;
  #fellAtTurn = 0;
  readonly #waiting: Waiter[] = [];

  /** @param max at least 1 */
  constructor(max: number) {
    this.#max = max;
    this.#limit = max;
  }

  /** Requests allowed at once now, at least 1. */
  get current(): number {
    return Math.floor(this.#limit);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with the number of the turn when there is room; every turn must be given back with {@link release}. Rejects with
   * the signal's reason when it aborts first, and then nothing needs to be given back.
   */
  acquire(signal?: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const aborted = (): void => waiter.fail(signal?.reason);
      const waiter: Waiter = {
        go: () => {
          signal?.removeEventListener('abort', aborted);
          this.#inFlight += 1;
          this.#turns += 1;
          resolve(this.#turns);
        },
        fail: (reason) => {
          signal?.removeEventListener('abort', aborted);
          const place = this.#waiting.indexOf(waiter);
          if (place >= 0) this.#waiting.splice(place, 1);
          reject(reason);
        },
      };
      if (this.#waiting.length === 0 && this.#inFlight < this.current) waiter.go();
      else {
        this.#waiting.push(waiter);
        signal?.addEventListener('abort', aborted, { once: true });
      }
    });
  }

  /**
   * Gives a turn back: `more` after an answer, `less` when the store asked for fewer requests, `one` when no two are to run beside
   * each other, `same` when it said nothing.
   */
  release(turn: number, next: 'more' | 'less' | 'one' | 'same'): void {
    // Of a bound that is not used up, half may be no less than there was.
    const used = Math.min(this.#limit, this.#inFlight);
    this.#inFlight -= 1;
    if (next === 'more') this.#limit = Math.min(this.#max, this.#limit + 1 / this.#limit);
    // Requests that began before it last fell say nothing about the limit as it is now.
    if ((next === 'less' || next === 'one') && turn > this.#fellAtTurn) {
      this.#limit = next === 'one' ? 1 : Math.max(1, used / 2);
      this.#fellAtTurn = this.#turns;
    }
    while (this.#waiting.length > 0 && this.#inFlight < this.current) this.#waiting.shift()?.go();
  }

  /** Sends away everyone who waits. */
  rejectWaiting(reason: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.fail(reason);
  }
}
