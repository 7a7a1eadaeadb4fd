// CONTRACT of looking at a cluster before anything is done with it: each step of a connection by itself, so that what is wrong can
// be told from what is right, and what a cluster can say of time. Nothing here changes the cluster.

import type { TopicPartition } from '../../model/topic/topic-partition.ts';

export interface BrokerEndpoint {
  readonly host: string;
  readonly port: number;
}

/** What a broker shows of itself. */
export interface BrokerCertificate {
  /** Version of TLS. */
  readonly protocol: string;
  readonly validToMs: number;
}

/** A request that the agent makes, in the one version that it speaks. */
export interface NeededApi {
  readonly name: string;
  readonly version: number;
  /** Null where the broker does not offer it at all. */
  readonly offered: { readonly min: number; readonly max: number } | null;
}

/** The first record at or after an instant. */
export interface OffsetAtTime {
  readonly offset: bigint;
  /** As the record's own timestamp says. */
  readonly timestampMs: number;
}

export interface ClusterProbe {
  /** As configured. */
  readonly bootstrap: readonly BrokerEndpoint[];
  /** Of SASL; null where nobody logs in. */
  readonly mechanism: string | null;
  /** Addresses of the name. @throws KAFKA_UNREACHABLE when there is none. */
  resolve(host: string): Promise<readonly string[]>;
  /** Opens a TCP connection, and closes it. @throws KAFKA_UNREACHABLE. */
  reach(endpoint: BrokerEndpoint): Promise<void>;
  /** The TLS handshake alone; null where the configuration has no TLS. @throws as any call does. */
  secure(endpoint: BrokerEndpoint): Promise<BrokerCertificate | null>;
  /** TLS, SASL, and what the broker offers of the requests that `use` needs. @throws as any call does. */
  login(endpoint: BrokerEndpoint, use: 'source' | 'target'): Promise<readonly NeededApi[]>;
  /** As the cluster advertises them. @throws as any call does. */
  brokers(): Promise<readonly (BrokerEndpoint & { readonly nodeId: number })[]>;
  /**
   * By partition name; null where no record is so young. Partitions without a leader are left out, and those that are refused.
   * The topics must have been described before.
   */
  offsetsAt(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, OffsetAtTime | null>>;
  /** The clock of the cluster's controller; null where it is not told: before Kafka 3.3, or without DESCRIBE on the cluster. */
  controllerClockMs(): Promise<number | null>;
}
