// A segment of ours that is being filled with records of the peer. Records become batches as a plain producer would have sent
// them, with the offsets that they had, holes included; batches fill frames, frames go to the threads and into the store. Nothing of it
// is visible before it is sealed, and it is sealed only where a file of the peer ended and proved whole.

import type { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import { invariant } from '../model/errors.ts';
import type { PartitionIdentity, SegmentSummary } from '../model/segment/segment.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { BATCH_FIELD, sealBatchCrc, viewOf } from '../record/batch-header.ts';
import { type SegmentSettings, SegmentWriter } from '../segment/segment-writer.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { PeerRecordCursor } from './peer/peer-record.ts';

/** Large enough to be restored as they are, small enough for every broker's `message.max.bytes`. */
const BATCH_BYTES = 512 * 1024;
/** A batch with larger holes would only count offsets. */
const LARGEST_HOLE = 10_000n;

/** What all segments of an import are filled with; the pools are shared by its partitions. */
export interface SegmentFilling {
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  readonly settings: SegmentSettings;
  /** Frames that are being filled or packed. */
  readonly frames: SharedBufferPool;
  readonly outputs: SharedBufferPool;
  readonly keepsAddedHeaders: boolean;
}

export class OpenSegment {
  readonly #filling: SegmentFilling;
  readonly #writer: SegmentWriter;
  readonly #builder = new BatchBuilder(BATCH_BYTES);
  #payload = new Uint8Array(64 * 1024);
  #baseOffset = 0n;
  #nextOffset = 0n;
  #baseTimestampMs = 0;
  /** Of the record in the builder, where no number holds it exactly; it is alone there. */
  #oddTimestamp: bigint | undefined;
  #frame: FilledFrame | undefined;
  #rawSizeBytes = 0;
  #recordCount = 0;

  /** `baseOffset` is the first offset covered; from there to the first record the peer had none. */
  constructor(identity: PartitionIdentity, key: string, baseOffset: bigint, filling: SegmentFilling) {
    this.#filling = filling;
    const { settings, store, workers, outputs } = filling;
    this.#writer = new SegmentWriter({ identity, key, baseOffset, timeline: 0, settings, store, workers, outputs });
  }

  /** Bytes of the batches so far, before compression. */
  get rawSizeBytes(): number {
    return this.#rawSizeBytes + this.#builder.sizeBytes;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** False when {@link makeRoom} has to come before {@link append}. */
  hasRoomFor(record: PeerRecordCursor): boolean {
    if (this.#builder.recordCount === 0) return true;
    const timestampMs = Number(record.timestamp);
    return (
      this.#oddTimestamp === undefined &&
      Number.isSafeInteger(timestampMs) &&
      Number.isSafeInteger(timestampMs - this.#baseTimestampMs) &&
      this.#builder.sizeWith(record.payloadSize(this.#filling.keepsAddedHeaders)) <= BATCH_BYTES &&
      record.offset - this.#nextOffset <= LARGEST_HOLE
    );
  }

  /** Takes the record on which the cursor stands; its bytes are copied. */
  append(record: PeerRecordCursor): void {
    const { keepsAddedHeaders } = this.#filling;
    const timestampMs = Number(record.timestamp);
    const isExact = Number.isSafeInteger(timestampMs);
    if (this.#builder.recordCount === 0) {
      this.#baseOffset = record.offset;
      this.#baseTimestampMs = timestampMs;
      this.#oddTimestamp = isExact ? undefined : record.timestamp;
    } else if (record.offset > this.#nextOffset) {
      this.#builder.skipOffsets(Number(record.offset - this.#nextOffset));
    }
    const payloadBytes = record.payloadSize(keepsAddedHeaders);
    if (this.#payload.byteLength < payloadBytes) this.#payload = new Uint8Array(payloadBytes * 2);
    record.encode(this.#payload, keepsAddedHeaders);
    this.#builder.append(this.#payload, 0, payloadBytes, isExact ? timestampMs : 0);
    this.#nextOffset = record.offset + 1n;
    this.#recordCount += 1;
  }

  /** Ends the open batch. Waits while the threads are busy. @throws what they or the store failed with. */
  async makeRoom(): Promise<void> {
    const recordCount = this.#builder.recordCount;
    const batch = this.#builder.finish();
    const view = viewOf(batch);
    view.setBigInt64(BATCH_FIELD.baseOffset, this.#baseOffset);
    view.setBigInt64(BATCH_FIELD.producerId, -1n);
    view.setInt16(BATCH_FIELD.producerEpoch, -1);
    view.setInt32(BATCH_FIELD.baseSequence, -1);
    if (this.#oddTimestamp !== undefined) {
      view.setBigInt64(BATCH_FIELD.baseTimestamp, this.#oddTimestamp);
      view.setBigInt64(BATCH_FIELD.maxTimestamp, this.#oddTimestamp);
    }
    sealBatchCrc(batch);
    const frame = await this.#frameFor(batch.byteLength);
    frame.add(batch, { baseOffset: this.#baseOffset, lastOffset: this.#nextOffset - 1n, recordCount });
    this.#rawSizeBytes += batch.byteLength;
    this.#builder.reset();
  }

  /** Ends it at `nextOffset`, behind all its records; resolves when the object is durable. @throws as {@link makeRoom}. */
  async seal(nextOffset: bigint, capturedAtMs: number): Promise<SegmentSummary> {
    if (this.#builder.recordCount > 0) await this.makeRoom();
    await this.#endFrame();
    // The peer does not tell transactions apart, so none is open; and it does not say where the source's log ended.
    return this.#writer.seal({ nextOffset, decidedOffset: nextOffset, capturedAtMs, reachedLogEnd: false });
  }

  /** Gives it up: nothing of it becomes visible. */
  abort(): void {
    this.#writer.abort();
    this.#frame?.release();
    this.#frame = undefined;
  }

  async #frameFor(sizeBytes: number): Promise<FilledFrame> {
    if (this.#frame !== undefined && !this.#frame.hasRoom(sizeBytes)) await this.#endFrame();
    this.#frame ??= await FilledFrame.open(this.#filling.frames, sizeBytes);
    return this.#frame;
  }

  async #endFrame(): Promise<void> {
    const frame = this.#frame;
    if (frame === undefined) return;
    if (this.#writer.failure !== undefined) throw this.#writer.failure;
    this.#frame = undefined;
    // What makes it fail is the writer's failure, thrown when the next frame or the seal finds it.
    const release = (): void => frame.release();
    void this.#writer.addFrame(frame.whole()).then(release, release);
  }
}

interface BatchFacts {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly recordCount: number;
}

/** A frame's raw bytes on their way to the threads. */
class FilledFrame {
  readonly #raw: SharedArrayBuffer;
  readonly #pool: SharedBufferPool | undefined;
  readonly #batches: BatchFacts[] = [];
  #sizeBytes = 0;

  private constructor(raw: SharedArrayBuffer, pool: SharedBufferPool | undefined) {
    this.#raw = raw;
    this.#pool = pool;
  }

  /** A batch larger than any frame gets memory of its own. */
  static async open(pool: SharedBufferPool, neededBytes: number): Promise<FilledFrame> {
    if (neededBytes > pool.bufferBytes) return new FilledFrame(new SharedArrayBuffer(neededBytes), undefined);
    return new FilledFrame(await pool.acquire(), pool);
  }

  hasRoom(sizeBytes: number): boolean {
    return this.#sizeBytes + sizeBytes <= this.#raw.byteLength;
  }

  add(batch: Uint8Array, facts: BatchFacts): void {
    new Uint8Array(this.#raw, this.#sizeBytes).set(batch);
    this.#sizeBytes += batch.byteLength;
    this.#batches.push(facts);
  }

  whole() {
    const [first, last] = [this.#batches[0], this.#batches.at(-1)];
    invariant(first !== undefined && last !== undefined, 'a frame without a batch was ended');
    return {
      raw: new Uint8Array(this.#raw, 0, this.#sizeBytes),
      baseOffset: first.baseOffset,
      lastOffset: last.lastOffset,
      recordCount: this.#batches.reduce((total, { recordCount }) => total + recordCount, 0),
      batchCount: this.#batches.length,
      expansion: 'never' as const,
    };
  }

  release(): void {
    this.#pool?.release(this.#raw);
  }
}
