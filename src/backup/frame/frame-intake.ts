// How a partition fills frames, one after another: each in memory that all partitions share, or left where it lies when an answer
// holds a whole one. A frame that is full, or whose memory others need, is handed to the threads; its memory is given back when
// they have let go of it.

import type { RetainedMemory } from '../../model/buffer/retained-memory.ts';
import { invariant } from '../../model/errors.ts';
import type { SegmentCodec } from '../../model/codec.ts';
import { codecOf, type RecordBatchHeader } from '../../record/batch-header.ts';
import type { PackResult } from '../../segment/pack-frame.ts';
import type { RawFrame } from '../../segment/segment-writer.ts';
import { ExpansionChoice, type RecompressMode } from './expansion-choice.ts';
import type { FrameMemory } from './frame-memory.ts';
import { OpenFrame } from './open-frame.ts';

export interface FrameIntakeOptions {
  readonly memory: FrameMemory;
  /** Makes sure that memory will be given back: see PartitionRoster. */
  readonly relieveMemory: () => void;
  readonly recompress: RecompressMode;
  readonly codec: SegmentCodec;
  /** Has a frame packed; `raw` stays as it is until then. What it fails with is told by whoever packs. */
  readonly pack: (frame: RawFrame) => Promise<PackResult>;
}

/** Of a whole frame. */
const NEARLY_FULL = 0.75;

export class FrameIntake {
  readonly #options: FrameIntakeOptions;
  readonly #expansion: ExpansionChoice;
  #frame: OpenFrame | undefined;
  /** Of the bytes that are taken in just now. */
  #source: RetainedMemory | undefined;

  constructor(options: FrameIntakeOptions) {
    this.#options = options;
    this.#expansion = new ExpansionChoice(options.recompress, options.codec);
  }

  /** Memory of the open frame, whether filled or not. */
  get openBytes(): number {
    return this.#frame?.memory.byteLength ?? 0;
  }

  /** What is appended from here to {@link leave} lies in `source`; undefined for memory that is only lent until then. */
  enter(source: RetainedMemory | undefined): void {
    this.#source = source;
  }

  /**
   * From here on the memory of what was appended is read no more, unless it was retained. A frame that is nearly full and could be
   * taken from where it lies is closed rather than copied.
   */
  leave(): void {
    const isNearlyFull = (this.#frame?.filledBytes ?? 0) >= this.#options.memory.frameBytes * NEARLY_FULL;
    if (isNearlyFull && this.#inPlace() !== undefined) this.close();
    else this.#frame?.flush();
    this.#source = undefined;
  }

  /**
   * Whether the open frame has room for the batch now; false when memory is spent. Then one waits: a frame that took what is left
   * instead would be a splinter, and so would all after it.
   * @param comingBytes what this and the following batches of the fetch take, so that a frame is not grown step by step
   */
  makeRoomFor(header: RecordBatchHeader, comingBytes: number): boolean {
    if (this.#hasRoomFor(header)) return true;
    const { memory } = this.#options;
    const target = this.#targetBytes(header);
    if (this.#frame !== undefined && this.#frame.filledBytes + header.sizeBytes > target) this.close();
    const wanted = Math.max(header.sizeBytes, Math.min(comingBytes, target - (this.#frame?.filledBytes ?? 0)));
    if (this.#frame !== undefined) return this.#frame.growFor(wanted, memory);
    const taken = memory.take(wanted);
    if (taken !== undefined) this.#frame = new OpenFrame(taken, header.baseOffset);
    return taken !== undefined;
  }

  /** Resolves when some is given back by anybody. */
  async untilMemoryIsReleased(): Promise<void> {
    const { memory, relieveMemory } = this.#options;
    const released = memory.released();
    relieveMemory();
    await released;
  }

  /** Takes in a batch that there is room for. */
  append(records: Uint8Array, header: RecordBatchHeader): void {
    invariant(this.#frame !== undefined, 'a batch was taken in without an open frame');
    this.#frame.append(records, header);
  }

  /** Hands the open frame to the threads, full or not. */
  close(): void {
    const frame = this.#frame;
    if (frame === undefined) return;
    const source = this.#source;
    const inPlace = this.#inPlace();
    this.#frame = undefined;
    const { memory, pack } = this.#options;
    const { filledBytes, baseOffset, lastOffset, recordCount, batchCount } = frame;
    if (filledBytes === 0) {
      memory.give(frame.memory);
      return;
    }
    if (inPlace === undefined) frame.flush();
    else source?.retain();
    const raw = inPlace ?? frame.memory.subarray(0, filledBytes);
    const expansion = this.#expansion.next();
    pack({ raw, baseOffset, lastOffset, recordCount, batchCount, expansion })
      .finally(() => {
        memory.give(frame.memory);
        if (inPlace !== undefined) source?.release();
      })
      .then(
        (result) => this.#expansion.learn(expansion, filledBytes, result),
        () => {},
      );
  }

  /** Forgets the open frame. */
  discard(): void {
    if (this.#frame !== undefined) this.#options.memory.give(this.#frame.memory);
    this.#frame = undefined;
  }

  /** The open frame as it lies in a source that can be retained. */
  #inPlace(): Uint8Array | undefined {
    return this.#source === undefined ? undefined : this.#frame?.inPlace();
  }

  #hasRoomFor(header: RecordBatchHeader): boolean {
    const frame = this.#frame;
    if (frame?.hasRoomFor(header.sizeBytes) !== true) return false;
    // A batch larger than a whole frame has one of its own.
    return frame.filledBytes === 0 || frame.filledBytes + header.sizeBytes <= this.#targetBytes(header);
  }

  #targetBytes(header: RecordBatchHeader): number {
    const { frameBytes } = this.#options.memory;
    return codecOf(header) === 'none' ? frameBytes : this.#expansion.rawTargetBytes(frameBytes);
  }
}
