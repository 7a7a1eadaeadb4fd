// Ranges of a blob, read beside each other in pieces of which the service sends an MD5. A piece that breaks off is gone on with where
// it ended, so a link that carries less than a piece within a request's time still gets on. All of them are of one version of the
// blob: each but the first request asks for that one only (`If-Match`).

import type { BlockBlobClient } from '@azure/storage-blob';
import { BackupError } from '../../model/errors.ts';
import type { ByteRange } from '../object-store.ts';
import { noBytes, parseContentRange, RangedDownload } from '../request/ranged-download.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
import { askAzure, MAX_HASHED_BYTES } from './azure-download.ts';
import { assertTagged, azureErrorOf } from './azure-failures.ts';

const PIECE_BYTES = MAX_HASHED_BYTES;
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
  return (await readOtherPieces(source, extent.position, begun)) ? begun.target : undefined;
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
      const found = await blob.getProperties({ abortSignal });
      assertTagged(found);
      return { sizeBytes: found.contentLength ?? 0, version: found.etag };
    } catch (error) {
      if (azureErrorOf(error).code === 'BlobNotFound') return undefined;
      throw error;
    }
  });
}

/** Undefined when there is no blob. */
async function readFirstPiece(
  source: BlobSource,
  { position, maxBytes, version }: Extent,
  into: Uint8Array | undefined,
): Promise<Begun | undefined> {
  const sizeBytes = Math.min(maxBytes, PIECE_BYTES);
  const piece = await downloadPiece(source, { position, sizeBytes, version, into });
  if (piece === undefined) return undefined;
  const { firstAnswer } = piece;
  if (firstAnswer === undefined) return { target: noBytes(into), version };
  const bytes = piece.bytes();
  const totalBytes = parseContentRange(firstAnswer.contentRange)?.total ?? bytes.byteLength;
  const foundBytes = Math.min(maxBytes, totalBytes - position);
  if (foundBytes <= bytes.byteLength) return { target: bytes, version: firstAnswer.version };
  const target = into?.subarray(0, foundBytes) ?? Buffer.allocUnsafe(foundBytes);
  if (into === undefined) target.set(bytes);
  return { target, version: firstAnswer.version };
}

/** False when there is no blob any more. */
async function readOtherPieces(source: BlobSource, position: number, { target, version }: Begun): Promise<boolean> {
  const pieces = piecesAfterFirst(target);
  const readers = Array.from({ length: PIECES_AT_ONCE }, async () => {
    for (const { at, bytes } of pieces) {
      const { byteLength: sizeBytes } = bytes;
      const piece = await downloadPiece(source, { position: position + at, sizeBytes, version, into: bytes });
      if (piece === undefined) return false;
      if (piece.filledBytes === sizeBytes) continue;
      const message = `GetBlob ${source.key}: ${piece.filledBytes} bytes came where ${sizeBytes} were asked for`;
      throw new BackupError('STORE_UNSUITABLE', message, { context: { key: source.key } });
    }
    return true;
  });
  // The memory is the caller's: nobody may be writing into it any more when this ends.
  const ended = await Promise.allSettled(readers);
  const failed = ended.find((reader) => reader.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return ended.every((reader) => reader.status === 'fulfilled' && reader.value);
}

/** Shared by the readers, each of which takes the next piece; when one fails, there are no more. */
function* piecesAfterFirst(target: Uint8Array): Generator<{ readonly at: number; readonly bytes: Uint8Array }> {
  for (let at = PIECE_BYTES; at < target.byteLength; at += PIECE_BYTES) {
    yield { at, bytes: target.subarray(at, at + PIECE_BYTES) };
  }
}

interface Piece {
  readonly position: number;
  readonly sizeBytes: number;
  readonly version: string | undefined;
  readonly into: Uint8Array | undefined;
}

/** Undefined when there is no blob. */
async function downloadPiece(
  { blob, key, policy }: BlobSource,
  { position, sizeBytes, version, into }: Piece,
): Promise<RangedDownload | undefined> {
  const ask = askAzure({ blob, key, version });
  const range = { position, sizeBytes };
  const download = new RangedDownload({ ask, operation: 'GetBlob', name: key, range, into });
  const progress = (): number => download.filledBytes;
  const found = await policy.run('GetBlob', key, (signal) => download.proceed(signal), { progress });
  return found === 'absent' ? undefined : download;
}
