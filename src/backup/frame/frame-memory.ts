// The memory of frames that are being filled or wait for a thread: shared buffers in a few sizes, together never more than a
// budget. A partition that catches up fills whole frames; one with a trickle grows a small buffer as it needs. When the budget
// is spent, whoever needs more waits, and the largest open frame is closed early to make room.

/** Smallest buffer; the sizes double from here to a whole frame. */
const SMALLEST_BYTES = 16 * 1024;
/** A buffer so many times larger than needed would starve the others. */
const LARGEST_REUSE = 4;

export class FrameMemory {
  readonly frameBytes: number;
  readonly #budgetBytes: number;
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  #lentBytes = 0;
  #freeBytes = 0;
  #waiting: (() => void)[] = [];

  constructor(budgetBytes: number, frameBytes: number) {
    this.#budgetBytes = budgetBytes;
    this.frameBytes = frameBytes;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }

  /**
   * A buffer of at least `neededBytes`, or undefined when the budget does not allow it just now. A single batch that is larger
   * than the whole budget is allowed when nothing else is lent: it has to pass.
   */
  take(neededBytes: number): SharedArrayBuffer | undefined {
    const sizeBytes = this.#sizeFor(neededBytes);
    const reused = this.#reuse(sizeBytes);
    if (reused !== undefined) {
      this.#freeBytes -= reused.byteLength;
      this.#lentBytes += reused.byteLength;
      return reused;
    }
    if (this.#lentBytes > 0 && this.#lentBytes + sizeBytes > this.#budgetBytes) return undefined;
    if (this.#lentBytes + this.#freeBytes + sizeBytes > this.#budgetBytes) this.#dropFree();
    this.#lentBytes += sizeBytes;
    return new SharedArrayBuffer(sizeBytes);
  }

  /** Gives a buffer back; no thread may use it any more. */
  give(buffer: SharedArrayBuffer): void {
    this.#lentBytes -= buffer.byteLength;
    if (buffer.byteLength <= this.frameBytes) {
      const list = this.#free.get(buffer.byteLength) ?? [];
      list.push(buffer);
      this.#free.set(buffer.byteLength, list);
      this.#freeBytes += buffer.byteLength;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next give. */
  released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * A free buffer of that size or, rather than a new one, a somewhat larger one: what is dropped waits for the garbage collectors
   * of all threads that have seen it.
   */
  #reuse(sizeBytes: number): SharedArrayBuffer | undefined {
    const sizes = [...this.#free.keys()].filter((size) => size >= sizeBytes && size <= sizeBytes * LARGEST_REUSE);
    for (const size of sizes.sort((a, b) => a - b)) {
      const reused = this.#free.get(size)?.pop();
      if (reused !== undefined) return reused;
    }
    return undefined;
  }

  #sizeFor(neededBytes: number): number {
    if (neededBytes > this.frameBytes) return neededBytes;
    let sizeBytes = Math.min(SMALLEST_BYTES, this.frameBytes);
    while (sizeBytes < neededBytes) sizeBytes = Math.min(sizeBytes * 2, this.frameBytes);
    return sizeBytes;
  }

  #dropFree(): void {
    this.#free.clear();
    this.#freeBytes = 0;
  }
}
