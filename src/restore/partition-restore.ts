// Restores one partition: reads the needed frames ahead, has them judged by the threads in any order, and sends what is left in
// the order of the log. Counts what was acknowledged, never what was only sent.

import type { CurrentSegment } from '../catalog/catalog-state.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import type { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { PartitionProducer } from '../kafka/restore-sink.ts';
import { BackupError } from '../model/errors.ts';
import { addDrops, type DropCounts, NO_DROPS, type RecoveryTarget } from '../model/recovery-target.ts';
import type { FrameEntry, SegmentFooter } from '../model/segment.ts';
import { partitionName } from '../model/topic-partition.ts';
import { readFooter, readFrame } from '../segment/segment-reader.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { JUDGE_FRAME, type JudgeResult } from './judge-frame.ts';
import { canHoldWanted, type PartitionRestorePlan } from './restore-plan.ts';
import type { RestoreSettings } from './restore-settings.ts';
import type { TokenBucket } from './token-bucket.ts';
import { TransactionIndex } from './transaction-index.ts';

/** Shared by all partitions of a restore. */
export interface PartitionRestoreContext {
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  readonly stored: SharedBufferPool;
  readonly outputs: SharedBufferPool;
  readonly settings: RestoreSettings;
  readonly recoveryTarget: RecoveryTarget;
  readonly recordRate: TokenBucket | null;
  readonly byteRate: TokenBucket | null;
  readonly signal: AbortSignal;
}

/** Frames of one partition that are read and judged ahead of the one being sent. */
const FRAMES_AHEAD = 3;
/** A merged batch may be a little larger than the records it is made of. */
const OUTPUT_SLACK = 1.25;

interface FrameRef {
  readonly current: CurrentSegment;
  readonly footer: SegmentFooter;
  readonly frame: FrameEntry;
}

interface JudgedFrame {
  readonly result: JudgeResult;
  readonly bytes: SharedArrayBuffer;
  readonly release: () => void;
}

export class PartitionRestore {
  readonly plan: PartitionRestorePlan;
  recordsRestored = 0;
  bytesRead = 0;
  bytesSent = 0;
  dropped: DropCounts = NO_DROPS;
  firstTargetOffset: bigint | null = null;
  lastTargetOffset: bigint | null = null;
  isDone = false;
  readonly #context: PartitionRestoreContext;
  readonly #maxBatchBytes: number;
  #transactions: TransactionIndex | undefined;

  /** `maxMessageBytes`: what the target allows for one batch. */
  constructor(plan: PartitionRestorePlan, context: PartitionRestoreContext, maxMessageBytes: number) {
    this.plan = plan;
    this.#context = context;
    this.#maxBatchBytes = Math.min(context.settings.maxBatchBytes, maxMessageBytes);
  }

  /** Records in the selected segments, before any is dropped. */
  get recordsPlanned(): number {
    return this.plan.segments.reduce((total, { segment }) => total + segment.recordCount, 0);
  }

  /**
   * Restores everything and waits for the last acknowledgement.
   * @throws INTERRUPTED when the signal aborts, TARGET_CHANGED, OBJECT_MISSING, OBJECT_CORRUPT, BATCH_CORRUPT and what the
   * producer fails with; nothing is counted that was not acknowledged.
   */
  async run(producer: PartitionProducer): Promise<void> {
    const { store, recoveryTarget } = this.#context;
    this.#transactions = await TransactionIndex.read(store, this.plan.transactionalSegments, recoveryTarget);
    const frames: Promise<void>[] = [];
    let failure: unknown;
    for await (const judged of this.#judgedFrames()) {
      const { acknowledged } = await this.#send(judged, producer);
      frames.push(acknowledged);
      acknowledged.catch((error: unknown) => {
        failure ??= error;
      });
      if (failure !== undefined || judged.result.isCut) break;
    }
    await Promise.all(frames);
    this.isDone = true;
  }

  /** Hands a frame's batches to the producer; the result resolves when all are acknowledged, and the memory is given back then. */
  async #send(judged: JudgedFrame, producer: PartitionProducer): Promise<{ readonly acknowledged: Promise<void> }> {
    const { signal, recordRate, byteRate } = this.#context;
    const acknowledgements: Promise<void>[] = [];
    try {
      for (const batch of judged.result.batches) {
        await recordRate?.take(batch.recordCount, signal);
        await byteRate?.take(batch.sizeBytes, signal);
        if (signal.aborted) throw interrupted(this.plan);
        const bytes = new Uint8Array(judged.bytes, batch.position, batch.sizeBytes);
        const { acknowledged } = await producer.send(bytes, batch.recordCount);
        const counted = acknowledged.then((offset) => this.#count(offset, batch.recordCount));
        counted.catch(() => {});
        acknowledgements.push(counted);
        this.bytesSent += batch.sizeBytes;
      }
    } catch (error) {
      await Promise.allSettled(acknowledgements);
      judged.release();
      throw error;
    }
    this.dropped = addDrops(this.dropped, judged.result.dropped);
    const acknowledged = Promise.allSettled(acknowledgements).then(async () => {
      judged.release();
      await Promise.all(acknowledgements);
    });
    return { acknowledged };
  }

