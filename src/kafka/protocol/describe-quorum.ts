// DescribeQuorum v1 (KIP-595, KIP-836): the controllers of a KRaft cluster. The active one gives its own clock for the instant at
// which it itself was last caught up, which is the one request of Kafka that tells a time without writing anything.

import type { ApiCall } from './api.ts';

export interface QuorumVoter {
  readonly nodeId: number;
  /** By the clock of the active controller; -1 where it does not know. */
  readonly caughtUpAtMs: number;
}

export interface DescribedQuorum {
  readonly errorCode: number;
  readonly leaderId: number;
  readonly voters: readonly QuorumVoter[];
}

const METADATA_TOPIC = '__cluster_metadata';

export function describeQuorumCall(): ApiCall<DescribedQuorum> {
  return {
    apiKey: 55,
    apiName: 'DescribeQuorum',
    apiVersion: 1,
    write(writer) {
      writer.compactArray([METADATA_TOPIC], (topic, name) => {
        topic.compactString(name);
        topic.compactArray([0], (partition, index) => partition.int32(index).noTaggedFields());
        topic.noTaggedFields();
      });
      writer.noTaggedFields();
    },
    read(reader) {
      const errorCode = reader.int16();
      const topics = reader.compactArray((topic) => {
        topic.compactString();
        const partitions = topic.compactArray((partition) => {
          partition.int32();
          const partitionError = partition.int16();
          const leaderId = partition.int32();
          partition.int32();
          partition.int64();
          const replica = (): QuorumVoter => {
            const nodeId = partition.int32();
            partition.int64();
            partition.int64();
            const caughtUpAtMs = Number(partition.int64());
            partition.taggedFields();
            return { nodeId, caughtUpAtMs };
          };
          const voters = partition.compactArray(replica);
          partition.compactArray(replica);
          partition.taggedFields();
          return { errorCode: partitionError, leaderId, voters };
        });
        topic.taggedFields();
        return partitions;
      });
      const [quorum] = topics.flat();
      if (errorCode !== 0 || quorum === undefined) return { errorCode: errorCode || -1, leaderId: -1, voters: [] };
      return quorum;
    },
  };
}
