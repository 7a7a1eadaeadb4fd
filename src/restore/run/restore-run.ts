// Brings the records of a plan to the target, from wherever the journal says that they are: target prepared, lanes filled, ends
// verified, and all of it written down. The first failure stops everything; nothing less than the whole plan is a success.

import { maxStoredSize } from '../../compression/frame-codec.ts';
import { SharedBufferPool } from '../../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../../compression/worker-pool.ts';
import type { RestoreSink, WritePermit } from '../../kafka/restore-sink.ts';
import { BackupError, errorOf, invariant } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { partitionName } from '../../model/topic/topic-partition.ts';
import type { RestoreIntent, RestoreProducers } from '../journal/restore-intent.ts';
import type { RestoreJournal } from '../journal/restore-journal.ts';
import type { AttemptMark, RestoreAttempts } from '../journal/attempts/restore-attempts.ts';
import type { AttemptFigures, RestoreFigures, RestoreReport, SourceReport } from '../journal/restore-report.ts';
import type { TopicFillings } from '../journal/topic-fillings.ts';
import type { PartitionProgress, RestoreProgress } from '../restore-job.ts';
import type { RestorePlan } from '../restore-plan.ts';
import { settingsFor } from './batch-limit.ts';
import { LaneRestore, type LaneContext, type PositionOf } from './lane-restore.ts';
import { LargeFrames } from './large-frames.ts';
import type { Patience } from '../../model/patience.ts';
import type { PatientStore } from '../../storage/patient-store.ts';
import { PatientTarget } from './patience/patient-target.ts';
import { prepareTarget } from './prepare-target.ts';
import { TokenBucket } from './token-bucket.ts';
import { verifyEnds, verifyIdentities, verifyUnfilled } from './verify-target.ts';

/** What may differ from one attempt to the next. */
export interface RunLimits {
  readonly maxConcurrentPartitions: number;
  readonly recordsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}

export interface RestoreRunOptions {
  readonly plan: RestorePlan;
  readonly intent: RestoreIntent;
  readonly limits: RunLimits;
  readonly store: PatientStore;
  /** Over that store. */
  readonly journal: RestoreJournal;
  /** Over that store, as are the fillings. */
  readonly attempts: RestoreAttempts;
  /** Number of this one. */
  readonly attempt: number;
  readonly fillings: TopicFillings;
  readonly sink: RestoreSink;
  readonly workers: WorkerPool;
  /** Told of every batch that was sent and acknowledged. */
  readonly onAcknowledged: (recordCount: number) => void;
  readonly logger: Logger;
  readonly patience: Patience;
  /** Of this attempt, as long as no other one has taken the restore over. */
  readonly permit: WritePermit;
  /** Aborts the signal of the patience, which store and target share: nothing goes on behind a failure. */
  readonly stop: () => void;
  readonly wallMs: () => number;
}

/** What the frames of a backup are, unless it was made with another setting: larger ones get buffers of their own. */
const USUAL_FRAME_BYTES = 4 * 1024 * 1024;
const OUTPUT_BYTES = USUAL_FRAME_BYTES * 1.25;

export class RestoreRun {
  readonly #options: RestoreRunOptions;
  readonly #lanes: readonly LaneRestore[];
  readonly #target: PatientTarget;
  readonly #startedAtMs: number;
  #isResumed = false;

