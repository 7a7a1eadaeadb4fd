// What becomes of a partition when a fetch or an upload does not go well. Nothing here loses records silently: offsets that are
// gone become gaps, cut logs become timelines, everything else is tried again from what is durable.

import type { PartitionLog } from '../kafka/partition-log.ts';
import { BackOff } from '../model/back-off.ts';
import { BackupError, type ErrorCode, isRetriable, messageOf } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { Gap } from '../model/segment/segment.ts';
import type { TopicConfigs } from '../model/topic/topic-description.ts';
import type { FetchOutcome } from './fetch/broker-fetch-loop.ts';
import type { TrackedPartition } from './roster/tracked-partition.ts';

export interface TroubleOptions {
  readonly log: PartitionLog;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly refreshSoon: () => void;
  readonly onGap: (partition: TrackedPartition, records: bigint, reason: Gap['reason']) => void;
  readonly onError: (code: ErrorCode) => void;
  /** The store takes the credentials for nothing any more, whatever the partition. */
  readonly onLockedOut: (error: BackupError) => void;
  /** After so long without success a partition fails for good; infinite for a continuous backup. */
  readonly patienceMs: number;
}

/** A batch that stays corrupt when it is fetched again is corrupt on the broker's disk. */
const CORRUPT_ATTEMPTS = 3;

interface Trouble {
  readonly backOff: BackOff;
  readonly sinceMs: number;
  /** What was durable when bytes were lost: they are read again, but that alone is no progress. Undefined after a mere fetch. */
  readonly durableOffset: bigint | undefined;
}

export class PartitionTrouble {
  readonly #options: TroubleOptions;
  readonly #troubles = new WeakMap<TrackedPartition, Trouble>();
  /** On their way back to what is durable. */
  readonly #returning = new Map<TrackedPartition, Promise<void>>();

  constructor(options: TroubleOptions) {
    this.#options = options;
  }

