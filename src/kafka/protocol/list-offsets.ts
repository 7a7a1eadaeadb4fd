// ListOffsets v7: the first offset of a partition, or the one after its last visible record.

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
  readonly offset: bigint;
}

/** To be sent to the leader of every partition named. */
export function listOffsetsCall(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  at: OffsetAt,
): ApiCall<readonly ListedOffset[]> {
  return {
    apiKey: 2,
    apiName: 'ListOffsets',
    apiVersion: 7,
    write(writer) {
      writer.int32(-1).int8(at === 'stable' ? READ_COMMITTED : READ_UNCOMMITTED);
      writer.compactArray(topics, (topic, { topic: name, partitions }) => {
        topic.compactString(name);
        topic.compactArray(partitions, (partition, index) =>
          partition
            .int32(index)
            .int32(-1)
            .int64(at === 'earliest' ? EARLIEST : LATEST)
            .noTaggedFields(),
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
          entry.int64();
          const offset = entry.int64();
          entry.int32();
          entry.taggedFields();
          return { topic: name, partition, errorCode, offset };
        });
        topic.taggedFields();
        return partitions;
      });
      reader.taggedFields();
      return listed.flat();
    },
  };
}
