// CRC-32C (Castagnoli), the checksum of Kafka's record batches. Node's zlib.crc32 is the other polynomial.

import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/** Checksum of `bytes`, unsigned; `before` is that of the bytes in front of them. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return nativeCrc32c(bytes, before);
}
