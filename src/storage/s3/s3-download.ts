// How S3 is asked for the bytes of an object. It tells versions apart by their entity tag, and the SDK holds whole objects against
// their checksum while they arrive.

import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { AskForBytes } from '../request/ranged-download.ts';
import { isAbsent, s3ErrorOf } from './s3-failures.ts';

export interface S3DownloadOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly objectKey: string;
  /** Asks for the checksum of the whole object and holds it against what arrives. */
  readonly verifies: boolean;
}

export function askS3({ client, bucket, objectKey, verifies }: S3DownloadOptions): AskForBytes {
  return async ({ range, version }, signal) => {
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: objectKey,
      ...(verifies ? { ChecksumMode: 'ENABLED' } : {}),
      ...(range === undefined ? {} : { Range: range }),
      ...(version === undefined ? {} : { IfMatch: version }),
    });
    try {
      const { ContentRange, ContentLength = 0, ETag, Body } = await client.send(command, { abortSignal: signal });
      return { contentRange: ContentRange, contentLength: ContentLength, version: ETag, body: Body as Readable };
    } catch (error) {
      if (isAbsent(error)) return 'absent';
      const { status } = s3ErrorOf(error);
      if (status === 416) return 'beyond';
      if (status === 412) return 'changed';
      throw error;
    }
  };
}
