// Restores one lane: its sources one after the other, each batch to the target partition that it is for, in the order of the log.
// What is sent to a target is decided by the plan alone, never by timing. Counts what was acknowledged, never what was only sent.

import { BackupError, errorOf, invariant } from '../../model/errors.ts';
import { addDrops, type DropCounts, type DropReason, NO_DROPS } from '../../model/restore/recovery-target.ts';
import { partitionName, type TopicPartition } from '../../model/topic/topic-partition.ts';
import type { RestoreJournal } from '../journal/restore-journal.ts';
import type { SourceReport } from '../journal/restore-report.ts';
import type { JudgeResult, OffsetRun, RecordShape } from '../judge/judge-task.ts';
import type { MissingOffsets, PartitionRestorePlan, RestoreLane, RestorePlan } from '../restore-plan.ts';
import type { TopicSettings } from './batch-limit.ts';
import { LaneTarget, type TargetPosition } from './lane-target.ts';
import type { PatientTarget } from './patience/patient-target.ts';
import { type FrameContext, SourceFrames } from './source-frames.ts';
import type { TokenBucket } from './token-bucket.ts';

/** Shared by all lanes of a restore. */
export interface LaneContext extends FrameContext {
  readonly settings: TopicSettings;
  readonly journal: RestoreJournal;
  readonly target: PatientTarget;
  readonly onAcknowledged: (recordCount: number) => void;
  readonly recordRate: TokenBucket | null;
  readonly byteRate: TokenBucket | null;
  readonly signal: AbortSignal;
}

/** Where a target partition of the restore begins and ends. @throws TARGET_CHANGED when it was not there. */
export type PositionOf = (partition: TopicPartition) => TargetPosition;

/** Progress of one source partition. */
export interface SourceProgress {
  readonly plan: PartitionRestorePlan;
  readonly recordsPlanned: number;
  recordsRestored: number;
  dropped: DropCounts;
  /** Of the plan, as far as it is known by now. */
  missing: readonly MissingOffsets[];
}

interface FrameSending {
  /** Resolves when the lane's targets are open. */
  readonly opened: () => Promise<void>;
  readonly sending: Sending;
  readonly release: () => void;
}

export class LaneRestore {
  readonly sources: readonly SourceProgress[];
  readonly targets: readonly LaneTarget[];
  readonly targetTopic: string;
  recordsSent = 0;
  bytesSent = 0;
  bytesRead = 0;
  /** Of {@link bytesPlanned}, what the target was found to hold. */
  bytesSpared = 0;
  /** Of the selected segments. */
  readonly bytesPlanned: number;
  isDone = false;
  readonly #lane: RestoreLane;
  readonly #plan: Pick<RestorePlan, 'filter' | 'includeOriginalOffsetHeader'>;
  readonly #context: LaneContext;

  constructor(
    lane: RestoreLane,
    plan: Pick<RestorePlan, 'filter' | 'includeOriginalOffsetHeader'>,
    context: LaneContext,
  ) {
    const { sources, targets, targetTopic } = lane;
    const sourceTopic = sources[0]?.source.topic ?? '';
    this.#lane = lane;
    this.#plan = plan;
    this.#context = context;
    this.targetTopic = targetTopic;
    this.sources = sources.map((source) => ({
      plan: source,
      recordsPlanned: source.segments.reduce((total, { segment }) => total + segment.recordCount, 0),
      recordsRestored: 0,
      dropped: NO_DROPS,
      missing: source.missing,
    }));
    const segments = sources.flatMap((source) => source.segments);
    this.bytesPlanned = segments.reduce((total, { segment }) => total + segment.storedSizeBytes, 0);
    this.targets = targets.map((partition) => new LaneTarget({ topic: targetTopic, partition }, sourceTopic));
  }

