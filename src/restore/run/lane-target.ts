// One target partition in the course of a restore: what of the plan it holds already, what is sent, what is acknowledged, and
// which source record is at which offset. Batches that an earlier attempt has sent are counted off, the last of them compared.

import type { PartitionProducer } from '../../kafka/restore-sink.ts';
import { BackupError } from '../../model/errors.ts';
import { partitionName, type TopicPartition } from '../../model/topic/topic-partition.ts';
import { type ProducerIdentity, sequenceOf, stampBatch } from '../../record/producer-fields.ts';
import { MOST_RUNS_IN_REPORT, OffsetRuns, type SourceRun } from '../journal/offset-runs.ts';
import type { RestoreJournal } from '../journal/restore-journal.ts';
import type { TargetReport } from '../journal/restore-report.ts';
import { foreignTail, isSameBatch } from './log-tail.ts';
import type { PatientTarget } from './patience/patient-target.ts';

/** Where a target partition begins and ends as an attempt begins. */
export interface TargetPosition {
  readonly identity: ProducerIdentity;
  readonly topicId: string;
  /** The log's end before the restore's first record. */
  readonly startOffset: bigint;
  /** The log's end now. */
  readonly endOffset: bigint;
}

export interface PlannedBatch {
  readonly bytes: Uint8Array;
  readonly recordCount: number;
  readonly runs: readonly SourceRun[];
}

export class LaneTarget {
  readonly partition: TopicPartition;
  readonly sourceTopic: string;
  #position: TargetPosition = {
    identity: { producerId: -1n, producerEpoch: -1 },
    topicId: '',
    startOffset: 0n,
    endOffset: 0n,
  };
  #producer: PartitionProducer | undefined;
  #tail: Uint8Array | undefined;
  readonly #runs = new OffsetRuns();
  #pieces = 0;

  constructor(partition: TopicPartition, sourceTopic: string) {
    this.partition = partition;
    this.sourceTopic = sourceTopic;
  }

  /** Planned records placed so far: sent, or found to be there. */
  get recordCount(): bigint {
    return this.#runs.recordCount;
  }

  /** Records of the plan that an earlier attempt has brought here. */
  get arrived(): bigint {
    return this.#position.endOffset - this.#position.startOffset;
  }

  get startOffset(): bigint {
    return this.#position.startOffset;
  }

  /** Where the log has to end after what was placed so far. */
  get expectedEnd(): bigint {
    return this.#position.startOffset + this.#runs.recordCount;
  }

  /** @throws TARGET_CHANGED when what is there is not what an earlier attempt left. */
  async open(target: PatientTarget, position: TargetPosition): Promise<void> {
    const { identity, topicId, startOffset, endOffset } = position;
    this.#position = position;
    if (this.arrived < 0n)
      throw this.#changed(`ends at offset ${endOffset}, before the restore's start at ${startOffset}`);
    if (this.arrived > 0n) {
      this.#tail = await target.readBatch(this.partition, endOffset - 1n);
      const wrong = this.#tail === undefined ? 'no longer holds its last batch' : foreignTail(this.#tail, position);
      if (wrong !== undefined) throw this.#changed(wrong);
    }
    this.#producer = target.openPartition(this.partition, {
      identity,
      topicId,
      startOffset,
      recordsThere: this.arrived,
    });
  }

  /** True when the next record is there. */
  get holdsNext(): boolean {
    return this.#runs.recordCount < this.arrived;
  }

  /** True when all of the next records are there, and records behind them too: their content needs no look. */
  isBehind(recordCount: number): boolean {
    return this.#runs.recordCount + BigInt(recordCount) < this.arrived;
  }

  /** Counts records off that are there, without their batches. Call only what {@link isBehind} says so of. */
  async skip(journal: RestoreJournal, run: SourceRun): Promise<void> {
    await this.#place(journal, [run]);
  }

  /**
   * Sends the next batch of the plan unless it is there. `acknowledged` resolves when it is; the bytes must stay until then.
   * @throws TARGET_CHANGED when the log is not made of the plan's batches, and what the producer fails with.
   */
  async send(
    journal: RestoreJournal,
    { bytes, recordCount, runs }: PlannedBatch,
  ): Promise<{ readonly acknowledged: Promise<void>; readonly isSent: boolean }> {
    const index = this.#runs.recordCount;
    const end = index + BigInt(recordCount);
    await this.#place(journal, runs);
    if (index >= this.arrived) {
      if (this.#producer === undefined) throw new Error(`${partitionName(this.partition)} was never opened`);
      const { acknowledged } = await this.#producer.send(bytes, recordCount);
      return { acknowledged, isSent: true };
    }
    if (end === this.arrived) this.#compareTail(bytes, index);
    else if (end > this.arrived) throw this.#changed(`ends at record ${this.arrived}, within a batch of the plan`);
    return { acknowledged: Promise.resolve(), isSent: false };
  }

  /** Call when the plan has no more for this partition. @throws TARGET_CHANGED when the log holds more. */
  async finish(journal: RestoreJournal): Promise<void> {
    if (this.#runs.recordCount < this.arrived) {
      throw this.#changed(
        `holds ${this.arrived} records since the restore began, ${this.#runs.recordCount} are planned`,
      );
    }
    const { runCount, open } = this.#runs;
    if (runCount <= MOST_RUNS_IN_REPORT || open.length === 0) return;
    const openRecords = open.reduce((total, { count }) => total + BigInt(count), 0n);
    await this.#keep(journal, open, this.#runs.recordCount - openRecords);
  }

  /** Once finished. */
  report(): TargetReport {
    const { runCount, open } = this.#runs;
    return {
      ...this.partition,
      startOffset: this.#position.startOffset,
      recordCount: Number(this.#runs.recordCount),
      sourceTopic: this.sourceTopic,
      runCount,
      runs: runCount <= MOST_RUNS_IN_REPORT ? [...open] : null,
      pieceCount: this.#pieces,
    };
  }

  #compareTail(bytes: Uint8Array, index: bigint): void {
    stampBatch(bytes, this.#position.identity, sequenceOf(index));
    if (this.#tail === undefined || isSameBatch(bytes, this.#tail)) return;
    throw this.#changed(`holds another batch than planned at offset ${this.startOffset + index}`);
  }

  async #place(journal: RestoreJournal, runs: readonly SourceRun[]): Promise<void> {
    for (const run of runs) {
      const full = this.#runs.add(run);
      if (full !== undefined) await this.#keep(journal, full.runs, full.firstIndex);
    }
  }

  async #keep(journal: RestoreJournal, runs: readonly SourceRun[], firstIndex: bigint): Promise<void> {
    await journal.putOffsets(this.partition, this.#pieces, { runs, firstTargetOffset: this.startOffset + firstIndex });
    this.#pieces += 1;
  }

  #changed(what: string): BackupError {
    return new BackupError(
      'TARGET_CHANGED',
      `${partitionName(this.partition)} ${what}: something else wrote to it, or took records away`,
      { context: this.partition },
    );
  }
}
