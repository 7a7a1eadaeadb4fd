// The source side over a KafkaCluster. Fetch sessions (KIP-227) keep a quiet partition free of cost: the broker remembers what
// was asked, the request names only what changed, and the answer only what has news.

import { retained } from '../model/buffer/retained-memory.ts';
import type { HeldResponse } from './connection/kafkajs-wire.ts';
import type { KafkaCluster } from './connection/cluster.ts';
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
} from './partition-log.ts';
import { fetchCall, type FetchResponse, type FetchResponsePartition } from './protocol/fetch.ts';
import { KAFKA_ERROR, kafkaError, kafkaErrorClass, kafkaErrorName } from './protocol/kafka-errors.ts';
import { BackupError } from '../model/errors.ts';
import type { TopicConfigs } from '../model/topic/topic-description.ts';
import type { TopicPartition } from '../model/topic/topic-partition.ts';

const LANE = 'fetch';
const NO_SESSION = 0;
/** Epoch of a full request that opens a session, and of one that wants none. */
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const MAX_EPOCH = 0x7fffffff;
/** Beyond the wait that the request itself asks for. */
const FETCH_GRACE_MS = 30_000;

const SESSION_LOST: ReadonlySet<number> = new Set([
  KAFKA_ERROR.fetchSessionNotFound,
  KAFKA_ERROR.invalidFetchSessionEpoch,
  KAFKA_ERROR.fetchSessionTopicId,
  KAFKA_ERROR.unknownTopicId,
]);

