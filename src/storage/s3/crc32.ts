// CRC-32 as S3 uses it: one of each part, one of the whole object, which follows from those of its parts, and how headers hold them
// (docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).

/** Polynomials over GF(2) modulo that of CRC-32, the lowest power in the highest bit. */
const MODULUS = 0xedb8_8320;
const ONE = 0x8000_0000;
/** x^8: what a byte of zeros multiplies a CRC by. */
const BYTE = ONE >>> 8;

/** Of two byte sequences one behind the other, from the CRC of each and the length of the second. */
export function joinCrc32(first: number, second: number, secondBytes: number): number {
  let crc = first;
  let power = BYTE;
  for (let rest = secondBytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) crc = multiply(crc, power);
    power = multiply(power, power);
  }
  return (crc ^ second) >>> 0;
}

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = ONE, term = b; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= term;
    term = (term & 1) === 0 ? term >>> 1 : (term >>> 1) ^ MODULUS;
  }
  return product >>> 0;
}

/** Four bytes, the highest first, in base64. */
export function crc32Header(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
