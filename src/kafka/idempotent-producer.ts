// The producer of one partition: raw batches, idempotent (KIP-98), up to five in flight, so that the broker itself keeps order
// and drops what arrives twice. After any failure that may pass, what is in flight is awaited, the leader is looked up again,
// the log is asked what has arrived, and everything else is sent again with its sequence unchanged.

import { BackOff, pause } from '../model/back-off.ts';
import { BackupError, errorOf, isRetriable } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic/topic-partition.ts';
import type { Logger } from '../model/logger.ts';
import { Waiting } from '../model/patience.ts';
import { WaitList } from '../model/wait-list.ts';
import { sequenceOf, stampBatch } from '../record/producer-fields.ts';
import { arrivedBatches, NO_TOPIC } from './arrived-batches.ts';
import type { KafkaCluster, Lane } from './connection/cluster.ts';
import { KAFKA_ERROR, kafkaError } from './protocol/kafka-errors.ts';
import { produceCall } from './protocol/produce.ts';
import type { PartitionProducer, ProducerPosition, WritePermit } from './restore-sink.ts';

/** The broker remembers the last five batches of a producer; more in flight could not be recognised when sent again. */
const MAX_IN_FLIGHT = 5;
const UNKNOWN_OFFSET = -1n;
/** A topic that is missing for so long was deleted: brokers that start know all topics sooner. */
const GONE_AFTER_MS = 30_000;