  /** @throws TARGET_CHANGED when the offset shows that somebody else writes to the partition. */
  #count(offset: bigint, recordCount: number): void {
    this.recordsRestored += recordCount;
    if (offset < 0n) {
      // It is there, right behind its predecessor: batches arrive in order.
      if (this.lastTargetOffset !== null) this.lastTargetOffset += BigInt(recordCount);
      return;
    }
    const expected = this.lastTargetOffset === null ? offset : this.lastTargetOffset + 1n;
    if (offset !== expected) {
      throw new BackupError(
        'TARGET_CHANGED',
        `${partitionName({ topic: this.plan.targetTopic, partition: this.plan.targetPartition })} continued at offset ${offset} instead of ${expected}`,
      );
    }
    this.firstTargetOffset ??= offset;
    this.lastTargetOffset = offset + BigInt(recordCount) - 1n;
  }

  /** Frames in the order of the log, some of them judged ahead. Whoever takes one releases it. */
  async *#judgedFrames(): AsyncGenerator<JudgedFrame> {
    const ahead: Promise<JudgedFrame>[] = [];
    try {
      for await (const ref of this.#frames()) {
        const judged = this.#judge(ref);
        judged.catch(() => {});
        ahead.push(judged);
        const next = ahead.length > FRAMES_AHEAD ? ahead.shift() : undefined;
        if (next !== undefined) yield await next;
      }
      for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) yield await next;
    } finally {
      for (const left of ahead) {
        await left.then(
          ({ release }) => release(),
          () => {},
        );
      }
    }
  }

  async *#frames(): AsyncGenerator<FrameRef> {
    const { store, recoveryTarget } = this.#context;
    for (const current of this.plan.segments) {
      const footer = await readFooter(store, current.segment);
      for (const frame of footer.frames) {
        const isInRange = frame.lastOffset >= current.fromOffset && frame.baseOffset < current.toOffset;
        if (isInRange && canHoldWanted(frame, recoveryTarget)) yield { current, footer, frame };
      }
    }
  }

  async #judge({ current, footer, frame }: FrameRef): Promise<JudgedFrame> {
    const { store, workers, settings, recoveryTarget } = this.#context;
    // Asked for first and in the order of the log: so the frame that is to be sent next always has its output.
    const output = await lend(this.#context.outputs, frame.rawSizeBytes * OUTPUT_SLACK);
    const stored = await lend(this.#context.stored, maxStoredSize(frame.storedSizeBytes));
    try {
      const bytes = await readFrame(store, current.segment, frame, new Uint8Array(stored.buffer));
      this.bytesRead += bytes.byteLength;
      const result = await workers.run(JUDGE_FRAME, {
        stored: stored.buffer,
        storedSizeBytes: frame.storedSizeBytes,
        rawSizeBytes: frame.rawSizeBytes,
        codec: current.segment.codec,
        output: output.buffer,
        fromOffset: current.fromOffset,
        toOffset: current.toOffset,
        fromMs: recoveryTarget.fromMs ?? null,
        toMs: recoveryTarget.toMs ?? null,
        cutAtFirstPast: recoveryTarget.cut === 'log',
        judgeTransactions: settings.isolation === 'read_committed',
        markers: this.#transactions?.deciding(frame.baseOffset, frame.lastOffset) ?? [],
        decidedBelow: this.plan.decidedBelow,
        producerCodecs: footer.producerCodecs,
        compression: settings.compression,
        maxBatchBytes: this.#maxBatchBytes,
        maxBatchRecords: settings.maxBatchRecords,
      });
      return { result, bytes: result.overflow ?? output.buffer, release: output.release };
    } catch (error) {
      output.release();
      throw error;
    } finally {
      stored.release();
    }
  }
}

/** A buffer of the pool, or one of its own for what is larger than the pool's. */
async function lend(
  pool: SharedBufferPool,
  neededBytes: number,
): Promise<{ buffer: SharedArrayBuffer; release: () => void }> {
  if (neededBytes > pool.bufferBytes)
    return { buffer: new SharedArrayBuffer(Math.ceil(neededBytes)), release: () => {} };
  const buffer = await pool.acquire();
  return { buffer, release: () => pool.release(buffer) };
}

function interrupted({ targetTopic, targetPartition }: PartitionRestorePlan): BackupError {
  const name = partitionName({ topic: targetTopic, partition: targetPartition });
  return new BackupError('INTERRUPTED', `the restore of ${name} was stopped`);
}