  /**
   * Restores everything and waits for the last acknowledgement. A fresh restore reads and judges ahead while `positions` are
   * still found out; one that is resumed waits for them, since they decide what there is to read.
   * @throws INTERRUPTED when the signal aborts, TARGET_CHANGED, OBJECT_MISSING, OBJECT_CORRUPT, BATCH_CORRUPT and what a
   * producer fails with; nothing is counted that was not acknowledged.
   */
  async run(positions: Promise<PositionOf>, isResumed: boolean): Promise<void> {
    const { journal } = this.#context;
    let opening: Promise<void> | undefined;
    const opened = (): Promise<void> => (opening ??= this.#open(positions));
    if (isResumed) await opened();
    const sending = new Sending();
    try {
      for (const source of this.sources) await this.#runSource(source, sending, opened);
      await opened();
    } finally {
      await sending.settled();
      // What the first batch failed with says more than what that made of the others.
      sending.assertWell();
    }
    for (const one of this.targets) await one.finish(journal);
    for (const source of this.sources) countUnread(source);
    this.isDone = true;
  }

  sourceReports(): SourceReport[] {
    return this.sources.map(({ plan, recordsPlanned, recordsRestored, dropped, missing }) => ({
      topic: plan.source.topic,
      partition: plan.source.partition,
      targetTopic: this.targetTopic,
      recordsPlanned,
      recordsRestored,
      dropped,
      gaps: missing,
    }));
  }

  async #open(positions: Promise<PositionOf>): Promise<void> {
    const positionOf = await positions;
    for (const one of this.targets) await one.open(this.#context.target, positionOf(one.partition));
  }

  async #runSource(source: SourceProgress, sending: Sending, opened: () => Promise<void>): Promise<void> {
    const [only] = this.targets.length === 1 ? this.targets : [];
    const frames = new SourceFrames({
      plan: source.plan,
      shape: shapeFor(this.#lane, this.#plan, source.plan),
      context: this.#context,
      isBehind: (recordCount) => only?.isBehind(recordCount) ?? false,
    });
    const [readBefore, sparedBefore] = [this.bytesRead, this.bytesSpared];
    for await (const frame of frames.read()) {
      this.bytesRead = readBefore + frames.bytesRead;
      this.bytesSpared = sparedBefore + frames.bytesSpared;
      if (frame.kind === 'counted') {
        const { baseOffset: firstSourceOffset, recordCount: count } = frame;
        await only?.skip(this.#context.journal, {
          sourcePartition: source.plan.source.partition,
          firstSourceOffset,
          count,
        });
        source.recordsRestored += count;
        continue;
      }
      await this.#sendFrame(source, frame.result, frame.bytes, { opened, sending, release: frame.release });
      sending.assertWell();
    }
    source.missing = frames.missing;
  }

  /** Hands a frame's batches to the producers; its memory is given back when all are acknowledged. */
  async #sendFrame(
    source: SourceProgress,
    { batches, dropped }: JudgeResult,
    memory: SharedArrayBuffer,
    { opened, sending, release }: FrameSending,
  ): Promise<void> {
    const { signal, recordRate, byteRate, journal, onAcknowledged, settings } = this.#context;
    const { maxMessageBytes } = settings;
    const sourcePartition = source.plan.source.partition;
    const acknowledgements: Promise<void>[] = [];
    try {
      await opened();
      for (const { position, sizeBytes, recordCount, targetIndex, runs } of batches) {
        const target = this.targets[targetIndex];
        invariant(target !== undefined, 'a batch is for a target that its lane does not have');
        if (!target.holdsNext) {
          await recordRate?.take(recordCount, signal);
          await byteRate?.take(sizeBytes, signal);
        }
        if (signal.aborted) throw interrupted(target.partition);
        const { acknowledged, isSent } = await target.send(journal, {
          bytes: new Uint8Array(memory, position, sizeBytes),
          recordCount,
          runs: runs.map((run) => ({ ...run, sourcePartition })),
        });
        if (isSent) {
          this.recordsSent += recordCount;
          this.bytesSent += sizeBytes;
        }
        const counted = acknowledged.then(
          () => {
            source.recordsRestored += recordCount;
            if (isSent) onAcknowledged(recordCount);
          },
          (error: unknown) => {
            throw explained(error, { source: source.plan.source, runs, recordCount, sizeBytes, maxMessageBytes });
          },
        );
        counted.catch(() => {});
        acknowledgements.push(counted);
      }
      source.dropped = addDrops(source.dropped, dropped);
    } finally {
      sending.add(acknowledgements, release);
    }
  }
}

