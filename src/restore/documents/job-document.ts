// A restore as JSON shows it, in snake case: one document for `restore --json`, `validate-restore --json` and the control port.
// It is put together field by field, so nothing of the inside gets out by itself; cli/README.md describes every field. Progress is by
// bytes, which are known beforehand; the record total is an upper bound until dropped records were found.

import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import { documentInstant } from './report-document.ts';
import { requestDocument } from './request-document.ts';
import type {
  PartitionProgress,
  PlannedAmount,
  PlannedCount,
  PlannedDrops,
  PlannedPartition,
  PlannedTopic,
  PlanSummary,
  RestoreJob,
  RestoreProgress,
} from '../restore-job.ts';

type Document = Readonly<Record<string, unknown>>;

/**
 * From 0 to 1. By bytes read, which are known exactly beforehand, while records are not (aborted ones are found on the way).
 * 1 means COMPLETED: a restore that has read everything but is not confirmed stays just below.
 */
export function restoreProgressRatio(job: RestoreJob): number {
  if (job.state === 'COMPLETED') return 1;
  if (job.progress === null || job.progress.bytesTotal <= 0) return 0;
  return Math.min(0.999, Math.max(0, job.progress.bytesRead / job.progress.bytesTotal));
}

/** Without plan and partitions, which can be long. `nowMs` is what rates of a running job are measured to. */
export function jobSummaryDocument(job: RestoreJob, nowMs: number): Document {
  const { request, failure } = job;
  return {
    id: job.id,
    kind: 'restore',
    state: job.state,
    dry_run: request.dryRun,
    backup: job.backupId,
    point_in_time: documentInstant(request.recoveryTarget.toMs ?? null),
    time_window_start: documentInstant(request.recoveryTarget.fromMs ?? null),
    target: request.target,
    topics: { include: request.includeTopics, exclude: request.excludeTopics },
    topic_mapping: request.topicMapping,
    progress: job.progress === null ? null : progressDocument(job, job.progress, nowMs),
    created_at: documentInstant(job.createdAtMs),
    started_at: documentInstant(job.startedAtMs),
    finished_at: documentInstant(job.finishedAtMs),
    warnings: [...job.remarks, ...planWarnings(job)],
    error: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
  };
}

function planWarnings({ plan }: RestoreJob): readonly string[] {
  return (plan?.checks ?? []).filter(({ level }) => level === 'warn').map(({ message }) => message);
}

/** Progress alone, as it is told while the restore runs. */
export function statusDocument(job: RestoreJob, nowMs: number): Document {
  return { state: job.state, ...(job.progress === null ? {} : progressDocument(job, job.progress, nowMs)) };
}

/** The whole job but for its report. */
export function jobDocument(job: RestoreJob, nowMs: number): Document {
  return {
    ...jobSummaryDocument(job, nowMs),
    request: requestDocument(job.request),
    plan: job.plan === null ? null : planDocument(job.plan),
    partitions: job.partitions.map(partitionDocument),
  };
}

function progressDocument(job: RestoreJob, progress: RestoreProgress, nowMs: number): Document {
  const elapsedMs = job.startedAtMs === null ? 0 : (job.finishedAtMs ?? nowMs) - job.startedAtMs;
  const bytesPerSecond = elapsedMs > 0 ? Math.round((progress.bytesRead / elapsedMs) * 1000) : null;
  const left = secondsLeft(progress, elapsedMs / 1000);
  return {
    percent: Math.floor(restoreProgressRatio(job) * 1000) / 10,
    bytes_done: progress.bytesRead,
    bytes_total: progress.bytesTotal,
    bytes_sent: progress.rawBytes,
    records_done: progress.recordsRestored,
    records_total_estimate: progress.recordsTotal,
    partitions_done: progress.partitionsDone,
    partitions_total: progress.partitionsTotal,
    bytes_per_second: bytesPerSecond,
    eta_seconds: left === null || job.state !== 'RUNNING' ? null : Math.ceil(left),
  };
}

/**
 * Of a running restore, from its pace so far: the later of the bytes to be read and the records to be acknowledged, since a limit may
 * hold either up. Null before there is a pace.
 */
export function secondsLeft(progress: RestoreProgress, elapsedSeconds: number): number | null {
  const { bytesRead, bytesTotal, recordsRestored, recordsTotal } = progress;
  if (bytesRead === 0 || recordsRestored === 0) return null;
  const byBytes = Math.max(0, bytesTotal - bytesRead) / bytesRead;
  const byRecords = bytesRead < bytesTotal ? 0 : Math.max(0, recordsTotal - recordsRestored) / recordsRestored;
  return elapsedSeconds * Math.max(byBytes, byRecords);
}

function planDocument(plan: PlanSummary): Document {
  return {
    id: plan.planId,
    catalog_version: plan.catalogVersion,
    topics: plan.topics.map(plannedTopicDocument),
    checks: plan.checks.map(({ level, name, message }) => ({ level, name, message })),
  };
}

function plannedTopicDocument(planned: PlannedTopic): Document {
  return {
    topic: planned.topic,
    target_topic: planned.targetTopic,
    action: planned.action,
    recovery_target: targetDocument(planned.recoveryTarget),
    partitions: planned.partitions,
    target_partitions: planned.targetPartitions,
    ...amountDocument(planned),
    gaps: planned.gaps,
    partition_plans: planned.partitionPlans.map(plannedPartitionDocument),
  };
}

function targetDocument({ fromMs, toMs, cut }: RecoveryTarget): Document {
  return { from: documentInstant(fromMs ?? null), to: documentInstant(toMs ?? null), cut };
}

function plannedPartitionDocument(planned: PlannedPartition): Document {
  return {
    partition: planned.partition,
    target_partitions: planned.targetPartitions,
    first_offset: planned.firstOffset?.toString() ?? null,
    next_offset: planned.nextOffset?.toString() ?? null,
    ...amountDocument(planned),
    gaps: planned.gaps.map(({ baseOffset, lastOffset, reason }) => {
      return { first_offset: baseOffset.toString(), last_offset: lastOffset.toString(), reason };
    }),
  };
}

function amountDocument(amount: PlannedAmount): Document {
  return {
    segments: amount.segments,
    records: amount.records,
    records_are_exact: amount.isExact,
    dropped: byReason(amount.dropped, (count) => (count.kind === 'unknown' ? null : count.records)),
    dropped_certainty: byReason(amount.dropped, ({ kind }) => kind),
    stored_bytes: amount.storedBytes,
    bytes_to_read: amount.bytesToRead,
    from: documentTimestamp(amount.fromMs),
    to: documentTimestamp(amount.toMs),
  };
}

/** RFC 3339 in UTC; epoch milliseconds in digits for what is beyond any date, as records' timestamps may be. */
function documentTimestamp(timestampMs: number | null): string | null {
  return documentInstant(timestampMs) ?? timestampMs?.toString() ?? null;
}

function byReason(dropped: PlannedDrops, of: (count: PlannedCount) => unknown): Document {
  return Object.fromEntries(Object.entries(dropped).map(([reason, count]) => [reason, of(count)]));
}

function partitionDocument(partition: PartitionProgress): Document {
  return {
    topic: partition.topic,
    partition: partition.partition,
    target_topic: partition.targetTopic,
    records_planned: partition.recordsPlanned,
    records_restored: partition.recordsRestored,
    dropped: partition.dropped,
  };
}
