// The frame that a partition is filling: whole batches, copied back to back into shared memory that grows with them. Batches
// that lie back to back in their source are copied together: there may be one for every record. A frame that is filled from one
// source, as all are that a partition fills while it catches up, need not be copied at all: threads can take it from there.

import { copyBytes } from '../../model/buffer/copy-bytes.ts';
import { invariant } from '../../model/errors.ts';
import type { RecordBatchHeader } from '../../record/batch-header.ts';
import type { FrameMemory } from './frame-memory.ts';

export class OpenFrame {
  readonly baseOffset: bigint;
  lastOffset: bigint;
  recordCount = 0;
  batchCount = 0;
  filledBytes = 0;
  #memory: Uint8Array;
  /** Holds the run of batches that is taken in and not copied yet. */
  #source: Uint8Array | undefined;
  #runStart = 0;
  #runEnd = 0;

  /** `memory` holds the first batch. */
  constructor(memory: Uint8Array, baseOffset: bigint) {
    this.baseOffset = baseOffset;
    this.lastOffset = baseOffset;
    this.#memory = memory;
  }

  /** As taken, whether filled or not. */
  get memory(): Uint8Array {
    return this.#memory;
  }

  hasRoomFor(sizeBytes: number): boolean {
    return this.filledBytes + sizeBytes <= this.#memory.byteLength;
  }

  /** Moves into more of `memory`; false when there is none to be had. */
  growFor(sizeBytes: number, memory: FrameMemory): boolean {
    const larger = memory.take(this.filledBytes + sizeBytes);
    if (larger === undefined) return false;
    this.flush();
    copyBytes(this.#memory, { start: 0, end: this.filledBytes }, larger, 0);
    memory.give(this.#memory);
    this.#memory = larger;
    return true;
  }

  /** Takes in one batch of `source`, whose bytes must stay until {@link flush}. */
  append(source: Uint8Array, header: RecordBatchHeader): void {
    invariant(this.hasRoomFor(header.sizeBytes), 'a batch was appended to a frame without room');
    const { position, sizeBytes } = header;
    if (source !== this.#source || position !== this.#runEnd) {
      this.flush();
      this.#source = source;
      this.#runStart = position;
    }
    this.#runEnd = position + sizeBytes;
    this.filledBytes += sizeBytes;
    this.lastOffset = header.lastOffset;
    this.recordCount += header.recordCount;
    this.batchCount += 1;
  }

  /** All batches, where they lie in their source, when they are one run and threads can read it; nothing is copied then. */
  inPlace(): Uint8Array | undefined {
    const isOneRun = this.#runEnd - this.#runStart === this.filledBytes;
    if (!isOneRun || !(this.#source?.buffer instanceof SharedArrayBuffer)) return undefined;
    return this.#source.subarray(this.#runStart, this.#runEnd);
  }

  /** Copies what was taken in: the source is not needed any more. */
  flush(): void {
    if (this.#source === undefined) return;
    const position = this.filledBytes - (this.#runEnd - this.#runStart);
    copyBytes(this.#source, { start: this.#runStart, end: this.#runEnd }, this.#memory, position);
    this.#source = undefined;
  }
}
