import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BuddyAllocator } from '../../../../src/backup/frame/buddy-allocator.ts';

const KIB = 1024;

function overlap(one: Uint8Array, other: Uint8Array): boolean {
  const endOf = (bytes: Uint8Array): number => bytes.byteOffset + bytes.byteLength;
  return one.buffer === other.buffer && one.byteOffset < endOf(other) && other.byteOffset < endOf(one);
}

describe('a buddy allocator', () => {
  for (const slabKib of [4, 16, 48, 100, 256]) {
    test(`of slabs of ${slabKib} KiB lends no byte twice, and all of it again in the end`, () => {
      const step = fc.oneof(
        fc.record({ take: fc.integer({ min: 1, max: slabKib * KIB }) }),
        fc.record({ give: fc.nat() }),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
          const allocator = new BuddyAllocator(slabKib * KIB, 3);
          const lent: Uint8Array[] = [];
          const memories = new Set<ArrayBufferLike>();
          for (const one of steps) {
            if ('give' in one) {
              for (const bytes of lent.splice(one.give % (lent.length + 1), 1)) allocator.give(bytes);
              continue;
            }
            const taken = allocator.take(one.take);
            if (taken === undefined) continue;
            assert.ok(taken.byteLength >= one.take && taken.byteLength <= Math.max(2 * one.take, 32 * KIB));
            for (const other of lent) assert.equal(overlap(taken, other), false);
            memories.add(taken.buffer);
            lent.push(taken);
          }
          for (const bytes of lent) allocator.give(bytes);
          const slabs = Array.from({ length: 4 }, () => allocator.take(slabKib * KIB));
          assert.deepEqual(
            slabs.map((slab) => slab !== undefined),
            [true, true, true, false],
          );
          for (const slab of slabs) memories.add(slab?.buffer ?? slabs[0]!.buffer);
          assert.equal(memories.size, 3, 'slabs are made once');
        }),
        { numRuns: 200 },
      );
    });
  }

  test('keeps small blocks together, so that a whole slab stays free', () => {
    const allocator = new BuddyAllocator(256 * KIB, 2);
    const small = Array.from({ length: 16 }, () => allocator.take(16 * KIB) ?? assert.fail());
    const large = allocator.take(256 * KIB) ?? assert.fail();
    assert.equal(allocator.take(1), undefined);
    for (const bytes of small.filter((_, index) => index % 2 === 0)) allocator.give(bytes);
    allocator.give(large);
    const again = Array.from({ length: 8 }, () => allocator.take(16 * KIB) ?? assert.fail());
    assert.ok(again.every(({ buffer }) => buffer === small[0]!.buffer));
    assert.notEqual(allocator.take(256 * KIB), undefined);
  });
});
