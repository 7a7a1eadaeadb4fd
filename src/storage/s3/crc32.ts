// A CRC-32 as S3 writes it in headers (docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).

/** Four bytes, the highest first, in base64. */
export function crc32Header(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
