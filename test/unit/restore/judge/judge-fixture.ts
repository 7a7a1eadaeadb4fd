// Frames for the judge, and the records that it hands on, read without its help.

import { maxStoredSize } from '../../../../src/compression/frame-codec.ts';
import { PRODUCER_CODECS, type ProducerCodec, type SegmentCodec } from '../../../../src/model/codec.ts';
import { judgeFrame } from '../../../../src/restore/judge/judge-frame.ts';
import type { JudgeResult, JudgeTask, OffsetRun } from '../../../../src/restore/judge/judge-task.ts';
import { packFrame } from '../../../../src/segment/pack-frame.ts';
import { readBatch, type SeenRecord, shared } from '../../../support/record-batches.ts';

export const T0 = 1_700_000_000_000;

export interface FrameForm {
  readonly codec: SegmentCodec;
  readonly isExpanded: boolean;
}

/** The task of restoring everything in `batches`, changed by `change`. */
export function taskFor(
  batches: readonly Uint8Array[],
  change: Partial<JudgeTask> = {},
  form: FrameForm = { codec: 'none', isExpanded: false },
): JudgeTask {
  const raw = new Uint8Array(shared(...batches));
  const output = new SharedArrayBuffer(maxStoredSize(raw.byteLength));
  const expansion = form.isExpanded ? 'always' : 'never';
  const packed = packFrame({ raw, output, codec: form.codec, level: 1, expansion });
  return {
    stored: packed.overflow ?? output,
    storedSizeBytes: packed.storedSizeBytes,
    rawSizeBytes: packed.rawSizeBytes,
    codec: form.codec,
    output: new SharedArrayBuffer(1024 * 1024),
    fromOffset: 0n,
    toOffset: 2n ** 62n,
    fromMs: null,
    toMs: null,
    judgeTransactions: true,
    markers: [],
    decidedBelow: 0n,
    producerCodecs: packed.facts.producerCodecs,
    compression: 'producer',
    maxBatchBytes: 1024 * 1024,
    brokerCodec: null,
    maxBatchRecords: 1000,
    maxWholeRecords: 1_000_000,
    shape: null,
    ...change,
  };
}

/** One batch as it would be sent. */
export interface SentBatch {
  readonly bytes: Buffer;
  readonly codec: ProducerCodec;
  readonly records: readonly SeenRecord[];
  readonly recordCount: number;
  readonly targetIndex: number;
  /** Source offsets of the records, from the runs. */
  readonly sourceOffsets: readonly bigint[];
}

export interface Judged {
  readonly result: JudgeResult;
  readonly batches: readonly SentBatch[];
}

export function judge(task: JudgeTask): Judged {
  const result = judgeFrame(task);
  const memory = Buffer.from(result.overflow ?? task.output);
  const batches = result.batches.map(({ position, sizeBytes, recordCount, targetIndex, runs }) => {
    const bytes = Buffer.from(memory.subarray(position, position + sizeBytes));
    const codec = PRODUCER_CODECS[bytes.readInt16BE(21)]!;
    return { bytes, codec, records: readBatch(bytes), recordCount, targetIndex, sourceOffsets: offsetsOf(runs) };
  });
  return { result, batches };
}

function offsetsOf(runs: readonly OffsetRun[]): bigint[] {
  return runs.flatMap(({ firstSourceOffset, count }) =>
    Array.from({ length: count }, (_, index) => firstSourceOffset + BigInt(index)),
  );
}
