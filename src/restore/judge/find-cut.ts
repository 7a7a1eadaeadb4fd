// The work of a thread that looks for the end of a log with `cut: log`: the first record past an instant, of whatever kind. Records
// of aborted transactions and markers count too: where the log ended does not depend on what a consumer is shown of it.

import { FrameExpander } from '../../compression/frame-codec.ts';
import {
  BATCH_HEADER_BYTES,
  codecOf,
  type RecordBatchHeader,
  splitBatches,
  verifyBatchCrc,
} from '../../record/batch-header.ts';
import { expandRecords } from '../../record/producer-compression.ts';
import { RecordCursor, timestampsOf } from '../../record/record-cursor.ts';
import type { CutResult, CutTask } from './cut-task.ts';

const expander = new FrameExpander();

/** @throws OBJECT_CORRUPT, BATCH_CORRUPT. */
export function findCut(task: CutTask): CutResult {
  const stored = new Uint8Array(task.stored, 0, task.storedSizeBytes);
  const raw = expander.expand(task.codec, stored, new Uint8Array(task.rawSizeBytes), task.rawSizeBytes);
  for (const header of splitBatches(raw)) {
    if (header.lastOffset < task.fromOffset || header.maxTimestampMs <= task.toMs) continue;
    if (header.baseOffset >= task.toOffset) break;
    verifyBatchCrc(raw, header);
    const offset = firstPast(raw, header, task);
    if (offset !== null) return { offset };
  }
  return { offset: null };
}

function firstPast(raw: Uint8Array, header: RecordBatchHeader, { fromOffset, toOffset, toMs }: CutTask): bigint | null {
  const section = raw.subarray(header.position + BATCH_HEADER_BYTES, header.position + header.sizeBytes);
  const cursor = new RecordCursor(expandRecords(codecOf(header), section), header.recordCount);
  const timestampAt = timestampsOf(raw, header);
  while (cursor.next()) {
    const offset = header.baseOffset + BigInt(cursor.offsetDelta);
    if (timestampAt(cursor) > toMs && offset >= fromOffset && offset < toOffset) return offset;
  }
  return null;
}
