// The work of a thread on one stored frame of a restore: decode it, check every batch's CRC, decide what becomes of each batch,
// and write batches that a broker accepts. A batch goes as it is where the broker allows that and it is large enough to be worth
// a request; its neighbours are merged otherwise. Holes, cuts and LogAppendTime mean re-encoding, since a patched header over
// holes is accepted and corrupts the target's log. Producer fields and CRC are the sender's to set.

import { FrameExpander } from '../compression/frame-codec.ts';
import { defineTask } from '../compression/worker-pool.ts';
import type { ProducerCodec, SegmentCodec } from '../model/codec.ts';
import { BackupError } from '../model/errors.ts';
import { type DropCounts, type DropReason, NO_DROPS } from '../model/recovery-target.ts';
import type { CodecRun } from '../model/segment.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  codecOf,
  hasExactTimestamps,
  isControl,
  isLogAppendTime,
  isTransactional,
  type RecordBatchHeader,
  splitBatches,
  verifyBatchCrc,
  viewOf,
} from '../record/batch-header.ts';
import { compressRecords, expandRecords } from '../record/producer-compression.ts';
import { RecordCursor } from '../record/record-cursor.ts';

/** What a transaction's end means for its records. */
export type Verdict = 'keep' | Extract<DropReason, 'aborted-transaction' | 'decided-after-target'>;

/** The marker at `offset` decides every batch of the producer between its predecessor and itself. */
export interface MarkerVerdict {
  readonly producerId: bigint;
  readonly offset: bigint;
  readonly verdict: Verdict;
}

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
  /** End at the first record past `toMs` instead of leaving out those past it. */
  readonly cutAtFirstPast: boolean;
  /** False for read_uncommitted: transactions are not looked at. */
  readonly judgeTransactions: boolean;
  /** In offset order, those that can decide a batch of this frame. */
  readonly markers: readonly MarkerVerdict[];
  /** A transactional batch below this without a marker was committed: aborted data never outlives its marker. */
  readonly decidedBelow: bigint;
  readonly producerCodecs: readonly CodecRun[];
  readonly compression: 'producer' | ProducerCodec;
  readonly maxBatchBytes: number;
  readonly maxBatchRecords: number;
}

/** A batch in the output, ready but for producer id, epoch, sequence and CRC. */
export interface ReadyBatch {
  readonly position: number;
  readonly sizeBytes: number;
  readonly recordCount: number;
  readonly firstSourceOffset: bigint;
  readonly lastSourceOffset: bigint;
}

export interface JudgeResult {
  readonly batches: readonly ReadyBatch[];
  /** Holds the batches when they did not fit into the task's output. */
  readonly overflow: SharedArrayBuffer | null;
  readonly recordCount: number;
  readonly dropped: DropCounts;
  /** With `cutAtFirstPast`: nothing after this frame is wanted. */
  readonly isCut: boolean;
}

export const JUDGE_FRAME = defineTask<JudgeTask, JudgeResult>('judge-frame');

/** Merging costs about a quarter of a microsecond a record, a request of its own some hundred: worth it below these sizes. */
const MERGE_BELOW_BYTES = 256 * 1024;
/** Compressed batches must be expanded and compressed again to be merged. */
const MERGE_COMPRESSED_BELOW_BYTES = 16 * 1024;
const DELETE_HORIZON = 0x40;

const expander = new FrameExpander();
let scratch = new Uint8Array(0);
const KEPT_SCRATCH_BYTES = 32 * 1024 * 1024;

/** @throws OBJECT_CORRUPT, BATCH_CORRUPT before any batch of the frame is handed on. */
export function judgeFrame(task: JudgeTask): JudgeResult {
  if (scratch.byteLength < task.rawSizeBytes) scratch = new Uint8Array(task.rawSizeBytes);
  const stored = new Uint8Array(task.stored, 0, task.storedSizeBytes);
  const raw = expander.expand(task.codec, stored, scratch, task.rawSizeBytes);
  const judge = new FrameJudge(task, raw);
  let end = 0;
  for (const header of splitBatches(raw)) {
    verifyBatchCrc(raw, header);
    judge.batch(header);
    end = header.position + header.sizeBytes;
  }
  if (end !== raw.byteLength) throw new BackupError('OBJECT_CORRUPT', 'a frame ends in the middle of a batch');
  const result = judge.finish();
  if (scratch.byteLength > KEPT_SCRATCH_BYTES) scratch = new Uint8Array(0);
  return result;
}

class FrameJudge {
  readonly #task: JudgeTask;
  readonly #raw: Uint8Array;
  readonly #markers: Map<bigint, MarkerVerdict[]>;
  readonly #output: OutputArea;
  readonly #dropped: Record<DropReason, number> = { ...NO_DROPS };
  #isCut = false;

