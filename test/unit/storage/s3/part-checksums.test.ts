import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { joinCrc32, PartChecksums } from '../../../../src/storage/s3/part-checksums.ts';

const SEED = { seed: 20_261_129 };
const BYTES = fc.uint8Array({ maxLength: 300 });

describe('the checksums of an object in parts', () => {
  test('are joined without a look at the bytes, however many they are', () => {
    fc.assert(
      fc.property(BYTES, BYTES, (first, second) => {
        const joined = joinCrc32(crc32(first), crc32(second), second.byteLength);
        assert.equal(joined, crc32(Buffer.concat([first, second])));
      }),
      SEED,
    );
    const [first, large] = [Buffer.from('first'), Buffer.alloc(20 * 1024 * 1024 + 3, 'abc')];
    assert.equal(joinCrc32(crc32(first), crc32(large), large.byteLength), crc32(Buffer.concat([first, large])));
  });

  test('of each part and of the whole are those of its bytes, whatever chunks they come in', () => {
    fc.assert(
      fc.property(fc.array(BYTES), fc.integer({ min: 1, max: 500 }), (chunks, partBytes) => {
        const checksums = new PartChecksums(partBytes);
        for (const chunk of chunks) checksums.add(chunk);
        const whole = Buffer.concat(chunks);
        assert.equal(checksums.ofWhole(), crc32(whole));
        for (let number = 1; (number - 1) * partBytes < whole.byteLength; number += 1) {
          const part = whole.subarray((number - 1) * partBytes, number * partBytes);
          assert.equal(checksums.ofPart(number), crc32(part));
        }
      }),
      SEED,
    );
    assert.equal(new PartChecksums(8).ofWhole(), 0);
  });
});
