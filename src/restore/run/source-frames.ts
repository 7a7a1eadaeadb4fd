// The needed frames of one source partition, in the order of the log: read, and judged by the threads some frames ahead of the
// one that is sent. Where the catalog proves that all records of a segment or frame are kept, and the target holds them and more
// behind them, it is counted off without being read. A cut by the log is made one by offset before anything else.

import type { CurrentSegment } from '../../catalog/catalog-state.ts';
import { maxStoredSize } from '../../compression/frame-codec.ts';
import type { SharedBufferPool } from '../../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../../compression/worker-pool.ts';
import { BackupError } from '../../model/errors.ts';
import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import type { FrameEntry, SegmentFooter, SegmentSummary } from '../../model/segment/segment.ts';
import { readFooter, readFrame } from '../../segment/segment-reader.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { FIND_CUT } from '../judge/cut-task.ts';
import { JUDGE_FRAME, type JudgeResult, type RecordShape } from '../judge/judge-task.ts';
import { cutPlan } from '../judge/log-cut.ts';
import { framesToRead, type MissingOffsets, type PartitionRestorePlan } from '../restore-plan.ts';
import type { FrameSettings } from './batch-limit.ts';
import type { LargeFrames } from './large-frames.ts';
import { type TransactionDecisions, TransactionIndex } from '../plan/transaction-index.ts';

/** Frames of one source that are read and judged ahead of the one being sent. */
const FRAMES_AHEAD = 3;
/** A merged batch may be a little larger than the records it is made of. */
const OUTPUT_SLACK = 1.25;

export interface FrameContext {
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  /** Shared by all lanes: they bound the frames in memory. */
  readonly stored: SharedBufferPool;
  readonly outputs: SharedBufferPool;
  readonly large: LargeFrames;
  readonly settings: FrameSettings;
}

export interface SourceFramesOptions {
  readonly plan: PartitionRestorePlan;
  readonly shape: RecordShape | null;
  readonly context: FrameContext;
  /** True when the target holds the next so many records, and more. Asked only when every frame before was taken. */
  readonly isBehind: (recordCount: number) => boolean;
}

/** Batches to be sent, in memory that whoever takes them gives back; or records that need not be sent. */
export type SourceFrame =
  | { readonly kind: 'judged'; readonly result: JudgeResult; readonly bytes: SharedArrayBuffer; release(): void }
  | { readonly kind: 'counted'; readonly baseOffset: bigint; readonly recordCount: number };

type JudgedFrame = Extract<SourceFrame, { readonly kind: 'judged' }>;

export class SourceFrames {
  /** Frames and footers, these once each. */
  bytesRead = 0;
  /** Of what was counted off without being read. */
  bytesSpared = 0;
  readonly #options: SourceFramesOptions;
  readonly #ahead: Promise<JudgedFrame>[] = [];
  /** Frames that were begun with, and those of them that were waited for. */
  #begun = 0;
  #taken = 0;
  /** Numbers of the large ones whose memory was not given back yet. */
  readonly #largeHeld = new Set<number>();
  #isStopped = false;
  #plan: PartitionRestorePlan;

  constructor(options: SourceFramesOptions) {
    this.#options = options;
    this.#plan = options.plan;
  }

  /** Of the plan; once the place of a cut by the log is found, without what lies behind it. */
  get missing(): readonly MissingOffsets[] {
    return this.#plan.missing;
  }

