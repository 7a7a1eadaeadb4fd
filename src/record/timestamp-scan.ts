// The lowest timestamp of an uncompressed batch, read without decoding its records: a backup pays for this on every record, so
// it looks at two numbers of each and nothing else. Layout of a record: see record-cursor.ts.

import { BackupError } from '../model/errors.ts';
import { VarintReader } from './varint.ts';

/** Behind its length: attributes, two deltas, two lengths and the number of headers, a byte each at least. */
const MIN_RECORD_BYTES = 6;

/**
 * Lowest timestamp delta of the `recordCount` records that fill `section`; infinite for none, no safe integer beyond 2^53.
 * @throws BATCH_CORRUPT when the lengths do not fill the section exactly.
 */
export function lowestTimestampDelta(section: Uint8Array, recordCount: number): number {
  const size = section.byteLength;
  let lowest = Number.POSITIVE_INFINITY;
  let position = 0;
  for (let index = 0; index < recordCount; index += 1) {
    let byte = section[position] ?? 0;
    let length = byte & 0x7f;
    position += 1;
    for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
      byte = section[position] ?? 0;
      length |= (byte & 0x7f) << shift;
      position += 1;
    }
    const end = position + (length >>> 1);
    if ((length & 1) !== 0 || end > size || end < position + MIN_RECORD_BYTES) throw overrun();
    // Behind the length: one byte of attributes, then the timestamp delta.
    const delta = varlongAt(section, position + 1, end);
    if (delta < lowest) lowest = delta;
    position = end;
  }
  if (position !== size) throw overrun();
  return lowest;
}

/** Numbers of one and two bytes are nearly all that there are; they need no reader of their own. */
function varlongAt(section: Uint8Array, position: number, end: number): number {
  const first = section[position] ?? 0;
  if (first < 0x80) return (first >>> 1) ^ -(first & 1);
  const second = section[position + 1] ?? 0;
  if (second < 0x80) {
    const zigZag = (first & 0x7f) | (second << 7);
    return (zigZag >>> 1) ^ -(zigZag & 1);
  }
  return new VarintReader(section, position, end).readVarlong();
}

function overrun(): BackupError {
  return new BackupError('BATCH_CORRUPT', 'the lengths of the records do not fill their batch');
}
