// What a frame's batches are asked in the order of the log, and so never again: which marker decides, what the producer
// compressed with. Each answer goes on where the last one was found.

import type { ProducerCodec } from '../../model/codec.ts';
import type { CodecRun } from '../../model/segment/segment.ts';
import type { BatchCursor } from '../../record/batch-cursor.ts';
import type { MarkerVerdict } from './judge-task.ts';

/** The markers of one producer, and the first of them that is behind every batch asked for so far. */
export class MarkerCursor {
  readonly #markers: readonly MarkerVerdict[];
  #index = 0;

  constructor(markers: readonly MarkerVerdict[]) {
    this.#markers = markers;
  }

  /** The next marker after `offset`, which never goes back. */
  after(offset: bigint): MarkerVerdict | undefined {
    let marker = this.#markers[this.#index];
    while (marker !== undefined && marker.offset <= offset) {
      this.#index += 1;
      marker = this.#markers[this.#index];
    }
    return marker;
  }
}

/** What the producer compressed with, for batches in the order of the log. */
export class CodecRunCursor {
  readonly #runs: readonly { readonly distance: number; readonly codec: ProducerCodec }[];
  #index = 0;
  #codec: ProducerCodec = 'none';

  constructor(runs: readonly CodecRun[], batch: BatchCursor) {
    this.#runs = runs.map(({ baseOffset, codec }) => ({ distance: batch.distanceOf(baseOffset), codec }));
  }

  /** Of the batch at `distance`, which never goes back. */
  at(distance: number): ProducerCodec {
    for (let next = this.#runs[this.#index]; next !== undefined && next.distance <= distance; ) {
      this.#codec = next.codec;
      this.#index += 1;
      next = this.#runs[this.#index];
    }
    return this.#codec;
  }
}