  /** Once. @throws OBJECT_MISSING, OBJECT_CORRUPT, BATCH_CORRUPT. */
  async *read(): AsyncGenerator<SourceFrame> {
    const { store } = this.#options.context;
    const footerOf = (segment: SegmentSummary): Promise<SegmentFooter> => readFooter(store, segment);
    this.#plan = await cutPlan(this.#plan, { readFooter: footerOf, firstPast: this.#firstPast.bind(this) });
    const plan = this.#plan;
    const transactions = new TransactionIndex(plan, footerOf);
    try {
      for (const current of plan.segments) {
        const { segment } = current;
        const whole = { ...segment, lastOffset: segment.nextOffset - 1n };
        if (yield* this.#countOff(current, whole)) continue;
        const footer = await transactions.enter(segment);
        this.bytesRead += segment.footerSizeBytes;
        for (const frame of framesToRead(footer, current, plan.recoveryTarget)) {
          if (yield* this.#countOff(current, frame)) continue;
          this.#judgeAhead(current, footer, { frame, decisions: transactions.decisionsFor(frame) });
          const next = this.#ahead.length > FRAMES_AHEAD ? this.#takeNext() : undefined;
          if (next !== undefined) yield await next;
        }
      }
      yield* this.#drain();
    } finally {
      this.#isStopped = true;
      this.#options.context.large.wake();
      const released = this.#ahead.map((left) =>
        left.then(
          ({ release }) => release(),
          () => {},
        ),
      );
      await Promise.all(released);
    }
  }

  /** True when the part of the log was counted off. What is ahead of it is sent first: only then is its place known. */
  async *#countOff(current: CurrentSegment, part: LogPart): AsyncGenerator<SourceFrame, boolean> {
    const { baseOffset, recordCount } = part;
    const { shape, isBehind } = this.#options;
    if (!isBehind(recordCount) || shape !== null || !isKeptWhole(current, part, this.#plan.recoveryTarget))
      return false;
    yield* this.#drain();
    if (!isBehind(recordCount)) return false;
    this.bytesSpared += part.storedSizeBytes;
    yield { kind: 'counted', baseOffset, recordCount };
    return true;
  }

  async *#drain(): AsyncGenerator<SourceFrame> {
    for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) yield await next;
  }

  #takeNext(): Promise<JudgedFrame> | undefined {
    const next = this.#ahead.shift();
    if (next === undefined) return undefined;
    this.#taken += 1;
    this.#options.context.large.wake();
    return next;
  }

  #judgeAhead(current: CurrentSegment, footer: SegmentFooter, work: FrameWork): void {
    const number = this.#begun;
    this.#begun += 1;
    const judged = this.#judge(current, footer, { ...work, number });
    judged.catch(() => {});
    this.#ahead.push(judged);
  }

  async #judge(
    current: CurrentSegment,
    footer: SegmentFooter,
    { frame, decisions, number }: FrameWork & { readonly number: number },
  ): Promise<JudgedFrame> {
    const { shape, context } = this.#options;
    const { isolation, compression, maxBatchBytes, brokerCodec, maxBatchRecords, maxWholeRecords } = context.settings;
    const { recoveryTarget } = this.#plan;
    // Asked for first and in the order of the log: so the frame that is to be sent next always has its output.
    const giveBack = await this.#takeLarge(frame, number);
    const output = await lend(context.outputs, frame.rawSizeBytes * OUTPUT_SLACK);
    const stored = await lend(context.stored, maxStoredSize(frame.storedSizeBytes));
    const release = (): void => {
      output.release();
      giveBack?.();
    };
    try {
      const bytes = await readFrame(context.store, current.segment, frame, new Uint8Array(stored.buffer));
      this.bytesRead += bytes.byteLength;
      const result = await context.workers.run(JUDGE_FRAME, {
        stored: stored.buffer,
        storedSizeBytes: frame.storedSizeBytes,
        rawSizeBytes: frame.rawSizeBytes,
        codec: current.segment.codec,
        output: output.buffer,
        fromOffset: current.fromOffset,
        toOffset: current.toOffset,
        fromMs: recoveryTarget.fromMs ?? null,
        toMs: recoveryTarget.toMs ?? null,
        judgeTransactions: isolation === 'read_committed',
        ...decisions,
        producerCodecs: footer.producerCodecs,
        compression,
        maxBatchBytes,
        brokerCodec,
        maxBatchRecords,
        maxWholeRecords,
        shape,
      });
      assertAllJudged(current, frame, result);
      return { kind: 'judged', result, bytes: result.overflow ?? output.buffer, release };
    } catch (error) {
      release();
      throw error;
    } finally {
      stored.release();
    }
  }

  /** Undefined for a frame that the pools have room for. */
  async #takeLarge({ rawSizeBytes, storedSizeBytes }: FrameEntry, number: number): Promise<(() => void) | undefined> {
    const { outputs, stored, large } = this.#options.context;
    const sizes = [
      [rawSizeBytes * OUTPUT_SLACK, outputs],
      [maxStoredSize(storedSizeBytes), stored],
    ] as const;
    const largeBytes = sizes.reduce((total, [bytes, pool]) => total + (bytes > pool.bufferBytes ? bytes : 0), 0);
    if (largeBytes === 0) return undefined;
    // What lies behind it in the log is held until it was sent: that may not hold it up.
    const isFirst = (): boolean => number < this.#taken && [...this.#largeHeld].every((held) => held > number);
    const giveBack = await large.take(largeBytes, () => this.#isStopped || isFirst());
    if (this.#isStopped) {
      giveBack();
      throw new BackupError('INTERRUPTED', 'nobody waits for the frame any more');
    }
    this.#largeHeld.add(number);
    return () => {
      this.#largeHeld.delete(number);
      giveBack();
    };
  }

  async #firstPast({ segment, fromOffset, toOffset }: CurrentSegment, frame: FrameEntry, toMs: number) {
    const { store, workers, stored } = this.#options.context;
    const { storedSizeBytes, rawSizeBytes } = frame;
    const { buffer, release } = await lend(stored, maxStoredSize(storedSizeBytes));
    try {
      const bytes = await readFrame(store, segment, frame, new Uint8Array(buffer));
      this.bytesRead += bytes.byteLength;
      const { codec } = segment;
      const task = { stored: buffer, storedSizeBytes, rawSizeBytes, codec, fromOffset, toOffset, toMs };
      return (await workers.run(FIND_CUT, task)).offset;
    } finally {
      release();
    }
  }
}

