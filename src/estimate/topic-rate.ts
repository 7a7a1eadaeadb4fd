// How many records a partition takes in a day: by the offsets of the last 24 hours or, where its log is younger than that or its
// retention shorter, of as much as there is, scaled to a day.

import type { OffsetAtTime } from '../kafka/probe/cluster-probe.ts';

export const DAY_MS = 86_400_000;
/** A shorter time says nothing of a day. */
const MIN_BASIS_MS = 60_000;

export interface PartitionRate {
  readonly offsetsPerDay: number;
  /** How long the log was looked at. */
  readonly basisMs: number;
}

/** @param dayAgo the first record of the last 24 hours; null where there is none */
export function partitionRate(
  log: { readonly earliest: bigint; readonly latest: bigint },
  dayAgo: OffsetAtTime | null,
  nowMs: number,
): PartitionRate {
  if (dayAgo === null) return { offsetsPerDay: 0, basisMs: DAY_MS };
  const isWholeLog = dayAgo.offset <= log.earliest;
  const ageMs = Math.max(MIN_BASIS_MS, nowMs - dayAgo.timestampMs);
  const basisMs = isWholeLog ? Math.min(DAY_MS, ageMs) : DAY_MS;
  const offsets = Number(log.latest - dayAgo.offset);
  return { offsetsPerDay: (Math.max(0, offsets) * DAY_MS) / basisMs, basisMs };
}
