// The compression that producers put on the records section of a batch, in the framings Kafka uses: gzip; snappy in the
// xerial stream format (magic 82 'SNAPPY' 00, version, compatible version, then i32 length + raw block) or, from other
// clients, one raw block; LZ4 frame; zstd frame. Every expansion is bounded: a hostile batch must not fill the memory.

import { createRequire } from 'node:module';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type ProducerCodec, withCodecLibrary } from '../model/codec.ts';
import { BackupError, messageOf } from '../model/errors.ts';
import { noteNativeBuffer } from '../model/buffer/native-garbage.ts';

const require = createRequire(import.meta.url);

/** Loaded when they are needed: every thread pays for what it loads. */
const lz4 = () => withCodecLibrary('lz4-napi', () => require('lz4-napi') as typeof import('lz4-napi'));
const snappy = () => withCodecLibrary('snappy', () => require('snappy') as typeof import('snappy'));

/** Largest records section that is ever expanded. Kafka's own limit is the 32-bit batch length; brokers allow far less. */
export const MAX_EXPANDED_BYTES = 256 * 1024 * 1024;

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const XERIAL_BLOCK_BYTES = 32 * 1024;
const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK_MAX = [0, 0, 0, 0, 64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024] as const;

/**
 * The records section before the producer compressed it.
 * @throws BATCH_CORRUPT when it does not decode or grows past the limit, CODEC_MISSING.
 */
export function expandRecords(codec: ProducerCodec, bytes: Uint8Array): Uint8Array {
  const expanded = expand(codec, bytes);
  if (expanded !== bytes) noteNativeBuffer(expanded.byteLength);
  return expanded;
}

function expand(codec: ProducerCodec, bytes: Uint8Array): Uint8Array {
  if (codec === 'none') return bytes;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    switch (codec) {
      case 'gzip':
        return gunzipSync(buffer, { maxOutputLength: MAX_EXPANDED_BYTES });
      case 'zstd':
        return zstdDecompressSync(buffer, { maxOutputLength: MAX_EXPANDED_BYTES });
      case 'lz4':
        assertBounded(lz4ExpandedBound(buffer));
        return lz4().decompressFrameSync(buffer);
      case 'snappy':
        return expandSnappy(buffer);
    }
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('BATCH_CORRUPT', `records compressed with ${codec} do not decode: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The inverse of {@link expandRecords}, as the Java producer would write it at its default levels. @throws CODEC_MISSING */
export function compressRecords(codec: ProducerCodec, bytes: Uint8Array): Uint8Array {
  const compressed = compress(codec, bytes);
  if (compressed !== bytes) noteNativeBuffer(compressed.byteLength);
  return compressed;
}

function compress(codec: ProducerCodec, bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(buffer);
    case 'zstd':
      return zstdCompressSync(buffer);
    case 'lz4':
      return lz4().compressFrameSync(buffer);
    case 'snappy':
      return compressSnappy(buffer);
  }
}

/** Why batches of a codec can be neither read nor written by this installation; undefined when they can. */
export function codecFault(codec: ProducerCodec): string | undefined {
  try {
    if (codec === 'lz4') lz4();
    else if (codec === 'snappy') snappy();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function assertBounded(expandedBytes: number): void {
  if (expandedBytes > MAX_EXPANDED_BYTES) {
    throw new BackupError('BATCH_CORRUPT', `a compressed batch could expand to ${expandedBytes} bytes`);
  }
}

/** Upper bound of the expanded size of an LZ4 frame, from its block sizes alone. */
function lz4ExpandedBound(buffer: Buffer): number {
  if (buffer.byteLength < 7 || buffer.readUInt32LE(0) !== LZ4_MAGIC) {
    throw new BackupError('BATCH_CORRUPT', 'records compressed with lz4 do not begin with an LZ4 frame');
  }
  const flags = buffer.readUInt8(4);
  const blockMax = LZ4_BLOCK_MAX[(buffer.readUInt8(5) >> 4) & 0x07] ?? 0;
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  let position = 6 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1;
  let bound = 0;
  while (position + 4 <= buffer.byteLength) {
    const size = buffer.readUInt32LE(position) & 0x7fffffff;
    if (size === 0) break;
    bound += blockMax;
    position += 4 + size + blockChecksumBytes;
  }
  return bound;
}

function expandSnappy(buffer: Buffer): Uint8Array {
  if (!buffer.subarray(0, XERIAL_MAGIC.byteLength).equals(XERIAL_MAGIC)) return expandSnappyBlock(buffer);
  const blocks: Uint8Array[] = [];
  let total = 0;
  let position = XERIAL_HEADER_BYTES;
  while (position < buffer.byteLength) {
    const size = buffer.readInt32BE(position);
    if (size < 0 || position + 4 + size > buffer.byteLength) {
      throw new BackupError('BATCH_CORRUPT', 'a snappy block reaches past the end of its batch');
    }
    const block = expandSnappyBlock(buffer.subarray(position + 4, position + 4 + size));
    total += block.byteLength;
    assertBounded(total);
    blocks.push(block);
    position += 4 + size;
  }
  return Buffer.concat(blocks);
}

function expandSnappyBlock(block: Buffer): Uint8Array {
  assertBounded(snappyLength(block));
  const expanded = snappy().uncompressSync(block, { asBuffer: true });
  return typeof expanded === 'string' ? Buffer.from(expanded) : expanded;
}

/** The uncompressed length that a raw snappy block begins with (an unsigned varint). */
function snappyLength(block: Buffer): number {
  let length = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = block.readUInt8(index);
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return length;
  }
  throw new BackupError('BATCH_CORRUPT', 'a snappy block has no valid length');
}

function compressSnappy(buffer: Buffer): Uint8Array {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(1, 12);
  const parts: Buffer[] = [header];
  for (let from = 0; from < buffer.byteLength; from += XERIAL_BLOCK_BYTES) {
    const block = snappy().compressSync(buffer.subarray(from, from + XERIAL_BLOCK_BYTES));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.byteLength);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}
