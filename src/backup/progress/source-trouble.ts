// What a backup waits for just now, by whom it waits for: only who was in trouble can say that it is over.

export type TroubleSource = 'opening' | 'topics' | 'store' | `broker ${number}`;

interface Trouble {
  readonly error: Error;
  /** By the monotonic clock. */
  readonly sinceMs: number;
}

export class SourceTrouble {
  readonly #monotonicMs: () => number;
  /** Longest first. */
  readonly #troubles = new Map<TroubleSource, Trouble>();
  /** When anybody last did what was asked of him. */
  #servedAtMs: number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#servedAtMs = monotonicMs();
  }

  /** That which lasts longest; null while all is well. */
  get error(): Error | null {
    for (const { error } of this.#troubles.values()) return error;
    return null;
  }

  /** How long there has been trouble and nobody served anything; 0 while all is well. */
  get stalledMs(): number {
    for (const { sinceMs } of this.#troubles.values()) {
      return this.#monotonicMs() - Math.max(sinceMs, this.#servedAtMs);
    }
    return 0;
  }

  begin(source: TroubleSource, error: Error): void {
    this.#troubles.set(source, { error, sinceMs: this.#troubles.get(source)?.sinceMs ?? this.#monotonicMs() });
  }

  /** The source did what was asked of it. */
  served(source: TroubleSource): void {
    this.#servedAtMs = this.#monotonicMs();
    this.#troubles.delete(source);
  }

  /** Nothing is asked of the source any more. */
  drop(source: TroubleSource): void {
    this.#troubles.delete(source);
  }
}
