// One committed object. Quick: its size, its footer's hash, and what the footer says. Otherwise all its bytes besides, frame by frame,
// each held against its hash in the footer by the threads, and when deep also decoded. Memory is the frames under way.

import { maxStoredSize } from '../compression/frame-codec.ts';
import { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import { BackupError } from '../model/errors.ts';
import type { FrameEntry, SegmentFooter, SegmentSummary } from '../model/segment/segment.ts';
import type { FrameFacts } from '../segment/frame-facts.ts';
import { readStoredFooter } from '../segment/segment-reader.ts';
import { HASH_FRAME, VERIFY_FRAME } from '../segment/verify-frame.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { factDifferences, footerDifferences } from './footer-differences.ts';
import type { ProblemList, ProblemPlace } from './problem-list.ts';

/** Takes the stored form of nearly every frame: they are cut at about 4 MiB before compression. */
const BUFFER_BYTES = maxStoredSize(5 * 1024 * 1024);
const BUFFERS_PER_THREAD = 2;

/** The footer, held against the catalog; undefined when it cannot be read. @throws what the store fails with. */
export async function auditFooter(
  store: ObjectStore,
  segment: SegmentSummary,
  problems: ProblemList,
): Promise<SegmentFooter | undefined> {
  const place = placeOf(segment);
  try {
    const footer = await readStoredFooter(store, segment);
    report(problems, place, footerDifferences(footer, segment));
    return footer;
  } catch (error) {
    problems.addFailure(error, place);
    return undefined;
  }
}

export interface ByteAuditOptions {
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  /** Whether frames are decoded, or only hashed. */
  readonly isDeep: boolean;
  readonly problems: ProblemList;
  readonly signal: AbortSignal;
  readonly onRead: (bytes: number) => void;
}

export class ByteAudit {
  readonly #options: ByteAuditOptions;
  readonly #buffers: SharedBufferPool;
  /** Frames larger than a buffer get memory of their own, one at a time. */
  #large: Promise<void> = Promise.resolve();

  constructor(options: ByteAuditOptions) {
    this.#options = options;
    this.#buffers = new SharedBufferPool(BUFFER_BYTES, options.workers.threads * BUFFERS_PER_THREAD);
  }

  /** Every byte of the object. @throws INTERRUPTED, and what the store fails with. */
  async run(segment: SegmentSummary, footer: SegmentFooter): Promise<void> {
    const { problems } = this.#options;
    const place = placeOf(segment);
    const verified: Promise<FrameFacts | undefined>[] = [];
    try {
      for (const frame of footer.frames) verified.push((await this.#readFrame(segment, frame)).verified);
    } finally {
      await Promise.allSettled(verified);
    }
    const facts = await Promise.all(verified);
    // Not decoded; or what is wrong with a frame is named already.
    if (!facts.every((one) => one !== undefined)) return;
    report(problems, place, factDifferences(footer, facts));
  }

  /** Reads one frame and hands it to a thread, which holds it against its hash; `verified` gives its facts, undefined when it is damaged or only hashed. */
  async #readFrame(
    segment: SegmentSummary,
    frame: FrameEntry,
  ): Promise<{ readonly verified: Promise<FrameFacts | undefined> }> {
    const { store, signal, onRead } = this.#options;
    const { buffer, release } = await this.#lend(frame.storedSizeBytes);
    try {
      if (signal.aborted) throw new BackupError('INTERRUPTED', `the validation of ${segment.key} was stopped`);
      const range = { position: frame.position, sizeBytes: frame.storedSizeBytes };
      const bytes = await store.get(segment.key, range, new Uint8Array(buffer));
      onRead(bytes?.byteLength ?? 0);
      const isWhole = bytes?.byteLength === frame.storedSizeBytes;
      const verified = this.#verify(segment, frame, isWhole ? buffer : undefined).finally(release);
      verified.catch(() => {});
      return { verified };
    } catch (error) {
      release();
      this.#options.problems.addFailure(error, { ...placeOf(segment), offset: frame.baseOffset });
      return { verified: Promise.resolve(undefined) };
    }
  }

  async #verify(
    segment: SegmentSummary,
    frame: FrameEntry,
    stored: SharedArrayBuffer | undefined,
  ): Promise<FrameFacts | undefined> {
    const { workers, isDeep, problems } = this.#options;
    const place = { ...placeOf(segment), offset: frame.baseOffset };
    const name = `frame ${frame.baseOffset}..${frame.lastOffset} of ${segment.key}`;
    if (stored === undefined) {
      problems.add({ code: 'OBJECT_CORRUPT', message: `${name} is cut short`, ...place });
      return undefined;
    }
    try {
      if (!isDeep) {
        await workers.run(HASH_FRAME, { stored, frame });
        return undefined;
      }
      const { facts, differences } = await workers.run(VERIFY_FRAME, { stored, codec: segment.codec, frame });
      report(problems, place, differences, name);
      return facts;
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      const { code, message, context } = error;
      problems.addFailure(new BackupError(code, `${name}: ${message}`, { context, cause: error }), place);
      return undefined;
    }
  }

  async #lend(neededBytes: number): Promise<{ readonly buffer: SharedArrayBuffer; readonly release: () => void }> {
    if (neededBytes <= this.#buffers.bufferBytes) {
      const buffer = await this.#buffers.acquire();
      return { buffer, release: () => this.#buffers.release(buffer) };
    }
    const before = this.#large;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#large = promise;
    await before;
    return { buffer: new SharedArrayBuffer(neededBytes), release: resolve };
  }
}

function placeOf({ key, topic, partition, baseOffset }: SegmentSummary): ProblemPlace & { readonly key: string } {
  return { key, topic, partition, offset: baseOffset };
}

function report(problems: ProblemList, place: ProblemPlace, differences: readonly string[], name = place.key): void {
  for (const difference of differences)
    problems.add({ code: 'OBJECT_CORRUPT', message: `${name}: ${difference}`, ...place });
}
