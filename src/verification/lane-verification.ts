// One lane of a restore gone through again: the same frames, judged in the same way, and every batch that the restore sent held
// against what its target partition has there now. Nothing is written.

import { BackupError, type ErrorCode } from '../model/errors.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import type { MissingOffsets, PartitionRestorePlan, RestoreLane, RestorePlan } from '../restore/restore-plan.ts';
import { shapeFor } from '../restore/run/lane-restore.ts';
import { type FrameContext, SourceFrames } from '../restore/run/source-frames.ts';
import type { PartitionComparison, RecordDifference } from './partition-comparison.ts';

export type Verdict = 'equal' | 'different' | 'inconclusive';

/** What became of one target partition. */
export interface VerifiedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly sourceTopic: string;
  readonly verdict: Verdict;
  readonly recordsExpected: number;
  readonly recordsCompared: number;
  /** Null unless different. */
  readonly difference: RecordDifference | null;
  /** Why nothing more can be said; empty unless inconclusive. */
  readonly reasons: readonly string[];
}

/** What of the backup cannot be read, so that nobody can compare it. */
const DAMAGE: readonly ErrorCode[] = ['OBJECT_MISSING', 'OBJECT_CORRUPT', 'BATCH_CORRUPT', 'CATALOG_CORRUPT'];

export class LaneVerification {
  readonly lane: RestoreLane;
  /** By the index of the target in the lane. */
  readonly comparisons: readonly PartitionComparison[];
  bytesRead = 0;
  readonly #plan: RestorePlan;
  readonly #context: FrameContext;
  readonly #signal: AbortSignal;
  #damage: string | undefined;
  /** Of each source that was read to its end. */
  readonly #missing: (readonly MissingOffsets[])[] = [];

  constructor(
    lane: RestoreLane,
    comparisons: readonly PartitionComparison[],
    {
      plan,
      context,
      signal,
    }: { readonly plan: RestorePlan; readonly context: FrameContext; readonly signal: AbortSignal },
  ) {
    this.lane = lane;
    this.comparisons = comparisons;
    this.#plan = plan;
    this.#context = context;
    this.#signal = signal;
  }

  /** @throws what reading the target fails with, INTERRUPTED. */
  async run(): Promise<void> {
    for (const source of this.lane.sources) {
      if (!(await this.#runSource(source))) return;
    }
    for (const comparison of this.comparisons) comparison.finish();
  }

  verdicts(): VerifiedPartition[] {
    const gaps = this.lane.sources.flatMap(({ source, missing }, index) =>
      (this.#missing[index] ?? missing).map(
        ({ baseOffset, lastOffset, reason }) =>
          `the backup has a gap (${reason}): offsets ${baseOffset} to ${lastOffset} of ${partitionName(source)} were never in it`,
      ),
    );
    const sourceTopic = this.lane.sources[0]?.source.topic ?? '';
    return this.comparisons.map((comparison) => {
      const { target, difference = null, compared } = comparison;
      const reasons = [...(this.#damage === undefined ? [] : [this.#damage]), ...takenAway(comparison), ...gaps];
      return {
        topic: target.topic,
        partition: target.partition,
        sourceTopic,
        verdict: difference !== null ? 'different' : reasons.length > 0 ? 'inconclusive' : 'equal',
        recordsExpected: target.recordCount,
        recordsCompared: compared,
        difference,
        reasons: difference === null ? reasons : [],
      };
    });
  }

  /** False when the backup is damaged, or every target is known to be different. */
  async #runSource(plan: PartitionRestorePlan): Promise<boolean> {
    const shape = shapeFor(this.lane, this.#plan, plan);
    const frames = new SourceFrames({ plan, shape, context: this.#context, isBehind: () => false });
    const read = frames.read();
    const readBefore = this.bytesRead;
    try {
      for (;;) {
        const frame = await this.#ofBackup(read.next());
        if (frame === undefined) return false;
        if (frame.done === true) {
          this.#missing.push(frames.missing);
          return true;
        }
        this.bytesRead = readBefore + frames.bytesRead;
        if (frame.value.kind === 'counted') continue;
        const { result, bytes, release } = frame.value;
        try {
          for (const { position, sizeBytes, targetIndex, runs } of result.batches) {
            if (this.#signal.aborted) throw new BackupError('INTERRUPTED', 'the verification was stopped');
            const batch = new Uint8Array(bytes, position, sizeBytes);
            await this.comparisons[targetIndex]?.expect(batch, plan.source.partition, runs);
          }
        } finally {
          release();
        }
        if (this.comparisons.every(({ difference }) => difference !== undefined)) return false;
      }
    } finally {
      await read.return(undefined);
    }
  }

  /** Undefined when the backup is damaged there: that says nothing about the target. */
  async #ofBackup<T>(reading: Promise<T>): Promise<T | undefined> {
    try {
      return await reading;
    } catch (error) {
      if (!(error instanceof BackupError) || !DAMAGE.includes(error.code)) throw error;
      this.#damage = `the backup is damaged: ${error.message}`;
      return undefined;
    }
  }
}

function takenAway({ deleted, absent, target }: PartitionComparison): string[] {
  const name = partitionName(target);
  return [
    ...(deleted === 0
      ? []
      : [`${name} has deleted ${deleted} restored record(s) at its start: retention, or somebody`]),
    ...(absent === 0 ? [] : [`${name} has lost ${absent} restored record(s) between others: compaction, or somebody`]),
  ];
}
