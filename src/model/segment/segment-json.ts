// Segment descriptions in JSON, as catalog commits and segment footers both carry them: offsets are decimal strings.

import type { SegmentCodec } from '../codec.ts';
import type { JsonFields } from '../json-fields.ts';
import { MOST_PARTITIONS } from '../topic/topic-partition.ts';
import type { PartitionIdentity, SegmentDescription, TimestampType } from './segment.ts';

const CODECS: readonly SegmentCodec[] = ['zstd', 'lz4', 'none'];
const TIMESTAMP_TYPES: readonly TimestampType[] = ['CreateTime', 'LogAppendTime', 'mixed'];
/** Producers may stamp any time, before 1970 too. */
export const ANY_TIMESTAMP_MS = Number.MIN_SAFE_INTEGER;

export function decodePartitionIdentity(fields: JsonFields): PartitionIdentity {
  return {
    topic: fields.string('topic'),
    topicId: fields.string('topicId'),
    partition: fields.integer('partition', 0, MOST_PARTITIONS - 1),
  };
}

export function decodeSegmentDescription(fields: JsonFields): SegmentDescription {
  return {
    ...decodePartitionIdentity(fields),
    codec: fields.choice('codec', CODECS),
    baseOffset: fields.bigint('baseOffset'),
    nextOffset: fields.bigint('nextOffset'),
    recordCount: fields.integer('recordCount'),
    batchCount: fields.integer('batchCount'),
    minTimestampMs: fields.nullableInteger('minTimestampMs', ANY_TIMESTAMP_MS),
    maxTimestampMs: fields.integer('maxTimestampMs', ANY_TIMESTAMP_MS),
    rawSizeBytes: fields.integer('rawSizeBytes'),
    frameCount: fields.integer('frameCount'),
    timestampType: fields.choice('timestampType', TIMESTAMP_TYPES),
    leaderEpoch: fields.integer('leaderEpoch', -1),
    isTransactional: fields.boolean('isTransactional'),
    decidedOffset: fields.bigint('decidedOffset'),
    maxBatchSizeBytes: fields.integer('maxBatchSizeBytes'),
    maxIndivisibleBatchSizeBytes: fields.nullableInteger('maxIndivisibleBatchSizeBytes', 0) ?? 0,
    capturedAtMs: fields.integer('capturedAtMs'),
    reachedLogEnd: fields.boolean('reachedLogEnd'),
    timeline: fields.integer('timeline'),
  };
}
