// What the main thread and the threads say to each other about the place where a log is cut: see find-cut.ts.

import { defineTask } from '../../compression/worker-pool.ts';
import type { SegmentCodec } from '../../model/codec.ts';

export interface CutTask {
  readonly stored: SharedArrayBuffer;
  readonly storedSizeBytes: number;
  readonly rawSizeBytes: number;
  readonly codec: SegmentCodec;
  /** Records outside `[fromOffset, toOffset)` are not looked at. */
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly toMs: number;
}

export interface CutResult {
  /** Of the first record of the frame with a timestamp greater than `toMs`; null when there is none. */
  readonly offset: bigint | null;
}

export const FIND_CUT = defineTask<CutTask, CutResult>('find-cut');