  /** Treats an answer that is not records. */
  async outcome(partition: TrackedPartition, outcome: FetchOutcome): Promise<void> {
    const { refreshSoon } = this.#options;
    switch (outcome.kind) {
      case 'offset-out-of-range':
        return this.#outOfRange(partition);
      case 'truncated':
        return this.#parted(partition, outcome);
      case 'stale-metadata':
        refreshSoon();
        this.#delay(
          partition,
          new BackupError('KAFKA_REQUEST_FAILED', `fetch ${partition.name}: ${outcome.kafkaError}`),
        );
        return;
      case 'denied':
        this.#fault(
          partition,
          new BackupError('KAFKA_AUTHORIZATION_FAILED', `fetch ${partition.name}: ${outcome.kafkaError}`),
        );
        return;
      case 'transient':
        this.#fault(
          partition,
          new BackupError('KAFKA_REQUEST_FAILED', `fetch ${partition.name}: ${outcome.kafkaError}`),
        );
        return;
    }
  }

  /**
   * Treats a failure of taking in, packing or uploading: back to what is durable, then again after a pause. Going back may wait
   * for uploads; what is told of the partition until then is the same failure, and counts once.
   */
  failure(partition: TrackedPartition, error: unknown): Promise<void> {
    const known = this.#returning.get(partition);
    if (known !== undefined) return known;
    const returning = this.#goBack(partition, error).finally(() => this.#returning.delete(partition));
    this.#returning.set(partition, returning);
    return returning;
  }

  /** Another topic has the name of the partition's: somebody has deleted what is known of its log and was not read. */
  remade(partition: TrackedPartition): void {
    const { nextOffset, highWatermark } = partition.backup;
    // What another agent commits is not known here.
    if (partition.state !== 'fenced' && nextOffset < highWatermark)
      this.#skipDeleted(partition, highWatermark, 'delete-records');
  }

  /** Records were read: unless the trouble lies behind the reading, it is over. */
  answered(partition: TrackedPartition): void {
    if (partition.failures > 0 && this.#troubles.get(partition)?.durableOffset === undefined) this.#forget(partition);
    else this.review(partition);
  }

  /** Whether trouble with storing is over: more is durable than when it began. */
  review(partition: TrackedPartition): void {
    if (partition.failures === 0 || partition.isOver) return;
    const durableOffset = this.#troubles.get(partition)?.durableOffset;
    if (durableOffset !== undefined && durableOffset !== partition.backup.durableOffset) this.#forget(partition);
  }

  #forget(partition: TrackedPartition): void {
    partition.failures = 0;
    partition.failure = null;
    partition.notBeforeMs = 0;
    this.#troubles.delete(partition);
  }

  async #goBack(partition: TrackedPartition, error: unknown): Promise<void> {
    if (partition.backup.nextOffset > partition.givenUpOffset) partition.givenUpOffset = partition.backup.nextOffset;
    await partition.backup.reset();
    partition.rewind();
    this.#fault(partition, error, partition.backup.durableOffset);
  }

  /**
   * The source's log and ours part. Where the answered epoch is that of our last batch, its end at the source is where they agree.
   * Else the source never had our last epoch, and its log may hold more of the answered one than ours does: they agree up to the
   * lower of both ends, and what is left is held against the source once more.
   */
  async #parted(partition: TrackedPartition, answer: Extract<FetchOutcome, { kind: 'truncated' }>): Promise<void> {
    const { backup } = partition;
    // The epochs of what is not durable are not known, and it is read again anyway: from what is left the source is asked anew.
    await backup.reset();
    const { nextOffset } = backup;
    if (nextOffset !== answer.askedOffset) return;
    const stored = answer.epoch < backup.lastEpoch ? await backup.storedEpochEnd(answer.epoch) : answer;
    const cut = stored !== undefined && stored.endOffset < answer.endOffset ? stored : answer;
    if (stored === undefined || cut.endOffset >= nextOffset) {
      const text = `fetch ${partition.name}: the source's log parts from what is stored, and it is not known yet where`;
      this.#delay(partition, new BackupError('KAFKA_REQUEST_FAILED', text));
      return;
    }
    const { topic, partition: index } = backup.identity;
    this.#options.logger.warn('the log of the source was truncated; going on from where it agrees', {
      topic,
      partition: index,
      offset: cut.endOffset,
      nextOffset,
    });
    await this.#truncate(partition, cut.endOffset, cut.epoch);
  }

  async #outOfRange(partition: TrackedPartition): Promise<void> {
    const { logger } = this.#options;
    const { topic, partition: index } = partition.backup.identity;
    const [earliest, latest, configs] = await Promise.all([
      this.#endOf(partition, 'earliest'),
      this.#endOf(partition, 'latest'),
      this.#options.log.describeConfigsInForce(topic),
    ]);
    // What has become of the partition meanwhile counts.
    const { nextOffset } = partition.backup;
    if (earliest !== undefined && nextOffset < earliest) {
      this.#skipDeleted(partition, earliest, gapReason(configs));
    } else if (latest !== undefined && nextOffset > latest) {
      logger.warn('the log of the source ends before what is backed up; going on from its end', {
        topic,
        partition: index,
        offset: latest,
        nextOffset,
      });
      await this.#truncate(partition, latest);
    } else {
      const message = `fetch ${partition.name}: OFFSET_OUT_OF_RANGE at ${nextOffset}, where the log has its records`;
      this.#delay(partition, new BackupError('KAFKA_REQUEST_FAILED', message));
    }
  }

  #skipDeleted(partition: TrackedPartition, endOffset: bigint, reason: Gap['reason']): void {
    const { logger, onGap } = this.#options;
    const { identity, nextOffset } = partition.backup;
    logger.warn('records were deleted at the source before they could be backed up', {
      topic: identity.topic,
      partition: identity.partition,
      offset: nextOffset,
      lastOffset: endOffset - 1n,
      reason,
    });
    onGap(partition, endOffset - nextOffset, reason);
    partition.backup.recordGap(endOffset, reason);
  }

  /** A one-shot backup ends no later than the log that was cut does now. */
  async #truncate(partition: TrackedPartition, endOffset: bigint, epoch = -1): Promise<void> {
    await partition.backup.truncateTo(endOffset, epoch);
    partition.givenUpOffset = 0n;
    if (partition.endOffset === undefined) return;
    const latest = await this.#endOf(partition, 'latest');
    if (latest !== undefined && latest < partition.endOffset) partition.endOffset = latest;
  }

  async #endOf(partition: TrackedPartition, at: 'earliest' | 'latest'): Promise<bigint | undefined> {
    const { topic, partition: index } = partition.backup.identity;
    return (await this.#options.log.listOffsets([{ topic, partition: index }], at)).get(partition.name);
  }

  /** Whether records of a topic may lie in remote storage: also where its configuration may not be read just now. */
  async isTiered(topic: string): Promise<boolean> {
    const configs = (await this.#options.log.describeTopicConfigs([topic])).get(topic);
    return configs === undefined || configs['remote.storage.enable'] === 'true';
  }

  /** Trouble that counts as an error; that a leader has moved or a topic is gone does not. */
  #fault(partition: TrackedPartition, error: unknown, durableOffset?: bigint): void {
    if (!(error instanceof BackupError)) throw error;
    this.#options.onError(error.code);
    if (error.code === 'STORE_AUTHENTICATION_FAILED') this.#options.onLockedOut(error);
    this.#delay(partition, error, durableOffset);
  }

  #delay(partition: TrackedPartition, error: BackupError, durableOffset?: bigint): void {
    const { monotonicMs, logger, patienceMs } = this.#options;
    const nowMs = monotonicMs();
    this.review(partition);
    const former = this.#troubles.get(partition) ?? {
      backOff: new BackOff(),
      sinceMs: nowMs,
      durableOffset: undefined,
    };
    const known: Trouble = { ...former, durableOffset: durableOffset ?? former.durableOffset };
    this.#troubles.set(partition, known);
    partition.failures += 1;
    partition.failure = messageOf(error);
    partition.notBeforeMs = nowMs + known.backOff.nextDelayMs();
    const isOutOfPatience = nowMs - known.sinceMs >= patienceMs;
    const fields = { ...partition.backup.identity, failures: partition.failures, error };
    if (isOutOfPatience || this.#isHopeless(error, partition.failures)) {
      partition.state = 'failed';
      logger.error('a partition is given up; the others go on', fields);
    } else {
      logger.warn('a partition is in trouble; it is tried again', fields);
    }
  }

  /** A one-shot backup does not wait for somebody to grant a permission; a continuous one takes it up when it comes. */
  #isHopeless(error: BackupError, failures: number): boolean {
    if (error.code === 'BATCH_CORRUPT') return failures >= CORRUPT_ATTEMPTS;
    return Number.isFinite(this.#options.patienceMs) && !isRetriable(error);
  }
}

/** Where nothing in force limits age or size, whether set on the topic or on the brokers, somebody has deleted records. */
function gapReason(configs: TopicConfigs | undefined): Gap['reason'] {
  if (configs === undefined) return 'unknown';
  const isKept = configs['retention.ms'] === '-1' && configs['retention.bytes'] === '-1';
  const isDeleted = configs['cleanup.policy']?.split(',').includes('delete') ?? true;
  return isKept || !isDeleted ? 'delete-records' : 'retention';
}
