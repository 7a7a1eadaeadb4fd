// One segment on its way into the store. Frames are packed by the worker threads in any order and go up in the order of their
// offsets, each as soon as those before it are through, so memory does not depend on the size of the segment. The object
// appears when the footer is written, and not at all when anything fails: what it would have held is read from Kafka again.

import type { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { SegmentCodec } from '../model/codec.ts';
import { BackupError, invariant } from '../model/errors.ts';
import type {
  CodecRun,
  FrameEntry,
  PartitionIdentity,
  SegmentFooter,
  SegmentSummary,
  TimestampType,
  TransactionMarker,
  TransactionStart,
} from '../model/segment/segment.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { FrameFacts } from './frame-facts.ts';
import { type Expansion, PACK_FRAME, type PackResult } from './pack-frame.ts';
import { encodeFooter, footerSha256 } from './segment-format.ts';

/** What all segments of a backup are written with. */
export interface SegmentSettings {
  readonly codec: SegmentCodec;
  readonly level: number;
}

export interface SegmentWriterOptions {
  readonly identity: PartitionIdentity;
  readonly key: string;
  /** First offset covered: everything from here to the first batch does not exist at the source. */
  readonly baseOffset: bigint;
  readonly timeline: number;
  readonly settings: SegmentSettings;
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  readonly outputs: SharedBufferPool;
  /** Told how much was handed to the store so far. */
  readonly onStored?: (storedBytes: number) => void;
}

/** What a footer tells of its segment besides the frames. */
export type SegmentBodyOptions = Omit<SegmentWriterOptions, 'store' | 'workers' | 'outputs'>;

/** Whole batches of one frame, and what is known of them without a thread's help. */
export interface RawFrame {
  /** Shared memory. */
  readonly raw: Uint8Array;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly recordCount: number;
  readonly batchCount: number;
  readonly expansion: Expansion;
}

/** What a seal adds: how far the segment reaches and what the log looked like then. */
export interface SealFacts {
  readonly nextOffset: bigint;
  readonly decidedOffset: bigint;
  readonly capturedAtMs: number;
  readonly reachedLogEnd: boolean;
}

interface PackedFrame {
  readonly frame: RawFrame;
  readonly result: PackResult;
  readonly output: SharedArrayBuffer;
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  /** In offset order; the upload takes them one by one. */
  readonly #packed: Promise<PackedFrame>[] = [];
  #wakeUpload: () => void = () => {};
  #seal: SealFacts | undefined;
  #upload: Promise<SegmentSummary> | undefined;
  #failure: Error | undefined;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  /** What made the upload fail; the segment is lost then and its partition goes back to what is committed. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Hands a frame to the threads. `frame.raw` belongs to the writer until the result says that it was packed.
   * @throws BATCH_CORRUPT in the result when a batch fails its CRC; {@link failure} when the segment is lost already.
   */
  addFrame(frame: RawFrame): Promise<PackResult> {
    invariant(this.#seal === undefined, 'a frame was added to a sealed segment');
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const packed = this.#pack(frame);
    packed.catch(() => {});
    this.#packed.push(packed);
    this.#upload ??= this.#start();
    this.#wakeUpload();
    return packed.then(({ result }) => result);
  }

  /** Ends the segment; resolves when the object is durable. @throws what the threads or the store failed with. */
  seal(facts: SealFacts): Promise<SegmentSummary> {
    this.#seal = facts;
    this.#upload ??= this.#start();
    this.#wakeUpload();
    return this.#upload;
  }

  /** Gives the segment up: nothing of it becomes visible. */
  abort(): void {
    this.#failure ??= new BackupError('INTERRUPTED', `segment ${this.#options.key} was given up`);
    this.#wakeUpload();
  }

  async #pack(frame: RawFrame): Promise<PackedFrame> {
    const { outputs, workers, settings } = this.#options;
    const output = await outputs.acquire();
    try {
      const { raw, expansion } = frame;
      const result = await workers.run(PACK_FRAME, { raw, output, ...settings, expansion });
      return { frame, result, output };
    } catch (error) {
      outputs.release(output);
      throw error;
    }
  }

  #start(): Promise<SegmentSummary> {
    const upload = this.#put();
    upload.catch((error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      void this.#releasePacked();
    });
    return upload;
  }

  async #put(): Promise<SegmentSummary> {
    const { store, key } = this.#options;
    const body = new SegmentBody(this.#options);
    const outcome = await store.putIfAbsent(key, this.#chunks(body));
    // The key ends in random digits: whatever has it already was not written by us.
    if (outcome === 'exists') throw new BackupError('STORE_REFUSED', `put ${key}: there is an object of that name`);
    return body.summary();
  }

  async *#chunks(body: SegmentBody): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const next = this.#packed.shift();
      if (next !== undefined) {
        const { frame, result, output } = await next;
        try {
          yield body.append(frame, result, new Uint8Array(result.overflow ?? output, 0, result.storedSizeBytes));
        } finally {
          this.#options.outputs.release(output);
        }
      } else if (this.#seal !== undefined) {
        yield body.finish(this.#seal);
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeUpload = resolve;
        });
      }
    }
  }

  /** After a failure: frames that were packed and will never go up give their memory back. */
  async #releasePacked(): Promise<void> {
    for (const packed of this.#packed.splice(0)) {
      await packed.then(
        ({ output }) => this.#options.outputs.release(output),
        () => {},
      );
    }
  }
}

