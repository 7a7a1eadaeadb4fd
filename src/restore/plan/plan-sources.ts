// Which stored segments of each source partition can hold wanted records, by the summaries that the catalog carries: their offsets
// and their timestamp bounds. A segment is left out only where these prove that it holds nothing that is wanted.

import { type CurrentSegment, type IncarnationHistory, PartitionHistory } from '../../catalog/catalog-state.ts';
import type { TopicObservation } from '../../catalog/commit.ts';
import { BackupError } from '../../model/errors.ts';
import { utcText } from '../../model/instant.ts';
import type { PartitionTarget, RecoveryTarget } from '../../model/restore/recovery-target.ts';
import type { PartitionOffsets } from '../../model/restore/restore-shape.ts';
import type { RestoreRequest } from '../restore-job.ts';
import { canHoldWanted, type LostOffsets, type MissingOffsets, type PartitionRestorePlan } from '../restore-plan.ts';

/** In order of partition. */
export type PlannedSources = readonly PartitionRestorePlan[];

/**
 * One plan for each partition that the topic had at the target, and for those that came later but hold wanted records.
 * @throws NOTHING_TO_RESTORE when the topic has no such partition, had none at the target, or has no such offsets; USAGE_INVALID for inverted offsets.
 */
export function planSources(
  incarnation: IncarnationHistory,
  observation: TopicObservation,
  target: RecoveryTarget,
  request: RestoreRequest,
): PlannedSources {
  const { topic, topicId } = incarnation;
  const numbers = new Set([...Array.from({ length: observation.partitions }).keys(), ...incarnation.partitions.keys()]);
  const offsets = new Map(
    request.offsets.filter((one) => one.topic === topic).map((one) => [one.partition, one] as const),
  );
  assertPartitions(topic, numbers, offsets, request);
  const planned = [...numbers]
    .filter((partition) => request.partitions === null || request.partitions.includes(partition))
    .sort((a, b) => a - b)
    .map((partition) => {
      const history = incarnation.partitions.get(partition) ?? new PartitionHistory({ topic, topicId, partition });
      return planSource(history, { ...target, ...limitsOf(history, offsets.get(partition)) });
    });
  const isThen = ({ source, segments }: PartitionRestorePlan): boolean =>
    source.partition < observation.partitions || segments.length > 0;
  const later = planned.find((one) => !isThen(one) && isNamed(one.source.partition, offsets, request));
  if (later !== undefined) throw cameLater(later, observation, target);
  return planned.filter(isThen);
}

function isNamed(partition: number, offsets: ReadonlyMap<number, unknown>, { partitions }: RestoreRequest): boolean {
  return partitions?.includes(partition) === true || offsets.has(partition);
}

/** Left out in silence, a partition that was asked for by its number would be missed in the end. */
function cameLater(
  { source: { topic, partition } }: PartitionRestorePlan,
  { partitions, observedAtMs }: TopicObservation,
  { toMs }: RecoveryTarget,
): BackupError {
  const at = toMs === undefined ? 'latest' : utcText(toMs);
  return new BackupError(
    'NOTHING_TO_RESTORE',
    `topic ${topic} had no partition ${partition} at the recovery target, ${at}: seen ${utcText(observedAtMs)} it had ${partitions}, from 0 on, and the backup holds no record of ${topic}/${partition} inside the target`,
    { context: { topic, partition } },
  );
}

function planSource(history: PartitionHistory, target: PartitionTarget): PartitionRestorePlan {
  const current = history.currentSegments();
  const cut = cutBelow(current, target);
  const limited = cut === null || (target.toOffset ?? cut) < cut ? target : { ...target, toOffset: cut };
  // A last stable offset speaks for the whole segment: it tells nothing once the log was cut inside.
  const decided = current
    .filter(({ segment, toOffset }) => toOffset === segment.nextOffset)
    .map(({ segment }) => segment.decidedOffset);
  return {
    source: history.identity,
    recoveryTarget: target,
    segments: wantedOf(current, limited),
    transactionalSegments: current.filter(({ segment }) => segment.isTransactional),
    decidedBelow: decided.reduce((highest, offset) => (offset > highest ? offset : highest), 0n),
    cutBelow: cut,
    cutBefore: cutBeforeOf(current, target),
    gaps: history.currentGaps(),
    isKnown: history.segments.length > 0 || history.gaps.length > 0,
    missing: missingOf(history, current, limited),
    lostSince: lostSince(history, target),
  };
}

