// A source in memory with several brokers: partitions change their leaders, lose the start of their logs, and answer no more at
// a time than they are asked for, as a real one does.

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
import { BackupError } from '../../../src/model/errors.ts';
import type { TopicConfigs } from '../../../src/model/topic/topic-description.ts';
import { partitionName, type TopicPartition } from '../../../src/model/topic/topic-partition.ts';
import { answerOf, nextOffsetOf, TOPIC, TOPIC_ID } from './memory-log.ts';

const QUIET_MS = 5;

interface SourcePartition {
  readonly batches: readonly Buffer[];
  leader: number;
  startOffset: bigint;
}

export class MovingPartitionLog implements PartitionLog {
  clusterId = 'MovingCluster';
  /** Not in the metadata just now. */
  isGone = false;
  /** What the metadata says; records there are only of `TOPIC_ID`. */
  topicId = TOPIC_ID;
  /** Never answers. */
  silentNodeId = -1;
  readonly partitions: readonly SourcePartition[];
  configs: TopicConfigs = {};
  configsInForce: TopicConfigs | undefined = undefined;
  /** What is answered in the place of an answer. */
  spoil: (answer: FetchedPartition) => FetchedPartition = (answer) => answer;
  answers = 0;

  /** Batches of each partition, without holes from offset 0 on; led in turn by brokers 1 to `brokers`. */
  constructor(partitions: readonly (readonly Buffer[])[], brokers: number) {
    this.partitions = partitions.map((batches, index) => ({ batches, leader: 1 + (index % brokers), startOffset: 0n }));
  }

  async connect(): Promise<void> {}

  async describeTopics(): Promise<TopicListing> {
    const partitions = this.partitions.map(({ leader }, partition) => ({ partition, leader, leaderEpoch: 0 }));
    if (this.isGone) return { topics: [], missing: [], denied: [] };
    const topic = { topic: TOPIC, topicId: this.topicId, isInternal: false, partitions, replicationFactor: 1 };
    return { topics: [topic], missing: [], denied: [] };
  }

  async describeTopicConfigs(): Promise<ReadonlyMap<string, TopicConfigs>> {
    return new Map([[TOPIC, this.configs]]);
  }

  async describeConfigsInForce(): Promise<TopicConfigs | undefined> {
    return this.configsInForce;
  }

  async listOffsets(asked: readonly TopicPartition[], at: OffsetAt): Promise<ReadonlyMap<string, bigint>> {
    const silent = asked.find(({ partition }) => this.partitions[partition]?.leader === this.silentNodeId);
    if (silent !== undefined) throw new BackupError('KAFKA_UNREACHABLE', `broker ${this.silentNodeId} does not answer`);
    return new Map(asked.map((one) => [partitionName(one), this.#offsetAt(one.partition, at)]));
  }

  openSession(nodeId: number): FetchSession {
    const wanted = new Map<number, FetchPosition>();
    return {
      want: (position) => void wanted.set(position.partition, position),
      drop: ({ partition }: FetchKey) => void wanted.delete(partition),
      fetch: async (limits) => {
        if (nodeId === this.silentNodeId) await new Promise(() => {});
        await pause(1);
        const answers = [...wanted.values()].map((position) => this.#answer(nodeId, position, limits));
        const news = answers.filter((answer) => answer.kind !== 'records' || answer.highWatermark > answer.askedOffset);
        if (news.length === 0) await pause(QUIET_MS);
        return answerOf(news);
      },
    };
  }

  async fetchOnce(nodeId: number, positions: readonly FetchPosition[], limits: FetchLimits): Promise<FetchResult> {
    return answerOf(positions.map((position) => this.#answer(nodeId, position, limits)));
  }

  async close(): Promise<void> {}

  #offsetAt(partition: number, at: OffsetAt): bigint {
    const { batches = [], startOffset = 0n } = this.partitions[partition] ?? {};
    const last = batches.at(-1);
    return at === 'earliest' || last === undefined ? startOffset : nextOffsetOf(last);
  }

  #answer(nodeId: number, { topicId, partition, nextOffset }: FetchPosition, limits: FetchLimits): FetchedPartition {
    this.answers += 1;
    const { batches = [], leader, startOffset = 0n } = this.partitions[partition] ?? {};
    const identity = { topicId, partition, askedOffset: nextOffset };
    if (topicId !== TOPIC_ID) return { ...identity, kind: 'stale-metadata', kafkaError: 'UNKNOWN_TOPIC_ID' };
    if (leader !== nodeId) return { ...identity, kind: 'stale-metadata', kafkaError: 'NOT_LEADER_OR_FOLLOWER' };
    if (nextOffset < startOffset) return { ...identity, kind: 'offset-out-of-range' };
    const records: Buffer[] = [];
    let sizeBytes = 0;
    for (const batch of batches) {
      if (nextOffsetOf(batch) <= nextOffset) continue;
      if (sizeBytes > 0 && sizeBytes + batch.byteLength > limits.maxPartitionBytes) break;
      records.push(batch);
      sizeBytes += batch.byteLength;
    }
    const end = this.#offsetAt(partition, 'latest');
    const positions = { highWatermark: end, lastStableOffset: end, logStartOffset: startOffset };
    return this.spoil({ ...identity, kind: 'records', records: Buffer.concat(records), ...positions });
  }
}
