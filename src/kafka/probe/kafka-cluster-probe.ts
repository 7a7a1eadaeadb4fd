// Looks at a cluster through the network's own means, and through a KafkaCluster.

import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { BackupError, messageOf } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { comparePartitions, partitionName, type TopicPartition } from '../../model/topic/topic-partition.ts';
import type { KafkaCluster } from '../connection/cluster.ts';
import { connectionError } from '../connection/connection-errors.ts';
import { BrokerConnection, type ConnectionSettings } from '../connection/kafkajs-wire.ts';
import type { ApiCall } from '../protocol/api.ts';
import { describeQuorumCall } from '../protocol/describe-quorum.ts';
import { fetchCall } from '../protocol/fetch.ts';
import { KAFKA_ERROR } from '../protocol/kafka-errors.ts';
import { listOffsetsCall } from '../protocol/list-offsets.ts';
import { metadataCall } from '../protocol/metadata.ts';
import { initProducerIdCall, produceCall } from '../protocol/produce.ts';
import { alterTopicConfigsCall, createTopicCall, describeTopicConfigsCall } from '../protocol/topic-admin.ts';
import type { BrokerCertificate, BrokerEndpoint, ClusterProbe, NeededApi, OffsetAtTime } from './cluster-probe.ts';

/** One request of each kind that a backup makes; none of these is sent. */
const OF_A_BACKUP: readonly ApiCall<unknown>[] = [
  metadataCall([]),
  listOffsetsCall([], 'latest'),
  describeTopicConfigsCall([]),
  fetchCall({
    ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 0, maxPartitionBytes: 0 },
    ...{ sessionId: 0, sessionEpoch: -1, partitions: [], forgotten: [] },
  }),
];
const OF_A_RESTORE: readonly ApiCall<unknown>[] = [
  ...OF_A_BACKUP,
  initProducerIdCall(),
  produceCall({ topic: '', partition: 0, batch: new Uint8Array(0), timeoutMs: 0 }),
  createTopicCall({ topic: '', partitions: 1, replicationFactor: -1, configs: {} }, 0, true),
  alterTopicConfigsCall('', {}),
];

export interface ClusterProbeOptions {
  readonly cluster: KafkaCluster;
  readonly bootstrap: readonly BrokerEndpoint[];
  readonly settings: ConnectionSettings;
  readonly logger: Logger;
}

export class KafkaClusterProbe implements ClusterProbe {
  readonly #options: ClusterProbeOptions;

  constructor(options: ClusterProbeOptions) {
    this.#options = options;
  }

  get bootstrap(): readonly BrokerEndpoint[] {
    return this.#options.bootstrap;
  }

  get mechanism(): string | null {
    return this.#options.settings.sasl?.mechanism.toUpperCase() ?? null;
  }

  async resolve(host: string): Promise<readonly string[]> {
    try {
      return (await lookup(host, { all: true })).map(({ address }) => address);
    } catch (error) {
      throw new BackupError('KAFKA_UNREACHABLE', `resolve ${host}: ${messageOf(error)}`, { cause: error });
    }
  }

  reach({ host, port }: BrokerEndpoint): Promise<void> {
    const { connectTimeoutMs } = this.#options.settings;
    return new Promise((resolve, reject) => {
      const failed = (what: string): void => {
        socket.destroy();
        reject(new BackupError('KAFKA_UNREACHABLE', `connect to ${host}:${port}: ${what}`));
      };
      const socket = connect({ host, port, timeout: connectTimeoutMs });
      socket.once('error', (error) => failed(messageOf(error)));
      socket.once('timeout', () => failed(`no answer within ${connectTimeoutMs / 1000} s`));
      socket.once('connect', () => {
        socket.destroy();
        resolve();
      });
    });
  }

  async secure({ host, port }: BrokerEndpoint): Promise<BrokerCertificate | null> {
    const { tls, connectTimeoutMs } = this.#options.settings;
    if (tls === undefined) return null;
    const attempt = `TLS with ${host}:${port}`;
    return new Promise((resolve, reject) => {
      const servername = isIP(host) === 0 ? { servername: host } : {};
      const socket = connectTls({ host, port, ...servername, ...tls, timeout: connectTimeoutMs });
      socket.once('error', (error) => {
        socket.destroy();
        reject(connectionError(error, attempt));
      });
      socket.once('timeout', () => {
        socket.destroy();
        reject(new BackupError('KAFKA_UNREACHABLE', `${attempt}: no answer within ${connectTimeoutMs / 1000} s`));
      });
      socket.once('secureConnect', () => {
        const protocol = socket.getProtocol() ?? 'TLS';
        const validToMs = Date.parse(socket.getPeerCertificate().valid_to);
        socket.destroy();
        resolve({ protocol, validToMs });
      });
    });
  }

  async login(endpoint: BrokerEndpoint, use: 'source' | 'target'): Promise<readonly NeededApi[]> {
    const { settings, logger } = this.#options;
    const connection = new BrokerConnection(endpoint, settings, logger);
    try {
      const versions = await connection.offeredVersions();
      return (use === 'source' ? OF_A_BACKUP : OF_A_RESTORE).map(({ apiKey, apiName, apiVersion }) => {
        const range = versions[apiKey];
        const offered = range === undefined ? null : { min: range.minVersion, max: range.maxVersion };
        return { name: apiName, version: apiVersion, offered };
      });
    } finally {
      await connection.close();
    }
  }

  async brokers(): Promise<readonly (BrokerEndpoint & { readonly nodeId: number })[]> {
    const { brokers } = await this.#options.cluster.callAny(metadataCall([]));
    return brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })).sort((a, b) => a.nodeId - b.nodeId);
  }

  async offsetsAt(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, OffsetAtTime | null>> {
    const { cluster } = this.#options;
    const found = new Map<string, OffsetAtTime | null>();
    const byLeader = Map.groupBy([...partitions].sort(comparePartitions), (one) => cluster.leaderOf(one));
    for (const [leader, led] of byLeader) {
      if (leader < 0) continue;
      const topics = [...Map.groupBy(led, ({ topic }) => topic)].map(([topic, list]) => ({
        topic,
        partitions: list.map(({ partition }) => partition),
      }));
      for (const entry of await cluster.call(leader, 'general', listOffsetsCall(topics, { timestampMs }))) {
        if (entry.errorCode !== KAFKA_ERROR.none) continue;
        const { offset, timestampMs: at } = entry;
        found.set(partitionName(entry), offset < 0n ? null : { offset, timestampMs: at });
      }
    }
    return found;
  }

  async controllerClockMs(): Promise<number | null> {
    try {
      const { errorCode, leaderId, voters } = await this.#options.cluster.callAny(describeQuorumCall());
      if (errorCode !== KAFKA_ERROR.none) return null;
      const caughtUpAtMs = voters.find(({ nodeId }) => nodeId === leaderId)?.caughtUpAtMs ?? -1;
      return caughtUpAtMs < 0 ? null : caughtUpAtMs;
    } catch (error) {
      if (error instanceof BackupError && error.code === 'KAFKA_UNSUPPORTED') return null;
      throw error;
    }
  }
}