interface SentBatch {
  readonly source: TopicPartition;
  readonly runs: readonly OffsetRun[];
  readonly recordCount: number;
  readonly sizeBytes: number;
  readonly maxMessageBytes: number;
}

/** What helps against each of Kafka's errors about sizes: the first is of max.message.bytes, the second of segment.bytes. */
const ROOM_FOR: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'raise max.message.bytes of the target topic, and message.max.bytes of its brokers',
  RECORD_LIST_TOO_LARGE: 'raise segment.bytes of the target topic',
};

/** A batch within the limits of its topic is refused for its size only when one record alone is larger: that one is named. */
function explained(error: unknown, { source, runs, recordCount, sizeBytes, maxMessageBytes }: SentBatch): unknown {
  const remedy = error instanceof BackupError ? ROOM_FOR[error.context.kafkaError ?? ''] : undefined;
  if (!(error instanceof BackupError) || remedy === undefined) return error;
  const offset = runs[0]?.firstSourceOffset ?? 0n;
  const what = recordCount === 1 ? `record ${offset}` : `${recordCount} records from ${offset} on`;
  return new BackupError(
    error.code,
    `${error.message}: ${what} of ${partitionName(source)} of the backup, a batch of ${sizeBytes} bytes; when the restore began the topic took ${maxMessageBytes}: ${remedy}, then restore again`,
    { cause: error, context: { ...error.context, offset } },
  );
}

/** Null where records go on as they are. Records without a key keep together by their source partition. */
export function shapeFor(
  { partitioning, targets }: RestoreLane,
  { filter, includeOriginalOffsetHeader }: Pick<RestorePlan, 'filter' | 'includeOriginalOffsetHeader'>,
  { source }: PartitionRestorePlan,
): RecordShape | null {
  const partitions = partitioning === 'by-key' ? targets.length : null;
  if (partitions === null && filter === null && !includeOriginalOffsetHeader) return null;
  return {
    partitions,
    unkeyedTarget: partitions === null ? 0 : source.partition % partitions,
    provenance: includeOriginalOffsetHeader ? { sourcePartition: source.partition } : null,
    filter,
  };
}

/** Frames whose batches are not all acknowledged yet. */
class Sending {
  readonly #frames = new Set<Promise<void>>();
  #failure: unknown;

  /** `release` is called when all of them are settled. */
  add(acknowledgements: readonly Promise<void>[], release: () => void): void {
    const frame = Promise.allSettled(acknowledgements).then((outcomes) => {
      release();
      this.#frames.delete(frame);
      this.#failure ??= outcomes.find((outcome) => outcome.status === 'rejected')?.reason;
    });
    this.#frames.add(frame);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#frames);
  }

  /** @throws what the first batch failed with. */
  assertWell(): void {
    if (this.#failure !== undefined) throw errorOf(this.#failure);
  }
}

/** Records of the plan's segments that were not even looked at lie outside of what is wanted. */
function countUnread(source: SourceProgress): void {
  const counted = Object.values(source.dropped).reduce((total, count) => total + count, source.recordsRestored);
  const reason: DropReason = 'outside-window';
  const unread = Math.max(0, source.recordsPlanned - counted);
  source.dropped = { ...source.dropped, [reason]: source.dropped[reason] + unread };
}

function interrupted(partition: TopicPartition): BackupError {
  return new BackupError('INTERRUPTED', `the restore of ${partitionName(partition)} was stopped`);
}
