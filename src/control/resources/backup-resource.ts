// A backup as /v1 shows it: the restorable window first, because "to which moment can I go back?" is what is asked. Offsets
// are decimal strings, instants ISO 8601 in UTC, sizes bytes.

import { type BackupStatus, type PartitionStatus, requestsPerStoredGib } from '../../backup/progress/backup-status.ts';

const NULLABLE_TEXT = { type: ['string', 'null'] } as const;
const TEXTS = { type: 'array', items: { type: 'string' } } as const;

export const BACKUP_SUMMARY_SCHEMA = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    cluster_id: { type: 'string' },
    mode: { type: 'string', enum: ['one-shot', 'continuous'] },
    restorable: { type: 'object', properties: { from: NULLABLE_TEXT, to: NULLABLE_TEXT } },
    started_at: { type: 'string' },
    last_commit_at: NULLABLE_TEXT,
    catalog_version: { type: 'integer' },
    lag_records: { type: 'integer' },
    lag_seconds: { type: 'number' },
    partition_count: { type: 'integer' },
    failed_partition_count: { type: 'integer' },
    missing_topics: TEXTS,
    trouble: NULLABLE_TEXT,
    store: {
      type: ['object', 'null'],
      properties: {
        circuit: { type: 'string', enum: ['closed', 'open'] },
        concurrency_limit: { type: 'integer' },
        requests_in_flight: { type: 'integer' },
        requests_waiting: { type: 'integer' },
        failing_for_seconds: { type: 'number' },
        last_failure: NULLABLE_TEXT,
        requests: { type: 'integer' },
        requests_per_stored_gib: { type: ['number', 'null'] },
      },
    },
    since_start: {
      type: 'object',
      properties: {
        records: { type: 'integer' },
        source_bytes: { type: 'integer' },
        stored_bytes: { type: 'integer' },
        segments: { type: 'integer' },
        commits: { type: 'integer' },
        gaps: { type: 'integer' },
        gap_records: { type: 'integer' },
        errors: { type: 'integer' },
        fenced_segments: { type: 'integer' },
      },
    },
    links: { type: 'object', properties: { self: { type: 'string' } } },
  },
} as const;

export const BACKUP_SCHEMA = {
  ...BACKUP_SUMMARY_SCHEMA,
  properties: {
    ...BACKUP_SUMMARY_SCHEMA.properties,
    partitions: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          topic: { type: 'string' },
          topic_id: { type: 'string' },
          partition: { type: 'integer' },
          state: { type: 'string' },
          committed_offset: { type: 'string' },
          next_offset: { type: 'string' },
          high_watermark: NULLABLE_TEXT,
          lag_records: { type: 'integer' },
          lag_seconds: { type: 'number' },
          failure: NULLABLE_TEXT,
        },
      },
    },
  },
} as const;

export const BACKUP_LIST_SCHEMA = {
  type: 'object',
  properties: { backups: { type: 'array', items: BACKUP_SUMMARY_SCHEMA } },
} as const;

/** Without the partitions, of which there may be thousands. */
export function backupSummary(status: BackupStatus): Record<string, unknown> {
  const { counters, partitions } = status;
  return {
    id: status.backupId,
    cluster_id: status.clusterId,
    mode: status.mode,
    restorable: { from: isoOrNull(status.earliestRestorableMs), to: isoOrNull(status.restorableToMs) },
    started_at: isoOrNull(status.startedAtMs),
    last_commit_at: isoOrNull(status.lastCommitAtMs),
    catalog_version: status.catalogVersion,
    lag_records: partitions.reduce((sum, partition) => sum + partition.lagRecords, 0),
    lag_seconds: partitions.reduce((highest, partition) => Math.max(highest, partition.lagSeconds), 0),
    partition_count: partitions.length,
    failed_partition_count: partitions.filter(({ state }) => state === 'failed' || state === 'fenced').length,
    missing_topics: status.missingTopics,
    trouble: status.trouble,
    store: storeResource(status),
    since_start: {
      records: counters.records,
      source_bytes: counters.rawBytes,
      stored_bytes: counters.storedBytes,
      segments: counters.segments,
      commits: counters.commits,
      gaps: counters.gaps,
      gap_records: counters.gapRecords,
      errors: counters.errors,
      fenced_segments: counters.fencedSegments,
    },
    links: { self: `/v1/backups/${encodeURIComponent(status.backupId)}` },
  };
}

/** Null for a store without requests over a network. */
function storeResource({ store, counters }: BackupStatus): Record<string, unknown> | null {
  if (store === null) return null;
  return {
    circuit: store.circuit,
    concurrency_limit: store.concurrency,
    requests_in_flight: store.inFlight,
    requests_waiting: store.waiting,
    failing_for_seconds: store.failingForMs / 1000,
    last_failure: store.lastFailure,
    requests: store.requests,
    requests_per_stored_gib: requestsPerStoredGib(store, counters),
  };
}

/** The summary with every partition. */
export function backupResource(status: BackupStatus): Record<string, unknown> {
  return { ...backupSummary(status), partitions: status.partitions.map(partitionResource) };
}

/** ISO 8601 in UTC with milliseconds; null stays null, and an instant beyond what a Date holds becomes null. */
export function isoOrNull(instantMs: number | null): string | null {
  if (instantMs === null) return null;
  const date = new Date(instantMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function partitionResource(partition: PartitionStatus): Record<string, unknown> {
  return {
    topic: partition.topic,
    topic_id: partition.topicId,
    partition: partition.partition,
    state: partition.state,
    committed_offset: String(partition.committedOffset),
    next_offset: String(partition.nextOffset),
    high_watermark: partition.highWatermark < 0n ? null : String(partition.highWatermark),
    lag_records: partition.lagRecords,
    lag_seconds: partition.lagSeconds,
    failure: partition.failure,
  };
}
