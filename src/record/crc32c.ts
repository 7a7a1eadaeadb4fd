// CRC-32C (Castagnoli), the checksum of Kafka's record batches. Node's zlib.crc32 is the other polynomial.

import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/** Checksum of `bytes`, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  return nativeCrc32c(bytes);
}