  constructor(task: JudgeTask, raw: Uint8Array) {
    this.#task = task;
    this.#raw = raw;
    this.#markers = Map.groupBy(task.markers, (marker) => marker.producerId);
    this.#output = new OutputArea(task);
  }

  batch(header: RecordBatchHeader): void {
    const { fromOffset, toOffset, fromMs } = this.#task;
    if (header.lastOffset < fromOffset || header.baseOffset >= toOffset || header.recordCount === 0) return;
    const verdict = isControl(header) ? 'control-batch' : this.#verdictOn(header);
    if (verdict !== 'keep') this.#drop(header, verdict);
    else if (this.#isCut || (fromMs !== null && header.maxTimestampMs < fromMs)) this.#drop(header, 'outside-window');
    else if (this.#goesWhole(header)) this.#output.copyBatch(this.#raw, header);
    else this.#takeRecords(header);
  }

  finish(): JudgeResult {
    const { batches, overflow, recordCount } = this.#output.finish();
    return { batches, overflow, recordCount, dropped: this.#dropped, isCut: this.#isCut };
  }

  #verdictOn(header: RecordBatchHeader): Verdict | 'undecided-transaction' {
    if (!this.#task.judgeTransactions || !isTransactional(header)) return 'keep';
    const deciding = this.#markers.get(header.producerId)?.find((marker) => marker.offset > header.baseOffset);
    if (deciding !== undefined) return deciding.verdict;
    return header.baseOffset < this.#task.decidedBelow ? 'keep' : 'undecided-transaction';
  }

  #isInside(header: RecordBatchHeader): boolean {
    return header.baseOffset >= this.#task.fromOffset && header.lastOffset < this.#task.toOffset;
  }

  /** Counts those records of the batch that are this frame's to restore. */
  #drop(header: RecordBatchHeader, reason: DropReason): void {
    if (this.#isInside(header)) {
      this.#dropped[reason] += header.recordCount;
      return;
    }
    const { fromOffset, toOffset } = this.#task;
    const cursor = new RecordCursor(this.#recordsOf(header), header.recordCount);
    while (cursor.next()) {
      const offset = header.baseOffset + BigInt(cursor.offsetDelta);
      if (offset >= fromOffset && offset < toOffset) this.#dropped[reason] += 1;
    }
  }

  #recordsOf(header: RecordBatchHeader): Uint8Array {
    const section = this.#raw.subarray(header.position + BATCH_HEADER_BYTES, header.position + header.sizeBytes);
    return expandRecords(codecOf(header), section);
  }

  /** True when the batch's bytes, but for its header, can be sent as they are and are worth a batch of their own. */
  #goesWhole(header: RecordBatchHeader): boolean {
    const { fromMs, toMs, maxBatchBytes } = this.#task;
    const codec = codecOf(header);
    const mergeBelow = codec === 'none' ? MERGE_BELOW_BYTES : MERGE_COMPRESSED_BELOW_BYTES;
    return (
      header.recordCount === header.lastOffsetDelta + 1 &&
      this.#isInside(header) &&
      fromMs === null &&
      (toMs === null || header.maxTimestampMs <= toMs) &&
      (header.attributes & (ATTRIBUTE.logAppendTime | DELETE_HORIZON)) === 0 &&
      header.sizeBytes <= maxBatchBytes &&
      ((codec === this.#codecFor(header) && header.sizeBytes >= mergeBelow) || !hasExactTimestamps(header))
    );
  }

  #takeRecords(header: RecordBatchHeader): void {
    const { fromOffset, toOffset, fromMs, toMs, cutAtFirstPast } = this.#task;
    const records = this.#recordsOf(header);
    const cursor = new RecordCursor(records, header.recordCount);
    const codec = this.#codecFor(header);
    const appendTimeMs = isLogAppendTime(header) ? header.maxTimestampMs : undefined;
    const isInside = this.#isInside(header);
    const isExact = hasExactTimestamps(header);
    while (cursor.next()) {
      const timestampMs = appendTimeMs ?? header.baseTimestampMs + cursor.timestampDelta;
      const offset = header.baseOffset + BigInt(cursor.offsetDelta);
      if (!isInside && (offset < fromOffset || offset >= toOffset)) continue;
      const isPast = toMs !== null && timestampMs > toMs;
      if (isPast && cutAtFirstPast) this.#isCut = true;
      if (isPast || this.#isCut || (fromMs !== null && timestampMs < fromMs)) this.#dropped['outside-window'] += 1;
      else if (isExact) this.#output.appendRecord(records, cursor, { timestampMs, offset, codec });
      else
        throw new BackupError(
          'BATCH_CORRUPT',
          `record ${offset} has a timestamp beyond 2^53 in a batch that must be re-encoded`,
        );
    }
  }

  /** What the restored batch is compressed with: the producer's own codec, which an expanded batch has in the footer. */
  #codecFor(header: RecordBatchHeader): ProducerCodec {
    const { compression, producerCodecs } = this.#task;
    if (compression !== 'producer') return compression;
    const codec = codecOf(header);
    if (codec !== 'none') return codec;
    return producerCodecs.findLast((run) => run.baseOffset <= header.baseOffset)?.codec ?? 'none';
  }
}

/** Where ready batches go, and the batch that is being merged. */
class OutputArea {
  readonly #task: JudgeTask;
  readonly #batches: ReadyBatch[] = [];
  readonly #builder: BatchBuilder;
  #bytes: Uint8Array;
  #overflow: SharedArrayBuffer | null = null;
  #position = 0;
  #recordCount = 0;
  #codec: ProducerCodec = 'none';
  #firstOffset = 0n;
  #lastOffset = 0n;

