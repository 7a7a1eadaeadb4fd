// Counts what a backup has done and makes its status. Counters count what is committed, never what was only fetched.

import type { CatalogHead } from '../../catalog/catalog-head.ts';
import type { CommitResult } from '../../catalog/catalog-writer.ts';
import type { PartitionIdentity } from '../../model/segment/segment.ts';
import type { TrackedPartition } from '../roster/tracked-partition.ts';
import type { BackupCounters, BackupStatus } from './backup-status.ts';
import { SourceTrouble } from './source-trouble.ts';

export class BackupProgress {
  clusterId = '';
  missingTopics: readonly string[] = [];
  deniedTopics: readonly string[] = [];
  /** Partitions that had no leader when they were found. */
  leaderless: readonly string[] = [];
  readonly trouble: SourceTrouble;
  readonly #backupId: string;
  readonly #isContinuous: boolean;
  readonly #wallMs: () => number;
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
  #earliestMs: number | null = null;

  constructor(backupId: string, isContinuous: boolean, wallMs: () => number, monotonicMs: () => number) {
    this.#backupId = backupId;
    this.#isContinuous = isContinuous;
    this.#wallMs = wallMs;
    this.trouble = new SourceTrouble(monotonicMs);
    this.#startedAtMs = wallMs();
  }

  get counters(): BackupCounters {
    return this.#counters;
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

  committed(result: CommitResult, partitionOf: (identity: PartitionIdentity) => TrackedPartition | undefined): void {
    const counters = this.#counters;
    counters.commits += 1;
    this.trouble.served('store');
    this.#lastCommitAtMs = this.#wallMs();
    for (const action of result.fenced) if (action.kind === 'segment') counters.fencedSegments += 1;
    for (const action of result.committed) {
      if (action.kind === 'segment') {
        const { segment } = action;
        counters.segments += 1;
        counters.records += segment.recordCount;
        counters.rawBytes += segment.rawSizeBytes;
        counters.storedBytes += segment.storedSizeBytes;
        partitionOf(segment)?.committed(segment);
      } else if (action.kind === 'gap') {
        const partition = partitionOf(action.gap);
        if (partition !== undefined) partition.committedOffset = action.gap.lastOffset + 1n;
      } else if (action.kind === 'truncation') {
        const partition = partitionOf(action.truncation);
        if (partition !== undefined) partition.committedOffset = action.truncation.endOffset;
      }
    }
  }

  status(partitions: Iterable<TrackedPartition>, state: CatalogHead | undefined): Omit<BackupStatus, 'store'> {
    const tracked = [...partitions];
    const nowMs = this.#wallMs();
    return {
      backupId: this.#backupId,
      clusterId: this.clusterId,
      mode: this.#isContinuous ? 'continuous' : 'one-shot',
      startedAtMs: this.#startedAtMs,
      catalogVersion: state?.version ?? 0,
      lastCommitAtMs: this.#lastCommitAtMs ?? state?.committedAtMs ?? null,
      partitions: tracked.map((partition) => partition.status(nowMs)),
      missingTopics: this.missingTopics,
      restorableToMs: restorableToMs(tracked),
      earliestRestorableMs: this.#earliestRestorableMs(state),
      counters: { ...this.#counters },
      trouble: this.trouble.error?.message ?? null,
    };
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

/** The newest instant that every partition can be restored to; null while there is none for some. */
function restorableToMs(partitions: readonly TrackedPartition[]): number | null {
  const instants = partitions.map(({ wholeAtMs }) => wholeAtMs);
  return instants.reduce<number | null>(
    (lowest, instant) => (lowest === null || instant === null ? null : Math.min(lowest, instant)),
    instants[0] ?? null,
  );
}
