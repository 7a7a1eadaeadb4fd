// Reads a partition of the target as a consumer does: batches in the order of their offsets, up to the end that the log had when the
// verification began. What the target has deleted meanwhile is skipped, and said. One fetch is in memory at a time.

import type { PartitionLog } from '../kafka/partition-log.ts';
import { BackupError } from '../model/errors.ts';
import { partitionName, type TopicPartition } from '../model/topic/topic-partition.ts';
import { type RecordBatchHeader, splitBatches, verifyBatchCrc } from '../record/batch-header.ts';
import { type Patience, patiently } from '../model/patience.ts';

const NO_WAIT_MS = 0;
const UNKNOWN_EPOCH = -1;

export interface TargetPartition extends TopicPartition {
  readonly topicId: string;
}

export interface TargetReaderOptions {
  readonly log: PartitionLog;
  readonly partition: TargetPartition;
  /** The first offset wanted. */
  readonly fromOffset: bigint;
  /** Behind the last offset wanted. */
  readonly endOffset: bigint;
  readonly fetchBytes: number;
  readonly patience: Patience;
}

/** A batch, valid until the next one is read. Records of it before `fromOffset` no consumer sees, or they are not wanted. */
export interface TargetBatch {
  readonly fromOffset: bigint;
  readonly bytes: Uint8Array;
  readonly header: RecordBatchHeader;
}

type Fetched = 'read' | 'deleted' | 'end';

export class TargetReader {
  /** Below this the target has deleted what it held. */
  logStartOffset = 0n;
  readonly #options: TargetReaderOptions;
  #nextOffset: bigint;
  #bytes: Uint8Array = new Uint8Array(0);
  #batches: RecordBatchHeader[] = [];
  #leader: number | undefined;

  constructor(options: TargetReaderOptions) {
    this.#options = options;
    this.#nextOffset = options.fromOffset;
  }

  /** Undefined when nothing is left below the end. @throws what the target fails with for longer than the patience, INTERRUPTED. */
  async next(): Promise<TargetBatch | undefined> {
    for (;;) {
      const header = this.#batches.shift();
      if (header !== undefined) {
        const fromOffset = this.#nextOffset;
        this.#nextOffset = header.lastOffset + 1n;
        return { fromOffset, bytes: this.#bytes, header };
      }
      if (this.#nextOffset >= this.#options.endOffset) return undefined;
      const fetched = await patiently(this.#options.patience, () => this.#fetch());
      if (fetched === 'deleted') await patiently(this.#options.patience, () => this.#skipDeleted());
      if (fetched === 'end') this.#nextOffset = this.#options.endOffset;
    }
  }

  /** After any failure the next attempt asks who leads: a broker that has died does not say that it no longer does. */
  async #fetch(): Promise<Fetched> {
    try {
      this.#leader ??= await this.#findLeader();
      return await this.#fetchFrom(this.#leader);
    } catch (error) {
      this.#leader = undefined;
      throw error;
    }
  }

  async #fetchFrom(leader: number): Promise<Fetched> {
    const { log, partition, fetchBytes } = this.#options;
    const position = { ...partition, nextOffset: this.#nextOffset, lastEpoch: UNKNOWN_EPOCH };
    const limits = { maxWaitMs: NO_WAIT_MS, minBytes: 0, maxBytes: fetchBytes, maxPartitionBytes: fetchBytes };
    const result = await log.fetchOnce(leader, [position], limits);
    try {
      const [answer] = result.partitions;
      if (answer === undefined) throw this.#trouble('was not answered for');
      switch (answer.kind) {
        case 'records':
          this.logStartOffset = answer.logStartOffset;
          return this.#take(answer.records) ? 'read' : 'end';
        case 'offset-out-of-range':
          return 'deleted';
        case 'truncated':
          throw this.#trouble(`was cut back to offset ${answer.endOffset}`);
        case 'stale-metadata':
          throw this.#trouble(`moves (${answer.kafkaError})`);
        case 'transient':
          throw this.#trouble(`does not answer (${answer.kafkaError})`);
        case 'denied': {
          const message = `the principal may not read ${partitionName(partition)} (${answer.kafkaError})`;
          throw new BackupError('KAFKA_AUTHORIZATION_FAILED', message);
        }
      }
    } finally {
      result.release();
    }
  }

  /** Copies the whole batches with wanted records; false when there is none: then nothing is stored up to the end. */
  #take(records: Uint8Array): boolean {
    this.#bytes = Uint8Array.from(records);
    this.#batches = [];
    for (const header of splitBatches(this.#bytes)) {
      if (header.lastOffset < this.#nextOffset) continue;
      verifyBatchCrc(this.#bytes, header);
      this.#batches.push(header);
    }
    if (this.#batches.length === 0 && records.byteLength > 0) throw this.#trouble('answered without a whole batch');
    return this.#batches.length > 0;
  }

  async #skipDeleted(): Promise<void> {
    const { log, partition } = this.#options;
    // So that it is asked who leads now.
    await this.#findLeader();
    const earliest = (await log.listOffsets([partition], 'earliest')).get(partitionName(partition));
    if (earliest === undefined) throw this.#trouble('has no leader that tells its start');
    if (earliest <= this.#nextOffset) throw this.#trouble(`does not know offset ${this.#nextOffset}`);
    this.logStartOffset = earliest;
    this.#nextOffset = earliest;
  }

  async #findLeader(): Promise<number> {
    const { log, partition } = this.#options;
    const { topics } = await log.describeTopics([partition.topic]);
    const leader = topics[0]?.partitions.find((one) => one.partition === partition.partition)?.leader ?? -1;
    if (leader < 0) throw this.#trouble('has no leader');
    return leader;
  }

  /** It may pass. */
  #trouble(what: string): BackupError {
    const { topic, partition } = this.#options.partition;
    return new BackupError('KAFKA_REQUEST_FAILED', `${topic}-${partition} ${what}`, { context: { topic, partition } });
  }
}
