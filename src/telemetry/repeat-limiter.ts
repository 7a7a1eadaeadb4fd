// Holds back warnings that repeat: in each window the first few of a kind are let through, the rest is counted and told as
// one line, "... 512 more like this", when the window ends. The number of kinds held is bounded; the oldest gives way.

export interface RepeatLimits {
  /** Lines of one kind that a window lets through. */
  readonly burst: number;
  readonly windowMs: number;
  readonly maxKinds: number;
}

export const REPEAT_LIMITS: RepeatLimits = { burst: 10, windowMs: 60_000, maxKinds: 1000 };

interface Kind {
  readonly startedAtMs: number;
  /** Writes the closing line, given the number of lines held back. */
  readonly report: (heldBack: number) => void;
  seen: number;
}

export class RepeatLimiter {
  readonly #limits: RepeatLimits;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();
  #timer: NodeJS.Timeout | null = null;

  constructor(limits: RepeatLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * True when the line may be written. `report` is kept with the first line of a window and is called at most once, later,
   * when lines were held back: with the next line of any kind, by an idle timer that does not keep the process, or by `flush`.
   */
  admit(key: string, report: (heldBack: number) => void): boolean {
    this.#closeWindows(this.#now() - this.#limits.windowMs);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { startedAtMs: this.#now(), report, seen: 0 };
      this.#makeRoom();
      this.#kinds.set(key, kind);
    }
    kind.seen += 1;
    if (kind.seen <= this.#limits.burst) return true;
    this.#startTimer();
    return false;
  }

  /** Reports everything held back; to be called before the process ends. */
  flush(): void {
    this.#closeWindows(Number.POSITIVE_INFINITY);
  }

  #startTimer(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#closeWindows(this.#now() - this.#limits.windowMs);
      if ([...this.#kinds.values()].some((kind) => kind.seen > this.#limits.burst)) this.#startTimer();
    }, this.#limits.windowMs);
    this.#timer.unref();
  }

  /** Kinds are in order of their start, since a kind is never moved within the map. */
  #closeWindows(startedUntilMs: number): void {
    for (const [key, kind] of this.#kinds) {
      if (kind.startedAtMs > startedUntilMs) return;
      this.#close(key, kind);
    }
  }

  #makeRoom(): void {
    for (const [key, kind] of this.#kinds) {
      if (this.#kinds.size < this.#limits.maxKinds) return;
      this.#close(key, kind);
    }
  }

  #close(key: string, kind: Kind): void {
    this.#kinds.delete(key);
    const heldBack = kind.seen - this.#limits.burst;
    if (heldBack > 0) kind.report(heldBack);
  }
}
