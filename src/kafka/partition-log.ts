// CONTRACT of the source side: what a backup asks of a Kafka cluster. Expected outcomes of a fetch are values, so that every
// caller must treat each; what throws is trouble with the whole request.

import type { RetainedMemory } from '../model/buffer/retained-memory.ts';
import type { TopicConfigs, TopicDescription } from '../model/topic/topic-description.ts';
import type { TopicPartition } from '../model/topic/topic-partition.ts';

export interface TopicListing {
  readonly topics: readonly TopicDescription[];
  readonly missing: readonly string[];
  readonly denied: readonly string[];
}

/** From where to fetch a partition. */
export interface FetchPosition extends TopicPartition {
  readonly topicId: string;
  /** Next offset wanted. */
  readonly nextOffset: bigint;
  /** Leader epoch of the last batch before it; -1 when unknown. Lets the broker notice that its log was truncated. */
  readonly lastEpoch: number;
}

export interface LogPositions {
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
}

/** What tells a partition apart in a fetch. */
export interface FetchKey {
  readonly topicId: string;
  readonly partition: number;
}

/** What one fetch says of one partition; `askedOffset` is the `nextOffset` of the position that it answers. */
export type FetchedPartition = FetchKey & { readonly askedOffset: bigint } & (
    | ({
        readonly kind: 'records' /** Whole batches, perhaps with a cut one at the end. */;
        readonly records: Uint8Array;
      } & LogPositions)
    | { readonly kind: 'offset-out-of-range' }
    | {
        readonly kind: 'truncated';
        /** The largest leader epoch of the source's log that is not above `lastEpoch`. */
        readonly epoch: number;
        /** Where that one ends at the source; it may be a fork of ours when it is not `lastEpoch` itself. */
        readonly endOffset: bigint;
      }
    | { readonly kind: 'stale-metadata'; readonly kafkaError: string }
    | { readonly kind: 'denied'; readonly kafkaError: string }
    | { readonly kind: 'transient'; readonly kafkaError: string }
  );

export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxPartitionBytes: number;
}

/** Retains the memory under `records`. */
export interface FetchResult extends RetainedMemory {
  readonly partitions: readonly FetchedPartition[];
  /**
   * True when the broker has looked at everything that was asked: what is not among the partitions has no news. False when it
   * only put us off, as one does that throttles or that has forgotten the session.
   */
  readonly isComplete: boolean;
}

/**
 * Fetches from one broker, which remembers what is wanted: a quiet partition costs neither side anything. Only partitions with
 * news are in a result. One fetch at a time; between the call and its result nothing may be wanted or dropped.
 */
export interface FetchSession {
  /** From the next fetch on the partition is fetched from here. */
  want(position: FetchPosition): void;
  /** From the next fetch on the partition is not fetched. */
  drop(key: FetchKey): void;
  /** @throws KAFKA_UNREACHABLE and other connection codes; everything stays wanted. */
  fetch(limits: FetchLimits): Promise<FetchResult>;
}

export type OffsetAt = 'earliest' | 'latest' | 'stable';

export interface PartitionLog {
  readonly clusterId: string;
  connect(): Promise<void>;
  /** All topics for `null`. */
  describeTopics(names: readonly string[] | null): Promise<TopicListing>;
  describeTopicConfigs(topics: readonly string[]): Promise<ReadonlyMap<string, TopicConfigs>>;
  /** What is in force for a topic, the brokers' defaults included; undefined where it cannot be read, or may not. */
  describeConfigsInForce(topic: string): Promise<TopicConfigs | undefined>;
  /** Log start, high watermark (`latest`) or last stable offset, by partition name; partitions without a leader are left out. */
  listOffsets(partitions: readonly TopicPartition[], at: OffsetAt): Promise<ReadonlyMap<string, bigint>>;
  /** Its connection is made in the background meanwhile. */
  openSession(nodeId: number): FetchSession;
  /**
   * Fetches outside any session; every position is answered. For one position alone an empty answer means that nothing is
   * stored between it and the high watermark.
   */
  fetchOnce(nodeId: number, positions: readonly FetchPosition[], limits: FetchLimits): Promise<FetchResult>;
  close(): Promise<void>;
}
