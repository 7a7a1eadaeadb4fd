// The hash by which the Java client chooses a keyed record's partition (org.apache.kafka.common.utils.Utils.murmur2, which is
// MurmurHash2 with Kafka's seed and little-endian words). All arithmetic is on 32-bit signed integers, as there.

const SEED = 0x9747b28c | 0;
const MULTIPLIER = 0x5bd1e995;

/** Utils.murmur2 of `bytes`: a 32-bit signed integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.byteLength;
  const wordsEnd = length & ~3;
  let hash = SEED ^ length;
  for (let at = 0; at < wordsEnd; at += 4) {
    let word =
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    word = Math.imul(word, MULTIPLIER);
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  if (wordsEnd < length) {
    for (let at = length - 1; at >= wordsEnd; at -= 1) hash ^= (bytes[at] ?? 0) << (8 * (at - wordsEnd));
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** The partition of `[0, partitions)` that the Java client's default partitioner gives a record with this key. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
