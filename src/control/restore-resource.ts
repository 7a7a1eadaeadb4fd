// A restore job as /v1 shows it: one shape, in snake case, for every state. Progress is by bytes, which are known beforehand;
// the record total is an upper bound until aborted records were found. 100 percent is said of COMPLETED only.

import type {
  PartitionProgress,
  PlannedTopic,
  PlanSummary,
  RestoreJob,
  RestoreProgress,
} from '../restore/restore-job.ts';
import { restoreProgressRatio } from '../telemetry/status-samples.ts';
import { isoOrNull } from './backup-resource.ts';

const TEXT = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const NULLABLE_TEXT = { type: ['string', 'null'] } as const;
const NULLABLE_INTEGER = { type: ['integer', 'null'] } as const;
const TEXTS = { type: 'array', items: TEXT } as const;

export const RESTORE_SUMMARY_SCHEMA = {
  type: 'object',
  properties: {
    id: TEXT,
    kind: TEXT,
    state: TEXT,
    dry_run: { type: 'boolean' },
    backup: TEXT,
    point_in_time: NULLABLE_TEXT,
    time_window_start: NULLABLE_TEXT,
    target: TEXT,
    topics: { type: 'object', properties: { include: TEXTS, exclude: TEXTS } },
    topic_mapping: { type: 'object', additionalProperties: TEXT },
    progress: {
      type: ['object', 'null'],
      properties: {
        percent: { type: 'number' },
        bytes_done: INTEGER,
        bytes_total: INTEGER,
        records_done: INTEGER,
        records_total_estimate: INTEGER,
        partitions_done: INTEGER,
        partitions_total: INTEGER,
        bytes_per_second: NULLABLE_INTEGER,
        eta_seconds: NULLABLE_INTEGER,
      },
    },
    created_at: TEXT,
    started_at: NULLABLE_TEXT,
    finished_at: NULLABLE_TEXT,
    warnings: TEXTS,
    error: { type: ['object', 'null'], properties: { code: TEXT, message: TEXT, hint: TEXT } },
    links: { type: 'object', properties: { self: TEXT, cancel: TEXT, resume: TEXT, report: TEXT } },
  },
} as const;

const PLANNED_TOPIC_SCHEMA = {
  type: 'object',
  properties: {
    topic: TEXT,
    target_topic: TEXT,
    action: TEXT,
    partitions: INTEGER,
    target_partitions: INTEGER,
    segments: INTEGER,
    records: INTEGER,
    records_are_exact: { type: 'boolean' },
    stored_bytes: INTEGER,
    bytes_to_read: INTEGER,
    from: NULLABLE_TEXT,
    to: NULLABLE_TEXT,
    gaps: INTEGER,
  },
} as const;

export const PARTITION_SCHEMA = {
  type: 'object',
  properties: {
    topic: TEXT,
    partition: INTEGER,
    target_topic: TEXT,
    records_planned: INTEGER,
    records_restored: INTEGER,
    dropped: { type: 'object', additionalProperties: INTEGER },
  },
} as const;

const CHECK_SCHEMA = { type: 'object', properties: { level: TEXT, name: TEXT, message: TEXT } } as const;

export const RESTORE_SCHEMA = {
  ...RESTORE_SUMMARY_SCHEMA,
  properties: {
    ...RESTORE_SUMMARY_SCHEMA.properties,
    plan: {
      type: ['object', 'null'],
      properties: {
        id: TEXT,
        catalog_version: INTEGER,
        topics: { type: 'array', items: PLANNED_TOPIC_SCHEMA },
        checks: { type: 'array', items: CHECK_SCHEMA },
      },
    },
    partitions: { type: 'array', items: PARTITION_SCHEMA },
  },
} as const;

export const RESTORE_LIST_SCHEMA = {
  type: 'object',
  properties: { restores: { type: 'array', items: RESTORE_SUMMARY_SCHEMA } },
} as const;

/** The path of a job, for Location and links. */
export function restorePath(job: RestoreJob): string {
  return `/v1/restores/${encodeURIComponent(job.id)}`;
}

