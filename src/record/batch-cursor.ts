// Walks the batches of a frame without an object or a bigint for each: a frame may hold one batch for every record, and then what
// is done for a batch is most of what a restore costs. Offsets are told as distances from the first batch's base offset, which
// are exact as numbers. What makes a batch invalid is parseBatchHeader's to say: the cursor asks it whenever it has a doubt.

import { BackupError } from '../model/errors.ts';
import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  parseBatchHeader,
  readTimestamp,
  type RecordBatchHeader,
  verifyBatchCrc,
  viewOf,
} from './batch-header.ts';
import { crc32cOf } from './crc32c.ts';

const MAGIC_V2 = 2;
const WORD = 2 ** 32;

/** Stands on one batch at a time; all that it tells changes with each {@link next}. */
export class BatchCursor implements RecordBatchHeader {
  /** Base offset of the first batch; 0 when there is none. */
  readonly firstOffset: bigint;
  position = 0;
  sizeBytes = 0;
  /** Of the base offset, from {@link firstOffset}. */
  distance = 0;
  attributes = 0;
  lastOffsetDelta = 0;
  baseTimestampMs = 0;
  maxTimestampMs = 0;
  recordCount = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #firstHigh: number;
  readonly #firstLow: number;

  constructor(bytes: Uint8Array) {
    const view = viewOf(bytes);
    const isEmpty = view.byteLength < BATCH_HEADER_BYTES;
    this.#bytes = bytes;
    this.#view = view;
    this.firstOffset = isEmpty ? 0n : view.getBigInt64(BATCH_FIELD.baseOffset);
    this.#firstHigh = isEmpty ? 0 : view.getInt32(BATCH_FIELD.baseOffset);
    this.#firstLow = isEmpty ? 0 : view.getUint32(BATCH_FIELD.baseOffset + 4);
  }

  get baseOffset(): bigint {
    return this.#view.getBigInt64(this.position + BATCH_FIELD.baseOffset);
  }

  get lastOffset(): bigint {
    return this.baseOffset + BigInt(this.lastOffsetDelta);
  }

  /** With all its bits, as `baseTimestampMs` may not be. */
  get baseTimestamp(): bigint {
    return this.#view.getBigInt64(this.position + BATCH_FIELD.baseTimestamp);
  }

  /** With all its bits, as `maxTimestampMs` may not be. */
  get maxTimestamp(): bigint {
    return this.#view.getBigInt64(this.position + BATCH_FIELD.maxTimestamp);
  }

  get partitionLeaderEpoch(): number {
    return this.#view.getInt32(this.position + BATCH_FIELD.partitionLeaderEpoch);
  }

  get crc(): number {
    return this.#view.getUint32(this.position + BATCH_FIELD.crc);
  }

  get producerId(): bigint {
    return this.#view.getBigInt64(this.position + BATCH_FIELD.producerId);
  }

  /** Position of the byte behind the batch. */
  get end(): number {
    return this.position + this.sizeBytes;
  }

  /** The offset that lies so far from {@link firstOffset}. */
  offsetAt(distance: number): bigint {
    return this.firstOffset + BigInt(distance);
  }

  /** How far an offset lies from {@link firstOffset}; rounded beyond 2^53, where no batch is. */
  distanceOf(offset: bigint): number {
    return Number(offset - this.firstOffset);
  }

  /** Moves to the next whole batch; false after the last. @throws BATCH_CORRUPT as parseBatchHeader. */
  next(): boolean {
    const view = this.#view;
    const position = this.end;
    if (view.byteLength - position < BATCH_HEADER_BYTES) return this.#isSound(position);
    const sizeBytes = view.getInt32(position + BATCH_FIELD.batchLength) + BATCH_PREFIX_BYTES;
    const offsetHigh = view.getInt32(position);
    const lastOffsetDelta = view.getInt32(position + BATCH_FIELD.lastOffsetDelta);
    const recordCount = view.getInt32(position + BATCH_FIELD.recordCount);
    const isPlain =
      view.getInt8(position + BATCH_FIELD.magic) === MAGIC_V2 &&
      sizeBytes >= BATCH_HEADER_BYTES &&
      sizeBytes <= view.byteLength - position &&
      offsetHigh >= 0 &&
      offsetHigh < 0x7fff_ffff &&
      lastOffsetDelta >= 0 &&
      recordCount >= 0 &&
      recordCount <= lastOffsetDelta + 1;
    if (!isPlain && !this.#isSound(position)) return false;
    this.position = position;
    this.sizeBytes = sizeBytes;
    this.distance = (offsetHigh - this.#firstHigh) * WORD + (view.getUint32(position + 4) - this.#firstLow);
    this.attributes = view.getInt16(position + BATCH_FIELD.attributes);
    this.lastOffsetDelta = lastOffsetDelta;
    this.baseTimestampMs = readTimestamp(view, position + BATCH_FIELD.baseTimestamp);
    this.maxTimestampMs = readTimestamp(view, position + BATCH_FIELD.maxTimestamp);
    this.recordCount = recordCount;
    if (!Number.isSafeInteger(this.distance + lastOffsetDelta)) throw tooFar(this.baseOffset);
    return true;
  }

  /** @throws BATCH_CORRUPT as verifyBatchCrc. */
  verifyCrc(): void {
    if (crc32cOf(this.#view, this.position + BATCH_FIELD.attributes, this.end) !== this.crc) {
      verifyBatchCrc(this.#bytes, this);
    }
  }

  #isSound(position: number): boolean {
    return parseBatchHeader(this.#view, position) !== undefined;
  }
}

function tooFar(offset: bigint): BackupError {
  return new BackupError(
    'BATCH_CORRUPT',
    `batch at offset ${offset} lies more than 2^53 offsets behind others of its frame`,
  );
}
