// The target cluster as a running restore asks it: failures that may pass are waited out, and an answer that leaves a partition
// out (it has no leader just now) counts as such a failure.

import type {
  PartitionProducer,
  ProducerPosition,
  RestoreSink,
  TopicSpec,
  WritePermit,
} from '../../../kafka/restore-sink.ts';
import { BackupError } from '../../../model/errors.ts';
import type { TopicDescription } from '../../../model/topic/topic-description.ts';
import { partitionName, type TopicPartition } from '../../../model/topic/topic-partition.ts';
import type { ProducerIdentity } from '../../../record/producer-fields.ts';
import type { ConfigChanges } from '../../journal/restore-intent.ts';
import { neededConfigs } from '../../target-topic.ts';
import { type Patience, patiently } from '../../../model/patience.ts';

/** Two equal answers so far apart mean that no request of a process that was killed is still landing. */
const STILL_MS = 500;
/** A broker learns a little later than the metadata that it leads a new partition; longer than this is a failure to wait out. */
const NEW_LEADER_WAIT_MS = 10;
const NEW_LEADER_WAITS = 10;
/** Reads of ends that move before it is another process that moves them. */
const MOST_READS = 60;

export class PatientTarget {
  readonly #sink: RestoreSink;
  readonly #patience: Patience;
  readonly #permit: WritePermit;

  /** `permit`: to write records. */
  constructor(sink: RestoreSink, patience: Patience, permit: WritePermit = () => undefined) {
    this.#sink = sink;
    this.#patience = patience;
    this.#permit = permit;
  }

  get clusterId(): string {
    return this.#sink.clusterId;
  }

  /** By name; topics that do not exist are left out. */
  async describe(names: readonly string[]): Promise<Map<string, TopicDescription>> {
    const { topics, denied } = await patiently(this.#patience, () => this.#sink.describeTopics(names));
    if (denied.length > 0) {
      throw new BackupError('KAFKA_AUTHORIZATION_FAILED', `describe ${denied.join(', ')} at the target`);
    }
    return new Map(topics.map((topic) => [topic.topic, topic]));
  }

  /** As {@link describe}, once all of them exist and every partition has a leader. */
  describeLed(names: readonly string[]): Promise<Map<string, TopicDescription>> {
    return patiently(this.#patience, async () => {
      const found = await this.describe(names);
      const isLed = ({ partitions }: TopicDescription): boolean =>
        partitions.length > 0 && partitions.every(({ leader }) => leader >= 0);
      if (found.size < new Set(names).size || ![...found.values()].every(isLed)) {
        throw new BackupError('KAFKA_REQUEST_FAILED', `the target has no leaders yet for ${names.join(', ')}`);
      }
      return found;
    });
  }

  /** First or end offset of every one of the partitions, by partition name. */
  async offsets(
    partitions: readonly TopicPartition[],
    at: 'earliest' | 'latest',
  ): Promise<ReadonlyMap<string, bigint>> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    return patiently(this.#patience, async () => {
      try {
        const isWithout = (offsets: ReadonlyMap<string, bigint>) => (partition: TopicPartition) =>
          !offsets.has(partitionName(partition));
        let offsets = await this.#sink.listOffsets(partitions, at);
        for (let waits = 0; waits < NEW_LEADER_WAITS && partitions.some(isWithout(offsets)); waits += 1) {
          await this.#patience.wait(NEW_LEADER_WAIT_MS, this.#patience.signal);
          offsets = await this.#sink.listOffsets(partitions, at);
        }
        const without = partitions.find(isWithout(offsets));
        if (without === undefined) return offsets;
        throw new BackupError('KAFKA_REQUEST_FAILED', `${partitionName(without)} has no leader that tells its offsets`);
      } catch (error) {
        await this.#sink.describeTopics(topics).catch(() => {});
        throw error;
      }
    });
  }

  /** End offsets, once they stand still. @throws RESTORE_CONFLICT when they never do. */
  async settledEnds(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, bigint>> {
    let before = await this.offsets(partitions, 'latest');
    for (let read = 0; read < MOST_READS; read += 1) {
      await this.#patience.wait(STILL_MS, this.#patience.signal);
      const ends = await this.offsets(partitions, 'latest');
      if (
        partitions.every((partition) => ends.get(partitionName(partition)) === before.get(partitionName(partition)))
      ) {
        return ends;
      }
      before = ends;
    }
    throw new BackupError('RESTORE_CONFLICT', 'the target topics grow: another process seems to carry on this restore');
  }

  /** Null when the topic was created, else why not. */
  createTopic(spec: TopicSpec): Promise<string | null> {
    return patiently(this.#patience, () => this.#sink.createTopic(spec));
  }

  alterConfigs(topic: string, changes: ConfigChanges): Promise<void> {
    return patiently(this.#patience, () => this.#sink.alterTopicConfigs(topic, changes));
  }

  /** Puts a topic into the state for filling; what is so already stays untouched. */
  async holdConfigs(topic: string): Promise<void> {
    const configs = await patiently(this.#patience, () => this.#sink.describeEffectiveConfigs(topic));
    await this.alterConfigs(topic, neededConfigs(configs));
  }

  obtainProducer(): Promise<ProducerIdentity> {
    return patiently(this.#patience, () => this.#sink.obtainProducer(this.#patience.signal));
  }

  openPartition(partition: TopicPartition, position: ProducerPosition): PartitionProducer {
    return this.#sink.openPartition(partition, position, this.#patience.signal, this.#permit);
  }

  readBatch(partition: TopicPartition, offset: bigint): Promise<Uint8Array | undefined> {
    return patiently(this.#patience, () => this.#sink.readBatch(partition, offset));
  }
}
