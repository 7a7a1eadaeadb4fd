// The header of Kafka's record batch, format v2 (org.apache.kafka.common.record.DefaultRecordBatch), big endian:
//
//   0 baseOffset i64 | 8 batchLength i32 (bytes after it) | 12 partitionLeaderEpoch i32 | 16 magic i8 | 17 crc u32 |
//   21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64 | 43 producerId i64 |
//   51 producerEpoch i16 | 53 baseSequence i32 | 57 recordCount i32 | 61 records
//
// The CRC-32C covers attributes to the end, so base offset and leader epoch may change without it.
// Attributes: 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 baseTimestamp is the delete horizon.

import { PRODUCER_CODECS, type ProducerCodec } from '../model/codec.ts';
import { BackupError } from '../model/errors.ts';
import { crc32c } from './crc32c.ts';

export const BATCH_HEADER_BYTES = 61;
/** The offset after a record must be one too. */
const MAX_OFFSET = 2n ** 63n - 1n;
/** Bytes before and including batchLength. */
export const BATCH_PREFIX_BYTES = 12;

export const BATCH_FIELD = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

export const ATTRIBUTE = { codecMask: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20 } as const;

/**
 * A parsed header. `position` and `sizeBytes` locate the whole batch in the bytes it was parsed from. Timestamps beyond 2^53
 * (a producer that stamps nanoseconds) are rounded, so no safe integers; their bits are read from the bytes.
 */
export interface RecordBatchHeader {
  readonly position: number;
  readonly sizeBytes: number;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly partitionLeaderEpoch: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: bigint;
  readonly recordCount: number;
}

export function codecOf(header: RecordBatchHeader): ProducerCodec {
  const codec = PRODUCER_CODECS[header.attributes & ATTRIBUTE.codecMask];
  if (codec === undefined) {
    throw new BackupError('BATCH_CORRUPT', `batch at offset ${header.baseOffset} names an unknown compression codec`);
  }
  return codec;
}

export function isControl(header: RecordBatchHeader): boolean {
  return (header.attributes & ATTRIBUTE.control) !== 0;
}

export function isTransactional(header: RecordBatchHeader): boolean {
  return (header.attributes & ATTRIBUTE.transactional) !== 0;
}

export function isLogAppendTime(header: RecordBatchHeader): boolean {
  return (header.attributes & ATTRIBUTE.logAppendTime) !== 0;
}

/** False when a timestamp of the header is rounded. A record may lie beyond 2^53 from the others all the same. */
export function hasExactTimestamps(header: RecordBatchHeader): boolean {
  return Number.isSafeInteger(header.baseTimestampMs) && Number.isSafeInteger(header.maxTimestampMs);
}

/** A view for reading the big-endian fields of `bytes`, whatever buffer it lies in. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit timestamp, without a bigint on the way; beyond 2^53 it is rounded as Number(bigint) does. */
export function readTimestamp(view: DataView, position: number): number {
  return view.getInt32(position) * 2 ** 32 + view.getUint32(position + 4);
}

/**
 * Parses the header at `position`. Returns undefined when fewer bytes than the whole batch follow: a fetch response may end
 * in the middle of a batch.
 * @throws BATCH_CORRUPT when the fields contradict each other or the format is not v2.
 */
export function parseBatchHeader(view: DataView, position: number): RecordBatchHeader | undefined {
  const available = view.byteLength - position;
  if (available < BATCH_FIELD.magic + 1) return undefined;
  const baseOffset = view.getBigInt64(position);
  const magic = view.getInt8(position + BATCH_FIELD.magic);
  if (magic !== 2) {
    throw new BackupError(
      'BATCH_CORRUPT',
      `batch at offset ${baseOffset} has message format v${magic}; only v2 is known`,
    );
  }
  const sizeBytes = view.getInt32(position + BATCH_FIELD.batchLength) + BATCH_PREFIX_BYTES;
  if (sizeBytes < BATCH_HEADER_BYTES) {
    throw new BackupError(
      'BATCH_CORRUPT',
      `batch at offset ${baseOffset} is ${sizeBytes} bytes long, less than its header`,
    );
  }
  if (sizeBytes > available) return undefined;
  const lastOffsetDelta = view.getInt32(position + BATCH_FIELD.lastOffsetDelta);
  const lastOffset = baseOffset + BigInt(lastOffsetDelta);
  const recordCount = view.getInt32(position + BATCH_FIELD.recordCount);
  const isOutOfRange = lastOffsetDelta < 0 || baseOffset < 0n || lastOffset >= MAX_OFFSET;
  if (isOutOfRange || recordCount < 0 || recordCount > lastOffsetDelta + 1) {
    throw new BackupError('BATCH_CORRUPT', `batch at offset ${baseOffset} has a header that contradicts itself`);
  }
  return {
    position,
    sizeBytes,
    baseOffset,
    lastOffset,
    partitionLeaderEpoch: view.getInt32(position + BATCH_FIELD.partitionLeaderEpoch),
    crc: view.getUint32(position + BATCH_FIELD.crc),
    attributes: view.getInt16(position + BATCH_FIELD.attributes),
    lastOffsetDelta,
    baseTimestampMs: readTimestamp(view, position + BATCH_FIELD.baseTimestamp),
    maxTimestampMs: readTimestamp(view, position + BATCH_FIELD.maxTimestamp),
    producerId: view.getBigInt64(position + BATCH_FIELD.producerId),
    recordCount,
  };
}

/** Whole batches of `bytes`, in order; a cut tail is left out. @throws BATCH_CORRUPT as parseBatchHeader. */
export function* splitBatches(bytes: Uint8Array): Generator<RecordBatchHeader, void, undefined> {
  const view = viewOf(bytes);
  let position = 0;
  while (position < bytes.byteLength) {
    const header = parseBatchHeader(view, position);
    if (header === undefined) return;
    yield header;
    position += header.sizeBytes;
  }
}

/**
 * The last batch that {@link splitBatches} would give, found by the lengths alone: what lies before it is not looked at. Undefined
 * also where its header, or a length, is none of a batch.
 */
export function lastWholeBatch(records: Uint8Array): RecordBatchHeader | undefined {
  const view = viewOf(records);
  let last = -1;
  for (let position = 0; position + BATCH_HEADER_BYTES <= view.byteLength; ) {
    const sizeBytes = view.getInt32(position + BATCH_FIELD.batchLength) + BATCH_PREFIX_BYTES;
    if (sizeBytes < BATCH_HEADER_BYTES) return undefined;
    if (position + sizeBytes > view.byteLength) break;
    last = position;
    position += sizeBytes;
  }
  try {
    return last < 0 ? undefined : parseBatchHeader(view, last);
  } catch {
    return undefined;
  }
}

/** @throws BATCH_CORRUPT when the batch's bytes do not have the CRC that its header carries. */
export function verifyBatchCrc(bytes: Uint8Array, header: RecordBatchHeader): void {
  const from = header.position + BATCH_FIELD.attributes;
  if (crc32c(bytes.subarray(from, header.position + header.sizeBytes)) !== header.crc) {
    throw new BackupError('BATCH_CORRUPT', `batch at offset ${header.baseOffset} fails its CRC-32C`, {
      context: { offset: header.baseOffset },
    });
  }
}

/** Recomputes length-independent CRC of the whole batch `batch` in place, after its fields were changed. */
export function sealBatchCrc(batch: Uint8Array): void {
  viewOf(batch).setUint32(BATCH_FIELD.crc, crc32c(batch.subarray(BATCH_FIELD.attributes)));
}
