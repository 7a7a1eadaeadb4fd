// ListOffsets v7: the first offset of a partition, or the one after its last visible record.

import type { ApiCall } from './api.ts';

/** ListOffsets' special timestamps. */
export const OFFSET_AT = { earliest: -2n, latest: -1n } as const;

export interface ListedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: bigint;
}

/** To be sent to the leader of every partition named. Isolation is read_uncommitted: latest means the high watermark. */
export function listOffsetsCall(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  at: keyof typeof OFFSET_AT,
): ApiCall<readonly ListedOffset[]> {
  return {
    apiKey: 2,
    apiName: 'ListOffsets',
    apiVersion: 7,
    write(writer) {
      writer.int32(-1).int8(0);
      writer.compactArray(topics, (topic, { topic: name, partitions }) => {
        topic.compactString(name);
        topic.compactArray(partitions, (partition, index) =>
          partition.int32(index).int32(-1).int64(OFFSET_AT[at]).noTaggedFields(),
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
