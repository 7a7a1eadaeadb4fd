// The offset map of a complete restore, read from the store: every run of records, and the way from an offset of the source to
// the offset of the same record in the target.

import type { ObjectLayout } from '../../catalog/object-layout.ts';
import { BackupError } from '../../model/errors.ts';
import type { TopicPartition } from '../../model/topic/topic-partition.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { OffsetRun } from './offset-runs.ts';
import { RestoreJournal } from './restore-journal.ts';
import type { RestoreReport, TargetReport } from './restore-report.ts';

/** What of the map is wanted; absent: all. */
export interface MapSelection {
  /** As it is called in the backup or in the target. */
  readonly topic?: string;
  readonly sourcePartition?: number;
}

/** A run and the target partition it is in. */
export interface MappedRun extends OffsetRun {
  readonly target: TargetReport;
}

/** One offset of the source; `at` is where its record is, `next` the first restored record after it, where it has none. */
export interface MappedOffset {
  readonly source: TopicPartition & { readonly offset: bigint };
  readonly at: (TopicPartition & { readonly offset: bigint }) | null;
  readonly next: (TopicPartition & { readonly offset: bigint; readonly sourceOffset: bigint }) | null;
}

/** True when the record of the offset was restored. */
export function isMapped({ at }: MappedOffset): boolean {
  return at !== null;
}

export class OffsetMap {
  readonly report: RestoreReport;
  readonly #journal: RestoreJournal;

  private constructor(report: RestoreReport, journal: RestoreJournal) {
    this.report = report;
    this.#journal = journal;
  }

  /** @throws RESTORE_NOT_FOUND when `restoreId` cannot be the id of a restore, OBJECT_CORRUPT. */
  static async open(
    store: ObjectStore,
    layout: ObjectLayout,
    restoreId: string,
  ): Promise<
    { readonly kind: 'open'; readonly map: OffsetMap } | { readonly kind: 'unfinished' | 'given-up' | 'unknown' }
  > {
    const journal = new RestoreJournal(store, layout, restoreId);
    const report = await journal.report();
    if (report !== undefined) return { kind: 'open', map: new OffsetMap(report, journal) };
    if ((await journal.intent()) === undefined) return { kind: 'unknown' };
    return { kind: (await journal.endedAs()) === undefined ? 'unfinished' : 'given-up' };
  }

  /** @throws NOT_IN_BACKUP when the restore did not touch what is selected. */
  assertHolds({ topic, sourcePartition }: MapSelection): void {
    const found = this.report.sources.some(
      (source) =>
        (topic === undefined || topic === source.topic || topic === source.targetTopic) &&
        (sourcePartition === undefined || sourcePartition === source.partition),
    );
    if (found) return;
    const what = [topic ?? 'any topic', ...(sourcePartition === undefined ? [] : [`partition ${sourcePartition}`])];
    throw new BackupError('NOT_IN_BACKUP', `restore ${this.report.id} has nothing of ${what.join(', ')}`);
  }

  /** By target partition, in the order of its offsets. @throws OBJECT_MISSING, OBJECT_CORRUPT. */
  async *runs({ topic, sourcePartition }: MapSelection): AsyncGenerator<MappedRun> {
    for (const target of this.report.targets) {
      if (topic !== undefined && topic !== target.topic && topic !== target.sourceTopic) continue;
      for await (const run of this.#journal.offsets(target)) {
        if (sourcePartition === undefined || sourcePartition === run.sourcePartition) yield { ...run, target };
      }
    }
  }

  /** @throws USAGE_INVALID when the selection leaves several source partitions. */
  async lookUp(selection: MapSelection, offset: bigint): Promise<MappedOffset> {
    const source = { ...this.#onlySource(selection), offset };
    let next: MappedOffset['next'] = null;
    for await (const run of this.runs({ topic: source.topic, sourcePartition: source.partition })) {
      if (run.target.sourceTopic !== source.topic) continue;
      const { topic, partition } = run.target;
      const distance = offset - run.firstSourceOffset;
      if (distance >= 0n && distance < BigInt(run.count)) {
        return { source, at: { topic, partition, offset: run.firstTargetOffset + distance }, next: null };
      }
      if (distance < 0n && (next === null || run.firstSourceOffset < next.sourceOffset)) {
        next = { topic, partition, offset: run.firstTargetOffset, sourceOffset: run.firstSourceOffset };
      }
    }
    return { source, at: null, next };
  }

  /** A name that one topic has in the backup and another one at the target means that of the backup, since the offset is of there. */
  #onlySource({ topic, sourcePartition }: MapSelection): TopicPartition {
    const sources = this.report.sources.filter(
      (one) => sourcePartition === undefined || sourcePartition === one.partition,
    );
    const isOfBackup = sources.some((one) => one.topic === topic);
    const [source, other] = sources.filter(
      (one) => topic === undefined || topic === (isOfBackup ? one.topic : one.targetTopic),
    );
    if (source === undefined || other !== undefined) {
      throw new BackupError('USAGE_INVALID', 'say whose offset it is with --topic TOPIC --partition NUMBER');
    }
    return { topic: source.topic, partition: source.partition };
  }
}
