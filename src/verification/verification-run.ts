// `verify-restore`: is what a restore has written still in the target, record by record, as the backup has it? The plan of the
// restore is made again from the same catalog version, its batches are made again, and the target is read as a consumer reads it.
// Equal is said only of what was compared; what cannot be compared is inconclusive, with the reason.

import { readCatalog } from '../catalog/catalog-reader.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import { BackupError, errorOf } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import { comparePartitions, partitionName } from '../model/topic/topic-partition.ts';
import { TopicSelection } from '../model/topic/topic-selection.ts';
import type { RestoreIntent, RestoreProducers } from '../restore/journal/restore-intent.ts';
import { newestRestores, RestoreJournal } from '../restore/journal/restore-journal.ts';
import type { RestoreReport, TargetReport } from '../restore/journal/restore-report.ts';
import { planRestore } from '../restore/plan/plan-restore.ts';
import { planIdOf, type RestorePlan } from '../restore/restore-plan.ts';
import { LargeFrames } from '../restore/run/large-frames.ts';
import type { Patience } from '../model/patience.ts';
import type { FrameContext } from '../restore/run/source-frames.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { PatientStore } from '../storage/patient-store.ts';
import { LaneVerification, type Verdict, type VerifiedPartition } from './lane-verification.ts';
import { PartitionComparison } from './partition-comparison.ts';
import { TargetReader } from './target-reader.ts';

const USUAL_FRAME_BYTES = 4 * 1024 * 1024;
const OUTPUT_BYTES = USUAL_FRAME_BYTES * 1.25;
/** Of all target partitions of a lane together; each has at least the smallest. */
const LANE_FETCH_BYTES = 4 * 1024 * 1024;
const SMALLEST_FETCH_BYTES = 128 * 1024;
/** How long a target, or the store, that is away is waited for. */
const PATIENCE_MS = 120_000;

export interface VerificationOptions {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  /** Of a target by its name in the configuration; the run closes it. @throws FORBIDDEN when there is none. */
  readonly openLog: (target: string) => PartitionLog;
  readonly workers: WorkerPool;
  readonly maxConcurrentPartitions: number;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface VerificationProgress {
  readonly recordsCompared: number;
  readonly recordsTotal: number;
  readonly bytesRead: number;
  readonly partitionsDone: number;
  readonly partitionsTotal: number;
  readonly different: number;
}

export interface VerificationReport {
  readonly restoreId: string;
  readonly backupId: string;
  readonly planId: string;
  readonly catalogVersion: number;
  readonly verdict: Verdict;
  readonly recordsExpected: number;
  readonly recordsCompared: number;
  /** Written since then behind the restored records, or to partitions of their topics that the restore did not fill; not compared. */
  readonly offsetsBehind: bigint;
  /** Why nothing was compared at all; empty otherwise. */
  readonly reasons: readonly string[];
  /** In the order of their names and numbers. */
  readonly partitions: readonly VerifiedPartition[];
}

export class VerificationRun {
  readonly #options: VerificationOptions;
  #lanes: readonly LaneVerification[] = [];
  #recordsTotal = 0;
  #offsetsBehind = 0n;
  readonly #done = new Set<LaneVerification>();

  constructor(options: VerificationOptions) {
    this.#options = options;
  }

