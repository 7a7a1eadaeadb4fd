// How S3 is asked for the bytes of an object. It tells versions apart by their entity tag, and the SDK holds whole objects against
// their checksum while they arrive. One that broke off and was gone on with is held against it here: the SDK saw only its beginning.

import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { BackupError } from '../../model/errors.ts';
import type { AskForBytes } from '../request/ranged-download.ts';
import { crc32, crc32Header } from './crc32.ts';
import { assertTagged, isAbsent, s3ErrorOf } from './s3-failures.ts';

export interface S3DownloadOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly objectKey: string;
  /** Asks for the checksum of the whole object and holds it against what arrives. */
  readonly verifies: boolean;
}

export function askS3({ client, bucket, objectKey, verifies }: S3DownloadOptions): AskForBytes {
  let requests = 0;
  return async ({ range, version }, signal) => {
    requests += 1;
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: objectKey,
      ...(verifies && range === undefined ? { ChecksumMode: 'ENABLED' } : {}),
      ...(range === undefined ? {} : { Range: range }),
      ...(version === undefined ? {} : { IfMatch: version }),
    });
    try {
      const answer = await client.send(command, { abortSignal: signal });
      const { ContentRange, ContentLength, ETag, Body, ChecksumCRC32 } = answer;
      if (ETag === undefined) (Body as Readable).destroy();
      assertTagged(answer);
      return {
        ...{ contentRange: ContentRange, contentLength: ContentLength, version: ETag, body: Body as Readable },
        verify: (bytes) => {
          if (requests > 1 && verifies) verifyCrc32(bytes, ChecksumCRC32, objectKey);
        },
      };
    } catch (error) {
      if (isAbsent(error)) return 'absent';
      const { status } = s3ErrorOf(error);
      if (status === 416) return 'beyond';
      if (status === 412) return 'changed';
      throw error;
    }
  };
}

/** @param told of the whole object; one of several parts together (`AAAAAA==-2`) cannot be held against its bytes */
function verifyCrc32(bytes: Uint8Array, told: string | undefined, objectKey: string): void {
  if (told === undefined || told.includes('-') || told === crc32Header(crc32(bytes))) return;
  const message = `GetObject ${objectKey}: the bytes that arrived do not have the CRC-32 that the store tells`;
  throw new BackupError('STORE_CHECKSUM_MISMATCH', message);
}