  constructor(options: RestoreRunOptions) {
    this.#options = options;
    const { plan, intent, limits, store, journal, sink, workers, onAcknowledged, patience, permit } = options;
    const rate = (perSecond: number | null): TokenBucket | null =>
      perSecond === null ? null : new TokenBucket(perSecond, patience);
    this.#startedAtMs = patience.monotonicMs();
    this.#target = new PatientTarget(sink, patience, permit);
    const context: Omit<LaneContext, 'settings'> = {
      store,
      workers,
      stored: new SharedBufferPool(maxStoredSize(USUAL_FRAME_BYTES), workers.threads + 1),
      outputs: new SharedBufferPool(OUTPUT_BYTES, workers.threads * 2 + limits.maxConcurrentPartitions),
      large: new LargeFrames(),
      journal,
      target: this.#target,
      onAcknowledged,
      recordRate: rate(limits.recordsPerSecond),
      byteRate: rate(limits.bytesPerSecond),
      signal: patience.signal,
    };
    const intended = new Map(intent.topics.map((topic) => [topic.topic, topic]));
    this.#lanes = plan.topics.flatMap(({ targetTopic, lanes }) => {
      const topic = intended.get(targetTopic);
      invariant(topic !== undefined, 'a restore has a plan for a topic that it does not mean to fill');
      const settings = settingsFor(intent.settings, topic);
      return lanes.map((lane) => new LaneRestore(lane, plan, { ...context, settings }));
    });
  }

  progress(): RestoreProgress {
    const sources = this.#lanes.flatMap((lane) => lane.sources);
    const sum = <T>(of: readonly T[], what: (one: T) => number): number =>
      of.reduce((total, one) => total + what(one), 0);
    const bytesRead = sum(this.#lanes, (lane) => lane.bytesRead);
    return {
      recordsRestored: sum(sources, (one) => one.recordsRestored),
      recordsTotal: sum(sources, (one) => one.recordsPlanned),
      bytesRead,
      // Where a log is cut, what looks for the place is read once more.
      bytesTotal: Math.max(
        bytesRead,
        sum(this.#lanes, (lane) => lane.bytesPlanned - lane.bytesSpared),
      ),
      rawBytes: sum(this.#lanes, (lane) => lane.bytesSent),
      partitionsDone: sum(this.#lanes, (lane) => (lane.isDone ? lane.sources.length : 0)),
      partitionsTotal: sources.length,
    };
  }

  /** How far this attempt has come. */
  mark(): AttemptMark {
    const { durationMs, bytesSent, bytesRead } = this.#figures();
    return { durationMs, bytesSent, bytesRead };
  }

  partitions(): PartitionProgress[] {
    return this.#lanes.flatMap((lane) => lane.sourceReports());
  }

  /**
   * Brings every record there, and writes that down. Topics keep their restore configuration: what was written is not to be
   * deleted before it is counted.
   * @throws PREFLIGHT_BLOCKED when a topic cannot be created after all, TARGET_CHANGED, INTERRUPTED, and what reading and
   * producing fail with.
   */
  async run(): Promise<RestoreReport> {
    const { journal } = this.#options;
    const report = await this.#fill();
    await journal.putVerified(report);
    return report;
  }

  async #fill(): Promise<RestoreReport> {
    const { intent, journal, logger, attempts, attempt } = this.#options;
    const before = await journal.producers();
    if (before === undefined && attempt > 1 && (await attempts.doneBefore(attempt)).bytesSent > 0) {
      throw journal.lostProducers();
    }
    this.#isResumed = before !== undefined || attempt > 1;
    if (before !== undefined) logger.info('the restore is resumed', { restore: intent.id });
    const preparing = before === undefined ? this.#prepare() : this.#retake(before);
    // Where a resumed restore goes on decides which frames it reads. A fresh one reads and judges its first frames meanwhile.
    if (this.#isResumed) await preparing;
    await this.#runLanes(preparing.then((producers) => this.#positions(producers)));
    const producers = await preparing;
    const filled = this.#lanes.flatMap((lane) => lane.targets);
    const made = new Set(intent.topics.flatMap(({ topic, creation }) => (creation === null ? [] : [topic])));
    await verifyIdentities(producers, this.#target);
    await verifyEnds(filled, this.#target);
    await verifyUnfilled(producers, { made, filled }, this.#target);
    return await this.#report();
  }

  /** An attempt that was overtaken just as it was about to write may have begun to: then what is there is its own. */
  async #prepare(): Promise<RestoreProducers> {
    const { intent, journal, attempt } = this.#options;
    try {
      return await prepareTarget(intent, this.#target, this.#options);
    } catch (error) {
      const theirs = attempt === 1 ? undefined : await journal.producers();
      if (theirs === undefined) throw error;
      return this.#retake(theirs);
    }
  }

  /** The target as an earlier attempt has left it. */
  async #retake(producers: RestoreProducers): Promise<RestoreProducers> {
    await verifyIdentities(producers, this.#target);
    for (const { topic } of this.#options.intent.topics) await this.#target.holdConfigs(topic);
    return producers;
  }

  /** A fresh restore begins where it wrote down; one that is resumed, where the logs end once they stand still. */
  async #positions({ identity, topics }: RestoreProducers): Promise<PositionOf> {
    const ids = new Map(topics.map(({ topic, topicId }) => [topic, topicId]));
    const starts = new Map(
      topics.flatMap(({ topic, startOffsets }) =>
        startOffsets.map((offset, partition) => [partitionName({ topic, partition }), offset] as const),
      ),
    );
    const partitions = this.#lanes.flatMap((lane) => lane.targets.map((target) => target.partition));
    const ends = this.#isResumed ? await this.#target.settledEnds(partitions) : starts;
    return (partition) => {
      const name = partitionName(partition);
      const [topicId, startOffset, endOffset] = [ids.get(partition.topic), starts.get(name), ends.get(name)];
      if (topicId === undefined || startOffset === undefined || endOffset === undefined) {
        throw new BackupError('TARGET_CHANGED', `${name} was not there when the restore began`, { context: partition });
      }
      return { identity, topicId, startOffset, endOffset };
    };
  }

  /** Returns, or throws the first failure, when nothing is under way any more, `positions` included. */
  async #runLanes(positions: Promise<PositionOf>): Promise<void> {
    const { limits, patience, stop } = this.#options;
    const queue = [...this.#lanes];
    let failure: Error | undefined;
    const fail = (error: unknown): void => {
      failure ??= errorOf(error);
      stop();
    };
    const positioned = positions.then(() => {}, fail);
    const runNext = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && failure === undefined; next = queue.shift()) {
        try {
          await next.run(positions, this.#isResumed);
        } catch (error) {
          fail(error);
        }
      }
    };
    await Promise.all(Array.from({ length: limits.maxConcurrentPartitions }, runNext));
    await positioned;
    if (failure !== undefined) throw failure;
    if (patience.signal.aborted) throw new BackupError('INTERRUPTED', 'the restore was stopped');
  }

  async #report(): Promise<RestoreReport> {
    const { intent, plan, wallMs } = this.#options;
    const lastAttempt = this.#figures();
    const sources = this.#lanes.flatMap((lane) => lane.sourceReports());
    return {
      id: intent.id,
      backupId: plan.backupId,
      planId: intent.planId,
      catalogVersion: intent.catalogVersion,
      clusterId: intent.target.clusterId,
      createdAtMs: intent.createdAtMs,
      finishedAtMs: wallMs(),
      isResumed: this.#isResumed,
      lastAttempt,
      allAttempts: await this.#allFigures(lastAttempt, sources),
      sources,
      targets: this.#lanes.flatMap((lane) => lane.targets.map((target) => target.report())),
    };
  }

  async #allFigures(last: AttemptFigures, sources: readonly SourceReport[]): Promise<RestoreFigures> {
    const { attempts, attempt } = this.#options;
    const before = await attempts.doneBefore(attempt);
    const durationMs = before.durationMs + last.durationMs;
    const bytesSent = before.bytesSent + last.bytesSent;
    const recordsRestored = sources.reduce((total, source) => total + source.recordsRestored, 0);
    return {
      attempts: attempt,
      durationMs,
      recordsRestored,
      bytesSent,
      bytesRead: before.bytesRead + last.bytesRead,
      recordsPerSecond: perSecond(recordsRestored, durationMs),
      bytesPerSecond: perSecond(bytesSent, durationMs),
    };
  }

  #figures(): AttemptFigures {
    const durationMs = Math.round(this.#options.patience.monotonicMs() - this.#startedAtMs);
    const sum = (what: (lane: LaneRestore) => number): number =>
      this.#lanes.reduce((total, one) => total + what(one), 0);
    const recordsSent = sum((lane) => lane.recordsSent);
    const bytesSent = sum((lane) => lane.bytesSent);
    return {
      durationMs,
      recordsSent,
      bytesSent,
      bytesRead: this.#options.store.bytesRead,
      recordsPerSecond: perSecond(recordsSent, durationMs),
      bytesPerSecond: perSecond(bytesSent, durationMs),
    };
  }
}

function perSecond(amount: number, durationMs: number): number {
  return Math.round((amount * 1000) / Math.max(1, durationMs));
}