interface FrameWork {
  readonly frame: FrameEntry;
  readonly decisions: TransactionDecisions;
}

/** A segment or a frame, as far as the catalog or the footer knows it. */
interface LogPart {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly recordCount: number;
  readonly storedSizeBytes: number;
  readonly minTimestampMs: number | null;
  readonly maxTimestampMs: number;
}

/** True only where it is proven that every offset of the part holds a record, and that each of them is restored. */
export function isKeptWhole(
  { segment, fromOffset, toOffset }: CurrentSegment,
  { baseOffset, lastOffset, recordCount, minTimestampMs, maxTimestampMs }: Omit<LogPart, 'storedSizeBytes'>,
  { fromMs, toMs }: RecoveryTarget,
): boolean {
  // Without transactions there are no control batches, and nobody's end decides.
  return (
    !segment.isTransactional &&
    baseOffset >= fromOffset &&
    lastOffset < toOffset &&
    BigInt(recordCount) === lastOffset - baseOffset + 1n &&
    (fromMs === undefined || (minTimestampMs !== null && minTimestampMs >= fromMs)) &&
    (toMs === undefined || maxTimestampMs <= toMs)
  );
}

/** The footer counted the records when they were captured: where all are wanted, each must have become one thing or the other. */
function assertAllJudged(
  { segment, fromOffset, toOffset }: CurrentSegment,
  { baseOffset, lastOffset, recordCount }: FrameEntry,
  { batches, dropped }: JudgeResult,
): void {
  if (baseOffset < fromOffset || lastOffset >= toOffset) return;
  const kept = batches.reduce((total, batch) => total + batch.recordCount, 0);
  const judged = Object.values(dropped).reduce((total, count) => total + count, kept);
  if (judged === recordCount) return;
  throw new BackupError(
    'OBJECT_CORRUPT',
    `${segment.key}: the frame at offset ${baseOffset} holds ${judged} records, and ${recordCount} by its footer`,
    { context: { key: segment.key, topic: segment.topic, partition: segment.partition, offset: baseOffset } },
  );
}

/** A buffer of the pool, or one of its own for what is larger than the pool's. */
async function lend(
  pool: SharedBufferPool,
  neededBytes: number,
): Promise<{ readonly buffer: SharedArrayBuffer; readonly release: () => void }> {
  if (neededBytes > pool.bufferBytes)
    return { buffer: new SharedArrayBuffer(Math.ceil(neededBytes)), release: () => {} };
  const buffer = await pool.acquire();
  return { buffer, release: () => pool.release(buffer) };
}
