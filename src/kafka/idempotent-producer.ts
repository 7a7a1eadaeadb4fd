// The producer of one partition: raw batches, idempotent (KIP-98), up to five in flight, so that the broker itself keeps order
// and drops what arrives twice. After any failure that may pass, what is in flight is awaited, the leader is looked up again,
// and everything unacknowledged is sent again with its sequence unchanged.

import { BackOff, pause } from '../model/back-off.ts';
import { BackupError, errorOf, isRetriable } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic-partition.ts';
import { BATCH_FIELD, sealBatchCrc, viewOf } from '../record/batch-header.ts';
import type { KafkaCluster, Lane } from './cluster.ts';
import { KAFKA_ERROR, kafkaError } from './protocol/kafka-errors.ts';
import { produceCall, type ProducerIdentity } from './protocol/produce.ts';
import type { PartitionProducer } from './restore-sink.ts';

/** The broker remembers the last five batches of a producer; more in flight could not be recognised when sent again. */
const MAX_IN_FLIGHT = 5;
/** Sequences wrap to zero after 2^31 - 1. */
const SEQUENCE_LIMIT = 2 ** 31;
const UNKNOWN_OFFSET = -1n;

export interface IdempotentProducerOptions {
  readonly cluster: KafkaCluster;
  readonly lane: Lane;
  readonly partition: TopicPartition;
  readonly identity: ProducerIdentity;
  readonly timeoutMs: number;
  /** How long a batch may stay unacknowledged while the target is away. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly monotonicMs: () => number;
}

interface Unacknowledged {
  readonly batch: Uint8Array;
  isSent: boolean;
  readonly resolve: (offset: bigint) => void;
  readonly reject: (error: unknown) => void;
}

export class IdempotentProducer implements PartitionProducer {
  readonly #options: IdempotentProducerOptions;
  readonly #backOff = new BackOff();
  /** In the order of their sequences. */
  readonly #unacknowledged: Unacknowledged[] = [];
  #waiting: (() => void)[] = [];
  #nextSequence = 0;
  /** True once the broker has acknowledged a batch of this producer. */
  #isKnown = false;
  #inFlight = 0;
  #isRecovering = false;
  #troubleSinceMs: number | undefined;
  #failure: Error | undefined;

  constructor(options: IdempotentProducerOptions) {
    this.#options = options;
  }

  async send(batch: Uint8Array, recordCount: number): Promise<{ readonly acknowledged: Promise<bigint> }> {
    // A broker that knows nothing of a producer takes any first sequence: were the first batch refused while later ones are
    // taken, it could never be put before them. So it goes alone.
    while (this.#unacknowledged.length >= (this.#isKnown ? MAX_IN_FLIGHT : 1) && this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#stamp(batch, recordCount);
    const acknowledged = new Promise<bigint>((resolve, reject) => {
      this.#unacknowledged.push({ batch, isSent: false, resolve, reject });
    });
    acknowledged.catch(() => {});
    this.#pump();
    return { acknowledged };
  }

  #stamp(batch: Uint8Array, recordCount: number): void {
    const { producerId, producerEpoch } = this.#options.identity;
    const view = viewOf(batch);
    view.setBigInt64(BATCH_FIELD.producerId, producerId);
    view.setInt16(BATCH_FIELD.producerEpoch, producerEpoch);
    view.setInt32(BATCH_FIELD.baseSequence, this.#nextSequence);
    sealBatchCrc(batch);
    this.#nextSequence = (this.#nextSequence + recordCount) % SEQUENCE_LIMIT;
  }

  #pump(): void {
    if (this.#isRecovering || this.#failure !== undefined) return;
    for (const entry of this.#unacknowledged) {
      if (entry.isSent) continue;
      entry.isSent = true;
      this.#inFlight += 1;
      this.#request(entry)
        .then(
          (offset) => this.#acknowledge(entry, offset),
          (error: unknown) => this.#trouble(entry, error),
        )
        .finally(() => {
          this.#inFlight -= 1;
          if (this.#isRecovering && this.#inFlight === 0) void this.#recover();
        });
    }
  }

  async #request(entry: Unacknowledged): Promise<bigint> {
    const { cluster, lane, partition, timeoutMs } = this.#options;
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

  #acknowledge(entry: Unacknowledged, offset: bigint): void {
    const index = this.#unacknowledged.indexOf(entry);
    if (index < 0) return;
    this.#unacknowledged.splice(index, 1);
    this.#isKnown = true;
    entry.resolve(offset);
    if (!this.#isRecovering) {
      this.#backOff.reset();
      this.#troubleSinceMs = undefined;
    }
    this.#wake();
    this.#pump();
  }

  #trouble(entry: Unacknowledged, error: unknown): void {
    entry.isSent = false;
    // Out of order because an earlier one failed: it will be right when both are sent again.
    const isFollowUp = isOutOfOrder(error) && (this.#isRecovering || this.#unacknowledged[0] !== entry);
    if (!isFollowUp && !isRetriable(error)) {
      this.#fail(error);
      return;
    }
    const nowMs = this.#options.monotonicMs();
    this.#troubleSinceMs ??= nowMs;
    if (nowMs - this.#troubleSinceMs > this.#options.patienceMs) this.#fail(error);
    else this.#isRecovering = true;
  }

  /** Nothing is in flight: look for the leader, then send everything again in order. */
  async #recover(): Promise<void> {
    const { cluster, partition, signal } = this.#options;
    await pause(this.#backOff.nextDelayMs(), signal);
    if (signal.aborted) {
      this.#fail(new BackupError('INTERRUPTED', `produce to ${partitionName(partition)} was stopped`));
      return;
    }
    await cluster.describeTopics([partition.topic]).catch(() => {});
    for (const entry of this.#unacknowledged) entry.isSent = false;
    this.#isRecovering = false;
    this.#pump();
  }

  #fail(error: unknown): void {
    this.#failure ??= errorOf(error);
    for (const { reject } of this.#unacknowledged.splice(0)) reject(this.#failure);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function isOutOfOrder(error: unknown): boolean {
  return error instanceof BackupError && error.context.kafkaError === 'OUT_OF_ORDER_SEQUENCE_NUMBER';
}
