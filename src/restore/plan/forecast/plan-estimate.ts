// How much of a partition's segments a restore will read and keep, from the catalog's summaries and what is known to be dropped for
// transactions. What lies wholly inside the target is counted; what a window or an offset cuts is estimated by the share of its time,
// or of its offsets, as if records were spread evenly. A segment is read by frames: its footer, and the frames that the window touches.

import type { CurrentSegment } from '../../../catalog/catalog-state.ts';
import { heldSinceMs } from '../../../model/segment/held-times.ts';
import type { PartitionTarget } from '../../../model/restore/recovery-target.ts';
import type { PlannedCount } from '../../restore-job.ts';
import type { PartitionRestorePlan } from '../../restore-plan.ts';
import { sumOf } from './planned-counts.ts';
import type { TransactionDrops } from './transaction-drops.ts';

export interface RestoreEstimate {
  readonly records: number;
  /** True when `records` is no estimate. */
  readonly isExact: boolean;
  /** Of the selected segments, records that the target leaves out. */
  readonly outside: PlannedCount;
  readonly bytesToRead: number;
  /** Lowest and highest record timestamp that can be among them; null when nothing is selected. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/** `keepsAll`: false where records are left out for what they hold. */
export function estimate(
  { segments, recoveryTarget }: PartitionRestorePlan,
  keepsAll: boolean,
  drops: TransactionDrops,
): RestoreEstimate {
  let [selected, inside, bytesToRead, isWhole] = [0, 0, 0, true];
  let [fromMs, toMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let endOffset = 0n;
  for (const current of segments) {
    const { segment } = current;
    const share = shareOf(current, recoveryTarget);
    const offsetCount = Number(segment.nextOffset - segment.baseOffset);
    selected += segment.recordCount;
    inside += Math.min(segment.recordCount, offsetCount) * share;
    bytesToRead += bytesOf(current, share);
    // Where a log begins inside a batch, the batch brings records from before along, and they count too.
    if (share < 1 || segment.baseOffset !== endOffset) isWhole = false;
    endOffset = segment.nextOffset;
    fromMs = Math.min(fromMs, segment.minTimestampMs ?? heldSinceMs(segment));
    toMs = Math.max(toMs, segment.maxTimestampMs);
  }
  const undone = sumOf(Object.values(drops));
  const dropped = undone.kind === 'unknown' ? 0 : undone.records;
  // Of records that are dropped for their transaction, the same share is taken to be inside.
  const records = Math.max(0, Math.round(inside - (selected === 0 ? 0 : dropped * (inside / selected))));
  const outside = {
    kind: isWhole ? 'exact' : 'estimated',
    records: Math.max(0, selected - dropped - records),
  } as const;
  if (segments.length === 0) return { records, isExact: true, outside, bytesToRead, fromMs: null, toMs: null };
  toMs = Math.min(toMs, recoveryTarget.toMs ?? toMs);
  return {
    records,
    isExact: keepsAll && isWhole && undone.kind === 'exact',
    outside,
    bytesToRead,
    // Where no lowest timestamp is known, what is shown for it may lie behind the window.
    fromMs: Math.min(toMs, Math.max(fromMs, recoveryTarget.fromMs ?? fromMs)),
    toMs,
  };
}

/** Of its records, between 0 and 1; 1 only where nothing is cut. */
function shareOf({ segment, fromOffset, toOffset }: CurrentSegment, target: PartitionTarget): number {
  const offsets = Number(toOffset - fromOffset) / Number(segment.nextOffset - segment.baseOffset);
  return offsets * shareOfTime(segment.minTimestampMs, segment.maxTimestampMs, target);
}

function shareOfTime(minMs: number | null, maxMs: number, { fromMs, toMs }: PartitionTarget): number {
  const isCut = (fromMs !== undefined && (minMs === null || minMs < fromMs)) || (toMs !== undefined && maxMs > toMs);
  if (!isCut) return 1;
  // Without a lowest timestamp any part of it may be wanted.
  if (minMs === null || maxMs === minMs) return UNKNOWN_SHARE;
  const wantedMs = Math.min(maxMs, toMs ?? maxMs) - Math.max(minMs, fromMs ?? minMs);
  return Math.min(UNKNOWN_SHARE, Math.max(0, wantedMs) / (maxMs - minMs));
}

/** As good as all, and yet no exact count. */
const UNKNOWN_SHARE = 1 - Number.EPSILON;

function bytesOf({ segment }: CurrentSegment, share: number): number {
  const { storedSizeBytes, footerSizeBytes, frameCount } = segment;
  const bodyBytes = storedSizeBytes - footerSizeBytes;
  // A window that begins and ends inside frames touches one more than its share.
  const frames = Math.min(frameCount, Math.ceil(frameCount * share) + 1);
  return footerSizeBytes + Math.ceil((bodyBytes * frames) / Math.max(1, frameCount));
}
