// The memory of frames that are larger than the buffers of the pools: a backup that was made with larger frames, or a single batch
// that is. All lanes share one limit. The frame that a lane waits for next passes it once those before it were given back, so that
// lanes never wait for one another in a circle: at most that one frame a lane comes on top.

import { WaitList } from '../../model/wait-list.ts';

const LARGE_FRAMES_BYTES = 64 * 1024 * 1024;

export class LargeFrames {
  readonly #limitBytes: number;
  readonly #changes = new WaitList();
  #lentBytes = 0;

  constructor(limitBytes = LARGE_FRAMES_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** Waits until so much is free, or `mayPass`, which is asked after every {@link wake}. Returns what gives it back, once. */
  async take(sizeBytes: number, mayPass: () => boolean): Promise<() => void> {
    while (this.#lentBytes > 0 && this.#lentBytes + sizeBytes > this.#limitBytes && !mayPass()) {
      await this.#changes.wait();
    }
    this.#lentBytes += sizeBytes;
    return () => {
      this.#lentBytes -= sizeBytes;
      this.wake();
    };
  }

  /** Call when a frame has become the next of its lane. */
  wake(): void {
    this.#changes.wake();
  }
}
