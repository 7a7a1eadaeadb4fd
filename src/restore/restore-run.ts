// Carries a plan out that passed its preflight: topics first, then all partitions of all topics together up to the limit, then
// the count against the target, then the topics' own configuration. The first failure stops everything; nothing less than the
// whole plan is a success.

import { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { RestoreSink } from '../kafka/restore-sink.ts';
import { BackOff, pause } from '../model/back-off.ts';
import { BackupError, errorOf } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { partitionName, type TopicPartition } from '../model/topic-partition.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { PartitionRestore, type PartitionRestoreContext } from './partition-restore.ts';
import type { PreflightResult } from './preflight.ts';
import type { PartitionProgress, RestoreProgress } from './restore-job.ts';
import type { PartitionRestorePlan, RestorePlan, TopicRestorePlan } from './restore-plan.ts';
import type { RestoreSettings } from './restore-settings.ts';
import { creationSpec, finalConfigs, prepareExisting } from './target-topic.ts';
import { TokenBucket } from './token-bucket.ts';

export interface RestoreRunOptions {
  readonly plan: RestorePlan;
  readonly preflight: PreflightResult;
  readonly settings: RestoreSettings;
  readonly sink: RestoreSink;
  readonly store: ObjectStore;
  readonly workers: WorkerPool;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly monotonicMs: () => number;
}

/** What the frames of a backup are, unless it was made with another setting: larger ones get buffers of their own. */
const USUAL_FRAME_BYTES = 4 * 1024 * 1024;
const OUTPUT_BYTES = USUAL_FRAME_BYTES * 1.25;
const LEADER_ATTEMPTS = 12;

export class RestoreRun {
  readonly #options: RestoreRunOptions;
  readonly #partitions: readonly PartitionRestore[];
  readonly #stopping = new AbortController();

  constructor(options: RestoreRunOptions) {
    this.#options = options;
    const { plan, settings, store, workers, preflight, monotonicMs, signal } = options;
    const rate = (perSecond: number | null): TokenBucket | null =>
      perSecond === null ? null : new TokenBucket(perSecond, monotonicMs);
    const context: PartitionRestoreContext = {
      store,
      workers,
      stored: new SharedBufferPool(maxStoredSize(USUAL_FRAME_BYTES), workers.threads + 1),
      outputs: new SharedBufferPool(OUTPUT_BYTES, workers.threads * 2 + settings.maxConcurrentPartitions),
      settings,
      recoveryTarget: plan.recoveryTarget,
      recordRate: rate(settings.recordsPerSecond),
      byteRate: rate(settings.bytesPerSecond),
      signal: AbortSignal.any([signal, this.#stopping.signal]),
    };
    this.#partitions = plan.topics.flatMap(({ targetTopic, partitions }) => {
      const maxMessageBytes = preflight.maxMessageBytes.get(targetTopic) ?? settings.maxBatchBytes;
      return partitions.map((partition) => new PartitionRestore(partition, context, maxMessageBytes));
    });
  }

  progress(): RestoreProgress {
    const sum = (of: (partition: PartitionRestore) => number): number =>
      this.#partitions.reduce((total, one) => total + of(one), 0);
    return {
      recordsRestored: sum((one) => one.recordsRestored),
      recordsTotal: sum((one) => one.recordsPlanned),
      bytesRead: sum((one) => one.bytesRead),
      bytesTotal: sum((one) => one.plan.segments.reduce((total, { segment }) => total + segment.storedSizeBytes, 0)),
      rawBytes: sum((one) => one.bytesSent),
      partitionsDone: this.#partitions.filter(({ isDone }) => isDone).length,
      partitionsTotal: this.#partitions.length,
    };
  }

  partitions(): PartitionProgress[] {
    return this.#partitions.map(({ plan, recordsPlanned, recordsRestored, dropped }) => ({
      topic: plan.source.topic,
      partition: plan.source.partition,
      targetTopic: plan.targetTopic,
      recordsPlanned,
      recordsRestored,
      dropped,
    }));
  }

  /**
   * @throws PREFLIGHT_BLOCKED when a topic cannot be created after all, TARGET_CHANGED, INTERRUPTED, and what reading and
   * producing fail with. Topics keep their restore configuration then: what was written is not to be deleted under the reader.
   */
  async run(): Promise<void> {
    const { plan, logger } = this.#options;
    const undo = new Map<string, Readonly<Record<string, string | null>>>();
    for (const topic of plan.topics) undo.set(topic.targetTopic, await this.#prepare(topic));
    await this.#awaitLeaders();
    await this.#runPartitions();
    await this.#verifyEnds();
    for (const [topic, configs] of undo) await this.#options.sink.alterTopicConfigs(topic, configs);
    logger.info('the restored topics have their own configuration again', { topics: [...undo.keys()] });
  }

  /** Makes the topic ready to be filled; returns what puts its own configuration on at the end. */
  async #prepare(topic: TopicRestorePlan): Promise<Readonly<Record<string, string | null>>> {
    const { sink, settings, preflight } = this.#options;
    if (preflight.existing.has(topic.targetTopic)) return prepareExisting(sink, topic.targetTopic);
    const refusal = await sink.createTopic(creationSpec(topic, settings, sink.brokerCount), { validateOnly: false });
    if (refusal !== null) throw new BackupError('PREFLIGHT_BLOCKED', `create topic ${topic.targetTopic}: ${refusal}`);
    return finalConfigs(topic);
  }

  async #awaitLeaders(): Promise<void> {
    const { plan, sink, signal } = this.#options;
    const names = plan.topics.map(({ targetTopic }) => targetTopic);
    const backOff = new BackOff();
    for (let attempt = 0; attempt < LEADER_ATTEMPTS && !signal.aborted; attempt += 1) {
      const { topics } = await sink.describeTopics(names);
      const isReady = topics.every(
        ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0),
      );
      if (topics.length === names.length && isReady) return;
      await pause(backOff.nextDelayMs(), signal);
    }
    throw new BackupError('KAFKA_REQUEST_FAILED', `the target has no leaders for ${names.join(', ')}`);
  }

  async #runPartitions(): Promise<void> {
    const queue = [...this.#partitions];
    let failure: Error | undefined;
    const runNext = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && failure === undefined; next = queue.shift()) {
        try {
          await this.#runPartition(next);
        } catch (error) {
          failure ??= errorOf(error);
          this.#stopping.abort();
        }
      }
    };
    await Promise.all(Array.from({ length: this.#options.settings.maxConcurrentPartitions }, runNext));
    if (failure !== undefined) throw failure;
    if (this.#options.signal.aborted) throw new BackupError('INTERRUPTED', 'the restore was stopped');
  }

  async #runPartition(partition: PartitionRestore): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#stopping.signal]);
    if (signal.aborted) return;
    if (partition.plan.segments.length === 0) {
      partition.isDone = true;
      return;
    }
    await partition.run(await this.#options.sink.openPartition(targetOf(partition.plan), signal));
  }

  /** Every partition ends where its last acknowledged record is: nobody else wrote, and nothing was deleted. */
  async #verifyEnds(): Promise<void> {
    const { sink } = this.#options;
    const targets = this.#partitions.map(({ plan }) => targetOf(plan));
    const latest = await sink.listOffsets(targets, 'latest');
    for (const { plan, lastTargetOffset, recordsRestored } of this.#partitions) {
      const name = partitionName(targetOf(plan));
      const end = latest.get(name);
      if (end === undefined || lastTargetOffset === null) continue;
      if (end !== lastTargetOffset + 1n) {
        throw new BackupError(
          'TARGET_CHANGED',
          `${name} ends at offset ${end}; the ${recordsRestored} restored records end at ${lastTargetOffset + 1n}`,
        );
      }
    }
  }
}

function targetOf({ targetTopic, targetPartition }: PartitionRestorePlan): TopicPartition {
  return { topic: targetTopic, partition: targetPartition };
}
