// Metadata v12 (KIP-516: topic ids): which brokers there are, and for each topic its id, partitions and leaders.

import type { ApiCall } from './api.ts';

export interface MetadataResponse {
  readonly brokers: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
    readonly rack: string | null;
  }[];
  readonly clusterId: string;
  readonly topics: readonly MetadataTopic[];
}

export interface MetadataTopic {
  readonly errorCode: number;
  readonly topic: string;
  readonly topicId: string;
  readonly isInternal: boolean;
  /** Bit n stands for operation n of Kafka's AclOperation; only where they were asked for. */
  readonly authorizedOperations: number;
  readonly partitions: readonly {
    readonly errorCode: number;
    readonly partition: number;
    readonly leader: number;
    readonly leaderEpoch: number;
    readonly replicaCount: number;
  }[];
}

const NO_TOPIC_ID = Buffer.alloc(16).toString('base64url');

/** `topics` null asks for all that the principal may describe; no topic is created by asking. */
export function metadataCall(
  topics: readonly string[] | null,
  { authorizedOperations = false }: { readonly authorizedOperations?: boolean } = {},
): ApiCall<MetadataResponse> {
  return {
    apiKey: 3,
    apiName: 'Metadata',
    apiVersion: 12,
    write(writer) {
      writer
        .compactArray(topics, (element, topic) => element.uuid(NO_TOPIC_ID).compactString(topic).noTaggedFields())
        .boolean(false)
        .boolean(authorizedOperations)
        .noTaggedFields();
    },
    read(reader) {
      reader.int32();
      const brokers = reader.compactArray((broker) => {
        const entry = {
          nodeId: broker.int32(),
          host: broker.compactString(),
          port: broker.int32(),
          rack: broker.compactNullableString(),
        };
        broker.taggedFields();
        return entry;
      });
      const clusterId = reader.compactString();
      reader.int32();
      const topicEntries = reader.compactArray((topic) => {
        const errorCode = topic.int16();
        const name = topic.compactString();
        const topicId = topic.uuid();
        const isInternal = topic.boolean();
        const partitions = topic.compactArray((partition) => {
          const entry = {
            errorCode: partition.int16(),
            partition: partition.int32(),
            leader: partition.int32(),
            leaderEpoch: partition.int32(),
            replicaCount: partition.compactArray((replica) => replica.int32()).length,
          };
          partition.compactArray((replica) => replica.int32());
          partition.compactArray((replica) => replica.int32());
          partition.taggedFields();
          return entry;
        });
        const operations = topic.int32();
        topic.taggedFields();
        return { errorCode, topic: name, topicId, isInternal, authorizedOperations: operations, partitions };
      });
      return { brokers, clusterId, topics: topicEntries };
    },
  };
}
