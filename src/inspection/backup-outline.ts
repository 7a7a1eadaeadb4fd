// What a backup holds, worked out from its catalog alone: the content of `list` and `describe`. Pure. Counts are of everything
// stored, superseded timelines and former lives of a topic included; windows are of what a restore would take.

import type { CatalogState, IncarnationHistory, PartitionHistory } from '../catalog/catalog-state.ts';
import type { TopicObservation, Truncation } from '../catalog/commit.ts';
import { type RequestCounts, totalRequests } from '../model/request-counts.ts';
import type { Gap } from '../model/segment/segment.ts';
import { joinWindows, partitionWindow, type RestorableWindow } from './restorable-window.ts';
import { newestIncarnation, type StoredBackup } from './stored-backup.ts';

const GIB = 2 ** 30;

export interface StoredTotals {
  readonly segments: number;
  readonly records: number;
  /** Record batches before our compression. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly gaps: number;
  /** Offsets that the gaps cover. */
  readonly gapOffsets: bigint;
}

export interface PartitionOutline {
  readonly partition: number;
  /** First offset held by the newest timeline; null while nothing is stored. */
  readonly firstOffset: bigint | null;
  /** Where a backup goes on; null while nothing is committed, not even where it begins. */
  readonly nextOffset: bigint | null;
  readonly timeline: number;
  readonly totals: StoredTotals;
  readonly window: RestorableWindow;
  readonly gaps: readonly Gap[];
  readonly truncations: readonly Truncation[];
}

/** One life of a topic. */
export interface IncarnationOutline {
  readonly topicId: string;
  readonly isNewest: boolean;
  readonly firstObservedAtMs: number | null;
  /** The newest; null when the topic was never observed. */
  readonly observation: TopicObservation | null;
  /** By number; only those of which something was committed. */
  readonly partitions: readonly PartitionOutline[];
  readonly totals: StoredTotals;
  readonly window: RestorableWindow;
}

export interface TopicOutline {
  readonly topic: string;
  /** Oldest first. */
  readonly incarnations: readonly IncarnationOutline[];
  readonly totals: StoredTotals;
  /** Of the newest life. */
  readonly window: RestorableWindow;
}

export interface BackupOutline {
  readonly backupId: string;
  readonly clusterId: string;
  readonly createdAtMs: number;
  readonly catalogVersion: number;
  readonly committedAtMs: number | null;
  /** As {@link StoredBackup.isUncommitted}. */
  readonly isUncommitted: boolean;
  /** By name. */
  readonly topics: readonly TopicOutline[];
  readonly totals: StoredTotals;
  readonly window: RestorableWindow;
  /** Null where none are known, as on a filesystem, and where only some topics are shown: they cannot be told apart by topic. */
  readonly requests: StoreRequests | null;
}

/** What writing the backup has asked of its store, as the commits tell. */
export interface StoreRequests {
  readonly total: number;
  /** Null while nothing is stored. */
  readonly perStoredGib: number | null;
  /** By the store's own names, the most frequent first. */
  readonly byOperation: RequestCounts;
}

/** All topics, or those that `isWanted` names. */
export function outlineBackup(
  { identity, state, isUncommitted }: StoredBackup,
  isWanted?: (topic: string) => boolean,
): BackupOutline {
  const topics = outlineTopics(state, isWanted ?? (() => true));
  const totals = sumTotals(topics.map((topic) => topic.totals));
  return {
    ...identity,
    catalogVersion: state.version,
    committedAtMs: state.committedAtMs,
    isUncommitted,
    topics,
    totals,
    window: joinWindows(topics.map(({ window }) => window)),
    requests: isWanted === undefined ? outlineRequests(state.requests, totals) : null,
  };
}

function outlineRequests(counts: RequestCounts, { storedBytes }: StoredTotals): StoreRequests | null {
  if (counts.size === 0) return null;
  const total = totalRequests(counts);
  return {
    total,
    perStoredGib: storedBytes === 0 ? null : Math.round(total / (storedBytes / GIB)),
    byOperation: new Map([...counts].sort(([, a], [, b]) => b - a)),
  };
}

function outlineTopics({ incarnations }: CatalogState, isWanted: (topic: string) => boolean): TopicOutline[] {
  const byTopic = Map.groupBy(
    incarnations.filter(({ topic }) => isWanted(topic)),
    ({ topic }) => topic,
  );
  return [...byTopic]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, lives]) => {
      const newest = newestIncarnation(lives);
      const outlines = lives.map((life) => outlineIncarnation(life, life === newest));
      const totals = sumTotals(outlines.map((outline) => outline.totals));
      return {
        topic,
        incarnations: outlines,
        totals,
        window: joinWindows(outlines.slice(-1).map((one) => one.window)),
      };
    });
}

function outlineIncarnation(life: IncarnationHistory, isNewest: boolean): IncarnationOutline {
  const { topicId, observations } = life;
  const partitions = [...life.partitions.values()]
    .filter(({ resume }) => resume !== undefined)
    .map(outlinePartition)
    .sort((a, b) => a.partition - b.partition);
  return {
    topicId,
    isNewest,
    firstObservedAtMs: observations[0]?.observedAtMs ?? null,
    observation: observations.at(-1) ?? null,
    partitions,
    totals: sumTotals(partitions.map(({ totals }) => totals)),
    window: joinWindows(partitions.map(({ window }) => window)),
  };
}

function outlinePartition(history: PartitionHistory): PartitionOutline {
  const { identity, segments, gaps, truncations, resume } = history;
  return {
    partition: identity.partition,
    firstOffset: history.currentSegments()[0]?.fromOffset ?? null,
    nextOffset: resume?.nextOffset ?? null,
    timeline: resume?.timeline ?? 0,
    totals: {
      segments: segments.length,
      records: sum(segments, ({ recordCount }) => recordCount),
      rawBytes: sum(segments, ({ rawSizeBytes }) => rawSizeBytes),
      storedBytes: sum(segments, ({ storedSizeBytes }) => storedSizeBytes),
      gaps: gaps.length,
      gapOffsets: gaps.reduce((total, { baseOffset, lastOffset }) => total + lastOffset - baseOffset + 1n, 0n),
    },
    window: partitionWindow(history),
    gaps,
    truncations,
  };
}

function sumTotals(all: readonly StoredTotals[]): StoredTotals {
  return {
    segments: sum(all, ({ segments }) => segments),
    records: sum(all, ({ records }) => records),
    rawBytes: sum(all, ({ rawBytes }) => rawBytes),
    storedBytes: sum(all, ({ storedBytes }) => storedBytes),
    gaps: sum(all, ({ gaps }) => gaps),
    gapOffsets: all.reduce((total, { gapOffsets }) => total + gapOffsets, 0n),
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
