// THE description of a segment file of OSO kafka-backup, container version 1 (its 0.17 to 0.23; crates/kafka-backup-core/src/
// segment). Little endian:
//
//   0 "KBAK" | 4 version u8 = 1 | 5 codec u8: 0 none, 1 zstd, 2 lz4 | 6 zero u16 | 8 record count u64 | 16 first offset i64 |
//   24 last offset i64 | 32 records, compressed as one | N-8 CRC-32 (zlib's) u32 of all before it | N-4 "BKAE"
//   record: u32 bytes that follow | timestamp i64 | offset i64 | key | value | u16 headers | per header: u16 + name, value
//   key, value, header's value: i32 length (-1 null) + bytes
//
// A file is read by ranges and expanded as it comes, so memory does not depend on its size. What it says of itself is checked to
// the last byte, but only at its end: nothing that was read of it may be committed before.

import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { crc32, createZstdDecompress } from 'node:zlib';
import { BackupError, messageOf } from '../../model/errors.ts';
import { isObjectKey } from '../../storage/object-key.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { expandLz4Block } from './lz4-block.ts';
import { RecordSplitter } from '../record-splitter.ts';

const MAGIC = 0x4b42414b;
const END_MAGIC = 0x424b4145;
const VERSION = 1;
const HEADER_BYTES = 32;
const TRAILER_BYTES = 8;
/** Bytes of the file read at once, and the size of pieces that zstd expands to. */
const CHUNK_BYTES = 1024 * 1024;

const CODECS = ['none', 'zstd', 'lz4'] as const;

/** The head of a file. Offsets are inclusive. */
export interface PeerSegmentHeader {
  readonly key: string;
  readonly sizeBytes: number;
  readonly codec: (typeof CODECS)[number];
  readonly recordCount: number;
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  /** The bytes it was read from. */
  readonly bytes: Uint8Array;
}

/** @throws SOURCE_DAMAGED when there is no whole file of this format. */
export async function readPeerHeader(store: ObjectStore, key: string): Promise<PeerSegmentHeader> {
  if (!isObjectKey(key)) {
    throw new BackupError('SOURCE_DAMAGED', `the manifest names ${JSON.stringify(key)}, which is no key of a file`);
  }
  const [info, bytes] = [await store.head(key), await store.get(key, { position: 0, sizeBytes: HEADER_BYTES })];
  if (info === undefined || bytes === undefined) {
    throw new BackupError('SOURCE_DAMAGED', `${key}, which the manifest names, is not in ${store.description}`, {
      context: { key },
    });
  }
  const { sizeBytes } = info;
  if (sizeBytes < HEADER_BYTES + TRAILER_BYTES) throw corrupt(key, sizeBytes, `ends there: it is cut short`);
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (head.readUInt32BE(0) !== MAGIC) throw corrupt(key, 0, 'does not begin with KBAK: it is no segment of version 1');
  if (head.readUInt8(4) !== VERSION) throw corrupt(key, 4, `has version ${head.readUInt8(4)}; only 1 is known`);
  const codec = CODECS[head.readUInt8(5)];
  if (codec === undefined) throw corrupt(key, 5, `names codec ${head.readUInt8(5)}; 0, 1 and 2 are known`);
  const recordCount = head.readBigUInt64LE(8);
  const [firstOffset, lastOffset] = [head.readBigInt64LE(16), head.readBigInt64LE(24)];
  if (
    firstOffset < 0n ||
    lastOffset < firstOffset ||
    recordCount === 0n ||
    recordCount > lastOffset - firstOffset + 1n
  ) {
    throw corrupt(key, 8, `says it holds ${recordCount} records of offsets ${firstOffset} to ${lastOffset}`);
  }
  return { key, sizeBytes, codec, recordCount: Number(recordCount), firstOffset, lastOffset, bytes };
}

export interface PeerReadOptions {
  readonly signal: AbortSignal;
  /** Bytes of the file that were read. */
  readonly onRead: (bytes: number) => void;
}