/** A truncation that was found after the recovery target took records with it that were there at the target, as far as is known. */
function lostSince(
  { truncations, segments }: PartitionHistory,
  { fromOffset = 0n, toOffset, ...target }: PartitionTarget,
): LostOffsets | null {
  const { toMs } = target;
  if (toMs === undefined) return null;
  const later = truncations.filter(({ detectedAtMs }) => detectedAtMs > toMs);
  const losses = later.flatMap(({ timeline, endOffset, detectedAtMs }) =>
    segments.flatMap((segment): LostOffsets[] => {
      const baseOffset = [segment.baseOffset, endOffset, fromOffset].reduce((high, one) => (one > high ? one : high));
      const end = toOffset !== undefined && toOffset < segment.nextOffset ? toOffset : segment.nextOffset;
      const isLost = segment.timeline < timeline && baseOffset < end;
      // By `cut: log` every segment would seem to hold wanted records.
      if (!isLost || !canHoldWanted(segment, { ...target, cut: 'timestamp' })) return [];
      return [{ baseOffset, lastOffset: end - 1n, detectedAtMs }];
    }),
  );
  if (losses.length === 0) return null;
  return losses.reduce((all, { baseOffset, lastOffset }) => ({
    baseOffset: baseOffset < all.baseOffset ? baseOffset : all.baseOffset,
    lastOffset: lastOffset > all.lastOffset ? lastOffset : all.lastOffset,
    detectedAtMs: all.detectedAtMs,
  }));
}

/**
 * Where the first segment begins all of whose records are past the instant, be it before the offsets that are wanted. It must be
 * whole: in a part of it there may be none.
 */
function cutBelow(current: readonly CurrentSegment[], { toMs, cut }: PartitionTarget): bigint | null {
  if (cut === 'timestamp' || toMs === undefined) return null;
  const isPast = ({ segment, fromOffset, toOffset }: CurrentSegment): boolean => {
    const isWhole = fromOffset === segment.baseOffset && toOffset === segment.nextOffset;
    return isWhole && segment.minTimestampMs !== null && segment.minTimestampMs > toMs;
  };
  return current.find(isPast)?.fromOffset ?? null;
}

function cutBeforeOf(
  current: readonly CurrentSegment[],
  { fromOffset: first = 0n, toMs, cut }: PartitionTarget,
): CurrentSegment[] {
  if (cut === 'timestamp' || toMs === undefined) return [];
  return current
    .filter(({ segment, fromOffset }) => fromOffset < first && segment.maxTimestampMs > toMs)
    .map((one) => (one.toOffset <= first ? one : { ...one, toOffset: first }));
}

/** Clipped to the offsets that are wanted, without what the timestamps prove to be unwanted. */
function wantedOf(current: readonly CurrentSegment[], target: PartitionTarget): CurrentSegment[] {
  const { fromOffset = 0n, toOffset } = target;
  const wanted: CurrentSegment[] = [];
  for (const one of current) {
    const from = one.fromOffset > fromOffset ? one.fromOffset : fromOffset;
    const to = toOffset !== undefined && toOffset < one.toOffset ? toOffset : one.toOffset;
    if (from < to && canHoldWanted(one.segment, target)) {
      wanted.push({ segment: one.segment, fromOffset: from, toOffset: to });
    }
  }
  return wanted;
}

