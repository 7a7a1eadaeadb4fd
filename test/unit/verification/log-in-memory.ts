// A partition of a target in memory: its batches, its start and end, and what it answers instead when it is in trouble.
import type {
  FetchedPartition,
  FetchLimits,
  FetchPosition,
  FetchResult,
  FetchSession,
  PartitionLog,
  TopicListing,
} from '../../../src/kafka/partition-log.ts';
import { retained } from '../../../src/model/buffer/retained-memory.ts';
import { splitBatches } from '../../../src/record/batch-header.ts';
import { encodeBatch, type TestBatch } from '../../support/record-batches.ts';

const NODE = 1;

export class LogInMemory implements PartitionLog {
  readonly clusterId = 'cluster-1';
  logStartOffset = 0n;
  /** Answered, in turn, before anything else. */
  readonly troubles: Extract<FetchedPartition['kind'], 'stale-metadata' | 'transient' | 'denied'>[] = [];
  fetches = 0;
  held = 0;
  readonly #bytes: Buffer[];

  constructor(batches: readonly (TestBatch | Buffer)[]) {
    this.#bytes = batches.map((batch) => (Buffer.isBuffer(batch) ? batch : encodeBatch(batch)));
  }

  get endOffset(): bigint {
    const last = this.#bytes.at(-1);
    return last === undefined ? 0n : [...splitBatches(last)][0]!.lastOffset + 1n;
  }

  async fetchOnce(_node: number, positions: readonly FetchPosition[], limits: FetchLimits): Promise<FetchResult> {
    this.fetches += 1;
    this.held += 1;
    const partitions = positions.map((position) => this.#answer(position, limits));
    return { partitions, isComplete: true, ...retained(() => (this.held -= 1)) };
  }

  async describeTopics(): Promise<TopicListing> {
    const partitions = [{ partition: 0, leader: NODE, leaderEpoch: 0 }];
    const topic = { topic: 'restored', topicId: 'id', isInternal: false, partitions, replicationFactor: 1 };
    return { topics: [topic], missing: [], denied: [] };
  }

  async listOffsets(): Promise<ReadonlyMap<string, bigint>> {
    return new Map([['restored-0', this.logStartOffset]]);
  }

  #answer({ topicId, partition, nextOffset }: FetchPosition, { maxPartitionBytes }: FetchLimits): FetchedPartition {
    const identity = { topicId, partition, askedOffset: nextOffset };
    const kind = this.troubles.shift();
    if (kind !== undefined) return { ...identity, kind, kafkaError: 'TROUBLE' };
    if (nextOffset < this.logStartOffset || nextOffset > this.endOffset)
      return { ...identity, kind: 'offset-out-of-range' };
    const wanted = this.#bytes.filter((bytes) => [...splitBatches(bytes)][0]!.lastOffset >= nextOffset);
    // As brokers do: the first batch whole, whatever its size, and the last one cut where the limit is.
    const all = Buffer.concat(wanted);
    const records = all.subarray(0, Math.max(maxPartitionBytes, wanted[0]?.byteLength ?? 0));
    const { endOffset: highWatermark, logStartOffset } = this;
    return { ...identity, kind: 'records', records, highWatermark, lastStableOffset: highWatermark, logStartOffset };
  }

  async connect(): Promise<void> {}
  async close(): Promise<void> {}

  describeTopicConfigs(): never {
    throw new Error('nobody asks for it');
  }

  describeConfigsInForce(): never {
    throw new Error('nobody asks for it');
  }

  openSession(): FetchSession {
    throw new Error('nobody asks for it');
  }
}
