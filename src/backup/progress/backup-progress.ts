// Counts what a backup has done and makes its status. Counters count what is committed, never what was only fetched.

import type { CatalogHead } from '../../catalog/catalog-head.ts';
import type { CommitResult } from '../../catalog/catalog-writer.ts';
import type { PartitionIdentity } from '../../model/segment/segment.ts';
import type { BackupCounters, BackupStatus } from './backup-status.ts';
import { keyOf, type TrackedPartition } from '../roster/tracked-partition.ts';

export class BackupProgress {
  clusterId = '';
  missingTopics: readonly string[] = [];
  deniedTopics: readonly string[] = [];
  /** Partitions that had no leader when they were found. */
  leaderless: readonly string[] = [];
  /** What the source or the store fails with, since when; null while all is well. */
  trouble: { readonly error: Error; readonly sinceMs: number } | null = null;
  readonly #backupId: string;
  readonly #isContinuous: boolean;
  readonly #wallMs: () => number;
  readonly #monotonicMs: () => number;
  readonly #startedAtMs: number;
  readonly #counters: { -readonly [name in keyof BackupCounters]: number } = {
    records: 0,
    rawBytes: 0,
    storedBytes: 0,
    segments: 0,
    commits: 0,
    gaps: 0,
    gapRecords: 0,
    errors: 0,
    fencedSegments: 0,
  };
  #lastCommitAtMs: number | null = null;
  #lastAnswerAtMs: number | null = null;
  readonly #capturedAtMs = new Map<string, number>();
  #earliestMs: number | null = null;

  constructor(backupId: string, isContinuous: boolean, wallMs: () => number, monotonicMs: () => number) {
    this.#backupId = backupId;
    this.#isContinuous = isContinuous;
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    this.#startedAtMs = wallMs();
  }

  get counters(): BackupCounters {
    return this.#counters;
  }

  /** A broker answered a fetch: all is well with the source. */
  answered(): void {
    this.#lastAnswerAtMs = this.#wallMs();
    this.trouble = null;
  }

  inTrouble(error: Error): void {
    this.trouble = { error, sinceMs: this.trouble?.sinceMs ?? this.#monotonicMs() };
  }

  gap(records: bigint): void {
    this.#counters.gaps += 1;
    this.#counters.gapRecords += Number(records);
  }

  error(): void {
    this.#counters.errors += 1;
  }

  /** Remembers the missing topics and returns those that were not missing before. */
  newlyMissing(missing: readonly string[]): readonly string[] {
    const fresh = missing.filter((topic) => !this.missingTopics.includes(topic));
    this.missingTopics = missing;
    return fresh;
  }

  /** Remembers the topics that may not be described and returns those that were not among them before. */
  newlyDenied(denied: readonly string[]): readonly string[] {
    const fresh = denied.filter((topic) => !this.deniedTopics.includes(topic));
    this.deniedTopics = denied;
    return fresh;
  }

  retired(partition: TrackedPartition): void {
    this.#capturedAtMs.delete(partition.key);
  }

  committed(result: CommitResult, partitionOf: (identity: PartitionIdentity) => TrackedPartition | undefined): void {
    const counters = this.#counters;
    counters.commits += 1;
    this.trouble = null;
    this.#lastCommitAtMs = this.#wallMs();
    for (const action of result.fenced) if (action.kind === 'segment') counters.fencedSegments += 1;
    for (const action of result.committed) {
      if (action.kind === 'segment') {
        const { segment } = action;
        counters.segments += 1;
        counters.records += segment.recordCount;
        counters.rawBytes += segment.rawSizeBytes;
        counters.storedBytes += segment.storedSizeBytes;
        this.#capturedAtMs.set(keyOf(segment), segment.capturedAtMs);
        this.#advance(partitionOf(segment), segment.nextOffset);
      } else if (action.kind === 'gap') {
        this.#advance(partitionOf(action.gap), action.gap.lastOffset + 1n);
      } else if (action.kind === 'truncation') {
        const partition = partitionOf(action.truncation);
        if (partition !== undefined) partition.committedOffset = action.truncation.endOffset;
      }
    }
  }

  status(partitions: Iterable<TrackedPartition>, state: CatalogHead | undefined): Omit<BackupStatus, 'store'> {
    const tracked = [...partitions];
    const nowMs = this.#monotonicMs();
    return {
      backupId: this.#backupId,
      clusterId: this.clusterId,
      mode: this.#isContinuous ? 'continuous' : 'one-shot',
      startedAtMs: this.#startedAtMs,
      catalogVersion: state?.version ?? 0,
      lastCommitAtMs: this.#lastCommitAtMs ?? state?.committedAtMs ?? null,
      partitions: tracked.map((partition) => partition.status(nowMs)),
      missingTopics: this.missingTopics,
      restorableToMs: this.#restorableToMs(tracked, state),
      earliestRestorableMs: this.#earliestRestorableMs(state),
      counters: { ...this.#counters },
      trouble: this.trouble?.error.message ?? null,
    };
  }

  #advance(partition: TrackedPartition | undefined, committedOffset: bigint): void {
    if (partition === undefined) return;
    partition.committedOffset = committedOffset;
    partition.uncommittedSinceMs =
      committedOffset >= partition.backup.nextOffset
        ? undefined
        : (partition.backup.oldestArrivalMs ?? this.#monotonicMs());
  }

  /** The newest instant that every partition can be restored to: for one that is fully committed, the last answer. */
  #restorableToMs(partitions: readonly TrackedPartition[], state: CatalogHead | undefined): number | null {
    let restorable: number | null = null;
    for (const partition of partitions) {
      const isCurrent =
        partition.backup.highWatermark >= 0n && partition.committedOffset >= partition.backup.highWatermark;
      const instant = isCurrent ? this.#lastAnswerAtMs : this.#lastCapture(partition, state);
      if (instant === null) return null;
      restorable = restorable === null ? instant : Math.min(restorable, instant);
    }
    return restorable;
  }

  #lastCapture({ key, backup }: TrackedPartition, state: CatalogHead | undefined): number | null {
    const known = this.#capturedAtMs.get(key);
    if (known !== undefined) return known;
    const { topic, topicId, partition } = backup.identity;
    return state?.incarnation(topic, topicId).partitions.get(partition)?.position.capturedAtMs ?? null;
  }

  #earliestRestorableMs(state: CatalogHead | undefined): number | null {
    if (this.#earliestMs !== null) return this.#earliestMs;
    for (const { partitions } of state?.incarnations ?? []) {
      for (const { position } of partitions.values()) {
        const { earliestMs } = position;
        if (earliestMs === null) continue;
        this.#earliestMs = this.#earliestMs === null ? earliestMs : Math.min(this.#earliestMs, earliestMs);
      }
    }
    return this.#earliestMs;
  }
}
