// Ranges of a blob, read in pieces of 4 MiB beside each other: the most for which the service sends an MD5 of the bytes asked for
// (`x-ms-range-get-content-md5`). A piece that breaks off is read again, the others are not.

import { createHash } from 'node:crypto';
import type { BlobDownloadResponseParsed, BlockBlobClient } from '@azure/storage-blob';
import { BackupError } from '../../model/errors.ts';
import type { ByteRange } from '../object-store.ts';
import type { RequestPolicy } from '../request-policy.ts';
import { azureErrorOf } from './azure-failures.ts';

const PIECE_BYTES = 4 * 1024 * 1024;
const PIECES_AT_ONCE = 4;

export interface BlobSource {
  readonly blob: BlockBlobClient;
  readonly key: string;
  readonly policy: RequestPolicy;
}

/** From `position`; how many bytes there are to the end of the blob or of the range is known from the first answer. */
interface Extent {
  readonly position: number;
  readonly maxBytes: number;
}

/** See ObjectStore.get. @throws STORE_CHECKSUM_MISMATCH when other bytes arrived than were sent */
export async function readBlob(
  source: BlobSource,
  range: ByteRange | undefined,
  into: Uint8Array | undefined,
): Promise<Uint8Array | undefined> {
  const extent = await extentOf(source, range);
  if (extent === undefined) return undefined;
  const maxBytes = Math.min(extent.maxBytes, into?.byteLength ?? extent.maxBytes);
  if (maxBytes === 0)
    return (await sizeOf(source)) === undefined ? undefined : (into ?? new Uint8Array(0)).subarray(0, 0);
  const first = await readFirstPiece(source, { position: extent.position, maxBytes }, into);
  if (first === undefined) return undefined;
  await readOtherPieces(source, extent.position, first);
  return first;
}

/** Where a range begins; a blob's last bytes can only be asked for by their position. Undefined when there is no blob. */
async function extentOf(source: BlobSource, range: ByteRange | undefined): Promise<Extent | undefined> {
  if (range === undefined) return { position: 0, maxBytes: Number.MAX_SAFE_INTEGER };
  if ('position' in range) return { position: range.position, maxBytes: range.sizeBytes };
  const sizeBytes = await sizeOf(source);
  if (sizeBytes === undefined) return undefined;
  const maxBytes = Math.min(sizeBytes, range.suffixBytes);
  return { position: sizeBytes - maxBytes, maxBytes };
}

function sizeOf({ blob, key, policy }: BlobSource): Promise<number | undefined> {
  return policy.run('GetBlobProperties', key, async (abortSignal) => {
    try {
      return (await blob.getProperties({ abortSignal })).contentLength ?? 0;
    } catch (error) {
      if (azureErrorOf(error).code === 'BlobNotFound') return undefined;
      throw error;
    }
  });
}

/** The memory for the whole extent, its first piece filled. Undefined when there is no blob. */
function readFirstPiece(
  source: BlobSource,
  { position, maxBytes }: Extent,
  into: Uint8Array | undefined,
): Promise<Uint8Array | undefined> {
  const { blob, key, policy } = source;
  return policy.run('GetBlob', key, async (abortSignal) => {
    try {
      const count = Math.min(maxBytes, PIECE_BYTES);
      const response = await download(blob, position, count, abortSignal);
      const foundBytes = Math.max(0, Math.min(maxBytes, totalOf(response) - position));
      const target = into?.subarray(0, foundBytes) ?? Buffer.allocUnsafe(foundBytes);
      await receive(response, target.subarray(0, Math.min(count, foundBytes)), key, abortSignal);
      return target;
    } catch (error) {
      const { status, code } = azureErrorOf(error);
      if (code === 'BlobNotFound') return undefined;
      // There is a blob, but it ends before the range begins.
      if (status === 416) return into?.subarray(0, 0) ?? new Uint8Array(0);
      throw error;
    }
  });
}

async function readOtherPieces({ blob, key, policy }: BlobSource, position: number, target: Uint8Array): Promise<void> {
  const pieces = piecesAfterFirst(target);
  const readers = Array.from({ length: PIECES_AT_ONCE }, async () => {
    for (const { at, bytes } of pieces) {
      await policy.run('GetBlob', key, async (abortSignal) => {
        const response = await download(blob, position + at, bytes.byteLength, abortSignal);
        await receive(response, bytes, key, abortSignal);
      });
    }
  });
  // The memory is the caller's: nobody may be writing into it any more when this ends.
  const failed = (await Promise.allSettled(readers)).find((reader) => reader.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Shared by the readers, each of which takes the next piece; when one fails, there are no more. */
function* piecesAfterFirst(target: Uint8Array): Generator<{ readonly at: number; readonly bytes: Uint8Array }> {
  for (let at = PIECE_BYTES; at < target.byteLength; at += PIECE_BYTES) {
    yield { at, bytes: target.subarray(at, at + PIECE_BYTES) };
  }
}

function download(
  blob: BlockBlobClient,
  position: number,
  count: number,
  abortSignal: AbortSignal,
): Promise<BlobDownloadResponseParsed> {
  return blob.download(position, count, { abortSignal, rangeGetContentMD5: true, maxRetryRequests: 0 });
}

/** Size of the whole blob: `bytes 0-99/1234`. */
function totalOf({ contentRange, contentLength }: BlobDownloadResponseParsed): number {
  return Number(contentRange?.split('/')[1] ?? contentLength ?? 0);
}

async function receive(
  response: BlobDownloadResponseParsed,
  target: Uint8Array,
  key: string,
  abortSignal: AbortSignal,
): Promise<void> {
  const hash = createHash('md5');
  let filledBytes = 0;
  for await (const chunk of response.readableStreamBody ?? []) {
    abortSignal.throwIfAborted();
    const bytes = chunk as unknown as Uint8Array;
    if (filledBytes + bytes.byteLength > target.byteLength) break;
    target.set(bytes, filledBytes);
    filledBytes += bytes.byteLength;
    hash.update(bytes);
  }
  if (filledBytes !== target.byteLength) {
    throw Object.assign(new Error(`${filledBytes} of ${target.byteLength} bytes arrived`), { code: 'ECONNRESET' });
  }
  const sent = response.contentMD5;
  if (sent !== undefined && !hash.digest().equals(sent)) {
    const message = `GetBlob ${key}: the bytes that arrived do not have the MD5 that was sent with them`;
    throw new BackupError('STORE_CHECKSUM_MISMATCH', message, { context: { key } });
  }
}
