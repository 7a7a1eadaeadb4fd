// Whether a partition's producer-compressed batches are expanded before they are stored (`backup.recompress`). With `auto` a
// frame is measured both ways now and then, and the partition follows what it said: the choice belongs to the data.

import type { SegmentCodec } from '../../model/codec.ts';
import type { Expansion, PackResult } from '../../segment/pack-frame.ts';

export type RecompressMode = 'auto' | 'always' | 'never';

/** One frame in so many is measured again; measuring costs about twice a frame's work. */
const FRAMES_PER_MEASUREMENT = 128;
const SMALLEST_RAW_TARGET_BYTES = 256 * 1024;

export class ExpansionChoice {
  readonly #mode: RecompressMode;
  readonly #codec: SegmentCodec;
  /** Until the first measurement, expanding is the better guess: it is what most compressed JSON wants. */
  #choice: Expansion = 'always';
  #untilMeasurement = 0;
  /** Expanded size over size as it came; a guess until a frame was expanded. */
  #ratio = 3;

  constructor(mode: RecompressMode, codec: SegmentCodec) {
    this.#mode = mode;
    this.#codec = codec;
  }

  /** For the next frame. Without a codec of ours, expanding can only make objects larger. */
  next(): Expansion {
    if (this.#mode !== 'auto') return this.#mode;
    if (this.#codec === 'none') return 'never';
    this.#untilMeasurement -= 1;
    if (this.#untilMeasurement >= 0) return this.#choice;
    this.#untilMeasurement = FRAMES_PER_MEASUREMENT;
    return 'measure';
  }

  /** What became of a frame of `rawSizeBytes` that was packed with `expansion`. */
  learn(expansion: Expansion, rawSizeBytes: number, result: PackResult): void {
    if (result.isExpanded && rawSizeBytes > 0) this.#ratio = Math.max(1, result.rawSizeBytes / rawSizeBytes);
    if (expansion === 'measure') this.#choice = result.isExpanded ? 'always' : 'never';
  }

  /** How many bytes of compressed batches make a frame of `frameBytes` once they are expanded. */
  rawTargetBytes(frameBytes: number): number {
    return Math.max(SMALLEST_RAW_TARGET_BYTES, Math.floor(frameBytes / this.#ratio));
  }
}
