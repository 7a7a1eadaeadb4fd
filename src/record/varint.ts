// Kafka's variable-length integers: base-128 groups, least significant first, zig-zag signed (the encoding of Protocol
// Buffers' sint32/sint64; org.apache.kafka.common.utils.ByteUtils). Readers return the value and leave the next position in
// `VarintReader.position`; readVarlong is exact up to 2^53 and rounds beyond, as a header's timestamps do; readBigVarlong is exact.

import { BackupError } from '../model/errors.ts';

const MAX_VARLONG_BYTES = 10;

/** Reads signed varints from a byte range. One instance is reused for many batches: no allocation per field. */
export class VarintReader {
  bytes: Uint8Array;
  end: number;
  position: number;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** A 32-bit signed value. @throws BATCH_CORRUPT when it runs past the end or is longer than 5 bytes. */
  readVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#next();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new BackupError('BATCH_CORRUPT', 'a varint in a record is longer than 5 bytes');
  }

  /**
   * A 64-bit signed value; beyond 2^53 it is rounded as Number(bigint) does, and so is no safe integer.
   * @throws BATCH_CORRUPT when it runs past the end or is longer than 10 bytes.
   */
  readVarlong(): number {
    const start = this.position;
    const first = this.#next();
    if (first < 0x80) return (first >>> 1) ^ -(first & 1);
    let value = first & 0x7f;
    let scale = 128;
    for (let index = 1; index < 7; index += 1) {
      const byte = this.#next();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    this.position = start;
    return Number(this.readBigVarlong());
  }

  /** The same value, exact. @throws as {@link readVarlong}. */
  readBigVarlong(): bigint {
    let value = 0n;
    for (let index = 0; index < MAX_VARLONG_BYTES; index += 1) {
      const byte = this.#next();
      value |= BigInt(byte & 0x7f) << BigInt(index * 7);
      if (byte < 0x80) {
        // Of the tenth byte only one bit belongs to the value; Kafka shifts the others out.
        const zigZag = BigInt.asUintN(64, value);
        return (zigZag >> 1n) ^ -(zigZag & 1n);
      }
    }
    throw new BackupError('BATCH_CORRUPT', 'a varlong in a record is longer than 10 bytes');
  }

  /** Moves past `length` bytes. @throws BATCH_CORRUPT when that is past the end. */
  skip(length: number): void {
    if (length < 0 || this.position + length > this.end) {
      throw new BackupError('BATCH_CORRUPT', 'a length in a record reaches past the end of its batch');
    }
    this.position += length;
  }

  #next(): number {
    const byte = this.position < this.end ? this.bytes[this.position] : undefined;
    if (byte === undefined) throw new BackupError('BATCH_CORRUPT', 'a record ends in the middle of a number');
    this.position += 1;
    return byte;
  }
}

/** Below, the zig-zag form of a magnitude has 31 bits: plain integer arithmetic, which is most of what is written. */
const SMALL_MAGNITUDE = 2 ** 30;

/**
 * Writes a signed value as a zig-zag varint or varlong (the two share one encoding) and returns the next position. Exact for
 * every safe integer: the zig-zag form of one beyond 2^52 is no exact number, so its first group is split off before.
 */
export function writeVarint(target: Uint8Array, position: number, value: number): number {
  const magnitude = value >= 0 ? value : -value - 1;
  if (magnitude >= SMALL_MAGNITUDE) return writeLongVarint(target, position, value);
  let rest = (value << 1) ^ (value >> 31);
  let at = position;
  for (; rest >= 0x80; rest >>>= 7) {
    target[at] = (rest & 0x7f) | 0x80;
    at += 1;
  }
  target[at] = rest;
  return at + 1;
}

function writeLongVarint(target: Uint8Array, position: number, value: number): number {
  const magnitude = value >= 0 ? value : -value - 1;
  let group = (magnitude % 64) * 2 + (value >= 0 ? 0 : 1);
  let rest = Math.floor(magnitude / 64);
  let at = position;
  while (rest > 0) {
    target[at] = group | 0x80;
    group = rest % 128;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  target[at] = group;
  return at + 1;
}

/** Bytes that {@link writeVarint} takes for `value`. */
export function varintSize(value: number): number {
  const magnitude = value >= 0 ? value : -value - 1;
  if (magnitude < 64) return 1;
  let rest = Math.floor(magnitude / 64);
  let size = 1;
  while (rest > 0) {
    rest = Math.floor(rest / 128);
    size += 1;
  }
  return size;
}
