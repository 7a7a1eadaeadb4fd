// What is known of one stored segment: the summary that the catalog carries, and the footer inside the object. Offsets are
// bigint; a base or last offset is inclusive, a next offset exclusive. Timestamps are epoch milliseconds. Sizes are bytes.

import type { ProducerCodec, SegmentCodec } from '../codec.ts';
import type { TopicPartition } from '../topic/topic-partition.ts';

/** Who stamped the records: the producer, or the broker on append. Mixed when the topic's setting changed in between. */
export type TimestampType = 'CreateTime' | 'LogAppendTime' | 'mixed';

/** A partition of one life of a topic. `topicId` is Kafka's base64url form of the topic's UUID. */
export interface PartitionIdentity extends TopicPartition {
  readonly topicId: string;
}

/**
 * Lowest and highest record timestamp, each at most the largest exact number. `minTimestampMs` is null, no bound, where compressed
 * batches were kept unread or where it lies below the smallest exact number.
 */
export interface TimestampBounds {
  readonly minTimestampMs: number | null;
  readonly maxTimestampMs: number;
}

/** One independently decodable part of a segment. Positions count from the start of the object. */
export interface FrameEntry extends TimestampBounds {
  readonly position: number;
  readonly storedSizeBytes: number;
  readonly rawSizeBytes: number;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly recordCount: number;
  readonly batchCount: number;
  /** SHA-256 of the stored bytes, hex. With the footer's hash in the catalog, a ranged read is verified too. */
  readonly sha256: string;
}

/** The end of a transaction as its control batch tells it. */
export interface TransactionMarker {
  readonly producerId: bigint;
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly outcome: 'commit' | 'abort';
}

/**
 * A run of one producer's transactional batches within one frame: it starts with the frame, or behind a marker, and reaches to the
 * producer's next marker or the frame's end. So one end of a transaction decides all of it.
 */
export interface TransactionStart {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
  /** Of the run, as the batches' headers count them; null where the segment was written before they were kept. */
  readonly recordCount: number | null;
}

/** Enough to decide transactions across segments, and to count what that drops: every start and every marker, in offset order. */
export interface TransactionFacts {
  readonly starts: readonly TransactionStart[];
  readonly markers: readonly TransactionMarker[];
}

/** A run of batches, by its first offset, and the codec its producer used; kept where the frames hold them expanded. */
export interface CodecRun {
  readonly baseOffset: bigint;
  readonly codec: ProducerCodec;
}

/** Offsets that could not be had from Kafka. Both ends inclusive. */
export interface Gap extends PartitionIdentity {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly reason: 'retention' | 'delete-records' | 'unknown';
  readonly detectedAtMs: number;
  readonly timeline: number;
}

/** What the catalog says of a segment. */
export interface SegmentSummary extends PartitionIdentity, TimestampBounds {
  readonly key: string;
  readonly codec: SegmentCodec;
  readonly baseOffset: bigint;
  readonly nextOffset: bigint;
  readonly recordCount: number;
  readonly batchCount: number;
  readonly rawSizeBytes: number;
  readonly storedSizeBytes: number;
  readonly frameCount: number;
  readonly footerSizeBytes: number;
  /**
   * SHA-256 of the footer, which holds the SHA-256 of every frame: the root of a hash tree over all bytes of the object. One pass
   * in the threads makes it, and any range can be held against it, which the hash of a whole object cannot do.
   */
  readonly footerSha256: string;
  readonly timestampType: TimestampType;
  /** Leader epoch of the last batch, to ask the broker whether its log still agrees; -1 when unknown. */
  readonly leaderEpoch: number;
  /** True when the footer holds transaction facts that a restore must read. */
  readonly isTransactional: boolean;
  /**
   * A last stable offset of the log at a time when its high watermark was not beyond `nextOffset`: every transaction that began
   * below it is decided by a marker in the backup, or was committed and compaction has removed the marker.
   */
  readonly decidedOffset: bigint;
  /** The largest record batch as the source held it: a target takes it whole only if it allows as much. */
  readonly maxBatchSizeBytes: number;
  /**
   * The largest of those that came uncompressed with one record: a target must allow as much. 0 for none, and of segments that
   * were written before this was kept.
   */
  readonly maxIndivisibleBatchSizeBytes: number;
  readonly capturedAtMs: number;
  /** True when the segment reached the end of the log as of `capturedAtMs`. */
  readonly reachedLogEnd: boolean;
  /** 0 at first; +1 after each truncation of the source's log. */
  readonly timeline: number;
}

/** A segment as its own footer describes it, before it is an object with a key and a hash. */
export type SegmentDescription = Omit<SegmentSummary, 'key' | 'storedSizeBytes' | 'footerSizeBytes' | 'footerSha256'>;

/** The index inside a segment object. */
export interface SegmentFooter {
  readonly description: SegmentDescription;
  readonly bodySizeBytes: number;
  readonly leaderEpochs: readonly { readonly epoch: number; readonly baseOffset: bigint }[];
  readonly transactions: TransactionFacts;
  readonly producerCodecs: readonly CodecRun[];
  readonly frames: readonly FrameEntry[];
}
