// How large the batches for one target topic may be. What a broker holds against max.message.bytes is the batch as it writes it: one
// whose topic has a compression of its own (compression.type) expands and compresses each anew, and random data grows by that.
// By the formats, as Kafka writes them, gzip adds 18 bytes and 5 to each 16 KiB, lz4 11 and 4 to each 64 KiB, snappy and zstd less.

import type { ProducerCodec } from '../../model/codec.ts';
import type { BatchSettings, IntendedTopic } from '../journal/restore-intent.ts';

/** `maxBatchBytes` within what the target topic takes. */
export interface FrameSettings extends BatchSettings {
  /** What the topic's broker compresses every batch with; null where it keeps each as it comes. */
  readonly brokerCodec: ProducerCodec | null;
}

export interface TopicSettings extends FrameSettings {
  /** What the topic took when the restore began; in the course of it somebody may have raised that. */
  readonly maxMessageBytes: number;
}

const GROWTH_BYTES = 64;
/** Of the batch's size. */
const GROWTH_SHARE = 1024;

export function settingsFor(
  settings: BatchSettings,
  { maxMessageBytes, brokerCodec }: Pick<IntendedTopic, 'maxMessageBytes' | 'brokerCodec'>,
): TopicSettings {
  const isCompressed = brokerCodec !== null && brokerCodec !== 'none';
  const growth = isCompressed ? GROWTH_BYTES + Math.ceil(maxMessageBytes / GROWTH_SHARE) : 0;
  // Where nothing is left, each record is a batch of its own.
  const limit = Math.max(1, maxMessageBytes - growth);
  return { ...settings, maxBatchBytes: Math.min(settings.maxBatchBytes, limit), brokerCodec, maxMessageBytes };
}