/**
 * The records in the order of their offsets, many at a time: each block is whole records back to back, valid until the next one.
 * Whoever finds a record wrong throws that into the generator, which looks for the cause and throws what names the file.
 * @throws SOURCE_DAMAGED, which names file and position, INTERRUPTED, and what the store fails with.
 */
export async function* readPeerRecords(
  store: ObjectStore,
  header: PeerSegmentHeader,
  options: PeerReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { key, firstOffset, lastOffset, recordCount } = header;
  const file = new PeerFile(store, header, options);
  const splitter = new RecordSplitter(key);
  try {
    for await (const piece of expand(header.codec, file.payload())) {
      const block = splitter.split(piece);
      if (block.byteLength > 0) yield block;
    }
  } catch (error) {
    if (error instanceof BackupError && error.code !== 'SOURCE_DAMAGED') throw error;
    // A damaged file shows first as something that does not decode; where its bytes are not what was written, say that.
    await new PeerFile(store, header, options).verify();
    if (error instanceof BackupError && error.context.key !== undefined) throw error;
    throw corrupt(key, HEADER_BYTES, `does not decode: ${messageOf(error)}`, error);
  }
  await file.verify();
  splitter.finish({ firstOffset, lastOffset, recordCount });
}

/** The bytes of one file, read once from front to end. */
class PeerFile {
  readonly #store: ObjectStore;
  readonly #header: PeerSegmentHeader;
  readonly #options: PeerReadOptions;
  #position = HEADER_BYTES;
  #crc: number;

  constructor(store: ObjectStore, header: PeerSegmentHeader, options: PeerReadOptions) {
    this.#store = store;
    this.#header = header;
    this.#options = options;
    this.#crc = crc32(header.bytes);
  }

  async *payload(): AsyncGenerator<Uint8Array, void, undefined> {
    const end = this.#header.sizeBytes - TRAILER_BYTES;
    while (this.#position < end) {
      const chunk = await this.#read(Math.min(CHUNK_BYTES, end - this.#position));
      this.#crc = crc32(chunk, this.#crc);
      this.#position += chunk.byteLength;
      this.#options.onRead(chunk.byteLength);
      yield chunk;
    }
  }

  /** Reads what is left of the file. @throws SOURCE_DAMAGED when it is not what was written. */
  async verify(): Promise<void> {
    for await (const _chunk of this.payload());
    const { key, sizeBytes } = this.#header;
    const trailer = Buffer.from(await this.#read(TRAILER_BYTES));
    if (trailer.readUInt32BE(4) !== END_MAGIC)
      throw corrupt(key, sizeBytes - 4, 'does not end with BKAE: it is cut short');
    if (trailer.readUInt32LE(0) !== this.#crc) {
      throw corrupt(key, sizeBytes - TRAILER_BYTES, 'carries another CRC-32 than its bytes have');
    }
  }

  async #read(sizeBytes: number): Promise<Uint8Array> {
    const { key } = this.#header;
    if (this.#options.signal.aborted) throw new BackupError('INTERRUPTED', `reading ${key} was stopped`);
    const bytes = await this.#store.get(key, { position: this.#position, sizeBytes });
    if (bytes?.byteLength !== sizeBytes) throw corrupt(key, this.#position, `changed while it was read`);
    return bytes;
  }
}

function expand(codec: PeerSegmentHeader['codec'], payload: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  switch (codec) {
    case 'none':
      return payload;
    case 'lz4':
      return expandLz4Block(payload);
    case 'zstd':
      return expandZstd(payload);
  }
}

async function* expandZstd(payload: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = createZstdDecompress({ chunkSize: CHUNK_BYTES });
  const feeding = pipeline(Readable.from(payload, { highWaterMark: 1 }), decoder);
  // The loop throws what ends it.
  feeding.catch(() => {});
  for await (const piece of decoder) yield piece as Uint8Array;
  await feeding;
}

function corrupt(key: string, position: number, what: string, cause?: unknown): BackupError {
  return new BackupError('SOURCE_DAMAGED', `${key}, byte ${position}: the file ${what}`, { context: { key }, cause });
}
