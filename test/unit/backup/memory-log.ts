// A source in memory: one topic, its batches as a broker holds them, fetched through the contract. What a fetch answers can be
// spoilt on the way.

import type {
  FetchedPartition,
  FetchKey,
  FetchLimits,
  FetchPosition,
  FetchResult,
  FetchSession,
  OffsetAt,
  PartitionLog,
  TopicListing,
} from '../../../src/kafka/partition-log.ts';
import { pause } from '../../../src/model/back-off.ts';
import { retained } from '../../../src/model/buffer/retained-memory.ts';
import { partitionName, type TopicPartition } from '../../../src/model/topic/topic-partition.ts';
import { splitBatches } from '../../../src/record/batch-header.ts';

export const TOPIC = 'orders';
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

/** A fetch's result, in memory that nobody uses again. */
export function answerOf(partitions: readonly FetchedPartition[], isComplete = true): FetchResult {
  return { partitions, isComplete, ...retained(() => {}) };
}

export class MemoryPartitionLog implements PartitionLog {
  readonly clusterId = 'MemoryCluster';
  readonly #partitions: Buffer[][];
  /** Takes each batch that is answered; what it returns is sent instead. */
  spoil: (batch: Buffer) => Buffer = (batch) => batch;
  /** So many answers are errors of Kafka, before there are records. */
  failingAnswers = 0;
  /** Partitions that may not be read. */
  readonly denied = new Set<number>();
  /** True while a broker puts every fetch off, as one does that throttles. */
  isPuttingOff = false;
  /** Node id of a partition's leader. */
  leaderOf: (partition: number) => number = () => 1;
  /** Every position that was ever wanted, in order. */
  readonly wanted: FetchPosition[] = [];

  /** Batches of each partition, without holes from offset 0 on. */
  constructor(partitions: Buffer[][]) {
    this.#partitions = partitions;
  }

  /** The leader of the partition has another log from now on. */
  replace(partition: number, batches: readonly Buffer[]): void {
    this.#partitions[partition] = [...batches];
  }

  append(partition: number, batch: Buffer): void {
    this.#partitions[partition]?.push(batch);
  }

  async connect(): Promise<void> {}

  async describeTopics(): Promise<TopicListing> {
    const partitions = this.#partitions.map((_, partition) => {
      return { partition, leader: this.leaderOf(partition), leaderEpoch: 0 };
    });
    const topic = { topic: TOPIC, topicId: TOPIC_ID, isInternal: false, partitions, replicationFactor: 1 };
    return { topics: [topic], missing: [], denied: [] };
  }

  async describeTopicConfigs(): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
    return new Map();
  }

  async describeConfigsInForce(): Promise<undefined> {
    return undefined;
  }

  async listOffsets(partitions: readonly TopicPartition[], at: OffsetAt): Promise<ReadonlyMap<string, bigint>> {
    return new Map(partitions.map((one) => [partitionName(one), at === 'earliest' ? 0n : this.endOf(one.partition)]));
  }

  openSession(): FetchSession {
    const wanted = new Map<number, FetchPosition>();
    /** High watermarks that answers have told. */
    const told = new Map<number, bigint>();
    return {
      want: (position) => {
        this.wanted.push(position);
        wanted.set(position.partition, position);
      },
      drop: ({ partition }: FetchKey) => {
        wanted.delete(partition);
        told.delete(partition);
      },
      fetch: async (limits) => {
        if (this.isPuttingOff) {
          await pause(limits.maxWaitMs);
          return answerOf([], false);
        }
        const answers = [...wanted.values()].map((position) => this.#answer(position));
        const news = answers.filter((answer) => {
          if (answer.kind !== 'records') return true;
          const isNews = answer.records.byteLength > 0 || told.get(answer.partition) !== answer.highWatermark;
          told.set(answer.partition, answer.highWatermark);
          return isNews;
        });
        if (news.length === 0) await pause(limits.maxWaitMs);
        return answerOf(news);
      },
    };
  }

  async fetchOnce(_nodeId: number, positions: readonly FetchPosition[], _limits: FetchLimits): Promise<FetchResult> {
    return answerOf(positions.map((position) => this.#answer(position)));
  }

  async close(): Promise<void> {}

  endOf(partition: number): bigint {
    const last = this.#partitions[partition]?.at(-1);
    return last === undefined ? 0n : nextOffsetOf(last);
  }

  #answer(position: FetchPosition): FetchedPartition {
    const { topicId, partition, nextOffset } = position;
    if (this.failingAnswers > 0) {
      this.failingAnswers -= 1;
      return { kind: 'transient', topicId, partition, askedOffset: nextOffset, kafkaError: 'REQUEST_TIMED_OUT' };
    }
    if (this.denied.has(partition)) {
      const kafkaError = 'TOPIC_AUTHORIZATION_FAILED';
      return { kind: 'denied', topicId, partition, askedOffset: nextOffset, kafkaError };
    }
    const epoch = this.#diverging(position);
    if (epoch !== undefined) return { kind: 'truncated', topicId, partition, askedOffset: nextOffset, ...epoch };
    const batches = (this.#partitions[partition] ?? []).filter((batch) => nextOffsetOf(batch) > nextOffset);
    const end = this.endOf(partition);
    return {
      kind: 'records',
      topicId,
      partition,
      askedOffset: nextOffset,
      records: Buffer.concat(batches.map(this.spoil)),
      highWatermark: end,
      lastStableOffset: end,
      logStartOffset: 0n,
    };
  }

  /** As a broker compares (LeaderEpochFileCache.endOffsetFor): the largest epoch not above the asked one, and its end. */
  #diverging({ partition, nextOffset, lastEpoch }: FetchPosition): { epoch: number; endOffset: bigint } | undefined {
    if (lastEpoch < 0) return undefined;
    const batches = this.#partitions[partition] ?? [];
    const upTo = batches.filter((batch) => epochOf(batch) <= lastEpoch);
    const last = upTo.at(-1);
    const found =
      last === undefined
        ? { epoch: lastEpoch, endOffset: 0n }
        : {
            epoch: epochOf(last),
            endOffset: upTo.length === batches.length ? this.endOf(partition) : nextOffsetOf(last),
          };
    return found.epoch < lastEpoch || found.endOffset < nextOffset ? found : undefined;
  }
}

function epochOf(batch: Buffer): number {
  return batch.readInt32BE(12);
}

/** Behind the last offset of one batch. */
export function nextOffsetOf(batch: Buffer): bigint {
  const [header] = splitBatches(batch);
  return header === undefined ? 0n : header.lastOffset + 1n;
}