export interface IdempotentProducerOptions {
  readonly cluster: KafkaCluster;
  readonly lane: Lane;
  readonly partition: TopicPartition;
  readonly position: ProducerPosition;
  readonly timeoutMs: number;
  /** How long a batch may stay unacknowledged while the target is away. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly permit: WritePermit;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
}

interface Unacknowledged {
  readonly batch: Uint8Array;
  readonly baseSequence: number;
  /** Where the batch belongs in the log. */
  readonly offset: bigint;
  isSent: boolean;
  /** The broker has said that it has the batch. It stays here until those before it are known to be there too. */
  isConfirmed: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class IdempotentProducer implements PartitionProducer {
  readonly #options: IdempotentProducerOptions;
  readonly #backOff = new BackOff();
  /** In the order of their sequences. */
  readonly #unacknowledged: Unacknowledged[] = [];
  readonly #changes = new WaitList();
  /** Among all records of this producer in the partition. */
  #nextIndex: bigint;
  /** True once the broker has acknowledged a batch of this producer, until the next trouble. */
  #isKnown = false;
  #inFlight = 0;
  #isRecovering = false;
  readonly #waiting: Waiting;
  #missingSinceMs: number | undefined;
  #failure: Error | undefined;

  constructor(options: IdempotentProducerOptions) {
    this.#options = options;
    this.#waiting = new Waiting({ work: 'the restore', ...options });
    this.#nextIndex = options.position.recordsThere;
  }

  async send(batch: Uint8Array, recordCount: number): Promise<{ readonly acknowledged: Promise<void> }> {
    // A broker that knows nothing of a producer takes any first sequence: were the first batch refused while later ones are
    // taken, it could never be put before them. So it goes alone.
    while (this.#unacknowledged.length >= (this.#isKnown ? MAX_IN_FLIGHT : 1) && this.#failure === undefined) {
      await this.#changes.wait();
    }
    if (this.#failure !== undefined) throw this.#failure;
    const { identity, startOffset } = this.#options.position;
    const baseSequence = sequenceOf(this.#nextIndex);
    const offset = startOffset + this.#nextIndex;
    stampBatch(batch, identity, baseSequence);
    this.#nextIndex += BigInt(recordCount);
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.#unacknowledged.push({ batch, baseSequence, offset, isSent: false, isConfirmed: false, resolve, reject });
    });
    acknowledged.catch(() => {});
    this.#pump();
    return { acknowledged };
  }

  #pump(): void {
    if (this.#isRecovering || this.#failure !== undefined) return;
    for (const entry of this.#unacknowledged) {
      if (entry.isSent) continue;
      if (!this.#isKnown && this.#inFlight > 0) return;
      entry.isSent = true;
      this.#inFlight += 1;
      this.#request(entry)
        .then(
          (offset) => this.#confirm(entry, offset),
          (error: unknown) => this.#trouble(entry, error),
        )
        .finally(() => {
          this.#inFlight -= 1;
          if (this.#isRecovering && this.#inFlight === 0) void this.#recover();
        });
    }
  }

  async #request(entry: Unacknowledged): Promise<bigint> {
    const { cluster, lane, partition, timeoutMs, permit } = this.#options;
    try {
      const permitted = permit();
      if (permitted !== undefined) await permitted;
    } catch (error) {
      // Whoever permits has waited already, and not for the target.
      this.#fail(error);
      throw error;
    }
    const leader = cluster.leaderOf(partition);
    const call = produceCall({ ...partition, batch: entry.batch, timeoutMs });
    const answer = await cluster.call(leader, lane, call, timeoutMs * 2);
    const attempt = `produce to ${partitionName(partition)}`;
    if (answer === undefined)
      throw new BackupError('KAFKA_REQUEST_FAILED', `${attempt}: the answer names no partition`);
    if (answer.errorCode === KAFKA_ERROR.none) return answer.baseOffset;
    if (answer.errorCode === KAFKA_ERROR.duplicateSequence) return UNKNOWN_OFFSET;
    throw kafkaError(answer.errorCode, attempt, partition, answer.errorMessage);
  }

  /**
   * Takes the broker's word that the batch is there, if it is where it belongs. One before it can still be in doubt: an error may
   * come after the append.
   */
  #confirm(entry: Unacknowledged, offset: bigint): void {
    if (offset !== UNKNOWN_OFFSET && offset !== entry.offset) {
      this.#fail(this.#changed(`took a batch at offset ${offset} that belongs at ${entry.offset}`));
      return;
    }
    entry.isConfirmed = true;
    while (this.#unacknowledged[0]?.isConfirmed === true) this.#acknowledgeFirst();
  }

  #acknowledgeFirst(): void {
    this.#unacknowledged.shift()?.resolve();
    this.#isKnown = true;
    if (!this.#isRecovering) {
      this.#backOff.reset();
      this.#waiting.served();
    }
    this.#changes.wake();
    this.#pump();
  }

  #changed(what: string): BackupError {
    const name = partitionName(this.#options.partition);
    return new BackupError('TARGET_CHANGED', `${name} ${what}: something else wrote to it, or took records away`, {
      context: this.#options.partition,
    });
  }

  #trouble(entry: Unacknowledged, error: unknown): void {
    entry.isSent = false;
    if (this.#failure !== undefined) return;
    // Out of order because an earlier one failed: it will be right when both are sent again.
    const isFollowUp = isOutOfOrder(error) && (this.#isRecovering || this.#unacknowledged[0] !== entry);
    if (this.#isEnd(error, isFollowUp)) return;
    this.#isRecovering = true;
  }

  /** True when the failure ends the producer: trying again does not help, or has been tried for too long. */
  #isEnd(error: unknown, isFollowUp = false): boolean {
    const isPassing = error instanceof BackupError && (isFollowUp || isRetriable(error));
    const end = isPassing ? this.#waiting.failed(error) : error;
    if (end === undefined) return false;
    this.#fail(end);
    return true;
  }

  /** Nothing is in flight: find out what has arrived, then send the rest again in order. */
  async #recover(): Promise<void> {
    const { partition, signal } = this.#options;
    while (this.#isRecovering && this.#failure === undefined) {
      await pause(Math.min(this.#backOff.nextDelayMs(), this.#waiting.restMs), signal);
      if (signal.aborted) {
        this.#fail(new BackupError('INTERRUPTED', `produce to ${partitionName(partition)} was stopped`));
        return;
      }
      try {
        await this.#acknowledgeArrived();
        this.#isRecovering = false;
        this.#missingSinceMs = undefined;
      } catch (error) {
        if (this.#isGone(error)) this.#fail(gone(partition));
        else this.#isEnd(error);
      }
    }
    for (const entry of this.#unacknowledged) {
      entry.isSent = false;
      entry.isConfirmed = false;
    }
    this.#isKnown = false;
    this.#pump();
  }

  #isGone(error: unknown): boolean {
    const isMissing = error instanceof BackupError && error.context.kafkaError === NO_TOPIC;
    const nowMs = this.#options.monotonicMs();
    this.#missingSinceMs = isMissing ? (this.#missingSinceMs ?? nowMs) : undefined;
    return isMissing && nowMs - (this.#missingSinceMs ?? nowMs) > GONE_AFTER_MS;
  }

  /** @throws TARGET_CHANGED when there is anything else where the first unacknowledged batch belongs, or another topic. */
  async #acknowledgeArrived(): Promise<void> {
    const { cluster, partition, position } = this.#options;
    const [first] = this.#unacknowledged;
    if (first === undefined) return;
    // One more than can be ours, to see it.
    const { topicId } = position;
    const most = this.#unacknowledged.length + 1;
    const arrived = await arrivedBatches(cluster, { ...partition, topicId }, first.offset, most);
    for (const { baseOffset, producerId, baseSequence } of arrived) {
      const entry = this.#unacknowledged[0];
      const isOurs = producerId === position.identity.producerId && baseSequence === entry?.baseSequence;
      if (entry === undefined || !isOurs || baseOffset !== entry.offset) {
        throw this.#changed(`holds a batch of producer ${producerId} at offset ${baseOffset}`);
      }
      this.#acknowledgeFirst();
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= errorOf(error);
    for (const { reject } of this.#unacknowledged.splice(0)) reject(this.#failure);
    this.#changes.wake();
  }
}

function gone({ topic }: TopicPartition): BackupError {
  return new BackupError('TARGET_CHANGED', `topic ${topic} is gone: it was deleted while it was written to`, {
    context: { topic },
  });
}

function isOutOfOrder(error: unknown): boolean {
  return error instanceof BackupError && error.context.kafkaError === 'OUT_OF_ORDER_SEQUENCE_NUMBER';
}