/**
 * Gaps of the newest timeline, as far as they lie in the wanted offsets, but for those that the segments beside them prove to be
 * past: a gap before records that are older than the window, or after records that are newer. That takes the log to be in the
 * order of time on the whole, which is all that can be known of records that nobody has.
 */
function missingOf(
  history: PartitionHistory,
  current: readonly CurrentSegment[],
  { fromOffset = 0n, toOffset, fromMs, toMs }: PartitionTarget,
): MissingOffsets[] {
  return history.currentGaps().flatMap(({ baseOffset, lastOffset, reason }) => {
    const first = baseOffset > fromOffset ? baseOffset : fromOffset;
    const last = toOffset !== undefined && toOffset - 1n < lastOffset ? toOffset - 1n : lastOffset;
    if (first > last) return [];
    const before = current.findLast((one) => one.fromOffset < baseOffset)?.segment;
    const after = current.find((one) => one.fromOffset > lastOffset)?.segment;
    const isOlder = fromMs !== undefined && after !== undefined && after.maxTimestampMs < fromMs;
    const isNewer = toMs !== undefined && before?.minTimestampMs != null && before.minTimestampMs > toMs;
    return isOlder || isNewer ? [] : [{ baseOffset: first, lastOffset: last, reason }];
  });
}

function limitsOf(
  history: PartitionHistory,
  offsets: PartitionOffsets | undefined,
): Pick<PartitionTarget, 'fromOffset' | 'toOffset'> {
  if (offsets === undefined) return {};
  const { topic, partition, fromOffset, toOffset } = offsets;
  const name = `${topic}/${partition}`;
  if (fromOffset !== null && toOffset !== null && fromOffset > toOffset) {
    throw new BackupError('USAGE_INVALID', `offsets of ${name}: ${fromOffset}..${toOffset} ends before it starts`);
  }
  const held = heldOffsets(history);
  const isHeld =
    (fromOffset === null || (fromOffset >= held.fromOffset && fromOffset <= held.toOffset)) &&
    (toOffset === null || (toOffset >= held.fromOffset && toOffset <= held.toOffset));
  if (!isHeld) {
    const asked = `${fromOffset ?? ''}..${toOffset ?? ''}`;
    const has =
      held.fromOffset === held.toOffset ? 'no records' : `offsets ${held.fromOffset}..${held.toOffset} (end exclusive)`;
    throw new BackupError('NOTHING_TO_RESTORE', `offsets of ${name}: asked for ${asked}, the backup holds ${has}`);
  }
  return { ...(fromOffset === null ? {} : { fromOffset }), ...(toOffset === null ? {} : { toOffset }) };
}

/** From the first offset that the newest timeline knows, gaps included, to behind its last. */
function heldOffsets(history: PartitionHistory): { readonly fromOffset: bigint; readonly toOffset: bigint } {
  const segments = history.currentSegments();
  const firsts = [segments[0]?.fromOffset, ...history.currentGaps().map(({ baseOffset }) => baseOffset)];
  const first = firsts.reduce((low, one) => (one !== undefined && (low === undefined || one < low) ? one : low));
  const toOffset = history.resume?.nextOffset ?? first ?? 0n;
  return { fromOffset: first ?? toOffset, toOffset };
}

function assertPartitions(
  topic: string,
  held: ReadonlySet<number>,
  offsets: ReadonlyMap<number, PartitionOffsets>,
  { partitions }: RestoreRequest,
): void {
  const has = `it has ${held.size}, from 0 on`;
  const absent = [...(partitions ?? []), ...offsets.keys()].find((partition) => !held.has(partition));
  if (absent !== undefined) {
    throw new BackupError('NOTHING_TO_RESTORE', `topic ${topic} of the backup has no partition ${absent}; ${has}`);
  }
  const unselected = [...offsets.keys()].find((partition) => partitions?.includes(partition) === false);
  if (unselected !== undefined) {
    throw new BackupError('USAGE_INVALID', `offsets name ${topic}/${unselected}, which source_partitions leaves out`);
  }
}
