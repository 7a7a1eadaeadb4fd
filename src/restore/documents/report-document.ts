// The report of a complete restore as JSON shows it, in snake case; cli/README.md describes every field.

import { placed } from '../journal/offset-runs.ts';
import {
  firstOffset,
  lastOffset,
  type RestoreReport,
  type SourceReport,
  type TargetReport,
} from '../journal/restore-report.ts';

/** RFC 3339 in UTC; null for what is beyond any date. */
export function documentInstant(instantMs: number | null): string | null {
  if (instantMs === null) return null;
  const date = new Date(instantMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** Runs of an offset map that is too long for the report are null; `kafka-backup offset-map` reads all of it. */
export function reportDocument(report: RestoreReport): Readonly<Record<string, unknown>> {
  const { lastAttempt, allAttempts } = report;
  return {
    id: report.id,
    backup: report.backupId,
    plan_id: report.planId,
    catalog_version: report.catalogVersion,
    target_cluster_id: report.clusterId,
    created_at: documentInstant(report.createdAtMs),
    finished_at: documentInstant(report.finishedAtMs),
    resumed: report.isResumed,
    last_attempt: {
      duration_ms: lastAttempt.durationMs,
      records_sent: lastAttempt.recordsSent,
      bytes_sent: lastAttempt.bytesSent,
      bytes_read: lastAttempt.bytesRead,
      records_per_second: lastAttempt.recordsPerSecond,
      bytes_per_second: lastAttempt.bytesPerSecond,
    },
    all_attempts: {
      attempts: allAttempts.attempts,
      duration_ms: allAttempts.durationMs,
      records_restored: allAttempts.recordsRestored,
      bytes_sent: allAttempts.bytesSent,
      bytes_read: allAttempts.bytesRead,
      records_per_second: allAttempts.recordsPerSecond,
      bytes_per_second: allAttempts.bytesPerSecond,
    },
    sources: report.sources.map(sourceDocument),
    targets: report.targets.map(targetDocument),
  };
}

function sourceDocument(source: SourceReport): Record<string, unknown> {
  const { topic, partition, targetTopic, recordsPlanned, recordsRestored, dropped, gaps } = source;
  return {
    topic,
    partition,
    target_topic: targetTopic,
    records_planned: recordsPlanned,
    records_restored: recordsRestored,
    dropped,
    gaps: gaps.map(({ baseOffset, lastOffset, reason }) => {
      return { first_offset: baseOffset.toString(), last_offset: lastOffset.toString(), reason };
    }),
  };
}

function targetDocument(target: TargetReport): Record<string, unknown> {
  const { topic, partition, sourceTopic, recordCount, runCount, runs, startOffset } = target;
  return {
    topic,
    partition,
    source_topic: sourceTopic,
    records: recordCount,
    first_offset: firstOffset(target)?.toString() ?? null,
    last_offset: lastOffset(target)?.toString() ?? null,
    run_count: runCount,
    runs:
      runs === null
        ? null
        : Array.from(placed(runs, startOffset), ({ sourcePartition, firstSourceOffset, firstTargetOffset, count }) => ({
            source_partition: sourcePartition,
            source_offset: firstSourceOffset.toString(),
            target_offset: firstTargetOffset.toString(),
            count,
          })),
  };
}
