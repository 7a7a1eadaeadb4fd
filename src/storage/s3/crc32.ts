// The checksum that the objects of S3 carry.

import * as zlib from 'node:zlib';
import { type Checksum, nativeChecksums } from '../../model/buffer/native-checksums.ts';

export const crc32: Checksum = nativeChecksums.crc32 ?? zlib.crc32;

/** Four bytes, the highest first, in base64, as in headers (docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html). */
export function crc32Header(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