  constructor(task: JudgeTask) {
    this.#task = task;
    this.#bytes = new Uint8Array(task.output);
    this.#builder = builderFor(task.maxBatchBytes);
  }

  copyBatch(raw: Uint8Array, header: RecordBatchHeader): void {
    this.#flush();
    const batch = this.#claim(header.sizeBytes);
    batch.set(raw.subarray(header.position, header.position + header.sizeBytes));
    const view = viewOf(batch);
    view.setBigInt64(BATCH_FIELD.baseOffset, 0n);
    view.setInt32(BATCH_FIELD.partitionLeaderEpoch, -1);
    view.setInt16(BATCH_FIELD.attributes, header.attributes & ATTRIBUTE.codecMask);
    this.#add(header.sizeBytes, header.recordCount, header.baseOffset, header.lastOffset);
  }

  appendRecord(
    records: Uint8Array,
    cursor: RecordCursor,
    {
      timestampMs,
      offset,
      codec,
    }: { readonly timestampMs: number; readonly offset: bigint; readonly codec: ProducerCodec },
  ): void {
    const builder = this.#builder;
    const payloadBytes = cursor.end - cursor.payloadPosition;
    if (
      codec !== this.#codec ||
      builder.recordCount >= this.#task.maxBatchRecords ||
      builder.sizeWith(payloadBytes) > this.#task.maxBatchBytes
    ) {
      this.#flush();
      this.#codec = codec;
    }
    if (builder.recordCount === 0) this.#firstOffset = offset;
    this.#lastOffset = offset;
    builder.append(records, cursor.payloadPosition, cursor.end, timestampMs);
  }

  finish(): { batches: readonly ReadyBatch[]; overflow: SharedArrayBuffer | null; recordCount: number } {
    this.#flush();
    return { batches: this.#batches, overflow: this.#overflow, recordCount: this.#recordCount };
  }

  #flush(): void {
    const builder = this.#builder;
    if (builder.recordCount === 0) return;
    const plainBytes = builder.sizeBytes;
    const records = this.#codec === 'none' ? undefined : compressRecords(this.#codec, builder.records());
    const sizeBytes = records === undefined ? plainBytes : BATCH_HEADER_BYTES + records.byteLength;
    // Random data grows when it is compressed, and may then be more than the target takes.
    if (records === undefined || (sizeBytes > this.#task.maxBatchBytes && plainBytes < sizeBytes)) {
      const batch = builder.finish();
      this.#claim(plainBytes).set(batch);
      this.#add(plainBytes, builder.recordCount, this.#firstOffset, this.#lastOffset);
    } else {
      const batch = this.#claim(sizeBytes);
      batch.set(records, BATCH_HEADER_BYTES);
      builder.writeHeader(batch, this.#codec);
      this.#add(sizeBytes, builder.recordCount, this.#firstOffset, this.#lastOffset);
    }
    builder.reset();
  }

  /** Room for the next batch, at the present position. */
  #claim(sizeBytes: number): Uint8Array {
    if (this.#position + sizeBytes > this.#bytes.byteLength) {
      const larger = new SharedArrayBuffer(Math.max(this.#position + sizeBytes, this.#bytes.byteLength * 2));
      new Uint8Array(larger).set(this.#bytes.subarray(0, this.#position));
      this.#overflow = larger;
      this.#bytes = new Uint8Array(larger);
    }
    return this.#bytes.subarray(this.#position, this.#position + sizeBytes);
  }

  #add(sizeBytes: number, recordCount: number, firstSourceOffset: bigint, lastSourceOffset: bigint): void {
    this.#batches.push({ position: this.#position, sizeBytes, recordCount, firstSourceOffset, lastSourceOffset });
    this.#position += sizeBytes;
    this.#recordCount += recordCount;
  }
}

let keptBuilder: BatchBuilder | undefined;

/** One builder serves a thread: its memory is kept between frames. */
function builderFor(maxBatchBytes: number): BatchBuilder {
  keptBuilder ??= new BatchBuilder(maxBatchBytes);
  keptBuilder.reset();
  return keptBuilder;
}
