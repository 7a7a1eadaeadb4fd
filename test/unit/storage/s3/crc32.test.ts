import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { joinCrc32 } from '../../../../src/storage/s3/crc32.ts';

test('the CRC of a whole follows from those of its parts', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 6 }), (parts) => {
      const joined = parts.reduce((crc, part) => joinCrc32(crc, crc32(part), part.byteLength), 0);
      assert.equal(joined, crc32(Buffer.concat(parts)));
    }),
    { seed: 3, numRuns: 300 },
  );
  const large = Buffer.alloc(9 * 1024 * 1024 + 1, 'large');
  const cut = 8 * 1024 * 1024;
  const [head, tail] = [large.subarray(0, cut), large.subarray(cut)];
  assert.equal(joinCrc32(crc32(tail), crc32(head), cut), crc32(Buffer.concat([tail, head])));
});
