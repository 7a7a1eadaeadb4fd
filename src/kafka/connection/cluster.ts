// One Kafka cluster as both flows need it: its brokers, who leads which partition, and calls routed to the right broker. The
// metadata is asked for when it is needed and whenever an answer says that it is stale; nothing is cached across restarts.

import { BackupError } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { TopicConfigs, TopicDescription } from '../../model/topic/topic-description.ts';
import { comparePartitions, partitionName, type TopicPartition } from '../../model/topic/topic-partition.ts';
import type { OffsetAt, TopicListing } from '../partition-log.ts';
import type { EffectiveConfig } from '../restore-sink.ts';
import { BrokerConnection, type BrokerAddress, type ConnectionSettings, type HeldResponse } from './kafkajs-wire.ts';
import { LandingBuffers } from './response-assembler.ts';
import type { ApiCall } from '../protocol/api.ts';
import { KAFKA_ERROR, kafkaError, kafkaErrorClass } from '../protocol/kafka-errors.ts';
import { listOffsetsCall } from '../protocol/list-offsets.ts';
import { metadataCall, type MetadataResponse } from '../protocol/metadata.ts';
import { describeTopicConfigsCall } from '../protocol/topic-admin.ts';

/** Which of a broker's connections a call takes. Calls in one lane are answered in order; `general` is that of {@link KafkaCluster.callAny} too. */
export type Lane = 'general' | 'fetch' | `produce-${number}`;

/** For so long the same broker is asked first who leads. */
const METADATA_TURN_MS = 60_000;

export class KafkaCluster {
  readonly #seeds: readonly BrokerAddress[];
  readonly #settings: ConnectionSettings;
  readonly #logger: Logger;
  readonly #connections = new Map<string, BrokerConnection>();
  readonly #landing = new LandingBuffers();
  #brokers = new Map<number, BrokerAddress>();
  readonly #leaders = new Map<string, number>();
  #clusterId = '';

  constructor(seeds: readonly BrokerAddress[], settings: ConnectionSettings, logger: Logger) {
    this.#seeds = seeds;
    this.#settings = settings;
    this.#logger = logger;
  }

