// The compression codecs: of our segments (codec of the stored frames) and of Kafka producers (bits 0-2 of a batch's attributes).

import { BackupError, messageOf } from './errors.ts';

/** How the frames of a segment are compressed. */
export type SegmentCodec = 'zstd' | 'lz4' | 'none';

/** A producer's codec, in the order of Kafka's CompressionType ids 0 to 4. */
export const PRODUCER_CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type ProducerCodec = (typeof PRODUCER_CODECS)[number];

/** File name ending after `.log`, so that `zstd -d` and `lz4 -d` accept the object as it is. */
export const CODEC_SUFFIX: Readonly<Record<SegmentCodec, string>> = { zstd: '.zst', lz4: '.lz4', none: '' };

/** The library of a codec. @throws CODEC_MISSING where the package, or what it has for this platform, is not installed. */
export function withCodecLibrary<Library>(name: string, load: () => Library): Library {
  try {
    return load();
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new BackupError('CODEC_MISSING', `${name} cannot be loaded: ${reason}`, { cause: error });
  }
}
