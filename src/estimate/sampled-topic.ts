// One topic of the source as an estimate asks for it. Every answer is complete or an error: what a broker refuses or cannot tell is
// never taken for nothing, since a topic that counts as empty makes the whole estimate too small.

import type { FetchResult, PartitionLog } from '../kafka/partition-log.ts';
import type { ClusterProbe, OffsetAtTime } from '../kafka/probe/cluster-probe.ts';
import { BackupError } from '../model/errors.ts';
import type { PartitionIdentity } from '../model/segment/segment.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import { partitionName, type TopicPartition } from '../model/topic/topic-partition.ts';
import { partitionsOf } from '../survey/selected-topics.ts';
import type { Allowance } from './allowance.ts';

export interface SampledTopicOptions {
  readonly log: PartitionLog;
  readonly probe: ClusterProbe;
  readonly allowance: Allowance;
}

/** Ends of the log of each partition, by name; none is missing. */
export interface LogEnds {
  readonly earliest: ReadonlyMap<string, bigint>;
  readonly latest: ReadonlyMap<string, bigint>;
}

export interface SampledRecords {
  /** Whole batches, perhaps with a cut one at the end; nothing where nothing is stored from there to the end of the log. */
  readonly records: Uint8Array;
  release(): void;
}

const MAX_WAIT_MS = 1000;

export class SampledTopic {
  readonly #options: SampledTopicOptions;
  #description: TopicDescription;

  constructor(description: TopicDescription, options: SampledTopicOptions) {
    this.#description = description;
    this.#options = options;
  }

  get topic(): string {
    return this.#description.topic;
  }

  get partitions(): readonly PartitionIdentity[] {
    const { topic, topicId, partitions } = this.#description;
    return partitions.map(({ partition }) => ({ topic, topicId, partition }));
  }

  /** @throws what Kafka refuses with, or cannot answer in time. */
  async ends(): Promise<LogEnds> {
    const { log } = this.#options;
    return {
      earliest: await this.#ofEach('the earliest offset', (partitions) => log.listOffsets(partitions, 'earliest')),
      latest: await this.#ofEach('the latest offset', (partitions) => log.listOffsets(partitions, 'latest')),
    };
  }

  /** The first record at or after that instant, of each partition; null where there is none. @throws as {@link ends}. */
  offsetsAt(timestampMs: number): Promise<ReadonlyMap<string, OffsetAtTime | null>> {
    const { probe } = this.#options;
    return this.#ofEach('the offset of yesterday', (partitions) => probe.offsetsAt(partitions, timestampMs));
  }

  /** Undefined where that offset is not there any more. @throws as {@link ends}. */
  fetch(partition: TopicPartition, nextOffset: bigint, maxBytes: number): Promise<SampledRecords | undefined> {
    return this.#answer(() => this.#fetch(partition, nextOffset, maxBytes));
  }

  async #fetch(partition: TopicPartition, nextOffset: bigint, maxBytes: number): Promise<SampledRecords | undefined> {
    const { topicId } = this.#description;
    const attempt = `fetch ${partitionName(partition)} from offset ${nextOffset}`;
    const limits = { maxWaitMs: MAX_WAIT_MS, minBytes: 1, maxBytes, maxPartitionBytes: maxBytes };
    const position = { ...partition, topicId, nextOffset, lastEpoch: -1 };
    const result = await this.#options.log.fetchOnce(this.#leaderOf(partition, attempt), [position], limits);
    try {
      const records = recordsOf(result, attempt);
      if (records === undefined) result.release();
      return records && { records, release: () => result.release() };
    } catch (error) {
      result.release();
      throw error;
    }
  }

  #leaderOf({ partition }: TopicPartition, attempt: string): number {
    const leader = this.#description.partitions.find((one) => one.partition === partition)?.leader ?? -1;
    if (leader < 0) throw new BackupError('KAFKA_REQUEST_FAILED', `${attempt}: the partition has no leader`);
    return leader;
  }

  #ofEach<T>(
    what: string,
    ask: (partitions: readonly TopicPartition[]) => Promise<ReadonlyMap<string, T>>,
  ): Promise<ReadonlyMap<string, T>> {
    return this.#answer(async () => {
      const partitions = partitionsOf([this.#description]);
      if (partitions.length === 0) throw new BackupError('KAFKA_REQUEST_FAILED', `${this.topic} has no partitions yet`);
      const answers = await ask(partitions);
      const missing = partitions.map(partitionName).find((name) => !answers.has(name));
      if (missing !== undefined) {
        throw new BackupError('KAFKA_REQUEST_FAILED', `list ${what} of ${missing}: its leader does not tell`);
      }
      return answers;
    });
  }

  #answer<T>(ask: () => Promise<T>): Promise<T> {
    return this.#options.allowance.answer(ask, () => this.#refresh());
  }

  /** Finds the leaders as they are now. */
  async #refresh(): Promise<void> {
    const { topic, topicId } = this.#description;
    const { topics, denied } = await this.#options.log.describeTopics([topic]);
    const [found] = topics;
    if (denied.length > 0)
      throw new BackupError('KAFKA_AUTHORIZATION_FAILED', `describe ${topic}: not allowed any more`);
    if (found === undefined || found.topicId !== topicId) {
      throw new BackupError('TOPIC_NOT_FOUND', `${topic} was deleted while it was sampled`);
    }
    this.#description = found;
  }
}

/** Undefined where the offset is not there any more. @throws what the broker says instead of records. */
function recordsOf({ partitions, isComplete }: FetchResult, attempt: string): Uint8Array | undefined {
  const [answer] = partitions;
  const failed = (what: string): BackupError => new BackupError('KAFKA_REQUEST_FAILED', `${attempt}: ${what}`);
  switch (answer?.kind) {
    case undefined:
      throw failed('no answer');
    case 'records':
      // A broker that throttles says nothing of the log.
      if (answer.records.byteLength === 0 && !isComplete) throw failed('throttled');
      return answer.records;
    case 'offset-out-of-range':
    case 'truncated':
      return undefined;
    case 'denied':
      throw new BackupError('KAFKA_AUTHORIZATION_FAILED', `${attempt}: ${answer.kafkaError}`);
    case 'stale-metadata':
    case 'transient':
      throw failed(answer.kafkaError);
  }
}