  /** Known after the first successful {@link describeTopics} or {@link connect}. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** Node ids of the brokers, ascending. */
  get nodeIds(): readonly number[] {
    return [...this.#brokers.keys()].sort((a, b) => a - b);
  }

  /** @throws KAFKA_UNREACHABLE with every address that was tried, or what the first broker to answer objected to. */
  async connect(): Promise<void> {
    await this.#metadata([]);
  }

  /** All topics for `null`. Refreshes the brokers and leaders as it goes. */
  async describeTopics(names: readonly string[] | null): Promise<TopicListing> {
    const metadata = await this.#metadata(names);
    const topics: TopicDescription[] = [];
    const missing: string[] = [];
    const denied: string[] = [];
    for (const entry of metadata.topics) {
      const errorClass = kafkaErrorClass(entry.errorCode);
      if (entry.errorCode === KAFKA_ERROR.unknownTopicOrPartition) missing.push(entry.topic);
      else if (entry.errorCode !== KAFKA_ERROR.none && errorClass === 'denied') denied.push(entry.topic);
      else if (entry.errorCode !== KAFKA_ERROR.none && errorClass === 'refused') missing.push(entry.topic);
      else topics.push(describe(entry));
    }
    for (const topic of topics) {
      for (const partition of topic.partitions) {
        this.#leaders.set(partitionName({ topic: topic.topic, partition: partition.partition }), partition.leader);
      }
    }
    return { topics, missing, denied };
  }

  /** Every configuration entry of one topic. @throws what the broker refuses with. */
  async describeEffectiveConfigs(topic: string): Promise<Map<string, EffectiveConfig>> {
    const [result] = await this.callAny(describeTopicConfigsCall([topic]));
    if (result === undefined || result.errorCode !== KAFKA_ERROR.none) {
      throw kafkaError(
        result?.errorCode ?? -1,
        `describe the configuration of ${topic}`,
        { topic },
        result?.errorMessage,
      );
    }
    const { configs } = result;
    return new Map(configs.map(({ name, value, isSetOnTopic }) => [name, { value: value ?? '', isSetOnTopic }]));
  }

  /** Configuration set on each topic itself. Topics whose configuration may not be read are left out. */
  async describeTopicConfigs(topics: readonly string[]): Promise<Map<string, TopicConfigs>> {
    const results = await this.callAny(describeTopicConfigsCall(topics));
    const described = new Map<string, TopicConfigs>();
    for (const { topic, errorCode, configs } of results) {
      if (errorCode !== KAFKA_ERROR.none) continue;
      const set = configs.filter((config) => config.isSetOnTopic && config.value !== null);
      described.set(topic, Object.fromEntries(set.map((config) => [config.name, config.value ?? ''])));
    }
    return described;
  }

  /**
   * Log start, high watermark or last stable offset of each partition, by partition name. Partitions without a leader just now are left out.
   * Each leader answers calls made without waiting in their order, since they share a lane.
   * @throws KAFKA_AUTHORIZATION_FAILED, KAFKA_REQUEST_REFUSED.
   */
  async listOffsets(partitions: readonly TopicPartition[], at: OffsetAt): Promise<Map<string, bigint>> {
    const byLeader = Map.groupBy(
      [...partitions].sort(comparePartitions),
      (one) => this.#leaders.get(partitionName(one)) ?? -1,
    );
    byLeader.delete(-1);
    const answers = [...byLeader].map(([leader, led]) => {
      const topics = [...Map.groupBy(led, (one) => one.topic)].map(([topic, list]) => ({
        topic,
        partitions: list.map((one) => one.partition),
      }));
      return this.call(leader, 'general', listOffsetsCall(topics, at));
    });
    const offsets = new Map<string, bigint>();
    for (const entry of (await Promise.all(answers)).flat()) {
      const name = partitionName(entry);
      if (entry.errorCode === KAFKA_ERROR.none) offsets.set(name, entry.offset);
      else if (kafkaErrorClass(entry.errorCode) === 'denied' || kafkaErrorClass(entry.errorCode) === 'refused') {
        throw kafkaError(entry.errorCode, `list the ${at} offset of ${name}`, entry);
      }
    }
    return offsets;
  }

  /** Node id of the leader as last seen; -1 while unknown. */
  leaderOf(partition: TopicPartition): number {
    return this.#leaders.get(partitionName(partition)) ?? -1;
  }

  /** One call to one broker; its byte fields must not be views that outlive the call. */
  async call<Response>(nodeId: number, lane: Lane, api: ApiCall<Response>, timeoutMs?: number): Promise<Response> {
    const held = await this.callHeld(nodeId, lane, api, timeoutMs);
    held.release();
    return held.response;
  }

  /** As {@link call}, for answers that carry views into the response. */
  callHeld<Response>(
    nodeId: number,
    lane: Lane,
    api: ApiCall<Response>,
    timeoutMs?: number,
  ): Promise<HeldResponse<Response>> {
    const address = this.#brokers.get(nodeId);
    if (address === undefined) {
      throw new BackupError('KAFKA_UNREACHABLE', `${api.apiName}: broker ${nodeId} is not in the cluster's metadata`);
    }
    return this.#connection(address, lane).call(api, timeoutMs);
  }

  /** Connects a lane ahead of its first call, in the background. What fails shows at that call. */
  prepare(nodeId: number, lane: Lane): void {
    const address = this.#brokers.get(nodeId);
    if (address !== undefined)
      void this.#connection(address, lane)
        .offeredVersions()
        .catch(() => {});
  }

  /** A call that every broker can answer. */
  callAny<Response>(api: ApiCall<Response>, timeoutMs?: number): Promise<Response> {
    return this.#callOneOf([...this.#brokers.values(), ...this.#seeds], api, timeoutMs);
  }

  async #callOneOf<Response>(
    addresses: readonly BrokerAddress[],
    api: ApiCall<Response>,
    timeoutMs?: number,
  ): Promise<Response> {
    const failures: string[] = [];
    for (const address of addresses) {
      try {
        const held = await this.#connection(address, 'general').call(api, timeoutMs);
        held.release();
        return held.response;
      } catch (error) {
        if (!(error instanceof BackupError) || error.code !== 'KAFKA_UNREACHABLE') throw error;
        failures.push(error.message);
      }
    }
    throw new BackupError('KAFKA_UNREACHABLE', `${api.apiName}: no broker answers (${failures.join('; ')})`);
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#connections.values()].map((connection) => connection.close()));
    this.#connections.clear();
  }

  /**
   * Another broker is asked first every minute: one that is cut off from the controller goes on answering with what was before,
   * also that it leads what it has lost, and would be believed for as long. Not at every call, which one that hangs would hold up.
   */
  async #metadata(names: readonly string[] | null): Promise<MetadataResponse> {
    const brokers = [...this.#brokers.values()];
    const turn = Math.floor(performance.now() / METADATA_TURN_MS) % Math.max(brokers.length, 1);
    const inTurn = [...brokers.slice(turn), ...brokers.slice(0, turn), ...this.#seeds];
    const metadata = await this.#callOneOf(inTurn, metadataCall(names));
    this.#clusterId = metadata.clusterId;
    this.#brokers = new Map(metadata.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    return metadata;
  }

  #connection(address: BrokerAddress, lane: Lane): BrokerConnection {
    const key = `${address.host}:${address.port}/${lane}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const connection = new BrokerConnection(address, this.#settings, this.#logger, this.#landing);
    this.#connections.set(key, connection);
    return connection;
  }
}

function describe(entry: MetadataResponse['topics'][number]): TopicDescription {
  const partitions = entry.partitions.map(({ partition, leader, leaderEpoch }) => ({ partition, leader, leaderEpoch }));
  return {
    topic: entry.topic,
    topicId: entry.topicId,
    isInternal: entry.isInternal,
    partitions: partitions.sort((a, b) => a.partition - b.partition),
    replicationFactor: entry.partitions[0]?.replicaCount ?? 1,
  };
}
