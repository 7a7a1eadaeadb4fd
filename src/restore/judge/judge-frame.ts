// The work of a thread on one stored frame of a restore: decode it, check every batch's CRC, decide what becomes of each batch,
// and write batches that a broker accepts. A batch goes as it is where the broker allows that and it is large enough to be worth
// a request; its neighbours are merged otherwise. Holes, cuts and LogAppendTime mean re-encoding, since a patched header over
// holes is accepted and corrupts the target's log. Producer fields and CRC are the sender's to set.

import { FrameExpander } from '../../compression/frame-codec.ts';
import type { ProducerCodec } from '../../model/codec.ts';
import { BackupError } from '../../model/errors.ts';
import { type DropReason, NO_DROPS } from '../../model/recovery-target.ts';
import {
  ATTRIBUTE,
  BATCH_HEADER_BYTES,
  codecOf,
  hasExactTimestamps,
  isControl,
  isLogAppendTime,
  isTransactional,
  type RecordBatchHeader,
  splitBatches,
  verifyBatchCrc,
} from '../../record/batch-header.ts';
import { expandRecords } from '../../record/producer-compression.ts';
import { RecordCursor } from '../../record/record-cursor.ts';
import type { JudgeResult, JudgeTask, MarkerVerdict, Verdict } from './judge-task.ts';
import { OutputArea } from './output-area.ts';
import { RecordShaper } from './record-shape.ts';

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
  readonly #markers: ReadonlyMap<bigint, MarkerCursor>;
  readonly #output: OutputArea;
  readonly #shaper: RecordShaper | null;
  readonly #dropped: Record<DropReason, number> = { ...NO_DROPS };
  #isCut = false;

  constructor(task: JudgeTask, raw: Uint8Array) {
    this.#task = task;
    this.#raw = raw;
    const byProducer = Map.groupBy(task.markers, (marker) => marker.producerId);
    this.#markers = new Map([...byProducer].map(([id, markers]) => [id, new MarkerCursor(markers)]));
    this.#output = new OutputArea(task);
    this.#shaper = task.shape === null ? null : new RecordShaper(task.shape);
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
    return { ...this.#output.finish(), dropped: this.#dropped, isCut: this.#isCut };
  }

  #verdictOn(header: RecordBatchHeader): Verdict | 'undecided-transaction' {
    if (!this.#task.judgeTransactions || !isTransactional(header)) return 'keep';
    const deciding = this.#markers.get(header.producerId)?.after(header.baseOffset);
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
    const { fromMs, toMs, maxBatchBytes, maxWholeRecords } = this.#task;
    const codec = codecOf(header);
    const mergeBelow = codec === 'none' ? MERGE_BELOW_BYTES : MERGE_COMPRESSED_BELOW_BYTES;
    return (
      this.#shaper === null &&
      header.recordCount === header.lastOffsetDelta + 1 &&
      this.#isInside(header) &&
      fromMs === null &&
      (toMs === null || header.maxTimestampMs <= toMs) &&
      (header.attributes & (ATTRIBUTE.logAppendTime | DELETE_HORIZON)) === 0 &&
      header.sizeBytes <= maxBatchBytes &&
      ((codec === this.#codecFor(header) && header.sizeBytes >= mergeBelow && header.recordCount <= maxWholeRecords) ||
        !hasExactTimestamps(header))
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
      if (isPast || this.#isCut || (fromMs !== null && timestampMs < fromMs)) {
        this.#dropped['outside-window'] += 1;
      } else if (this.#shaper?.wants(cursor) === false) {
        this.#dropped.filtered += 1;
      } else {
        if (!isExact) throw inexact(offset);
        const payload = this.#shaper?.payloadOf(cursor, offset, timestampMs) ?? cursor;
        const targetIndex = this.#shaper?.targetIndexOf(cursor) ?? 0;
        this.#output.appendRecord(payload, { targetIndex, timestampMs, sourceOffset: offset, codec });
      }
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

/** The markers of one producer, and the first of them that is behind every batch asked for so far. */
class MarkerCursor {
  readonly #markers: readonly MarkerVerdict[];
  #index = 0;

  constructor(markers: readonly MarkerVerdict[]) {
    this.#markers = markers;
  }

  /** The next marker after `offset`, which never goes back. */
  after(offset: bigint): MarkerVerdict | undefined {
    let marker = this.#markers[this.#index];
    while (marker !== undefined && marker.offset <= offset) {
      this.#index += 1;
      marker = this.#markers[this.#index];
    }
    return marker;
  }
}

function inexact(offset: bigint): BackupError {
  return new BackupError(
    'BATCH_CORRUPT',
    `record ${offset} has a timestamp beyond 2^53 in a batch that must be re-encoded`,
  );
}
