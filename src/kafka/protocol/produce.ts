// InitProducerId v4 and Produce v9: idempotent, without transactions. A request carries one batch for each partition it
// names: brokers refuse two (INVALID_RECORD).

import type { ProducerIdentity } from '../../record/producer-fields.ts';
import type { ApiCall } from './api.ts';

export function initProducerIdCall(): ApiCall<ProducerIdentity & { readonly errorCode: number }> {
  return {
    apiKey: 22,
    apiName: 'InitProducerId',
    apiVersion: 4,
    write(writer) {
      writer.compactNullableString(null).int32(60_000).int64(-1n).int16(-1).noTaggedFields();
    },
    read(reader) {
      reader.int32();
      return { errorCode: reader.int16(), producerId: reader.int64(), producerEpoch: reader.int16() };
    },
  };
}

export interface ProduceResult {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly baseOffset: bigint;
  readonly logStartOffset: bigint;
}

export interface ProduceRequest {
  readonly topic: string;
  readonly partition: number;
  /** One whole batch, kept by reference until the request was written. */
  readonly batch: Uint8Array;
  readonly timeoutMs: number;
}

/** Acknowledged by all in-sync replicas. */
export function produceCall(request: ProduceRequest): ApiCall<ProduceResult | undefined> {
  return {
    apiKey: 0,
    apiName: 'Produce',
    apiVersion: 9,
    remedyWhenLate: 'where batches come through slowly, raise restore.produce_timeout_ms',
    write(writer) {
      writer.compactNullableString(null).int16(-1).int32(request.timeoutMs);
      writer.compactArray([request], (topic) => {
        topic.compactString(request.topic);
        topic.compactArray([request], (partition) => {
          partition.int32(request.partition).compactBytesByReference(request.batch).noTaggedFields();
        });
        topic.noTaggedFields();
      });
      writer.noTaggedFields();
    },
    read(reader) {
      const results = reader.compactArray((topicReader) => {
        const topic = topicReader.compactString();
        const partitions = topicReader.compactArray((partitionReader) => {
          const partition = partitionReader.int32();
          const errorCode = partitionReader.int16();
          const baseOffset = partitionReader.int64();
          partitionReader.int64();
          const logStartOffset = partitionReader.int64();
          const recordErrors = partitionReader.compactArray((recordError) => {
            recordError.int32();
            const message = recordError.compactNullableString();
            recordError.taggedFields();
            return message;
          });
          const errorMessage = partitionReader.compactNullableString() ?? recordErrors[0] ?? null;
          partitionReader.taggedFields();
          return { topic, partition, errorCode, errorMessage, baseOffset, logStartOffset };
        });
        topicReader.taggedFields();
        return partitions;
      });
      return results.flat()[0];
    },
  };
}
