// ListOffsets v7: the first offset of a partition, the one after its last visible record, or that of the first record at or after
// an instant.

import type { OffsetAt } from '../partition-log.ts';
import type { ApiCall } from './api.ts';

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
/** ListOffsets' special timestamps; the isolation level decides which end "latest" means. */
const EARLIEST = -2n;
const LATEST = -1n;

export interface ListedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** -1 where no record is as young as was asked for. */
  readonly offset: bigint;
  /** Of the record at that offset, where an instant was asked for; else -1. */
  readonly timestampMs: number;
}

/** To be sent to the leader of every partition named. */
export function listOffsetsCall(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  at: OffsetAt | { readonly timestampMs: number },
): ApiCall<readonly ListedOffset[]> {
  const timestamp = typeof at === 'object' ? BigInt(at.timestampMs) : at === 'earliest' ? EARLIEST : LATEST;
  return {
    apiKey: 2,
    apiName: 'ListOffsets',
    apiVersion: 7,
    write(writer) {
      writer.int32(-1).int8(at === 'stable' ? READ_COMMITTED : READ_UNCOMMITTED);
      writer.compactArray(topics, (topic, { topic: name, partitions }) => {
        topic.compactString(name);
        topic.compactArray(partitions, (partition, index) =>
          partition.int32(index).int32(-1).int64(timestamp).noTaggedFields(),
        );
        topic.noTaggedFields();
      });
      writer.noTaggedFields();
    },
    read(reader) {
      reader.int32();
      const listed = reader.compactArray((topic) => {
        const name = topic.compactString();
        const partitions = topic.compactArray((entry) => {
          const partition = entry.int32();
          const errorCode = entry.int16();
          const timestampMs = Number(entry.int64());
          const offset = entry.int64();
          entry.int32();
          entry.taggedFields();
          return { topic: name, partition, errorCode, offset, timestampMs };
        });
        topic.taggedFields();
        return partitions;
      });
      reader.taggedFields();
      return listed.flat();
    },
  };
}
