import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { murmur2, partitionOfKey } from '../../../src/record/murmur2.ts';

/** MurmurHash2 in big integers, straight from its definition. */
function slowMurmur2(bytes: Uint8Array): number {
  const multiplier = 0x5bd1e995n;
  const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);
  let hash = u32(0x9747b28cn ^ BigInt(bytes.byteLength));
  const rest = [...bytes].map(BigInt);
  while (rest.length >= 4) {
    const [a = 0n, b = 0n, c = 0n, d = 0n] = rest.splice(0, 4);
    let word = u32((a | (b << 8n) | (c << 16n) | (d << 24n)) * multiplier);
    word = u32((word ^ (word >> 24n)) * multiplier);
    hash = u32(hash * multiplier) ^ word;
  }
  if (rest.length > 0) {
    const tail = rest.reduceRight((joined, byte) => (joined << 8n) | byte, 0n);
    hash = u32((hash ^ tail) * multiplier);
  }
  hash = u32((hash ^ (hash >> 13n)) * multiplier);
  return Number(BigInt.asIntN(32, hash ^ (hash >> 15n)));
}

describe('murmur2', () => {
  test('gives the values of Kafka’s own test of it (UtilsTest)', () => {
    const cases: readonly (readonly [string, number])[] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ];
    for (const [key, hash] of cases) assert.equal(murmur2(Buffer.from(key)), hash, key);
  });

  test('agrees with its definition for every length and byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (key) => assert.equal(murmur2(key), slowMurmur2(key))),
      { seed: 20_261_120, numRuns: 1000 },
    );
  });

  test('chooses a partition of the topic, for an empty key too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 5000 }), (key, partitions) => {
        const partition = partitionOfKey(key, partitions);
        assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions);
      }),
      { seed: 20_261_120, numRuns: 500 },
    );
  });
});
