// Checksums from native code that uses the processor's own instructions (CRC-32 measured: 16 to 21 GB/s, node:zlib's 4). The package
// may be missing: an installation without optional dependencies, or a platform that it is not built for.

import { createRequire } from 'node:module';

/** Of `bytes`, unsigned; `before` is that of the bytes in front of them. */
export type Checksum = (bytes: Uint8Array, before?: number) => number;

interface NativeChecksums {
  readonly crc32?: Checksum;
  readonly crc32c?: Checksum;
}

export const nativeChecksums: NativeChecksums = load();

function load(): NativeChecksums {
  try {
    return createRequire(import.meta.url)('@node-rs/crc32') as NativeChecksums;
  } catch {
    return {};
  }
}
