// The work of a thread on one stored frame of a restore: decode it, check every batch's CRC, decide what becomes of each batch,
// and write batches that a broker accepts. A batch goes as it is where the broker allows that and it is large enough to be worth
// a request; its neighbours are merged otherwise. Holes, cuts and LogAppendTime mean re-encoding, since a patched header over
// holes is accepted and corrupts the target's log. Producer fields and CRC are the sender's to set.

import { FrameExpander } from '../../compression/frame-codec.ts';
import type { ProducerCodec } from '../../model/codec.ts';
import { BackupError } from '../../model/errors.ts';
import { type DropReason, NO_DROPS } from '../../model/restore/recovery-target.ts';
import {
  ATTRIBUTE,
  BATCH_HEADER_BYTES,
  codecOf,
  isControl,
  isLogAppendTime,
  isTransactional,
} from '../../record/batch-header.ts';
import { BatchCursor } from '../../record/batch-cursor.ts';
import { expandRecords } from '../../record/producer-compression.ts';
import { RecordCursor } from '../../record/record-cursor.ts';
import { CodecRunCursor, MarkerCursor } from './forward-cursors.ts';
import type { JudgeResult, JudgeTask, Verdict } from './judge-task.ts';
import { OutputArea, type RecordPlace } from './output-area.ts';
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
  try {
    return judgeBatches(task, raw);
  } finally {
    if (scratch.byteLength > KEPT_SCRATCH_BYTES) scratch = new Uint8Array(0);
  }
}

function judgeBatches(task: JudgeTask, raw: Uint8Array): JudgeResult {
  const batch = new BatchCursor(raw);
  const judge = new FrameJudge(task, raw, batch);
  while (batch.next()) {
    batch.verifyCrc();
    judge.takeBatch();
  }
  if (batch.end !== raw.byteLength) throw new BackupError('OBJECT_CORRUPT', 'a frame ends in the middle of a batch');
  return judge.finish();
}

/** Nothing in here makes an object for a batch or a record that is merged: a frame may hold tens of thousands. */
class FrameJudge {
  readonly #task: JudgeTask;
  readonly #raw: Uint8Array;
  /** Stands on the batch that is judged. */
  readonly #batch: BatchCursor;
  /** Of `task.fromOffset` and `task.toOffset`, as the cursor counts. */
  readonly #from: number;
  readonly #to: number;
  readonly #records = new RecordCursor();
  readonly #markers: ReadonlyMap<bigint, MarkerCursor>;
  readonly #codecs: CodecRunCursor;
  readonly #output: OutputArea;
  readonly #shaper: RecordShaper | null;
  readonly #dropped: Record<DropReason, number> = { ...NO_DROPS };
  readonly #place: RecordPlace = { targetIndex: 0, timestampMs: 0, distance: 0, codec: 'none' };

  constructor(task: JudgeTask, raw: Uint8Array, batch: BatchCursor) {
    this.#task = task;
    this.#raw = raw;
    this.#batch = batch;
    this.#from = batch.distanceOf(task.fromOffset);
    this.#to = batch.distanceOf(task.toOffset);
    const byProducer = Map.groupBy(task.markers, (marker) => marker.producerId);
    this.#markers = new Map([...byProducer].map(([id, markers]) => [id, new MarkerCursor(markers)]));
    this.#codecs = new CodecRunCursor(task.producerCodecs, batch);
    this.#output = new OutputArea(task, batch.firstOffset);
    this.#shaper = task.shape === null ? null : new RecordShaper(task.shape);
  }

