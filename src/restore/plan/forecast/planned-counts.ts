// Counts of records that a plan expects to drop, and their sums: a sum is as certain as the least certain of its parts.

import { type DropReason, NO_DROPS } from '../../../model/restore/recovery-target.ts';
import type { PlannedCount, PlannedDrops } from '../../restore-job.ts';

type KnownKind = Exclude<PlannedCount['kind'], 'unknown'>;

export const UNKNOWN: PlannedCount = { kind: 'unknown' };
export const NOTHING_DROPPED: PlannedDrops = mapDrops(() => exactly(0));
/** The most certain first. */
const KINDS: readonly KnownKind[] = ['exact', 'at-most', 'estimated'];

export function exactly(records: number): PlannedCount {
  return { kind: 'exact', records };
}

export function addCounts(a: PlannedCount, b: PlannedCount): PlannedCount {
  if (a.kind === 'unknown' || b.kind === 'unknown') return UNKNOWN;
  const kind = KINDS.indexOf(a.kind) > KINDS.indexOf(b.kind) ? a.kind : b.kind;
  return { kind, records: a.records + b.records };
}

export function sumOf(counts: readonly PlannedCount[]): PlannedCount {
  return counts.reduce(addCounts, exactly(0));
}

/** Reason by reason. */
export function addPlannedDrops(a: PlannedDrops, b: PlannedDrops): PlannedDrops {
  return mapDrops((reason) => addCounts(a[reason], b[reason]));
}

function mapDrops(of: (reason: DropReason) => PlannedCount): PlannedDrops {
  const reasons = Object.keys(NO_DROPS) as DropReason[];
  return Object.fromEntries(reasons.map((reason) => [reason, of(reason)])) as PlannedDrops;
}
