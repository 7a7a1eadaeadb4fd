// A fixed number of equal shared buffers, lent in the order of asking. This is what bounds the tasks under way: who has no
// buffer waits, and whoever feeds it waits too.

import { invariant } from '../model/errors.ts';

export class SharedBufferPool {
  readonly bufferBytes: number;
  readonly #limit: number;
  readonly #free: SharedArrayBuffer[] = [];
  readonly #waiting: ((buffer: SharedArrayBuffer) => void)[] = [];
  #made = 0;

  constructor(bufferBytes: number, limit: number) {
    this.bufferBytes = bufferBytes;
    this.#limit = limit;
  }

  /** Waits while all are lent. Give each back with {@link release}, once. */
  acquire(): Promise<SharedArrayBuffer> {
    const free = this.#free.pop();
    if (free !== undefined) return Promise.resolve(free);
    if (this.#made < this.#limit) {
      this.#made += 1;
      return Promise.resolve(new SharedArrayBuffer(this.bufferBytes));
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(buffer: SharedArrayBuffer): void {
    invariant(buffer.byteLength === this.bufferBytes, 'a buffer came back to a pool that it is not of');
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
