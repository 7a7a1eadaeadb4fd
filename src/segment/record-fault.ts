// The records of one batch held against its header: their count, the order of their offsets, and the highest timestamp, which a
// plan relies on. A batch whose CRC fits may still contradict itself. (The lowest timestamp is read off the records anyway.)

import { BackupError } from '../model/errors.ts';
import {
  BATCH_HEADER_BYTES,
  codecOf,
  hasExactTimestamps,
  isLogAppendTime,
  type RecordBatchHeader,
} from '../record/batch-header.ts';
import { expandRecords } from '../record/producer-compression.ts';
import { RecordCursor } from '../record/record-cursor.ts';

/** What is wrong with the first wrong record of the batch, in words; undefined when all is as it says. */
export function recordFault(raw: Uint8Array, header: RecordBatchHeader): string | undefined {
  const section = raw.subarray(header.position + BATCH_HEADER_BYTES, header.position + header.sizeBytes);
  try {
    return faultIn(new RecordCursor(expandRecords(codecOf(header), section), header.recordCount), header);
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    return `the batch at offset ${header.baseOffset} has the CRC that it carries, but ${error.message}`;
  }
}

function faultIn(cursor: RecordCursor, header: RecordBatchHeader): string | undefined {
  const { baseOffset, lastOffsetDelta, baseTimestampMs, maxTimestampMs } = header;
  const hasTimestamps = hasExactTimestamps(header) && !isLogAppendTime(header);
  let previousDelta = -1;
  while (cursor.next()) {
    const { offsetDelta } = cursor;
    if (offsetDelta <= previousDelta || offsetDelta > lastOffsetDelta) {
      return `a record of the batch at offset ${baseOffset} is ${offsetDelta} behind it, after one that is ${previousDelta}; its last is ${lastOffsetDelta}`;
    }
    previousDelta = offsetDelta;
    const timestampMs = cursor.timestampFrom(baseTimestampMs);
    if (hasTimestamps && timestampMs > maxTimestampMs) {
      return `record ${baseOffset + BigInt(offsetDelta)} has timestamp ${timestampMs}, above the highest of its batch, ${maxTimestampMs}`;
    }
  }
  return undefined;
}
