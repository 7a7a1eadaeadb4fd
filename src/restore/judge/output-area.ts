// Where the batches of one judged frame are written, and the batches that are being merged: one for each target, since every
// target gets its records in the order of the log. A batch ends with its frame, so that the same frame gives the same batches.

import { copyBytes } from '../../model/buffer/copy-bytes.ts';
import type { ProducerCodec } from '../../model/codec.ts';
import { BatchBuilder } from '../../record/batch-builder.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  type RecordBatchHeader,
  viewOf,
} from '../../record/batch-header.ts';
import { compressRecords } from '../../record/producer-compression.ts';
import type { JudgeResult, JudgeTask, OffsetRun, ReadyBatch } from './judge-task.ts';
import type { RecordPayload } from './record-shape.ts';

/** Into which batch a record goes, and what that batch says of it. One is filled for record after record. */
export interface RecordPlace {
  targetIndex: number;
  timestampMs: number;
  /** Of its source offset, from the first offset of the frame. */
  distance: number;
  /** What its batch is to be compressed with. */
  codec: ProducerCodec;
}

/** Builders grow as they are needed: a topic may have a thousand partitions, each with its share of one frame. */
const FIRST_CAPACITY_BYTES = 16 * 1024;
/** What a thread keeps of its builders between frames. */
const KEPT_CAPACITY_BYTES = 16 * 1024 * 1024;

/** The batch of one target that is being merged. */
interface Growing {
  readonly targetIndex: number;
  readonly builder: BatchBuilder;
  codec: ProducerCodec;
  runs: { distance: number; count: number }[];
  /** Of the record that would continue the last run. */
  nextDistance: number;
}

let keptBuilders: BatchBuilder[] = [];

export class OutputArea {
  readonly #task: JudgeTask;
  readonly #firstOffset: bigint;
  readonly #batches: ReadyBatch[] = [];
  /** By target. */
  readonly #growing: readonly Growing[];
  #bytes: Uint8Array;
  #overflow: SharedArrayBuffer | null = null;
  #position = 0;
  #recordCount = 0;

