// The producer of one partition: raw batches, idempotent (KIP-98), up to five in flight, so that the broker itself keeps order
// and drops what arrives twice. After any failure that may pass, what is in flight is awaited, the leader is looked up again,
// the log is asked what has arrived, and everything else is sent again with its sequence unchanged.

import { BackOff, pause } from '../model/back-off.ts';
import { BackupError, errorOf, isRetriable } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic-partition.ts';
import { BATCH_FIELD, sealBatchCrc, viewOf } from '../record/batch-header.ts';
import { arrivedBatches } from './arrived-batches.ts';
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
  readonly baseSequence: number;
  readonly recordCount: number;
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
  /** Behind the last acknowledged batch; undefined until an offset was acknowledged. */
  #nextOffset: bigint | undefined;
  /** True once the broker has acknowledged a batch of this producer, until the next trouble. */
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
    const baseSequence = this.#stamp(batch, recordCount);
    const acknowledged = new Promise<bigint>((resolve, reject) => {
      this.#unacknowledged.push({ batch, baseSequence, recordCount, isSent: false, resolve, reject });
    });
    acknowledged.catch(() => {});
    this.#pump();
    return { acknowledged };
  }

  /** Returns the sequence of the batch's first record. */
  #stamp(batch: Uint8Array, recordCount: number): number {
    const { producerId, producerEpoch } = this.#options.identity;
    const baseSequence = this.#nextSequence;
    const view = viewOf(batch);
    view.setBigInt64(BATCH_FIELD.producerId, producerId);
    view.setInt16(BATCH_FIELD.producerEpoch, producerEpoch);
    view.setInt32(BATCH_FIELD.baseSequence, baseSequence);
    sealBatchCrc(batch);
    this.#nextSequence = (baseSequence + recordCount) % SEQUENCE_LIMIT;
    return baseSequence;
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
    if (offset !== UNKNOWN_OFFSET) this.#nextOffset = offset + BigInt(entry.recordCount);
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
    if (this.#isOutOfPatience()) this.#fail(error);
    else this.#isRecovering = true;
  }

  #isOutOfPatience(): boolean {
    const nowMs = this.#options.monotonicMs();
    this.#troubleSinceMs ??= nowMs;
    return nowMs - this.#troubleSinceMs > this.#options.patienceMs;
  }

  /** Nothing is in flight: find out what has arrived, then send the rest again in order. */
  async #recover(): Promise<void> {
    const { partition, signal } = this.#options;
    while (this.#isRecovering && this.#failure === undefined) {
      await pause(this.#backOff.nextDelayMs(), signal);
      if (signal.aborted) {
        this.#fail(new BackupError('INTERRUPTED', `produce to ${partitionName(partition)} was stopped`));
        return;
      }
      try {
        await this.#acknowledgeArrived();
        this.#isRecovering = false;
      } catch (error) {
        if (!isRetriable(error) || this.#isOutOfPatience()) this.#fail(error);
      }
    }
    for (const entry of this.#unacknowledged) entry.isSent = false;
    this.#isKnown = false;
    this.#pump();
  }

  async #acknowledgeArrived(): Promise<void> {
    const { cluster, partition, identity } = this.#options;
    const arrived = await arrivedBatches(cluster, partition, identity.producerId, this.#nextOffset);
    for (const entry of [...this.#unacknowledged]) {
      const offset = arrived.get(entry.baseSequence);
      if (offset !== undefined) this.#acknowledge(entry, offset);
    }
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
