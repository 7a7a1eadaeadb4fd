// Whether a file is the one that its manifest entry names. The peer writes both from the same records (its segment/writer.rs), but a
// file says nothing of its topic and partition: an older one, or that of another partition, is whole in itself. The entry tells them
// apart: by offsets, by the number of records, and by the timestamps of the first and the last one.
//
// An entry may be older than its file. A second run of the peer that does not know how far the first one came overwrites the file,
// whose name is its first offset, and keeps the entry (its backup/engine.rs, merge_manifests). So a file may hold more than its entry
// tells; and it may end before, where the second run cut elsewhere: then the rest is in files whose entries begin inside.

import { BackupError } from '../../model/errors.ts';
import type { PeerSegmentEntry } from './peer-manifest.ts';
import type { PeerSegmentHeader } from './peer-segment.ts';

/** How the head of a file contradicts `entry`; undefined where it does not. `isRestElsewhere` is asked where the file ends before. */
export function headContradiction(
  entry: PeerSegmentEntry,
  header: PeerSegmentHeader,
  isRestElsewhere: () => boolean,
): BackupError | undefined {
  const { key, firstOffset, lastOffset, recordCount } = header;
  const isEnough = lastOffset < entry.lastOffset ? isRestElsewhere() : recordCount >= entry.leastRecords;
  if (firstOffset === entry.firstOffset && isEnough) return undefined;
  return new BackupError(
    'SOURCE_DAMAGED',
    `${key}, byte 8: the file says it holds ${recordCount} records of offsets ${firstOffset} to ${lastOffset}, the manifest ` +
      `${entry.recordCount} of ${entry.firstOffset} to ${entry.lastOffset}; it is an older file, or another one's`,
    { context: { key } },
  );
}

/**
 * True when entries that begin inside `entry` reach its end from `nextOffset` on. Holes between them are not looked for: what no file
 * holds shows when they are imported.
 */
export function isRestIn(entries: readonly PeerSegmentEntry[], entry: PeerSegmentEntry, nextOffset: bigint): boolean {
  const inside = entries.filter(
    ({ firstOffset }) => firstOffset > entry.firstOffset && firstOffset <= entry.lastOffset,
  );
  return nextOffset > entry.lastOffset || inside.some(({ lastOffset }) => lastOffset >= entry.lastOffset);
}

/** How a record contradicts `entry`, which tells the timestamps of two; undefined where it does not. */
export function recordContradiction(
  entry: PeerSegmentEntry,
  { offset, timestamp }: { readonly offset: bigint; readonly timestamp: bigint },
): BackupError | undefined {
  const { key, firstOffset, lastOffset, firstTimestampMs, lastTimestampMs } = entry;
  if (offset !== firstOffset && offset !== lastOffset) return undefined;
  const said = offset === firstOffset ? firstTimestampMs : lastTimestampMs;
  // Numbers, as the manifest's JSON was read: beyond 2^53 both are rounded the same.
  if (said === null || Number(timestamp) === said) return undefined;
  return new BackupError(
    'SOURCE_DAMAGED',
    `${key}: its record of offset ${offset} has timestamp ${timestamp}, the manifest says ${said}; it is the file of another topic ` +
      'or partition',
    { context: { key } },
  );
}