/** Builds the footer while the frames go by. */
export class SegmentBody {
  readonly #options: SegmentBodyOptions;
  readonly #frames: FrameEntry[] = [];
  readonly #leaderEpochs: { epoch: number; baseOffset: bigint }[] = [];
  readonly #starts: TransactionStart[] = [];
  readonly #markers: TransactionMarker[] = [];
  readonly #producerCodecs: CodecRun[] = [];
  #position = 0;
  #hasCreateTime = false;
  #hasLogAppendTime = false;
  #maxBatchSizeBytes = 0;
  #maxIndivisibleBatchSizeBytes = 0;
  #summary: SegmentSummary | undefined;

  constructor(options: SegmentBodyOptions) {
    this.#options = options;
  }

  append(frame: Omit<RawFrame, 'raw' | 'expansion'>, result: PackResult, stored: Uint8Array): Uint8Array {
    const { facts } = result;
    this.#frames.push({
      position: this.#position,
      storedSizeBytes: stored.byteLength,
      rawSizeBytes: result.rawSizeBytes,
      baseOffset: frame.baseOffset,
      lastOffset: frame.lastOffset,
      recordCount: frame.recordCount,
      batchCount: frame.batchCount,
      minTimestampMs: facts.minTimestampMs,
      maxTimestampMs: facts.maxTimestampMs,
      sha256: result.sha256,
    });
    this.#position += stored.byteLength;
    this.#options.onStored?.(this.#position);
    this.#gather(facts);
    return stored;
  }

  finish(seal: SealFacts): Uint8Array {
    invariant(this.#frames.length > 0, 'a segment was sealed without a frame');
    const { identity, baseOffset, timeline, settings, key } = this.#options;
    const minima = this.#frames.map((frame) => frame.minTimestampMs);
    const description = {
      ...identity,
      codec: settings.codec,
      baseOffset,
      nextOffset: seal.nextOffset,
      recordCount: sum(this.#frames, (frame) => frame.recordCount),
      batchCount: sum(this.#frames, (frame) => frame.batchCount),
      minTimestampMs: minima.includes(null) ? null : Math.min(...minima.map((minimum) => minimum ?? 0)),
      maxTimestampMs: Math.max(...this.#frames.map((frame) => frame.maxTimestampMs)),
      rawSizeBytes: sum(this.#frames, (frame) => frame.rawSizeBytes),
      frameCount: this.#frames.length,
      timestampType: this.#timestampType(),
      leaderEpoch: this.#leaderEpochs.at(-1)?.epoch ?? -1,
      isTransactional: this.#starts.length > 0 || this.#markers.length > 0,
      decidedOffset: seal.decidedOffset,
      maxBatchSizeBytes: this.#maxBatchSizeBytes,
      maxIndivisibleBatchSizeBytes: this.#maxIndivisibleBatchSizeBytes,
      capturedAtMs: seal.capturedAtMs,
      reachedLogEnd: seal.reachedLogEnd,
      timeline,
    };
    const footer: SegmentFooter = {
      description,
      bodySizeBytes: this.#position,
      leaderEpochs: this.#leaderEpochs,
      transactions: { starts: this.#starts, markers: this.#markers },
      producerCodecs: this.#producerCodecs,
      frames: this.#frames,
    };
    const bytes = encodeFooter(footer);
    this.#summary = {
      ...description,
      key,
      storedSizeBytes: this.#position + bytes.byteLength,
      footerSizeBytes: bytes.byteLength,
      footerSha256: footerSha256(bytes),
    };
    return bytes;
  }

  summary(): SegmentSummary {
    invariant(this.#summary !== undefined, 'a segment went up without its footer');
    return this.#summary;
  }

  #gather(facts: FrameFacts): void {
    this.#hasCreateTime ||= facts.hasCreateTime;
    this.#hasLogAppendTime ||= facts.hasLogAppendTime;
    this.#maxBatchSizeBytes = Math.max(this.#maxBatchSizeBytes, facts.maxBatchSizeBytes);
    this.#maxIndivisibleBatchSizeBytes = Math.max(
      this.#maxIndivisibleBatchSizeBytes,
      facts.maxIndivisibleBatchSizeBytes,
    );
    for (const entry of facts.leaderEpochs)
      if (this.#leaderEpochs.at(-1)?.epoch !== entry.epoch) this.#leaderEpochs.push(entry);
    for (const run of facts.producerCodecs)
      if (this.#producerCodecs.at(-1)?.codec !== run.codec) this.#producerCodecs.push(run);
    for (const start of facts.transactionStarts) this.#starts.push(start);
    for (const marker of facts.transactionMarkers) this.#markers.push(marker);
  }

  #timestampType(): TimestampType {
    if (this.#hasCreateTime && this.#hasLogAppendTime) return 'mixed';
    return this.#hasLogAppendTime ? 'LogAppendTime' : 'CreateTime';
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
