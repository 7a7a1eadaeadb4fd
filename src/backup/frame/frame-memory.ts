// The memory of frames that are being filled or wait for a thread: blocks of shared memory, lent together never more than a budget.
// A partition that catches up fills whole frames; one with a trickle grows a small block as it needs. When the budget is spent,
// whoever needs more waits, and the largest open frame is closed early to make room.

import { WaitList } from '../../model/wait-list.ts';
import { BuddyAllocator } from './buddy-allocator.ts';

/** A buffer so many times larger than needed would starve the others. */
const LARGEST_REUSE = 4;

export class FrameMemory {
  readonly frameBytes: number;
  readonly #budgetBytes: number;
  readonly #blocks: BuddyAllocator;
  /** Free memory of batches that are larger than a frame. */
  #large: Uint8Array[] = [];
  #lentBytes = 0;
  readonly #releases = new WaitList();

  constructor(budgetBytes: number, frameBytes: number) {
    this.#budgetBytes = budgetBytes;
    this.frameBytes = frameBytes;
    this.#blocks = new BuddyAllocator(frameBytes, Math.max(1, Math.floor(budgetBytes / frameBytes)));
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }

  /**
   * At least `neededBytes` of shared memory, or undefined when the budget does not allow it just now. A single batch that is
   * larger than the whole budget is allowed when nothing else is lent: it has to pass.
   */
  take(neededBytes: number): Uint8Array | undefined {
    const bytes = neededBytes > this.frameBytes ? this.#takeLarge(neededBytes) : this.#takeBlock(neededBytes);
    this.#lentBytes += bytes?.byteLength ?? 0;
    return bytes;
  }

  /** Gives back what {@link take} returned; no thread may use it any more. */
  give(bytes: Uint8Array): void {
    this.#lentBytes -= bytes.byteLength;
    if (bytes.byteLength <= this.#blocks.slabBytes) this.#blocks.give(bytes);
    else if (this.#freeLargeBytes() + this.#lentBytes < this.#budgetBytes) this.#large.push(bytes);
    this.#releases.wake();
  }

  /** Resolves at the next give. */
  released(): Promise<void> {
    return this.#releases.wait();
  }

  #takeBlock(neededBytes: number): Uint8Array | undefined {
    return this.#allows(this.#blocks.blockBytes(neededBytes)) ? this.#blocks.take(neededBytes) : undefined;
  }

  /** Whole frames many, so that it serves other batches too: what is dropped waits for the garbage collectors of all threads. */
  #takeLarge(neededBytes: number): Uint8Array | undefined {
    const at = this.#large.findIndex(
      ({ byteLength }) => byteLength >= neededBytes && byteLength <= neededBytes * LARGEST_REUSE,
    );
    const sizeBytes = this.#large[at]?.byteLength ?? Math.ceil(neededBytes / this.frameBytes) * this.frameBytes;
    if (!this.#allows(sizeBytes)) return undefined;
    const [reused] = at < 0 ? [] : this.#large.splice(at, 1);
    if (reused !== undefined) return reused;
    if (this.#lentBytes + this.#freeLargeBytes() + sizeBytes > this.#budgetBytes) this.#large = [];
    return new Uint8Array(new SharedArrayBuffer(sizeBytes));
  }

  #allows(moreBytes: number): boolean {
    return this.#lentBytes === 0 || this.#lentBytes + moreBytes <= this.#budgetBytes;
  }

  #freeLargeBytes(): number {
    return this.#large.reduce((total, { byteLength }) => total + byteLength, 0);
  }
}
