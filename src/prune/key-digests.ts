// A set of keys of which only digests are held: a backup of 10,000 partitions and a year has tens of millions of segments, more than a
// Set of the language takes (2^24) and more than their keys leave memory for. A digest is 48 bits of SHA-256, so that a number holds
// it; they lie in one typed array, at the first free place from where the digest points to. A key that was never added is taken for
// one that was with a chance of 1 in 10 million where there are 20 million.

import { createHash } from 'node:crypto';

const FIRST_PLACES = 1024;
/** Above this share of places taken, there are twice as many: a search stays short. */
const MAX_FILLED = 0.75;
const FREE = 0;
const DIGEST_BYTES = 6;

export class KeyDigests {
  #places = new Float64Array(FIRST_PLACES);
  #count = 0;

  /** Between 8 / 0.75 and 16 / 0.75 for each key, and half as much again while it grows. */
  get sizeBytes(): number {
    return this.#places.byteLength;
  }

  has(key: string): boolean {
    const digest = digestOf(key);
    return this.#places[placeOf(this.#places, digest)] === digest;
  }

  add(key: string): void {
    const digest = digestOf(key);
    const place = placeOf(this.#places, digest);
    if (this.#places[place] === digest) return;
    this.#places[place] = digest;
    this.#count += 1;
    if (this.#count > MAX_FILLED * this.#places.length) this.#grow();
  }

  #grow(): void {
    const larger = new Float64Array(this.#places.length * 2);
    for (const digest of this.#places) if (digest !== FREE) larger[placeOf(larger, digest)] = digest;
    this.#places = larger;
  }
}

/** Where the digest is, or would be. */
function placeOf(places: Float64Array, digest: number): number {
  let place = digest % places.length;
  while (places[place] !== FREE && places[place] !== digest) place = (place + 1) % places.length;
  return place;
}

function digestOf(key: string): number {
  const digest = createHash('sha256').update(key).digest().readUIntBE(0, DIGEST_BYTES);
  return digest === FREE ? 1 : digest;
}
