// What a backup holds, as JSON: the contract of `list`, `describe` and the static `status` (README.md of this folder). Offsets
// are decimal strings, instants RFC 3339 in UTC, sizes bytes; the names are those of the control port.

import type {
  BackupOutline,
  IncarnationOutline,
  PartitionOutline,
  StoredTotals,
  StoreRequests,
  TopicOutline,
} from '../../inspection/backup-outline.ts';
import type { RestorableWindow } from '../../inspection/restorable-window.ts';
import { formatInstant } from './format-quantities.ts';

type Json = Readonly<Record<string, unknown>>;

/** Without the topics. */
export function backupSummaryJson(outline: BackupOutline): Json {
  return {
    id: outline.backupId,
    cluster_id: outline.clusterId,
    created_at: instantJson(outline.createdAtMs),
    catalog_version: outline.catalogVersion,
    last_commit_at: instantJson(outline.committedAtMs),
    topic_count: outline.topics.length,
    ...totalsJson(outline.totals),
    ...windowJson(outline.window),
    requests: requestsJson(outline.requests),
    ...(outline.isUncommitted ? { uncommitted_data: true } : {}),
  };
}

function requestsJson(requests: StoreRequests | null): Json | null {
  if (requests === null) return null;
  const { total, perStoredGib, byOperation } = requests;
  return { total, per_stored_gib: perStoredGib, by_operation: Object.fromEntries(byOperation) };
}

export function backupJson(outline: BackupOutline): Json {
  return { ...backupSummaryJson(outline), topics: outline.topics.map(topicJson) };
}

function topicJson({ topic, totals, window, incarnations }: TopicOutline): Json {
  return {
    topic,
    ...totalsJson(totals),
    ...windowJson(window),
    incarnations: incarnations.map(incarnationJson),
  };
}

function incarnationJson(life: IncarnationOutline): Json {
  const { observation } = life;
  return {
    topic_id: life.topicId,
    newest: life.isNewest,
    first_observed_at: instantJson(life.firstObservedAtMs),
    observed:
      observation === null
        ? null
        : {
            at: instantJson(observation.observedAtMs),
            partitions: observation.partitions,
            replication_factor: observation.replicationFactor,
            configs: observation.configs,
          },
    ...totalsJson(life.totals),
    ...windowJson(life.window),
    partitions: life.partitions.map(partitionJson),
  };
}

function partitionJson({ partition, firstOffset, nextOffset, timeline, ...rest }: PartitionOutline): Json {
  return {
    partition,
    first_offset: firstOffset,
    next_offset: nextOffset,
    timeline,
    ...totalsJson(rest.totals),
    ...windowJson(rest.window),
    gap_list: rest.gaps.map((gap) => ({
      base_offset: gap.baseOffset,
      last_offset: gap.lastOffset,
      reason: gap.reason,
      detected_at: instantJson(gap.detectedAtMs),
    })),
    truncations: rest.truncations.map((truncation) => ({
      end_offset: truncation.endOffset,
      timeline: truncation.timeline,
      detected_at: instantJson(truncation.detectedAtMs),
    })),
  };
}

function totalsJson({ segments, records, rawBytes, storedBytes, gaps, gapOffsets }: StoredTotals): Json {
  return {
    segments,
    records,
    raw_bytes: rawBytes,
    stored_bytes: storedBytes,
    gaps,
    gap_offsets: gapOffsets,
  };
}

function windowJson({ fromMs, toMs, newestCaptureMs }: RestorableWindow): Json {
  return {
    restorable: { from: instantJson(fromMs), to: instantJson(toMs) },
    newest_capture_at: instantJson(newestCaptureMs),
  };
}

/** RFC 3339, or null for none and for what no date holds. */
export function instantJson(epochMs: number | null): string | null {
  const text = formatInstant(epochMs);
  return text === '-' ? null : text;
}
