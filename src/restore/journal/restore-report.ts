// What a restore did, for good: counts per source partition, where its records are in each target partition, duration and rates.
// Kept in the store, so that anybody can check a restored topic against the backup long after.

import type { JsonFields } from '../../model/json-fields.ts';
import { type DropCounts, type DropReason, NO_DROPS } from '../../model/restore/recovery-target.ts';
import type { TopicPartition } from '../../model/topic/topic-partition.ts';
import type { MissingOffsets } from '../restore-plan.ts';
import { decodeRuns, encodeRuns, type SourceRun } from './offset-runs.ts';

const GAP_REASONS: readonly MissingOffsets['reason'][] = ['retention', 'delete-records', 'unknown'];

export interface RestoreReport {
  readonly id: string;
  readonly backupId: string;
  readonly planId: string;
  readonly catalogVersion: number;
  readonly clusterId: string;
  /** When the restore was first asked for. */
  readonly createdAtMs: number;
  /** When every record was acknowledged and the ends of the target's partitions were checked. */
  readonly finishedAtMs: number;
  /** True when an earlier attempt had begun to write, or may have. */
  readonly isResumed: boolean;
  /** Of the last attempt alone. */
  readonly lastAttempt: AttemptFigures;
  readonly allAttempts: RestoreFigures;
  readonly sources: readonly SourceReport[];
  readonly targets: readonly TargetReport[];
}

export interface AttemptFigures {
  readonly durationMs: number;
  readonly recordsSent: number;
  /** Record batches as they were sent, compressed or not. */
  readonly bytesSent: number;
  readonly bytesRead: number;
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Of a restore from its first attempt to its last, without the time between them. */
export interface RestoreFigures {
  readonly attempts: number;
  /** At least: of an attempt that was killed, the time up to its last sign of life. So are the bytes. */
  readonly durationMs: number;
  /** Every record that is there, whichever attempt has sent it. */
  readonly recordsRestored: number;
  readonly bytesSent: number;
  readonly bytesRead: number;
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** `recordsPlanned` = `recordsRestored` + all of `dropped`. */
export interface SourceReport extends TopicPartition {
  readonly targetTopic: string;
  /** Records in the segments that the plan selected. */
  readonly recordsPlanned: number;
  readonly recordsRestored: number;
  readonly dropped: DropCounts;
  /** Offsets that were wanted and that the backup does not hold. */
  readonly gaps: readonly MissingOffsets[];
}

export interface TargetReport extends TopicPartition {
  /** The log's end before the restore: where the first restored record is, if there is any. */
  readonly startOffset: bigint;
  readonly recordCount: number;
  readonly sourceTopic: string;
  readonly runCount: number;
  /** Null for a long map, which is kept in `pieceCount` objects of its own. */
  readonly runs: readonly SourceRun[] | null;
  readonly pieceCount: number;
}

/** Of the restored records; null when there are none. Inclusive. */
export function firstOffset({ startOffset, recordCount }: TargetReport): bigint | null {
  return recordCount === 0 ? null : startOffset;
}

export function lastOffset({ startOffset, recordCount }: TargetReport): bigint | null {
  return recordCount === 0 ? null : startOffset + BigInt(recordCount) - 1n;
}

/** As a value that {@link decodeReport} reads back from its JSON. */
export function encodeReport(report: RestoreReport): unknown {
  return {
    ...report,
    targets: report.targets.map((target) => ({
      ...target,
      firstOffset: firstOffset(target),
      lastOffset: lastOffset(target),
      runs: target.runs === null ? null : encodeRuns(target.runs),
    })),
  };
}

/** @throws the code of `fields`. */
export function decodeReport(fields: JsonFields): RestoreReport {
  const attempt = fields.fields('lastAttempt');
  const all = fields.fields('allAttempts');
  return {
    id: fields.string('id'),
    backupId: fields.string('backupId'),
    planId: fields.string('planId'),
    catalogVersion: fields.integer('catalogVersion'),
    clusterId: fields.string('clusterId'),
    createdAtMs: fields.integer('createdAtMs'),
    finishedAtMs: fields.integer('finishedAtMs'),
    isResumed: fields.boolean('isResumed'),
    lastAttempt: {
      durationMs: attempt.number('durationMs'),
      recordsSent: attempt.integer('recordsSent'),
      bytesSent: attempt.integer('bytesSent'),
      bytesRead: attempt.integer('bytesRead'),
      recordsPerSecond: attempt.number('recordsPerSecond'),
      bytesPerSecond: attempt.number('bytesPerSecond'),
    },
    allAttempts: {
      attempts: all.integer('attempts', 1),
      durationMs: all.number('durationMs'),
      recordsRestored: all.integer('recordsRestored'),
      bytesSent: all.integer('bytesSent'),
      bytesRead: all.integer('bytesRead'),
      recordsPerSecond: all.number('recordsPerSecond'),
      bytesPerSecond: all.number('bytesPerSecond'),
    },
    sources: fields.list('sources').map(decodeSource),
    targets: fields.list('targets').map(decodeTarget),
  };
}

function decodeSource(fields: JsonFields): SourceReport {
  const counts = fields.fields('dropped');
  const reasons = Object.keys(NO_DROPS) as DropReason[];
  return {
    topic: fields.string('topic'),
    partition: fields.integer('partition'),
    targetTopic: fields.string('targetTopic'),
    recordsPlanned: fields.integer('recordsPlanned'),
    recordsRestored: fields.integer('recordsRestored'),
    dropped: Object.fromEntries(
      reasons.map((reason) => [reason, counts.has(reason) ? counts.integer(reason) : 0]),
    ) as Record<DropReason, number>,
    gaps: fields.list('gaps').map((gap) => ({
      baseOffset: gap.bigint('baseOffset'),
      lastOffset: gap.bigint('lastOffset'),
      reason: gap.choice('reason', GAP_REASONS),
    })),
  };
}

function decodeTarget(fields: JsonFields): TargetReport {
  return {
    topic: fields.string('topic'),
    partition: fields.integer('partition'),
    startOffset: fields.bigint('startOffset'),
    recordCount: fields.integer('recordCount'),
    sourceTopic: fields.string('sourceTopic'),
    runCount: fields.integer('runCount'),
    runs: fields.has('runs') ? decodeRuns(fields, 'runs') : null,
    pieceCount: fields.integer('pieceCount'),
  };
}