/** Without plan and partitions, which can be long. `nowMs` is what rates of a running job are measured to. */
export function restoreSummary(job: RestoreJob, nowMs: number): Record<string, unknown> {
  const { request } = job;
  return {
    id: job.id,
    kind: 'restore',
    state: job.state,
    dry_run: request.dryRun,
    backup: job.backupId,
    point_in_time: isoOrNull(request.recoveryTarget.toMs ?? null),
    time_window_start: isoOrNull(request.recoveryTarget.fromMs ?? null),
    target: request.target,
    topics: { include: request.includeTopics, exclude: request.excludeTopics },
    topic_mapping: request.topicMapping,
    progress: job.progress === null ? null : progressResource(job, job.progress, nowMs),
    created_at: isoOrNull(job.createdAtMs),
    started_at: isoOrNull(job.startedAtMs),
    finished_at: isoOrNull(job.finishedAtMs),
    warnings: (job.plan?.checks ?? []).filter(({ level }) => level === 'warn').map(({ message }) => message),
    error: job.failure,
    links: linksOf(job),
  };
}

/** What can be done with it now. */
function linksOf(job: RestoreJob): Record<string, string> {
  const self = restorePath(job);
  const isUnfinished = job.state === 'FAILED' || job.state === 'CANCELLED';
  return {
    self,
    cancel: `${self}/cancel`,
    ...(isUnfinished ? { resume: `${self}/resume` } : {}),
    ...(job.report === null ? {} : { report: `${self}/report` }),
  };
}

/** The whole job. */
export function restoreResource(job: RestoreJob, nowMs: number): Record<string, unknown> {
  return {
    ...restoreSummary(job, nowMs),
    plan: job.plan === null ? null : planResource(job.plan),
    partitions: job.partitions.map(partitionResource),
  };
}

function progressResource(job: RestoreJob, progress: RestoreProgress, nowMs: number): Record<string, unknown> {
  const elapsedMs = job.startedAtMs === null ? 0 : (job.finishedAtMs ?? nowMs) - job.startedAtMs;
  const bytesPerSecond = elapsedMs > 0 ? Math.round((progress.bytesRead / elapsedMs) * 1000) : null;
  const bytesLeft = Math.max(0, progress.bytesTotal - progress.bytesRead);
  const isRunning = job.state === 'RUNNING';
  return {
    percent: Math.floor(restoreProgressRatio(job) * 1000) / 10,
    bytes_done: progress.bytesRead,
    bytes_total: progress.bytesTotal,
    records_done: progress.recordsRestored,
    records_total_estimate: progress.recordsTotal,
    partitions_done: progress.partitionsDone,
    partitions_total: progress.partitionsTotal,
    bytes_per_second: bytesPerSecond,
    eta_seconds:
      isRunning && bytesPerSecond !== null && bytesPerSecond > 0 ? Math.ceil(bytesLeft / bytesPerSecond) : null,
  };
}

function planResource(plan: PlanSummary): Record<string, unknown> {
  return {
    id: plan.planId,
    catalog_version: plan.catalogVersion,
    topics: plan.topics.map(plannedTopicResource),
    checks: plan.checks,
  };
}

function plannedTopicResource(planned: PlannedTopic): Record<string, unknown> {
  return {
    topic: planned.topic,
    target_topic: planned.targetTopic,
    action: planned.action,
    partitions: planned.partitions,
    target_partitions: planned.targetPartitions,
    segments: planned.segments,
    records: planned.records,
    records_are_exact: planned.isExact,
    stored_bytes: planned.storedBytes,
    bytes_to_read: planned.bytesToRead,
    from: isoOrNull(planned.fromMs),
    to: isoOrNull(planned.toMs),
    gaps: planned.gaps,
  };
}

function partitionResource(partition: PartitionProgress): Record<string, unknown> {
  return {
    topic: partition.topic,
    partition: partition.partition,
    target_topic: partition.targetTopic,
    records_planned: partition.recordsPlanned,
    records_restored: partition.recordsRestored,
    dropped: partition.dropped,
  };
}
