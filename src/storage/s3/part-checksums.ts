// The checksums of an object that goes up in parts, taken of its bytes as they come, before they are copied into parts: one for each
// part, and from those, without a second look at the bytes, the one of the whole object.

import { crc32 } from './crc32.ts';

/** Of CRC-32, without x^32. Bit 31 is x^0, here and below. */
const POLYNOMIAL = 0xedb8_8320;
const ONE = 0x8000_0000;
/** x^8: a byte further. */
const BYTE = ONE >>> 8;

/** CRC-32 of the parts of a body and of all of it. */
export class PartChecksums {
  readonly #partBytes: number;
  readonly #parts: { crc: number; sizeBytes: number }[] = [];

  constructor(partBytes: number) {
    this.#partBytes = partBytes;
  }

  /** Takes the next bytes of the body in. */
  add(chunk: Uint8Array): void {
    for (let taken = 0; taken < chunk.byteLength; ) {
      let part = this.#parts[this.#parts.length - 1];
      if (part === undefined || part.sizeBytes === this.#partBytes) {
        part = { crc: 0, sizeBytes: 0 };
        this.#parts.push(part);
      }
      const piece = chunk.subarray(taken, taken + this.#partBytes - part.sizeBytes);
      part.crc = crc32(piece, part.crc);
      part.sizeBytes += piece.byteLength;
      taken += piece.byteLength;
    }
  }

  /** Of the part with that number, the first being 1, as far as its bytes have come. */
  ofPart(number: number): number {
    return this.#parts[number - 1]?.crc ?? 0;
  }

  /** Of all bytes so far. */
  ofWhole(): number {
    return this.#parts.reduce((crc, part) => joinCrc32(crc, part.crc, part.sizeBytes), 0);
  }
}

/**
 * The checksum of bytes whose first piece has the checksum `first`, and whose second, of `secondBytes`, has `second`. A checksum
 * is a remainder modulo the polynomial: bytes behind a piece multiply its own by x^8 each (zlib's crc32_combine does the same).
 */
export function joinCrc32(first: number, second: number, secondBytes: number): number {
  let shift = ONE;
  let power = BYTE;
  for (let rest = secondBytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(shift, power);
    power = multiply(power, power);
  }
  return (multiply(first, shift) ^ second) >>> 0;
}

/** The product of two polynomials over two elements, modulo that of CRC-32. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 31; bit >= 0; bit -= 1) {
    if (((a >>> bit) & 1) === 1) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}
