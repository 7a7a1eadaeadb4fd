// Ranges of a blob, read in pieces of 4 MiB beside each other: the most for which the service sends an MD5 of the bytes asked for
// (`x-ms-range-get-content-md5`). A piece that breaks off is read again, the others are not. All of them are of one version of the
// blob: each but the first request asks for that one only (`If-Match`).

import { createHash } from 'node:crypto';
import type { BlobDownloadResponseParsed, BlockBlobClient } from '@azure/storage-blob';
import { BackupError } from '../../model/errors.ts';
import type { ByteRange } from '../object-store.ts';
import { noBytes, parseContentRange } from '../request/ranged-download.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
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
  /** Entity tag of the blob; undefined where nothing is known of it yet. */
  readonly version: string | undefined;
}

/** The memory for a whole extent, of which the first piece has arrived. */
interface Begun {
  readonly target: Uint8Array;
  readonly version: string | undefined;
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
  if (maxBytes === 0) return (await propertiesOf(source)) === undefined ? undefined : noBytes(into);
  const begun = await readFirstPiece(source, { ...extent, maxBytes }, into);
  if (begun === undefined) return undefined;
  await readOtherPieces(source, extent.position, begun);
  return begun.target;
}

/** Where a range begins; a blob's last bytes can only be asked for by their position. Undefined when there is no blob. */
async function extentOf(source: BlobSource, range: ByteRange | undefined): Promise<Extent | undefined> {
  const version = undefined;
  if (range === undefined) return { position: 0, maxBytes: Number.MAX_SAFE_INTEGER, version };
  if ('position' in range) return { position: range.position, maxBytes: range.sizeBytes, version };
  const found = await propertiesOf(source);
  if (found === undefined) return undefined;
  const maxBytes = Math.min(found.sizeBytes, range.suffixBytes);
  return { position: found.sizeBytes - maxBytes, maxBytes, version: found.version };
}

function propertiesOf({
  blob,
  key,
  policy,
}: BlobSource): Promise<{ readonly sizeBytes: number; readonly version: string | undefined } | undefined> {
  return policy.run('GetBlobProperties', key, async (abortSignal) => {
    try {
      const { contentLength = 0, etag } = await blob.getProperties({ abortSignal });
      return { sizeBytes: contentLength, version: etag };
    } catch (error) {
      if (azureErrorOf(error).code === 'BlobNotFound') return undefined;
      throw error;
    }
  });
}

/** Undefined when there is no blob. */
function readFirstPiece(
  source: BlobSource,
  { position, maxBytes, version }: Extent,
  into: Uint8Array | undefined,
): Promise<Begun | undefined> {
  return source.policy.run('GetBlob', source.key, async (abortSignal) => {
    try {
      const count = Math.min(maxBytes, PIECE_BYTES);
      const response = await download(source, { position, count, version }, abortSignal);
      const totalBytes = parseContentRange(response.contentRange)?.total ?? response.contentLength ?? 0;
      const foundBytes = Math.max(0, Math.min(maxBytes, totalBytes - position));
      const target = into?.subarray(0, foundBytes) ?? Buffer.allocUnsafe(foundBytes);
      await receive(response, target.subarray(0, Math.min(count, foundBytes)), source.key, abortSignal);
      return { target, version: response.etag };
    } catch (error) {
      const { status, code } = azureErrorOf(error);
      if (code === 'BlobNotFound') return undefined;
      // There is a blob, but it ends before the range begins.
      if (status === 416) return { target: noBytes(into), version };
      throw error;
    }
  });
}

async function readOtherPieces(source: BlobSource, position: number, { target, version }: Begun): Promise<void> {
  const pieces = piecesAfterFirst(target);
  const readers = Array.from({ length: PIECES_AT_ONCE }, async () => {
    for (const { at, bytes } of pieces) {
      await source.policy.run('GetBlob', source.key, async (abortSignal) => {
        const piece = { position: position + at, count: bytes.byteLength, version };
        await receive(await download(source, piece, abortSignal), bytes, source.key, abortSignal);
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

interface Piece {
  readonly position: number;
  readonly count: number;
  readonly version: string | undefined;
}

async function download(
  { blob, key }: BlobSource,
  { position, count, version }: Piece,
  abortSignal: AbortSignal,
): Promise<BlobDownloadResponseParsed> {
  try {
    return await blob.download(position, count, {
      ...{ abortSignal, rangeGetContentMD5: true, maxRetryRequests: 0 },
      ...(version === undefined ? {} : { conditions: { ifMatch: version } }),
    });
  } catch (error) {
    if (azureErrorOf(error).status !== 412) throw error;
    throw new BackupError('STORE_UNSUITABLE', `GetBlob ${key}: changed while it was read`, { context: { key } });
  }
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
