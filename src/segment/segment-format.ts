// THE description of a segment object's layout:
//
//   frame*            each a zstd frame (content size and checksum) or an LZ4 frame of whole record batches, or with codec none
//                     the batches themselves; together Kafka's own log format
//   skippable frame   u32 LE 0x184D2A5E | u32 LE length of the payload | payload
//   payload           JSON, zstd-compressed above 64 KiB | u32 LE length of the JSON as stored | 8 bytes "KBAGENT1"
//
// Skippable frames are legal in zstd and LZ4 streams, so `zstd -dc` and `lz4 -dc` give the bare log. One read of the object's
// tail finds everything. Without a codec the footer's magic ends the log: a reader of record batches stops there.

import { createHash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { PRODUCER_CODECS } from '../model/codec.ts';
import { BackupError } from '../model/errors.ts';
import { type JsonFields, parseJson, toJson } from '../model/json-fields.ts';
import type { FrameEntry, SegmentFooter, TransactionFacts } from '../model/segment/segment.ts';
import { ANY_TIMESTAMP_MS, decodeSegmentDescription } from '../model/segment/segment-json.ts';

export const SEGMENT_FORMAT_VERSION = 1;
const SKIPPABLE_MAGIC = 0x184d2a5e;
const END_MAGIC = Buffer.from('KBAGENT1', 'latin1');
const SKIPPABLE_HEADER_BYTES = 8;
const TRAILER_BYTES = 4 + END_MAGIC.byteLength;
const COMPRESS_JSON_ABOVE_BYTES = 64 * 1024;
const MAX_JSON_BYTES = 256 * 1024 * 1024;
/** No frame is larger: it holds at most one fetch response, or one batch expanded, and neither reaches this. */
const MAX_FRAME_RAW_BYTES = 512 * 1024 * 1024;
const ZSTD_MAGIC = 0xfd2fb528;

/** The footer as the last bytes of the object. */
export function encodeFooter(footer: SegmentFooter): Buffer {
  const json = Buffer.from(toJson({ formatVersion: SEGMENT_FORMAT_VERSION, ...footer }));
  const stored = json.byteLength > COMPRESS_JSON_ABOVE_BYTES ? zstdCompressSync(json) : json;
  const bytes = Buffer.alloc(SKIPPABLE_HEADER_BYTES + stored.byteLength + TRAILER_BYTES);
  bytes.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  bytes.writeUInt32LE(stored.byteLength + TRAILER_BYTES, 4);
  stored.copy(bytes, SKIPPABLE_HEADER_BYTES);
  bytes.writeUInt32LE(stored.byteLength, SKIPPABLE_HEADER_BYTES + stored.byteLength);
  END_MAGIC.copy(bytes, SKIPPABLE_HEADER_BYTES + stored.byteLength + 4);
  return bytes;
}

export function footerSha256(footer: Uint8Array): string {
  return createHash('sha256').update(footer).digest('hex');
}

/**
 * The footer in `bytes`, which are exactly its bytes at the end of the object `key`.
 * @throws OBJECT_CORRUPT, FORMAT_TOO_NEW.
 */
export function decodeFooter(bytes: Uint8Array, key: string): SegmentFooter {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storedBytes = buffer.byteLength - SKIPPABLE_HEADER_BYTES - TRAILER_BYTES;
  if (storedBytes < 0 || !buffer.subarray(-END_MAGIC.byteLength).equals(END_MAGIC))
    throw corrupt(key, 'does not end in a footer');
  const isFramed = buffer.readUInt32LE(0) === SKIPPABLE_MAGIC && buffer.readUInt32LE(4) === storedBytes + TRAILER_BYTES;
  if (!isFramed || buffer.readUInt32LE(buffer.byteLength - TRAILER_BYTES) !== storedBytes) {
    throw corrupt(key, 'has a footer whose lengths contradict each other');
  }
  const stored = buffer.subarray(SKIPPABLE_HEADER_BYTES, SKIPPABLE_HEADER_BYTES + storedBytes);
  const fields = parseJson(expandJson(stored, key), `footer of ${key}`, 'OBJECT_CORRUPT');
  const formatVersion = fields.integer('formatVersion', 1);
  if (formatVersion > SEGMENT_FORMAT_VERSION) {
    throw new BackupError(
      'FORMAT_TOO_NEW',
      `${key} has segment format ${formatVersion}, this program knows ${SEGMENT_FORMAT_VERSION}`,
    );
  }
  const bodySizeBytes = fields.integer('bodySizeBytes');
  const frames = fields.list('frames').map(decodeFrame);
  if (!isTiling(frames, bodySizeBytes)) throw corrupt(key, 'has a footer whose frames do not make up its body');
  return {
    description: decodeSegmentDescription(fields.fields('description')),
    bodySizeBytes,
    leaderEpochs: fields
      .list('leaderEpochs')
      .map((entry) => ({ epoch: entry.integer('epoch', -1), baseOffset: entry.bigint('baseOffset') })),
    transactions: decodeTransactions(fields.fields('transactions')),
    producerCodecs: fields
      .list('producerCodecs')
      .map((run) => ({ baseOffset: run.bigint('baseOffset'), codec: run.choice('codec', PRODUCER_CODECS) })),
    frames,
  };
}

/** Size of the footer that the object's last bytes `tail` end in, so that it can be read without the catalog. */
export function footerSizeIn(tail: Uint8Array, key: string): number {
  const buffer = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength);
  if (buffer.byteLength < TRAILER_BYTES || !buffer.subarray(-END_MAGIC.byteLength).equals(END_MAGIC)) {
    throw corrupt(key, 'does not end in a footer');
  }
  return buffer.readUInt32LE(buffer.byteLength - TRAILER_BYTES) + SKIPPABLE_HEADER_BYTES + TRAILER_BYTES;
}

