// A fixed number of equal buffers, lent in the order of asking. This is what bounds the work under way: who has no buffer waits,
// and whoever feeds it waits too.

import { invariant } from '../errors.ts';

export class BufferPool<Memory extends ArrayBufferLike> {
  readonly bufferBytes: number;
  readonly #limit: number;
  readonly #make: (sizeBytes: number) => Memory;
  readonly #free: Memory[] = [];
  readonly #waiting: ((buffer: Memory) => void)[] = [];
  #made = 0;

  /** `make` is called when a buffer is wanted and none has come back, `limit` times at most. */
  constructor(bufferBytes: number, limit: number, make: (sizeBytes: number) => Memory) {
    this.bufferBytes = bufferBytes;
    this.#limit = limit;
    this.#make = make;
  }

  /** Waits while all are lent. Give each back with {@link release}, once. */
  acquire(): Promise<Memory> {
    const free = this.#free.pop();
    if (free !== undefined) return Promise.resolve(free);
    if (this.#made < this.#limit) {
      this.#made += 1;
      return Promise.resolve(this.#make(this.bufferBytes));
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(buffer: Memory): void {
    invariant(buffer.byteLength === this.bufferBytes, 'a buffer came back to a pool that it is not of');
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
