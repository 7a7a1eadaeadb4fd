import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { heldInGaps } from '../../../src/import/held-in-gaps.ts';
import type { OffsetRange } from '../../../src/import/peer/peer-manifest.ts';

function offsetsOf({ baseOffset, lastOffset }: OffsetRange): bigint[] {
  return Array.from({ length: Number(lastOffset - baseOffset) + 1 }, (_, index) => baseOffset + BigInt(index));
}

test('counts each offset of a gap once that a file reaches over, and the files that do', () => {
  const range = fc
    .tuple(fc.nat({ max: 40 }), fc.nat({ max: 15 }))
    .map(([from, more]) => ({ baseOffset: BigInt(from), lastOffset: BigInt(from + more) }));
  // Offsets that are missing; their runs are the gaps.
  const missing = fc.uniqueArray(fc.nat({ max: 60 }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), missing, (files, offsets) => {
      const gaps = offsets.map((offset) => ({ baseOffset: BigInt(offset), lastOffset: BigInt(offset) }));
      const merged = gaps
        .toSorted((a, b) => Number(a.baseOffset - b.baseOffset))
        .reduce<OffsetRange[]>((runs, gap) => {
          const before = runs.at(-1);
          if (before?.lastOffset !== gap.baseOffset - 1n) return [...runs, gap];
          return [...runs.slice(0, -1), { ...before, lastOffset: gap.lastOffset }];
        }, []);
      const holes = new Set(gaps.map(({ baseOffset }) => baseOffset));
      const held = new Set(files.flatMap(offsetsOf).filter((offset) => holes.has(offset)));
      const touching = files.filter((file) => offsetsOf(file).some((offset) => holes.has(offset)));
      const found = heldInGaps(files, merged.toReversed());
      assert.equal(found.offsets, BigInt(held.size));
      assert.deepEqual(new Set(found.files), new Set(touching));
    }),
    { seed: 20_261_130, numRuns: 500 },
  );
});