function expandJson(stored: Buffer, key: string): Uint8Array {
  if (stored.byteLength < 4 || stored.readUInt32LE(0) !== ZSTD_MAGIC) return stored;
  try {
    return zstdDecompressSync(stored, { maxOutputLength: MAX_JSON_BYTES });
  } catch (error) {
    throw corrupt(key, 'has a footer that does not decompress', error);
  }
}

function decodeTransactions(fields: JsonFields): TransactionFacts {
  return {
    starts: fields.list('starts').map((start) => ({
      producerId: start.bigint('producerId'),
      firstOffset: start.bigint('firstOffset'),
      recordCount: start.nullableInteger('recordCount', 0),
    })),
    markers: fields.list('markers').map((marker) => ({
      producerId: marker.bigint('producerId'),
      offset: marker.bigint('offset'),
      timestampMs: marker.integer('timestampMs', ANY_TIMESTAMP_MS),
      outcome: marker.choice('outcome', ['commit', 'abort']),
    })),
  };
}

function decodeFrame(fields: JsonFields): FrameEntry {
  return {
    position: fields.integer('position'),
    storedSizeBytes: fields.integer('storedSizeBytes'),
    rawSizeBytes: fields.integer('rawSizeBytes'),
    baseOffset: fields.bigint('baseOffset'),
    lastOffset: fields.bigint('lastOffset'),
    recordCount: fields.integer('recordCount'),
    batchCount: fields.integer('batchCount'),
    minTimestampMs: fields.nullableInteger('minTimestampMs', ANY_TIMESTAMP_MS),
    maxTimestampMs: fields.integer('maxTimestampMs', ANY_TIMESTAMP_MS),
    sha256: fields.string('sha256'),
  };
}

/** True when the frames lie back to back, in the order of their offsets, and are no larger than frames can be. */
function isTiling(frames: readonly FrameEntry[], bodySizeBytes: number): boolean {
  let position = 0;
  let offset = -1n;
  for (const frame of frames) {
    if (frame.position !== position || frame.storedSizeBytes === 0 || frame.rawSizeBytes > MAX_FRAME_RAW_BYTES)
      return false;
    if (frame.baseOffset <= offset || frame.lastOffset < frame.baseOffset) return false;
    position += frame.storedSizeBytes;
    offset = frame.lastOffset;
  }
  return position === bodySizeBytes;
}

function corrupt(key: string, what: string, cause?: unknown): BackupError {
  return new BackupError('OBJECT_CORRUPT', `${key} ${what}`, { context: { key }, cause });
}