export class KafkaPartitionLog implements PartitionLog {
  readonly #cluster: KafkaCluster;

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster;
  }

  get clusterId(): string {
    return this.#cluster.clusterId;
  }

  connect(): Promise<void> {
    return this.#cluster.connect();
  }

  describeTopics(names: readonly string[] | null): Promise<TopicListing> {
    return this.#cluster.describeTopics(names);
  }

  describeTopicConfigs(topics: readonly string[]): Promise<ReadonlyMap<string, TopicConfigs>> {
    return this.#cluster.describeTopicConfigs(topics);
  }

  async describeConfigsInForce(topic: string): Promise<TopicConfigs | undefined> {
    try {
      const entries = await this.#cluster.describeEffectiveConfigs(topic);
      return Object.fromEntries([...entries].map(([name, { value }]) => [name, value]));
    } catch (error) {
      if (error instanceof BackupError) return undefined;
      throw error;
    }
  }

  listOffsets(partitions: readonly TopicPartition[], at: OffsetAt): Promise<ReadonlyMap<string, bigint>> {
    return this.#cluster.listOffsets(partitions, at);
  }

  openSession(nodeId: number): FetchSession {
    return new IncrementalFetchSession(this.#cluster, nodeId);
  }

  async fetchOnce(nodeId: number, positions: readonly FetchPosition[], limits: FetchLimits): Promise<FetchResult> {
    const call = fetchCall({
      ...limits,
      sessionId: NO_SESSION,
      sessionEpoch: FINAL_EPOCH,
      partitions: positions.map((position) => requestOf(position, limits)),
      forgotten: [],
    });
    const held = await this.#cluster.callHeld(nodeId, 'general', call, limits.maxWaitMs + FETCH_GRACE_MS);
    return resultOf(held, new Map(positions.map((position) => [keyOf(position), position])));
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}

class IncrementalFetchSession implements FetchSession {
  readonly #cluster: KafkaCluster;
  readonly #nodeId: number;
  #sessionId = NO_SESSION;
  #epoch = INITIAL_EPOCH;
  /** Everything that is wanted, by key. */
  readonly #wanted = new Map<string, FetchPosition>();
  /** Keys of what is wanted and the broker does not know yet. */
  readonly #unsent = new Set<string>();
  /** What the broker knows and is not wanted any more. */
  readonly #unwanted = new Map<string, FetchKey>();

  constructor(cluster: KafkaCluster, nodeId: number) {
    this.#cluster = cluster;
    this.#nodeId = nodeId;
    cluster.prepare(nodeId, LANE);
  }

  want(position: FetchPosition): void {
    const key = keyOf(position);
    this.#wanted.set(key, position);
    this.#unsent.add(key);
    this.#unwanted.delete(key);
  }

  drop(partition: FetchKey): void {
    const key = keyOf(partition);
    if (!this.#wanted.delete(key)) return;
    this.#unsent.delete(key);
    this.#unwanted.set(key, partition);
  }

  async fetch(limits: FetchLimits): Promise<FetchResult> {
    const isFull = this.#sessionId === NO_SESSION;
    const named = isFull ? [...this.#wanted.values()] : this.#unsentPositions();
    const call = fetchCall({
      ...limits,
      sessionId: this.#sessionId,
      sessionEpoch: this.#epoch,
      partitions: named.map((position) => requestOf(position, limits)),
      forgotten: isFull ? [] : [...this.#unwanted.values()],
    });
    let held: HeldResponse<FetchResponse>;
    try {
      held = await this.#cluster.callHeld(this.#nodeId, LANE, call, limits.maxWaitMs + FETCH_GRACE_MS);
    } catch (error) {
      this.#forget();
      throw error;
    }
    const { errorCode, sessionId } = held.response;
    if (errorCode !== KAFKA_ERROR.none) {
      this.#forget();
      held.release();
      if (SESSION_LOST.has(errorCode)) return { partitions: [], isComplete: false, ...retained(() => {}) };
      throw kafkaError(errorCode, `fetch from broker ${this.#nodeId}`);
    }
    this.#remember(sessionId);
    return resultOf(held, this.#wanted);
  }

  #unsentPositions(): FetchPosition[] {
    return [...this.#unsent].flatMap((key) => this.#wanted.get(key) ?? []);
  }

  #remember(sessionId: number): void {
    if (sessionId === NO_SESSION) {
      this.#forget();
      return;
    }
    this.#epoch = sessionId === this.#sessionId && this.#epoch < MAX_EPOCH ? this.#epoch + 1 : 1;
    this.#sessionId = sessionId;
    this.#unsent.clear();
    this.#unwanted.clear();
  }

  /** The next fetch opens a session of its own, and names everything. */
  #forget(): void {
    this.#sessionId = NO_SESSION;
    this.#epoch = INITIAL_EPOCH;
  }
}

function keyOf({ topicId, partition }: FetchKey): string {
  return `${topicId}/${partition}`;
}

function requestOf(position: FetchPosition, limits: FetchLimits) {
  return {
    topicId: position.topicId,
    partition: position.partition,
    currentLeaderEpoch: -1,
    fetchOffset: position.nextOffset,
    lastFetchedEpoch: position.lastEpoch,
    maxBytes: limits.maxPartitionBytes,
  };
}

/** `asked`: the positions that are answered, by key. An answer to what was not asked is left out. */
function resultOf(held: HeldResponse<FetchResponse>, asked: ReadonlyMap<string, FetchPosition>): FetchResult {
  const partitions = held.response.partitions.flatMap((answer) => {
    const position = asked.get(keyOf(answer));
    return position === undefined ? [] : [outcomeOf(answer, position.nextOffset)];
  });
  // A broker that throttles answers at once and has looked at nothing (KIP-219).
  const isComplete = held.response.throttleTimeMs === 0;
  const { retain, release } = held;
  return { partitions, isComplete, retain, release };
}

function outcomeOf(answer: FetchResponsePartition, askedOffset: bigint): FetchedPartition {
  const { topicId, partition, errorCode, diverging } = answer;
  const identity = { topicId, partition, askedOffset };
  if (errorCode === KAFKA_ERROR.offsetOutOfRange) return { ...identity, kind: 'offset-out-of-range' };
  if (errorCode !== KAFKA_ERROR.none) {
    const kafkaErrorText = kafkaErrorName(errorCode);
    switch (kafkaErrorClass(errorCode)) {
      case 'refresh':
        return { ...identity, kind: 'stale-metadata', kafkaError: kafkaErrorText };
      case 'denied':
        return { ...identity, kind: 'denied', kafkaError: kafkaErrorText };
      case 'retry':
      case 'refused':
        return { ...identity, kind: 'transient', kafkaError: kafkaErrorText };
    }
  }
  if (diverging !== null)
    return { ...identity, kind: 'truncated', endOffset: diverging.endOffset, epoch: diverging.epoch };
  const { records, highWatermark, lastStableOffset, logStartOffset } = answer;
  return { ...identity, kind: 'records', records, highWatermark, lastStableOffset, logStartOffset };
}