  progress(): VerificationProgress {
    const comparisons = this.#lanes.flatMap((lane) => lane.comparisons);
    return {
      recordsCompared: comparisons.reduce((total, { compared }) => total + compared, 0),
      recordsTotal: this.#recordsTotal,
      bytesRead: this.#lanes.reduce((total, { bytesRead }) => total + bytesRead, 0),
      partitionsDone: [...this.#done].reduce((total, lane) => total + lane.comparisons.length, 0),
      partitionsTotal: comparisons.length,
      different: comparisons.filter(({ difference }) => difference !== undefined).length,
    };
  }

  /**
   * Of the restore with that id, or of the newest that is complete.
   * @throws RESTORE_NOT_FOUND, OBJECT_CORRUPT when a damaged document leaves open which that is, OBJECT_MISSING, RESTORE_CONFLICT when it is not complete, USAGE_INVALID when it was given up or the target is another cluster now,
   * INTERRUPTED, and what store and target fail with.
   */
  async run(restoreId: string | undefined, signal: AbortSignal): Promise<VerificationReport> {
    const { store, layout } = this.#options;
    const journal = restoreId === undefined ? await this.#newest() : new RestoreJournal(store, layout, restoreId);
    const [intent, report] = [await journal.intent(), await journal.report()];
    if (intent === undefined) throw new BackupError('RESTORE_NOT_FOUND', `no restore ${journal.id} has begun`);
    if (report === undefined && (await journal.endedAs()) !== undefined) {
      throw new BackupError(
        'USAGE_INVALID',
        `restore ${journal.id} was given up before its end: list --restores shows those that are complete`,
      );
    }
    if (report === undefined) {
      throw new BackupError(
        'RESTORE_CONFLICT',
        `restore ${journal.id} is not complete: carry it on with restore --resume ${journal.id}`,
      );
    }
    const producers = await journal.producers();
    if (producers === undefined) throw journal.lostProducers();
    const plan = await this.#planAgain(intent);
    if (typeof plan === 'string') return this.#reportOn(report, [plan]);
    const log = this.#options.openLog(intent.request.target);
    try {
      await log.connect();
      if (log.clusterId !== report.clusterId) {
        const message = `restore ${report.id} went into cluster ${report.clusterId}; target ${intent.request.target} is cluster ${log.clusterId}`;
        throw new BackupError('USAGE_INVALID', message);
      }
      const gone = await this.#whyGone(producers, log);
      if (gone.length > 0) return this.#reportOn(report, gone);
      await this.#openLanes(plan, intent, report, { log, signal });
      await this.#runLanes(signal);
      return this.#reportOn(report, []);
    } finally {
      await log.close();
    }
  }

  async #newest(): Promise<RestoreJournal> {
    const { store, layout } = this.#options;
    const damaged = new Map<string, BackupError>();
    const known = await newestRestores(store, layout, (error, id) => damaged.set(id, error));
    const complete = known.find(({ isComplete }) => isComplete);
    // Ids are in the order of their time. What the verdict is about must not depend on which documents are whole.
    const [newer] = [...damaged].filter(([id]) => complete === undefined || id > complete.intent.id);
    if (newer !== undefined) {
      const message = `${newer[1].message}; so nothing tells which restore is the newest that is complete: name the one to verify`;
      throw new BackupError('OBJECT_CORRUPT', message, { cause: newer[1] });
    }
    if (complete === undefined) {
      throw new BackupError('RESTORE_NOT_FOUND', `backup ${layout.backupId} knows no restore that is complete`);
    }
    return complete.journal;
  }

  /** The plan as it was carried out, or why there is no such plan any more. */
  async #planAgain(intent: RestoreIntent): Promise<RestorePlan | string> {
    const { store, layout } = this.#options;
    const { request, settings, catalogVersion, createdAtMs } = intent;
    const selection = new TopicSelection({ include: request.includeTopics, exclude: request.excludeTopics });
    const topics = (topic: string): boolean => selection.matches(topic);
    const state = await readCatalog(store, layout, { topics, version: catalogVersion });
    const plan = planRestore(state, layout.backupId, request, { ...settings, nowMs: createdAtMs });
    const planId = planIdOf(plan, intent.target);
    if (planId === intent.planId) return plan;
    return `catalog version ${catalogVersion} gives plan ${planId} now; plan ${intent.planId} was restored`;
  }