  /** Distances are from `firstOffset`. */
  constructor(task: JudgeTask, firstOffset: bigint) {
    this.#task = task;
    this.#firstOffset = firstOffset;
    this.#bytes = new Uint8Array(task.output);
    this.#growing = Array.from({ length: task.shape?.partitions ?? 1 }, (_, targetIndex) => ({
      targetIndex,
      builder: builderFor(targetIndex),
      codec: 'none',
      runs: [],
      nextDistance: 0,
    }));
  }

  /** Copies a whole batch, header mended, for the first target. */
  copyBatch(raw: Uint8Array, header: RecordBatchHeader): void {
    this.#flush(this.#growingOf(0));
    const batch = this.#claim(header.sizeBytes);
    copyBytes(raw, { start: header.position, end: header.position + header.sizeBytes }, batch, 0);
    const view = viewOf(batch);
    view.setBigInt64(BATCH_FIELD.baseOffset, 0n);
    view.setInt32(BATCH_FIELD.partitionLeaderEpoch, -1);
    view.setInt16(BATCH_FIELD.attributes, header.attributes & ATTRIBUTE.codecMask);
    const { sizeBytes, recordCount, baseOffset } = header;
    this.#add(sizeBytes, recordCount, {
      targetIndex: 0,
      runs: [{ firstSourceOffset: baseOffset, count: recordCount }],
    });
  }

  /** `timestamp`: where no number holds it, and the place's is rounded. */
  appendRecord(
    payload: RecordPayload,
    { targetIndex, timestampMs, distance, codec }: RecordPlace,
    timestamp?: bigint,
  ): void {
    const growing = this.#growingOf(targetIndex);
    const { builder } = growing;
    if (
      codec !== growing.codec ||
      builder.recordCount >= this.#task.maxBatchRecords ||
      !(timestamp === undefined ? builder.spans(timestampMs) : builder.spansExactly(timestamp)) ||
      builder.sizeWith(payload.end - payload.payloadPosition) > this.#task.maxBatchBytes
    ) {
      this.#flush(growing);
      growing.codec = codec;
    }
    const run = growing.runs[growing.runs.length - 1];
    if (run !== undefined && distance === growing.nextDistance) run.count += 1;
    else growing.runs.push({ distance, count: 1 });
    growing.nextDistance = distance + 1;
    const { bytes, payloadPosition, end } = payload;
    if (timestamp === undefined) builder.append(bytes, payloadPosition, end, timestampMs);
    else builder.appendExactly(bytes, payloadPosition, end, timestamp);
  }

  /** Ends every batch that is being merged; the area is not used after it. */
  finish(): Pick<JudgeResult, 'batches' | 'overflow' | 'recordCount'> {
    for (const growing of this.#growing) this.#flush(growing);
    releaseBuilders();
    return { batches: this.#batches, overflow: this.#overflow, recordCount: this.#recordCount };
  }

  #growingOf(targetIndex: number): Growing {
    const growing = this.#growing[targetIndex];
    if (growing === undefined) throw new RangeError(`no target ${targetIndex} among ${this.#growing.length}`);
    return growing;
  }

  #flush(growing: Growing): void {
    const { builder, codec, targetIndex } = growing;
    if (builder.recordCount === 0) return;
    const plainBytes = builder.sizeBytes;
    const records = codec === 'none' ? undefined : compressRecords(codec, builder.records());
    let sizeBytes = records === undefined ? plainBytes : BATCH_HEADER_BYTES + records.byteLength;
    // Random data grows when it is compressed, and may then be more than the target takes.
    if (records === undefined || (sizeBytes > this.#task.maxBatchBytes && plainBytes < sizeBytes)) {
      sizeBytes = plainBytes;
      copyBytes(builder.finish(), { start: 0, end: sizeBytes }, this.#claim(sizeBytes), 0);
    } else {
      const batch = this.#claim(sizeBytes);
      copyBytes(records, { start: 0, end: records.byteLength }, batch, BATCH_HEADER_BYTES);
      builder.writeHeader(batch, codec);
    }
    const runs = growing.runs.map(({ distance, count }) => ({
      firstSourceOffset: this.#firstOffset + BigInt(distance),
      count,
    }));
    this.#add(sizeBytes, builder.recordCount, { targetIndex, runs });
    builder.reset();
    growing.runs = [];
  }

  /** Room for the next batch, at the present position. */
  #claim(sizeBytes: number): Uint8Array {
    if (this.#position + sizeBytes > this.#bytes.byteLength) {
      const larger = new SharedArrayBuffer(Math.max(this.#position + sizeBytes, this.#bytes.byteLength * 2));
      copyBytes(this.#bytes, { start: 0, end: this.#position }, new Uint8Array(larger), 0);
      this.#overflow = larger;
      this.#bytes = new Uint8Array(larger);
    }
    return this.#bytes.subarray(this.#position, this.#position + sizeBytes);
  }

  #add(
    sizeBytes: number,
    recordCount: number,
    origin: { readonly targetIndex: number; readonly runs: readonly OffsetRun[] },
  ): void {
    this.#batches.push({ position: this.#position, sizeBytes, recordCount, ...origin });
    this.#position += sizeBytes;
    this.#recordCount += recordCount;
  }
}

/** The builder of a thread for a target, empty whatever became of the frame before. */
function builderFor(targetIndex: number): BatchBuilder {
  const builder = keptBuilders[targetIndex] ?? new BatchBuilder(FIRST_CAPACITY_BYTES);
  keptBuilders[targetIndex] = builder;
  builder.reset();
  return builder;
}

/** Their memory is kept for the next frame, up to a limit. */
function releaseBuilders(): void {
  const keptBytes = keptBuilders.reduce((total, { capacityBytes }) => total + capacityBytes, 0);
  if (keptBytes > KEPT_CAPACITY_BYTES) keptBuilders = [];
}
