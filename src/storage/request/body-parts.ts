// Cuts the body of an object into parts of a fixed size, for stores that take an object piece by piece. A part is a copy, since
// the body may use its memory again; the copies come from buffers that are used again once a part is up, so that memory depends
// neither on the size of objects nor on when garbage is collected. The first part of an object grows as it is filled: there may be
// hundreds of objects under way with little in each.

import { copyBytes } from '../../model/buffer/copy-bytes.ts';

/** No buffer is smaller, unless parts are. */
const SMALLEST_BYTES = 64 * 1024;

/**
 * Buffers of parts, in sizes that double up to a whole part. Whoever takes one gives it back, or drops it: then it is garbage like
 * any other. Only those of whole parts are kept: of the smaller ones, few are wanted again.
 */
export class PartMemory {
  readonly partBytes: number;
  readonly #smallestBytes: number;
  readonly #maxIdle: number;
  readonly #idle: Buffer[] = [];
  #sharedMade = 0;

  /** @param maxIdle buffers kept for later, at most */
  constructor(partBytes: number, maxIdle: number, smallestBytes = SMALLEST_BYTES) {
    this.partBytes = partBytes;
    this.#smallestBytes = smallestBytes;
    this.#maxIdle = maxIdle;
  }

  /** At least `neededBytes`, and less than twice as much, or the smallest buffer that there is. */
  take(neededBytes: number): Buffer {
    let sizeBytes = Math.min(this.#smallestBytes, this.partBytes);
    while (sizeBytes < neededBytes) sizeBytes = Math.min(sizeBytes * 2, this.partBytes);
    if (sizeBytes < this.partBytes) return Buffer.allocUnsafeSlow(sizeBytes);
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    // V8 collects all garbage whenever ordinary buffers have grown by 64 MB, which those of parts do by themselves (measured: 6 % of
    // a backup's CPU). It does not count shared memory, nor feels it when that is dropped: so only the usual number is made of it, as
    // many as go up and as many as are filled.
    if (this.#sharedMade === 2 * this.#maxIdle) return Buffer.allocUnsafeSlow(sizeBytes);
    this.#sharedMade += 1;
    return Buffer.from(new SharedArrayBuffer(sizeBytes));
  }

  /** Only of buffers that nobody reads any more: not after a request that was cut off, which may still be sending from it. */
  give(buffer: Buffer): void {
    if (buffer.byteLength === this.partBytes && this.#idle.length < this.#maxIdle) this.#idle.push(buffer);
  }
}

export interface BodyPart {
  /** Full-size but for the last part; empty only when the whole body is. */
  readonly bytes: Buffer;
  readonly isLast: boolean;
  /** Gives the memory back: see {@link PartMemory.give}. */
  release(): void;
}

/** A body of one part, whose memory is the caller's. */
export function wholePart(bytes: Buffer): BodyPart {
  return { bytes, isLast: true, release: () => {} };
}

/** The parts of a body, at least one. What `chunks` throws is passed on as it is; ending early ends `chunks`. */
export async function* cutParts(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  memory: PartMemory,
): AsyncGenerator<BodyPart, void, undefined> {
  const { partBytes } = memory;
  let buffer = memory.take(0);
  let filledBytes = 0;
  const growFor = (moreBytes: number): void => {
    const smaller = buffer;
    buffer = memory.take(Math.min(filledBytes + moreBytes, partBytes));
    smaller.copy(buffer, 0, 0, filledBytes);
    memory.give(smaller);
  };
  const part = (isLast: boolean): BodyPart => {
    const whole = buffer;
    return { bytes: whole.subarray(0, filledBytes), isLast, release: () => memory.give(whole) };
  };
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.byteLength; ) {
      // Only what comes behind it shows that a full part is not the last one.
      if (filledBytes === partBytes) {
        yield part(false);
        // Of an object that has filled one, the others come fast.
        buffer = memory.take(partBytes);
        filledBytes = 0;
      }
      if (filledBytes + chunk.byteLength - taken > buffer.byteLength && buffer.byteLength < partBytes) {
        growFor(chunk.byteLength - taken);
      }
      const end = Math.min(chunk.byteLength, taken + partBytes - filledBytes);
      copyBytes(chunk, { start: taken, end }, buffer, filledBytes);
      filledBytes += end - taken;
      taken = end;
    }
  }
  yield part(true);
}
