// The report of a complete restore as /v1 shows it, in snake case. Of an offset map that is too long for the report the number of
// runs is shown; `kafka-backup offset-map` reads all of it.

import { placed } from '../restore/journal/offset-runs.ts';
import {
  firstOffset,
  lastOffset,
  type RestoreReport,
  type SourceReport,
  type TargetReport,
} from '../restore/journal/restore-report.ts';
import { isoOrNull } from './backup-resource.ts';
import { PARTITION_SCHEMA } from './restore-resource.ts';

const TEXT = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const NULLABLE_TEXT = { type: ['string', 'null'] } as const;

const SOURCE_SCHEMA = {
  ...PARTITION_SCHEMA,
  properties: {
    ...PARTITION_SCHEMA.properties,
    gaps: {
      type: 'array',
      items: { type: 'object', properties: { first_offset: TEXT, last_offset: TEXT, reason: TEXT } },
    },
  },
} as const;

const RUN_SCHEMA = {
  type: 'object',
  properties: { source_partition: INTEGER, source_offset: TEXT, target_offset: TEXT, count: INTEGER },
} as const;

const TARGET_SCHEMA = {
  type: 'object',
  properties: {
    topic: TEXT,
    partition: INTEGER,
    source_topic: TEXT,
    records: INTEGER,
    first_offset: NULLABLE_TEXT,
    last_offset: NULLABLE_TEXT,
    run_count: INTEGER,
    runs: { type: ['array', 'null'], items: RUN_SCHEMA },
  },
} as const;

export const REPORT_SCHEMA = {
  type: 'object',
  properties: {
    id: TEXT,
    backup: TEXT,
    plan_id: TEXT,
    catalog_version: INTEGER,
    target_cluster_id: TEXT,
    created_at: NULLABLE_TEXT,
    finished_at: NULLABLE_TEXT,
    resumed: { type: 'boolean' },
    last_attempt: {
      type: 'object',
      properties: {
        duration_ms: INTEGER,
        records_sent: INTEGER,
        bytes_sent: INTEGER,
        bytes_read: INTEGER,
        records_per_second: INTEGER,
        bytes_per_second: INTEGER,
      },
    },
    sources: { type: 'array', items: SOURCE_SCHEMA },
    targets: { type: 'array', items: TARGET_SCHEMA },
  },
} as const;

export function reportResource(report: RestoreReport): Record<string, unknown> {
  const { lastAttempt } = report;
  return {
    id: report.id,
    backup: report.backupId,
    plan_id: report.planId,
    catalog_version: report.catalogVersion,
    target_cluster_id: report.clusterId,
    created_at: isoOrNull(report.createdAtMs),
    finished_at: isoOrNull(report.finishedAtMs),
    resumed: report.isResumed,
    last_attempt: {
      duration_ms: lastAttempt.durationMs,
      records_sent: lastAttempt.recordsSent,
      bytes_sent: lastAttempt.bytesSent,
      bytes_read: lastAttempt.bytesRead,
      records_per_second: lastAttempt.recordsPerSecond,
      bytes_per_second: lastAttempt.bytesPerSecond,
    },
    sources: report.sources.map(sourceResource),
    targets: report.targets.map(targetResource),
  };
}

function sourceResource(source: SourceReport): Record<string, unknown> {
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

function targetResource(target: TargetReport): Record<string, unknown> {
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