  async #whyGone({ topics }: RestoreProducers, log: PartitionLog): Promise<string[]> {
    const listing = await log.describeTopics(topics.map(({ topic }) => topic));
    if (listing.denied.length > 0) {
      const message = `the principal may not describe ${listing.denied.join(', ')}`;
      throw new BackupError('KAFKA_AUTHORIZATION_FAILED', message);
    }
    const ids = new Map(listing.topics.map(({ topic, topicId }) => [topic, topicId]));
    return topics.flatMap(({ topic, topicId }) => {
      const found = ids.get(topic);
      if (found === undefined) return [`topic ${topic}, which was restored, is gone`];
      return found === topicId ? [] : [`topic ${topic} was made again since it was restored`];
    });
  }

  async #openLanes(
    plan: RestorePlan,
    intent: RestoreIntent,
    report: RestoreReport,
    { log, signal }: { readonly log: PartitionLog; readonly signal: AbortSignal },
  ): Promise<void> {
    const targets = new Map(report.targets.map((target) => [partitionName(target), target]));
    const ends = await log.listOffsets(report.targets, 'latest');
    const ids = await log.describeTopics([...new Set(report.targets.map(({ topic }) => topic))]);
    const topicIds = new Map(ids.topics.map(({ topic, topicId }) => [topic, topicId]));
    await this.#lookBeside(intent, ids.topics, { targets, log });
    const context = this.#frameContext(intent, signal);
    this.#recordsTotal = report.targets.reduce((total, { recordCount }) => total + recordCount, 0);
    this.#lanes = plan.topics.flatMap(({ lanes }) =>
      lanes.map((lane) => {
        const fetchBytes = Math.max(SMALLEST_FETCH_BYTES, Math.floor(LANE_FETCH_BYTES / lane.targets.length));
        const comparisons = lane.targets.map((partition) => {
          const name = partitionName({ topic: lane.targetTopic, partition });
          const [target, end] = [targets.get(name), ends.get(name)];
          if (target === undefined)
            throw new BackupError('OBJECT_CORRUPT', `the report of ${report.id} has no ${name}`);
          if (end === undefined)
            throw new BackupError('KAFKA_REQUEST_FAILED', `${name} has no leader that tells its end`);
          const topicId = topicIds.get(target.topic) ?? '';
          return this.#comparison(target, { log, topicId, end, fetchBytes, signal });
        });
        return new LaneVerification(lane, comparisons, { plan, context, signal });
      }),
    );
  }

  /** Counts what partitions have that the restore did not fill, of which some may be newer than it. */
  async #lookBeside(
    { target }: RestoreIntent,
    topics: readonly TopicDescription[],
    { targets, log }: { readonly targets: ReadonlyMap<string, TargetReport>; readonly log: PartitionLog },
  ): Promise<void> {
    const before = new Map(target.topics.map(({ topic, endOffsets }) => [topic, endOffsets]));
    const beside = topics
      .flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })))
      .filter((partition) => !targets.has(partitionName(partition)));
    if (beside.length === 0) return;
    const ends = await log.listOffsets(beside, 'latest');
    for (const partition of beside) {
      const start = before.get(partition.topic)?.[partition.partition] ?? 0n;
      const end = ends.get(partitionName(partition)) ?? start;
      if (end > start) this.#offsetsBehind += end - start;
    }
  }

  #comparison(
    target: TargetReport,
    {
      log,
      topicId,
      end,
      fetchBytes,
      signal,
    }: {
      readonly log: PartitionLog;
      readonly topicId: string;
      readonly end: bigint;
      readonly fetchBytes: number;
      readonly signal: AbortSignal;
    },
  ): PartitionComparison {
    const { startOffset, recordCount } = target;
    const restoredEnd = startOffset + BigInt(recordCount);
    if (end > restoredEnd) this.#offsetsBehind += end - restoredEnd;
    const reader = new TargetReader({
      log,
      partition: { topic: target.topic, partition: target.partition, topicId },
      fromOffset: startOffset,
      endOffset: end < restoredEnd ? end : restoredEnd,
      fetchBytes,
      patience: this.#patience(signal),
    });
    return new PartitionComparison(target, reader, end);
  }

  #patience(signal: AbortSignal): Patience {
    const { logger, monotonicMs, wait } = this.#options;
    return { work: 'the verification', patienceMs: PATIENCE_MS, signal, logger, monotonicMs, wait };
  }

  #frameContext({ settings }: RestoreIntent, signal: AbortSignal): FrameContext {
    const { store, layout, workers, maxConcurrentPartitions } = this.#options;
    return {
      store: new PatientStore(store, layout.identity, this.#patience(signal)),
      workers,
      stored: new SharedBufferPool(maxStoredSize(USUAL_FRAME_BYTES), workers.threads + 1),
      outputs: new SharedBufferPool(OUTPUT_BYTES, workers.threads * 2 + maxConcurrentPartitions),
      large: new LargeFrames(),
      // Records are compared, not batches: nothing need be compressed.
      settings: { ...settings, compression: 'none', brokerCodec: null },
    };
  }

  async #runLanes(signal: AbortSignal): Promise<void> {
    const queue = this.#lanes.values();
    let failure: unknown;
    const runNext = async (): Promise<void> => {
      for (const lane of queue) {
        if (failure !== undefined) return;
        if (signal.aborted) throw new BackupError('INTERRUPTED', 'the verification was stopped');
        await lane.run();
        this.#done.add(lane);
      }
    };
    const running = Array.from({ length: this.#options.maxConcurrentPartitions }, () =>
      runNext().catch((error: unknown) => {
        failure ??= error;
      }),
    );
    await Promise.all(running);
    if (failure !== undefined) throw errorOf(failure);
  }

  #reportOn(
    { id, backupId, planId, catalogVersion, targets }: RestoreReport,
    reasons: readonly string[],
  ): VerificationReport {
    const partitions = this.#lanes.flatMap((lane) => lane.verdicts()).sort(comparePartitions);
    const has = (verdict: Verdict): boolean => partitions.some((one) => one.verdict === verdict);
    return {
      restoreId: id,
      backupId,
      planId,
      catalogVersion,
      verdict: has('different') ? 'different' : reasons.length > 0 || has('inconclusive') ? 'inconclusive' : 'equal',
      recordsExpected: targets.reduce((total, { recordCount }) => total + recordCount, 0),
      recordsCompared: partitions.reduce((total, { recordsCompared }) => total + recordsCompared, 0),
      offsetsBehind: this.#offsetsBehind,
      reasons,
      partitions,
    };
  }
}