  takeBatch(): void {
    const batch = this.#batch;
    const { fromMs } = this.#task;
    const isOutside = batch.distance + batch.lastOffsetDelta < this.#from || batch.distance >= this.#to;
    if (isOutside || batch.recordCount === 0) return;
    const verdict = isControl(batch) ? 'control-batch' : this.#verdict();
    if (verdict !== 'keep') return this.#drop(verdict);
    if (fromMs !== null && batch.maxTimestampMs < fromMs) return this.#drop('outside-window');
    const codec = this.#codec();
    if (this.#goesWhole(codec)) this.#output.copyBatch(this.#raw, batch);
    else this.#takeRecords(codec);
  }

  finish(): JudgeResult {
    return { ...this.#output.finish(), dropped: this.#dropped };
  }

  #verdict(): Verdict | 'undecided-transaction' {
    const batch = this.#batch;
    if (!this.#task.judgeTransactions || !isTransactional(batch)) return 'keep';
    const deciding = this.#markers.get(batch.producerId)?.after(batch.baseOffset);
    if (deciding !== undefined) return deciding.verdict;
    return batch.baseOffset < this.#task.decidedBelow ? 'keep' : 'undecided-transaction';
  }

  #isInside(): boolean {
    const { distance, lastOffsetDelta } = this.#batch;
    return distance >= this.#from && distance + lastOffsetDelta < this.#to;
  }

  /** Counts those records of the batch that are this frame's to restore. */
  #drop(reason: DropReason): void {
    const { distance, recordCount } = this.#batch;
    if (this.#isInside()) {
      this.#dropped[reason] += recordCount;
      return;
    }
    const records = this.#enterRecords();
    while (records.next()) {
      const at = distance + records.offsetDelta;
      if (at >= this.#from && at < this.#to) this.#dropped[reason] += 1;
    }
  }

  /** Before the first record of the batch. */
  #enterRecords(): RecordCursor {
    const { position, end, recordCount } = this.#batch;
    const codec = codecOf(this.#batch);
    if (codec === 'none') {
      this.#records.enter(this.#raw, position + BATCH_HEADER_BYTES, end, recordCount);
    } else {
      const expanded = expandRecords(codec, this.#raw.subarray(position + BATCH_HEADER_BYTES, end));
      this.#records.enter(expanded, 0, expanded.byteLength, recordCount);
    }
    return this.#records;
  }

  /** True when the batch's bytes, but for its header, can be sent as they are and are worth a batch of their own. */
  #goesWhole(targetCodec: ProducerCodec): boolean {
    const { fromMs, toMs, maxBatchBytes, maxWholeRecords } = this.#task;
    const batch = this.#batch;
    const codec = codecOf(batch);
    const mergeBelow = codec === 'none' ? MERGE_BELOW_BYTES : MERGE_COMPRESSED_BELOW_BYTES;
    return (
      batch.sizeBytes >= mergeBelow &&
      codec === targetCodec &&
      !this.#isExpandedByBroker(codec) &&
      batch.recordCount <= maxWholeRecords &&
      this.#shaper === null &&
      batch.recordCount === batch.lastOffsetDelta + 1 &&
      this.#isInside() &&
      fromMs === null &&
      (toMs === null || batch.maxTimestampMs <= toMs) &&
      (batch.attributes & (ATTRIBUTE.logAppendTime | DELETE_HORIZON)) === 0 &&
      batch.sizeBytes <= maxBatchBytes
    );
  }

  /** Then what counts for the broker is how large the batch is with another compression, which nobody has written down. */
  #isExpandedByBroker(codec: ProducerCodec): boolean {
    const { brokerCodec } = this.#task;
    return brokerCodec !== null && codec !== 'none' && codec !== brokerCodec;
  }

  #takeRecords(codec: ProducerCodec): void {
    const { fromMs, toMs } = this.#task;
    const batch = this.#batch;
    const records = this.#enterRecords();
    const isAppendTime = isLogAppendTime(batch);
    const isInside = this.#isInside();
    const isExact = Number.isSafeInteger(batch.baseTimestampMs);
    while (records.next()) {
      // Rounded where no number holds it, and then past the same instants: a window's ends are safe integers.
      const timestampMs = isAppendTime
        ? batch.maxTimestampMs
        : isExact
          ? records.timestampFrom(batch.baseTimestampMs)
          : Number(this.#exactTimestampOf(records));
      const distance = batch.distance + records.offsetDelta;
      if (!isInside && (distance < this.#from || distance >= this.#to)) continue;
      if ((toMs !== null && timestampMs > toMs) || (fromMs !== null && timestampMs < fromMs)) {
        this.#dropped['outside-window'] += 1;
      } else if (this.#shaper?.wants(records) === false) {
        this.#dropped.filtered += 1;
      } else {
        this.#place.targetIndex = this.#shaper?.targetIndexOf(records) ?? 0;
        this.#place.timestampMs = timestampMs;
        this.#place.distance = distance;
        this.#place.codec = codec;
        if (Number.isSafeInteger(timestampMs)) {
          const payload = this.#shaper?.payloadOf(records, batch.offsetAt(distance), timestampMs) ?? records;
          this.#output.appendRecord(payload, this.#place);
        } else {
          const timestamp = this.#exactTimestampOf(records);
          const payload = this.#shaper?.payloadOf(records, batch.offsetAt(distance), timestamp) ?? records;
          this.#output.appendRecord(payload, this.#place, timestamp);
        }
      }
    }
  }

  /** Of the record on which the cursor stands, with all its bits. */
  #exactTimestampOf(records: RecordCursor): bigint {
    const batch = this.#batch;
    return isLogAppendTime(batch) ? batch.maxTimestamp : records.exactTimestampFrom(batch.baseTimestamp);
  }

  /** What the restored batch is compressed with: the producer's own codec, which an expanded batch has in the footer. */
  #codec(): ProducerCodec {
    const { compression } = this.#task;
    if (compression !== 'producer') return compression;
    const codec = codecOf(this.#batch);
    return codec === 'none' ? this.#codecs.at(this.#batch.distance) : codec;
  }
}
