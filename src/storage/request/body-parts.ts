// Cuts the body of an object into parts of a fixed size, for stores that take an object piece by piece. A part is a copy, since
// the body may use its memory again; the copies come from buffers that are used again once a part is up, so that memory depends
// neither on the size of objects nor on when garbage is collected. What a buffer was not filled with costs no real memory.

import { copyBytes } from '../../model/buffer/copy-bytes.ts';

/** Full-size buffers of parts. Whoever takes one gives it back, or drops it: then it is garbage like any other. */
export class PartMemory {
  readonly partBytes: number;
  readonly #maxIdle: number;
  readonly #idle: Buffer[] = [];

  /** @param maxIdle buffers kept for later, at most */
  constructor(partBytes: number, maxIdle: number) {
    this.partBytes = partBytes;
    this.#maxIdle = maxIdle;
  }

  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.partBytes);
  }

  /** Only of buffers that nobody reads any more: not after a request that was cut off, which may still be sending from it. */
  give(buffer: Buffer): void {
    if (this.#idle.length < this.#maxIdle) this.#idle.push(buffer);
  }
}

export interface BodyPart {
  /** Full-size but for the last part; empty only when the whole body is. */
  readonly bytes: Buffer;
  readonly isLast: boolean;
  /** Gives the memory back: see {@link PartMemory.give}. */
  release(): void;
}

/** The parts of a body, at least one. What `chunks` throws is passed on as it is; ending early ends `chunks`. */
export async function* cutParts(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  memory: PartMemory,
): AsyncGenerator<BodyPart, void, undefined> {
  const { partBytes } = memory;
  let buffer = memory.take();
  let filledBytes = 0;
  const part = (isLast: boolean): BodyPart => {
    const whole = buffer;
    return { bytes: whole.subarray(0, filledBytes), isLast, release: () => memory.give(whole) };
  };
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.byteLength; ) {
      // Only what comes behind it shows that a full part is not the last one.
      if (filledBytes === partBytes) {
        yield part(false);
        buffer = memory.take();
        filledBytes = 0;
      }
      const end = Math.min(chunk.byteLength, taken + partBytes - filledBytes);
      copyBytes(chunk, { start: taken, end }, buffer, filledBytes);
      filledBytes += end - taken;
      taken = end;
    }
  }
  yield part(true);
}
