// Blocks of shared memory whose sizes halve, from a slab down to a smallest one: Knowlton, "A fast storage allocator" (1965). The
// halves of a block are buddies and are joined when both are free. Slabs are made as they are needed and stay: memory that
// threads have seen is free only when each of them has collected its garbage, which may be long after it was dropped.

import { invariant } from '../../model/errors.ts';

/** No block is smaller, unless a slab is. */
const SMALLEST_BYTES = 16 * 1024;

export class BuddyAllocator {
  /** The largest block. */
  readonly slabBytes: number;
  readonly #slabs: SharedArrayBuffer[] = [];
  readonly #slabNumbers = new Map<ArrayBufferLike, number>();
  readonly #maxSlabs: number;
  readonly #unitBytes: number;
  /** Of a whole slab; a block of order n is 2^n units. */
  readonly #topOrder: number;
  /** By order, the numbers of free blocks: units before it, those of earlier slabs included. */
  readonly #free: number[][];

  /** @param slabBytes at least: units are whole bytes */
  constructor(slabBytes: number, maxSlabs: number) {
    this.#maxSlabs = maxSlabs;
    this.#topOrder = Math.max(0, Math.floor(Math.log2(slabBytes / SMALLEST_BYTES)));
    this.#unitBytes = Math.ceil(slabBytes / 2 ** this.#topOrder);
    this.slabBytes = this.#unitBytes * 2 ** this.#topOrder;
    this.#free = Array.from({ length: this.#topOrder + 1 }, () => []);
  }

  /** What is taken for `neededBytes`. */
  blockBytes(neededBytes: number): number {
    return this.#unitBytes * 2 ** this.#orderOf(neededBytes);
  }

  /** A block of at least `neededBytes`, not more than a slab; undefined when there is none. What it holds is left from before. */
  take(neededBytes: number): Uint8Array | undefined {
    const order = this.#orderOf(neededBytes);
    let found = this.#free.findIndex((blocks, at) => at >= order && blocks.length > 0);
    if (found < 0) {
      if (this.#slabs.length === this.#maxSlabs) return undefined;
      this.#addSlab();
      found = this.#topOrder;
    }
    const block = takeLowest(this.#free[found] ?? []);
    for (; found > order; found -= 1) this.#free[found - 1]?.push(block + 2 ** (found - 1));
    const slabUnits = 2 ** this.#topOrder;
    const slab = this.#slabs[Math.floor(block / slabUnits)];
    invariant(slab !== undefined, 'a block lies in no slab');
    return new Uint8Array(slab, (block % slabUnits) * this.#unitBytes, this.blockBytes(neededBytes));
  }

  /** Takes back what {@link take} returned; no thread may use it any more. */
  give(bytes: Uint8Array): void {
    const slab = this.#slabNumbers.get(bytes.buffer);
    invariant(slab !== undefined, 'a block came back to an allocator that it is not of');
    let block = slab * 2 ** this.#topOrder + bytes.byteOffset / this.#unitBytes;
    let order = this.#orderOf(bytes.byteLength);
    for (; order < this.#topOrder; order += 1) {
      const sizeUnits = 2 ** order;
      const buddy = block % (2 * sizeUnits) === 0 ? block + sizeUnits : block - sizeUnits;
      const at = this.#free[order]?.indexOf(buddy) ?? -1;
      if (at < 0) break;
      this.#free[order]?.splice(at, 1);
      block = Math.min(block, buddy);
    }
    this.#free[order]?.push(block);
  }

  #addSlab(): void {
    const number = this.#slabs.length;
    const slab = new SharedArrayBuffer(this.slabBytes);
    this.#slabs.push(slab);
    this.#slabNumbers.set(slab, number);
    this.#free[this.#topOrder]?.push(number * 2 ** this.#topOrder);
  }

  #orderOf(sizeBytes: number): number {
    let order = 0;
    while (this.#unitBytes * 2 ** order < sizeBytes) order += 1;
    invariant(order <= this.#topOrder, 'a block larger than a slab was asked for');
    return order;
  }
}

/** The lowest: small blocks stay together, and slabs that are not needed are never touched. */
function takeLowest(blocks: number[]): number {
  const lowest = Math.min(...blocks);
  blocks.splice(blocks.indexOf(lowest), 1);
  return lowest;
}
