// A frame of a sample: whole batches of one partition, back to back, as a backup's threads take them.

import { copyBytes } from '../model/buffer/copy-bytes.ts';
import type { PartitionIdentity } from '../model/segment/segment.ts';
import { isLogAppendTime, type RecordBatchHeader } from '../record/batch-header.ts';

export interface SampleFrame {
  readonly identity: PartitionIdentity;
  /** Whole batches; overwritten when the next frame is asked for. */
  readonly raw: Uint8Array;
  readonly baseOffset: bigint;
  /** Inclusive; there may be holes before it. */
  readonly lastOffset: bigint;
  readonly recordCount: number;
  readonly batchCount: number;
  /** False where the broker stamped every batch when it came (message.timestamp.type: LogAppendTime). */
  readonly hasProducerTimes: boolean;
}

/** The frame that is being filled, always in the same memory. */
export class OpenSampleFrame {
  readonly #maxBytes: number;
  readonly #maxOffsets: number;
  #memory: Uint8Array;
  #sizeBytes = 0;
  #baseOffset = 0n;
  #lastOffset = 0n;
  #recordCount = 0;
  #batchCount = 0;
  #hasProducerTimes = false;

  constructor(maxBytes: number, maxOffsets: number) {
    this.#maxBytes = maxBytes;
    this.#maxOffsets = maxOffsets;
    this.#memory = new Uint8Array(new SharedArrayBuffer(maxBytes));
  }

  get isEmpty(): boolean {
    return this.#batchCount === 0;
  }

  hasRoomFor({ sizeBytes, lastOffset }: RecordBatchHeader): boolean {
    if (this.isEmpty) return true;
    const offsets = Number(lastOffset + 1n - this.#baseOffset);
    return this.#sizeBytes + sizeBytes <= this.#maxBytes && offsets <= this.#maxOffsets;
  }

  append(batch: Uint8Array, header: RecordBatchHeader): void {
    const { baseOffset, lastOffset, recordCount } = header;
    const sizeBytes = batch.byteLength;
    if (this.isEmpty) {
      this.#baseOffset = baseOffset;
      if (sizeBytes > this.#memory.byteLength) this.#memory = new Uint8Array(new SharedArrayBuffer(sizeBytes));
    }
    copyBytes(batch, { start: 0, end: sizeBytes }, this.#memory, this.#sizeBytes);
    this.#lastOffset = lastOffset;
    this.#sizeBytes += sizeBytes;
    this.#recordCount += recordCount;
    this.#batchCount += 1;
    this.#hasProducerTimes ||= !isLogAppendTime(header);
  }

  take(identity: PartitionIdentity): SampleFrame {
    const frame = {
      ...{ identity, raw: this.#memory.subarray(0, this.#sizeBytes) },
      ...{ baseOffset: this.#baseOffset, lastOffset: this.#lastOffset },
      ...{ recordCount: this.#recordCount, batchCount: this.#batchCount },
      hasProducerTimes: this.#hasProducerTimes,
    };
    this.#sizeBytes = this.#recordCount = this.#batchCount = 0;
    this.#hasProducerTimes = false;
    return frame;
  }
}
