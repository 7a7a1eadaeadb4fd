import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { copyBytes } from '../../../../src/model/buffer/copy-bytes.ts';

describe('copyBytes', () => {
  it('copies exactly the range that was asked for, to and from shared memory', () => {
    const memory = fc
      .boolean()
      .map((shared) => (size: number) => (shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)));
    const cases = fc.record({
      from: memory,
      to: memory,
      bytes: fc.uint8Array({ maxLength: 64 }),
      skipped: fc.nat(8),
      position: fc.nat(8),
    });
    fc.assert(
      fc.property(cases, ({ from, to, bytes, skipped, position }) => {
        const source = new Uint8Array(from(bytes.length + 16), 5, bytes.length + 8);
        bytes.forEach((byte, index) => {
          source[index] = byte;
        });
        const start = Math.min(skipped, bytes.length);
        const target = new Uint8Array(to(96), 3, 90).fill(0xee);
        copyBytes(source, { start, end: bytes.length }, target, position);
        const expected = new Uint8Array(90).fill(0xee);
        expected.set(bytes.subarray(start), position);
        assert.deepEqual([...target], [...expected]);
      }),
    );
  });

  it('refuses bytes that do not fit instead of leaving some out', () => {
    const target = new Uint8Array(new SharedArrayBuffer(4));
    assert.throws(() => copyBytes(new Uint8Array(5), { start: 0, end: 5 }, target, 0), RangeError);
    assert.throws(() => copyBytes(new Uint8Array(5), { start: 1, end: 5 }, target, 1), RangeError);
  });
});
