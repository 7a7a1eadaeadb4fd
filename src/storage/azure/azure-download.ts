// How Azure is asked for the bytes of a blob. It tells versions apart by their entity tag, and sends an MD5 of the bytes asked for
// where those are 4 MiB at most (`x-ms-range-get-content-md5`). That of the first answer is of the whole range, however often its
// body breaks off: what arrived in several answers is held against it here.

import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BlockBlobClient } from '@azure/storage-blob';
import { BackupError } from '../../model/errors.ts';
import { type AskForBytes, parseRange } from '../request/ranged-download.ts';
import { StrangeAnswer } from '../request/request-failure.ts';
import { assertTagged, azureErrorOf } from './azure-failures.ts';

/** The most of which the service sends an MD5. */
export const MAX_HASHED_BYTES = 4 * 1024 * 1024;

export interface AzureDownloadOptions {
  readonly blob: BlockBlobClient;
  /** For messages. */
  readonly key: string;
  /** Entity tag that the first answer must be of; undefined where any will do. */
  readonly version: string | undefined;
}

/** Of ranges of {@link MAX_HASHED_BYTES} at most. */
export function askAzure({ blob, key, version: first }: AzureDownloadOptions): AskForBytes {
  return async ({ range, version: begun }, abortSignal) => {
    const version = begun ?? first;
    const { position, sizeBytes } = parseRange(range);
    try {
      const answer = await blob.download(position, sizeBytes, {
        ...{ abortSignal, rangeGetContentMD5: true, maxRetryRequests: 0 },
        ...(version === undefined ? {} : { conditions: { ifMatch: version } }),
      });
      assertTagged(answer);
      return {
        contentRange: answer.contentRange,
        contentLength: answer.contentLength ?? 0,
        version: answer.etag,
        body: answer.readableStreamBody as Readable,
        verifyRange: (bytes) => verifyMd5(bytes, answer.contentMD5, key),
      };
    } catch (error) {
      const { status, code } = azureErrorOf(error);
      // The SDK's own word for an answer of success without a length.
      if (error instanceof RangeError) throw new StrangeAnswer('there is no length in the answer');
      if (code === 'BlobNotFound') return 'absent';
      // There is a blob, but it ends before the range begins.
      if (status === 416) return version === undefined ? 'beyond' : 'changed';
      // A condition fails on a blob that is gone as on another one.
      if (status === 412) return (await blob.exists({ abortSignal })) ? 'changed' : 'absent';
      throw error;
    }
  };
}

function verifyMd5(bytes: Uint8Array, sent: Uint8Array | undefined, key: string): void {
  if (sent === undefined || createHash('md5').update(bytes).digest().equals(sent)) return;
  const message = `GetBlob ${key}: the bytes that arrived do not have the MD5 that was sent with them`;
  throw new BackupError('STORE_CHECKSUM_MISMATCH', message, { context: { key } });
}
