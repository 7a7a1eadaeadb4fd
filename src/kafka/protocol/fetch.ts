// Fetch v13: by topic id (KIP-516), with fetch sessions (KIP-227: only what changed is named) and truncation detection
// (KIP-595: the broker compares the last fetched epoch with its log and answers with the diverging epoch).

import type { ApiCall } from './api.ts';

export interface FetchRequestPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: bigint;
  /** Epoch of the last batch before `fetchOffset`; -1 when unknown. */
  readonly lastFetchedEpoch: number;
  readonly maxBytes: number;
}

export interface FetchRequest {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly partitions: readonly FetchRequestPartition[];
  readonly forgotten: readonly { readonly topicId: string; readonly partition: number }[];
}

export interface FetchResponsePartition {
  readonly topicId: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
  /** Set when the logs part below the fetch offset: the largest epoch that is not above the last fetched one, and its end offset. */
  readonly diverging: { readonly epoch: number; readonly endOffset: bigint } | null;
  /** A view into the response. */
  readonly records: Uint8Array;
}

export interface FetchResponse {
  readonly throttleTimeMs: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly partitions: readonly FetchResponsePartition[];
}

const CONSUMER_REPLICA_ID = -1;
const READ_UNCOMMITTED = 0;
const DIVERGING_EPOCH_TAG = 0;

function byTopicId<T extends { readonly topicId: string }>(items: readonly T[]): [string, T[]][] {
  return [...Map.groupBy(items, (item) => item.topicId)];
}

export function fetchCall(request: FetchRequest): ApiCall<FetchResponse> {
  return {
    apiKey: 1,
    apiName: 'Fetch',
    apiVersion: 13,
    write(writer) {
      writer.int32(CONSUMER_REPLICA_ID).int32(request.maxWaitMs).int32(request.minBytes).int32(request.maxBytes);
      writer.int8(READ_UNCOMMITTED).int32(request.sessionId).int32(request.sessionEpoch);
      writer.compactArray(byTopicId(request.partitions), (topic, [topicId, partitions]) => {
        topic.uuid(topicId);
        topic.compactArray(partitions, (element, wanted) => {
          element.int32(wanted.partition).int32(wanted.currentLeaderEpoch).int64(wanted.fetchOffset);
          element.int32(wanted.lastFetchedEpoch).int64(-1n).int32(wanted.maxBytes).noTaggedFields();
        });
        topic.noTaggedFields();
      });
      writer.compactArray(byTopicId(request.forgotten), (topic, [topicId, partitions]) => {
        topic.uuid(topicId).compactArray(partitions, (element, gone) => element.int32(gone.partition));
        topic.noTaggedFields();
      });
      writer.compactString('').noTaggedFields();
    },
    read(reader) {
      const throttleTimeMs = reader.int32();
      const errorCode = reader.int16();
      const sessionId = reader.int32();
      const topics = reader.compactArray((topic) => {
        const topicId = topic.uuid();
        const partitions = topic.compactArray((partition) => readPartition(topicId, partition));
        topic.taggedFields();
        return partitions;
      });
      return { throttleTimeMs, errorCode, sessionId, partitions: topics.flat() };
    },
  };
}

function readPartition(topicId: string, reader: import('./wire-reader.ts').WireReader): FetchResponsePartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  const lastStableOffset = reader.int64();
  const logStartOffset = reader.int64();
  reader.compactArray((aborted) => {
    aborted.int64();
    aborted.int64();
    aborted.taggedFields();
  });
  reader.int32();
  const records = reader.compactBytes();
  let diverging: FetchResponsePartition['diverging'] = null;
  reader.taggedFields((tag, field) => {
    if (tag === DIVERGING_EPOCH_TAG) diverging = { epoch: field.int32(), endOffset: field.int64() };
  });
  return { topicId, partition, errorCode, highWatermark, lastStableOffset, logStartOffset, diverging, records };
}
