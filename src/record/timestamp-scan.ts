// The lowest timestamp of an uncompressed batch, read without decoding its records: a backup pays for this on every record, so
// it looks at two numbers of each and nothing else. Layout of a record: see record-cursor.ts.

import { BackupError } from '../model/errors.ts';
import { VarintReader } from './varint.ts';

/**
 * Lowest timestamp delta of the `recordCount` records that fill `section`; infinite for none.
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
    // Behind the length: one byte of attributes, then the timestamp delta.
    const end = position + (length >>> 1);
    if ((length & 1) !== 0 || end > size || end < position + 2) throw overrun();
    const first = section[position + 1] ?? 0;
    const delta = first < 0x80 ? (first >>> 1) ^ -(first & 1) : longDelta(section, position + 1, end);
    if (delta < lowest) lowest = delta;
    position = end;
  }
  if (position !== size) throw overrun();
  return lowest;
}

function longDelta(section: Uint8Array, position: number, end: number): number {
  return new VarintReader(section, position, end).readVarlong();
}

function overrun(): BackupError {
  return new BackupError('BATCH_CORRUPT', 'the lengths of the records do not fill their batch');
}
