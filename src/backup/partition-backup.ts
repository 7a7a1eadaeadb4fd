// One partition of a backup: takes fetched batches in, in order, and turns them into sealed segments. It owns the open segment, its
// open frame and the order in which sealed segments reach the commit queue. Positions: `nextOffset` is behind everything
// taken in, `durableOffset` behind everything that is in the store and queued for its commit. After any failure the partition
// goes back to `durableOffset` and reads Kafka again from there; nothing else has to be undone.

import { randomBytes } from 'node:crypto';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { ResumePosition } from '../catalog/catalog-head.ts';
import type { CatalogAction } from '../catalog/commit.ts';
import type { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { LogPositions } from '../kafka/partition-log.ts';
import type { RetainedMemory } from '../model/buffer/retained-memory.ts';
import { errorOf, invariant } from '../model/errors.ts';
import type { Gap, PartitionIdentity, SegmentSummary } from '../model/segment/segment.ts';
import { BatchCursor } from '../record/batch-cursor.ts';
import type { RecordBatchHeader } from '../record/batch-header.ts';
import type { PackResult } from '../segment/pack-frame.ts';
import { type RawFrame, SegmentWriter, type SegmentSettings } from '../segment/segment-writer.ts';
import { type SealLimits, type SealReason, sealReason } from '../segment/seal-policy.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { RecompressMode } from './frame/expansion-choice.ts';
import { FrameIntake } from './frame/frame-intake.ts';
import type { FrameMemory } from './frame/frame-memory.ts';
import { type EpochEnd, storedEpochEnd } from './stored-epochs.ts';
import type { UploadBudget, UploadHolding } from './upload-budget.ts';

/** Shared by all partitions of a backup. */
export interface PartitionContext {
  readonly layout: ObjectLayout;
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  readonly outputs: SharedBufferPool;
  readonly memory: FrameMemory;
  readonly uploads: UploadBudget;
  readonly settings: SegmentSettings;
  readonly limits: SealLimits;
  readonly recompress: RecompressMode;
  /** Monotonic, for ages. */
  readonly monotonicMs: () => number;
  /** Wall clock, for what is written down. */
  readonly wallMs: () => number;
  readonly queue: (action: CatalogAction) => void;
  /** Makes sure that memory will be given back: see PartitionRoster. */
  readonly relieveMemory: () => void;
  /** Makes sure that segments will go up: see PartitionRoster. */
  readonly relieveUploads: () => void;
  readonly onSealed: (reason: SealReason) => void;
}

/** Sealed segments of one partition that are still going up; more would let one slow upload pile up others. */
const MAX_UPLOADS = 3;

type LogEnd = Pick<LogPositions, 'highWatermark' | 'lastStableOffset'>;

interface OpenSegment {
  readonly writer: SegmentWriter;
  readonly holding: UploadHolding;
  rawSizeBytes: number;
  recordCount: number;
  readonly oldestArrivalMs: number;
}

export class PartitionBackup {
  readonly identity: PartitionIdentity;
  /** As last seen; -1 before that. */
  highWatermark = -1n;
  /** Epoch of the last batch before `nextOffset`; -1 unknown. */
  lastEpoch: number;
  /** Highest timestamp of the first batch taken in; undefined before that, and where it has none. */
  firstTimestampMs: number | undefined;
  #nextOffset: bigint;
  /** Behind the last sealed segment or gap: the next segment begins here, so that segments and gaps tile the log. */
  #coveredOffset: bigint;
  #durable: ResumePosition;
  #timeline: number;
  readonly #context: PartitionContext;
  readonly #frames: FrameIntake;
  #segment: OpenSegment | undefined;
  #uploads = 0;
  /** Sealed segments, gaps and truncations, in order; rejects at the first that failed. */
  #chain: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  /** As the last answer told. */
  #seen: LogEnd | undefined;
  /** A last stable offset, and a watermark that was read after it. */
  #observed: LogEnd | undefined;
  #decidedOffset = 0n;
  /** Counts resets: what an older generation still has under way no longer counts. */
  #generation = 0;
  #isAppending = false;

  constructor(identity: PartitionIdentity, resume: ResumePosition, context: PartitionContext) {
    this.identity = identity;
    this.#context = context;
    const { memory, relieveMemory, recompress, settings } = context;
    const { codec } = settings;
    const pack = (frame: RawFrame): Promise<PackResult> => this.#pack(frame);
    this.#frames = new FrameIntake({ memory, relieveMemory, recompress, codec, pack });
    this.#durable = resume;
    this.#nextOffset = resume.nextOffset;
    this.#coveredOffset = resume.nextOffset;
    this.#timeline = resume.timeline;
    this.lastEpoch = resume.leaderEpoch;
  }

  /** Next offset that is not taken in yet. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  get durableOffset(): bigint {
    return this.#durable.nextOffset;
  }

  /** Where whoever takes the partition up again goes on. */
  get durable(): ResumePosition {
    return this.#durable;
  }

  get openFrameBytes(): number {
    return this.#frames.openBytes;
  }

  /** What the open segment holds in memory at the store. */
  get heldBytes(): number {
    return this.#segment?.holding.heldBytes ?? 0;
  }

  /** What went wrong since the last reset; the supervisor decides when to {@link reset}. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Takes in the whole batches of `records` that begin before `endOffset`. Waits for memory and for uploads that lag behind.
   * @param source retained for as long as whole frames lie in `records`; without it they are copied
   * @throws BATCH_CORRUPT when the bytes are not record batches.
   */
  async append(
    records: Uint8Array,
    positions: LogPositions,
    endOffset?: bigint,
    source?: RetainedMemory,
  ): Promise<void> {
    invariant(!this.#isAppending, 'two appends to one partition at the same time');
    this.#isAppending = true;
    this.#frames.enter(source);
    this.observe(positions);
    try {
      await this.#takeBatches(records, endOffset);
    } finally {
      this.#frames.leave();
      this.#isAppending = false;
    }
  }

  async #takeBatches(records: Uint8Array, endOffset: bigint | undefined): Promise<void> {
    const generation = this.#generation;
    const isOvertaken = (): boolean => generation !== this.#generation || this.#failure !== undefined;
    const header = new BatchCursor(records);
    const startDistance = header.distanceOf(this.#nextOffset);
    const endDistance = endOffset === undefined ? Number.POSITIVE_INFINITY : header.distanceOf(endOffset);
    while (header.next()) {
      if (header.distance + header.lastOffsetDelta < startDistance) continue;
      if (header.distance >= endDistance) break;
      if (this.#uploads >= MAX_UPLOADS) await this.#chain.catch(() => {});
      // Not awaited without need: there may be a batch for every record.
      if (this.#context.uploads.isSpent) await this.#untilUploadsFit();
      while (!isOvertaken() && !this.#frames.makeRoomFor(header, records.byteLength - header.position)) {
        await this.#frames.untilMemoryIsReleased();
      }
      if (isOvertaken()) return;
      // At once: nobody else ever sees a frame that was opened for a batch without it.
      this.#take(records, header);
    }
  }

  /** Notes what the log looks like at the start: `highWatermark` was read after `lastStableOffset`. */
  observeStart(end: LogEnd): void {
    this.highWatermark = end.highWatermark;
    this.#seen = end;
    this.#observed = end;
  }

  /**
   * Notes what the log looks like by an answer. A last stable offset tells that transactions before it are decided, by markers
   * below the high watermark of that moment: it may be relied on once everything up to that watermark is taken in. A broker reads
   * the watermark of an answer first (Partition.readRecords), so its last stable offset may rest on a marker at or above it; the
   * watermark of the next answer was read after both. A new leader's may lag behind for a while: then the higher one counts.
   */
  observe(end: LogPositions): void {
    const { highWatermark } = end;
    const before = this.#seen;
    this.highWatermark = highWatermark;
    this.#seen = end;
    if (this.#observed !== undefined && this.#nextOffset < this.#observed.highWatermark) return;
    if (this.#observed !== undefined) this.#decidedOffset = this.#observed.lastStableOffset;
    if (before === undefined) return;
    this.#observed = highWatermark < before.highWatermark ? before : { ...before, highWatermark };
  }

  /** Goes on at `nextOffset`: compaction left nothing before it. The next segment to be sealed covers the hole. */
  skipTo(nextOffset: bigint): void {
    this.#nextOffset = nextOffset;
  }

  /** Behind what is committed; also behind a hole at the end that compaction has left, which no segment covers yet. */
  reachedFrom(committedOffset: bigint): bigint {
    const isAllCommitted = this.#segment === undefined && committedOffset >= this.#coveredOffset;
    return isAllCommitted ? this.#nextOffset : committedOffset;
  }

  /** Seals by age. */
  sealIfDue(): void {
    if (this.#segment === undefined) return;
    const reason = sealReason(this.#segment, this.#context.limits, this.#context.monotonicMs());
    if (reason !== undefined) this.seal(reason);
  }

  /** Ends the open segment, if there is one. It is committed once it is in the store. */
  seal(reason: SealReason): void {
    this.closeFrame();
    const segment = this.#segment;
    if (segment === undefined) return;
    this.#segment = undefined;
    this.#coveredOffset = this.#nextOffset;
    const sealed = segment.writer.seal({
      nextOffset: this.#nextOffset,
      decidedOffset: this.#decidedBelow(),
      capturedAtMs: this.#context.wallMs(),
      reachedLogEnd: this.#nextOffset >= this.highWatermark,
    });
    this.#context.onSealed(reason);
    this.#uploads += 1;
    this.#enqueue(async () => {
      try {
        const summary = await sealed;
        return { action: { kind: 'segment', segment: summary }, durable: resumeAfter(summary) };
      } finally {
        this.#uploads -= 1;
        segment.holding.end();
      }
    });
  }

  /** Records that offsets from `nextOffset` to before `endOffset` could not be had, and goes on behind them. */
  recordGap(endOffset: bigint, reason: Gap['reason']): void {
    this.seal('log-change');
    const gap: Gap = {
      ...this.identity,
      baseOffset: this.#coveredOffset,
      lastOffset: endOffset - 1n,
      reason,
      detectedAtMs: this.#context.wallMs(),
      timeline: this.#timeline,
    };
    this.#nextOffset = endOffset;
    this.#coveredOffset = endOffset;
    const durable = { nextOffset: endOffset, leaderEpoch: this.lastEpoch, timeline: this.#timeline };
    this.#enqueue(async () => ({ action: { kind: 'gap', gap }, durable }));
  }

  /**
   * The source's log was cut at `endOffset`: goes on from there, on a new timeline when records beyond it are durable already.
   * `lastEpoch`: of the last batch before it, where that is known.
   */
  async truncateTo(endOffset: bigint, lastEpoch = -1): Promise<void> {
    await this.#chain.catch(() => {});
    await this.reset();
    if (this.#durable.nextOffset <= endOffset) return;
    const timeline = this.#timeline + 1;
    const truncation = { ...this.identity, endOffset, timeline, detectedAtMs: this.#context.wallMs() };
    const durable = { nextOffset: endOffset, leaderEpoch: lastEpoch, timeline };
    this.#timeline = timeline;
    this.#nextOffset = endOffset;
    this.#coveredOffset = endOffset;
    this.lastEpoch = lastEpoch;
    this.#enqueue(async () => ({ action: { kind: 'truncation', truncation }, durable }));
  }

  /** Where what is durable leaves `epoch`: see {@link storedEpochEnd}. */
  storedEpochEnd(epoch: number): Promise<EpochEnd | undefined> {
    const { store, layout } = this.#context;
    return storedEpochEnd({ store, layout, identity: this.identity, nextOffset: this.durableOffset }, epoch);
  }

  /** Hands the open frame to the threads, full or not. */
  closeFrame(): void {
    this.#frames.close();
  }

  /** Resolves when everything sealed so far is durable and queued. @throws what it failed with. */
  async settled(): Promise<void> {
    await this.#chain;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Forgets what is not durable and goes on from there. */
  async reset(): Promise<void> {
    this.#generation += 1;
    this.#frames.discard();
    this.#segment?.writer.abort();
    this.#segment?.holding.end();
    this.#segment = undefined;
    await this.#chain.catch(() => {});
    this.#chain = Promise.resolve();
    this.#failure = undefined;
    this.#nextOffset = this.#durable.nextOffset;
    this.#coveredOffset = this.#durable.nextOffset;
    this.lastEpoch = this.#durable.leaderEpoch;
    this.#timeline = this.#durable.timeline;
    // The log may have been cut since: what it looked like before tells nothing of what is read again.
    this.#seen = undefined;
    this.#observed = undefined;
    this.#decidedOffset = 0n;
  }

  /** Every transaction that began before this offset is decided by a marker before `nextOffset`; 0 when nothing is known. */
  #decidedBelow(): bigint {
    const observed = this.#observed;
    if (observed !== undefined && this.#nextOffset >= observed.highWatermark)
      this.#decidedOffset = observed.lastStableOffset;
    return this.#decidedOffset;
  }

  async #untilUploadsFit(): Promise<void> {
    const { uploads, relieveUploads } = this.#context;
    while (uploads.isSpent) {
      const released = uploads.released();
      relieveUploads();
      await released;
    }
  }

  #take(records: Uint8Array, header: RecordBatchHeader): void {
    this.#segment ??= this.#openSegment();
    this.#frames.append(records, header);
    this.#segment.rawSizeBytes += header.sizeBytes;
    this.#segment.recordCount += header.recordCount;
    this.#nextOffset = header.lastOffset + 1n;
    this.lastEpoch = header.partitionLeaderEpoch;
    if (this.firstTimestampMs === undefined && header.maxTimestampMs >= 0)
      this.firstTimestampMs = header.maxTimestampMs;
    const { limits, monotonicMs } = this.#context;
    const reason = sealReason(this.#segment, limits, monotonicMs());
    if (reason === 'size' || reason === 'records') this.seal(reason);
  }

  async #pack(frame: RawFrame): Promise<PackResult> {
    const generation = this.#generation;
    try {
      invariant(this.#segment !== undefined, 'a frame was closed without an open segment');
      return await this.#segment.writer.addFrame(frame);
    } catch (error) {
      if (generation === this.#generation) this.#failure ??= errorOf(error);
      throw error;
    }
  }

  #openSegment(): OpenSegment {
    const { layout, store, workers, outputs, uploads, settings, monotonicMs } = this.#context;
    const { identity } = this;
    const key = layout.segment(identity, this.#coveredOffset, randomBytes(4).toString('hex'), settings.codec);
    const holding = uploads.open();
    const writer = new SegmentWriter({
      identity,
      key,
      baseOffset: this.#coveredOffset,
      timeline: this.#timeline,
      settings,
      store,
      workers,
      outputs,
      onStored: (storedBytes) => holding.grow(storedBytes),
    });
    return { writer, holding, rawSizeBytes: 0, recordCount: 0, oldestArrivalMs: monotonicMs() };
  }

  /** Runs `step` after all former ones and queues its action; a failure stops everything behind it. */
  #enqueue(step: () => Promise<{ readonly action: CatalogAction; readonly durable: ResumePosition }>): void {
    const generation = this.#generation;
    const pending = step();
    pending.catch(() => {});
    this.#chain = this.#chain.then(async () => {
      try {
        const { action, durable } = await pending;
        this.#context.queue(action);
        this.#durable = durable;
      } catch (error) {
        if (generation === this.#generation) this.#failure ??= errorOf(error);
        throw error;
      }
    });
    this.#chain.catch(() => {});
  }
}

function resumeAfter({ nextOffset, leaderEpoch, timeline }: SegmentSummary): ResumePosition {
  return { nextOffset, leaderEpoch, timeline };
}
