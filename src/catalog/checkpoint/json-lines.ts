// How checkpoints are packed: a JSON value a line, in one zstd frame with its checksum. Both ways the thread is left to others time
// and again: an agent goes on fetching and answering while a checkpoint of 100,000 pieces is written or read.

import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, createZstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib';
import { BackupError } from '../../model/errors.ts';
import { type JsonFields, parseJson, toJson } from '../../model/json-fields.ts';

const MAX_BYTES = 1024 * 1024 * 1024;
/** Text that is made, or read, in one go. */
const CHUNK_CHARACTERS = 256 * 1024;
const LINE_FEED = 0x0a;

const OPTIONS = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const decompress = promisify(zstdDecompress);

/** With zstd's checksum: no commit carries a hash of a checkpoint. */
export async function packLines(values: Iterable<unknown>): Promise<Buffer> {
  const chunks = chunksOf(values);
  const first = chunks.next().value ?? '';
  // Most pieces are small, and a stream costs more than they do.
  if (first.length < CHUNK_CHARACTERS) return zstdCompressSync(first, OPTIONS);
  const compress = createZstdCompress(OPTIONS);
  compress.write(first);
  return pipeline(Readable.from(chunks), compress, buffer);
}

/** All but the last are of `CHUNK_CHARACTERS` or more. */
function* chunksOf(values: Iterable<unknown>): Generator<string, undefined> {
  let text = '';
  for (const value of values) {
    text += `${toJson(value)}\n`;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** The values of {@link packLines}, which are objects. @throws CATALOG_CORRUPT when the bytes are damaged. */
export async function* unpackLines(bytes: Uint8Array, key: string): AsyncGenerator<JsonFields> {
  const text = await decompressed(bytes, key);
  let pauseAt = CHUNK_CHARACTERS;
  for (let from = 0; from < text.byteLength; ) {
    const end = text.indexOf(LINE_FEED, from);
    const to = end < 0 ? text.byteLength : end;
    yield parseJson(text.subarray(from, to), key, 'CATALOG_CORRUPT');
    from = to + 1;
    if (from < pauseAt) continue;
    pauseAt = from + CHUNK_CHARACTERS;
    await setImmediate();
  }
}

async function decompressed(bytes: Uint8Array, key: string): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new BackupError('CATALOG_CORRUPT', `${key} does not decompress`, { context: { key }, cause: error });
  }
}
