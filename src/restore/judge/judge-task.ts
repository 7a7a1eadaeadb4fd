// What the main thread and the threads that judge frames say to each other: the task on one stored frame, and the batches that
// come back. Everything here crosses threads by structured clone; buffers are shared, and stay the main thread's.

import { defineTask } from '../../compression/worker-pool.ts';
import type { ProducerCodec, SegmentCodec } from '../../model/codec.ts';
import type { RecordFilter } from '../../model/restore/record-filter.ts';
import type { DropCounts, DropReason } from '../../model/restore/recovery-target.ts';
import type { CodecRun } from '../../model/segment/segment.ts';

/** What a transaction's end means for its records. */
export type Verdict = 'keep' | Extract<DropReason, 'aborted-transaction' | 'decided-after-target'>;

/** The marker at `offset` decides every batch of the producer between its predecessor and itself. */
export interface MarkerVerdict {
  readonly producerId: bigint;
  readonly offset: bigint;
  readonly verdict: Verdict;
}

/** The same task gives the same bytes, whichever thread it runs on and whatever ran there before. */
export interface JudgeTask {
  readonly stored: SharedArrayBuffer;
  readonly storedSizeBytes: number;
  readonly rawSizeBytes: number;
  readonly codec: SegmentCodec;
  /** Takes the batches when they fit. */
  readonly output: SharedArrayBuffer;
  /** Records outside `[fromOffset, toOffset)` are not this frame's to restore. */
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** False for read_uncommitted: transactions are not looked at. */
  readonly judgeTransactions: boolean;
  /** In offset order for each producer, those that can decide a batch of this frame. */
  readonly markers: readonly MarkerVerdict[];
  /** A transactional batch below this without a marker was committed: aborted data never outlives its marker. */
  readonly decidedBelow: bigint;
  readonly producerCodecs: readonly CodecRun[];
  readonly compression: 'producer' | ProducerCodec;
  readonly maxBatchBytes: number;
  /** What the target's broker compresses every batch with, however it comes; null where it keeps each as it comes. */
  readonly brokerCodec: ProducerCodec | null;
  /** Of batches that are made here. */
  readonly maxBatchRecords: number;
  /** A batch with more is not sent as it is. */
  readonly maxWholeRecords: number;
  /** Null: records go on as they are, to the only target. */
  readonly shape: RecordShape | null;
}

/** What the records of one source partition become on their way, and which are left out for what they hold. */
export interface RecordShape {
  /** By key over so many targets, as the Java client chooses; null: everything goes to the first target. */
  readonly partitions: number | null;
  /** Index of the target of records without a key. */
  readonly unkeyedTarget: number;
  readonly provenance: Provenance | null;
  readonly filter: RecordFilter | null;
}

/** What the headers that tell where a record came from add to it at most. */
export const ORIGIN_HEADERS_BYTES = 88;

/** Adds the headers `x-original-offset`, `x-original-timestamp` and `x-source-partition` behind those of the record. */
export interface Provenance {
  readonly sourcePartition: number;
}

/** Records of the source with offsets one after the other, without a hole between them. */
export interface OffsetRun {
  readonly firstSourceOffset: bigint;
  readonly count: number;
}

/** A batch in the output, ready but for producer id, epoch, sequence and CRC. */
export interface ReadyBatch {
  readonly position: number;
  readonly sizeBytes: number;
  readonly recordCount: number;
  /** Index into the targets of the lane; 0 when there is one. */
  readonly targetIndex: number;
  /** The batch's records in order; where it has no holes, one run. */
  readonly runs: readonly OffsetRun[];
}

export interface JudgeResult {
  /** For each target in the order of the log. */
  readonly batches: readonly ReadyBatch[];
  /** Holds the batches when they did not fit into the task's output. */
  readonly overflow: SharedArrayBuffer | null;
  readonly recordCount: number;
  readonly dropped: DropCounts;
}

export const JUDGE_FRAME = defineTask<JudgeTask, JudgeResult>('judge-frame');
