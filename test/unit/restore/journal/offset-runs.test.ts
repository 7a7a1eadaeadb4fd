import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OffsetRuns, placed, RUNS_PER_PIECE, type SourceRun } from '../../../../src/restore/journal/offset-runs.ts';

function run(firstSourceOffset: bigint, count: number, sourcePartition = 0): SourceRun {
  return { sourcePartition, firstSourceOffset, count };
}

test('runs that continue one another are one, however many records they have', () => {
  const runs = new OffsetRuns();
  for (let offset = 0n; offset < 10_000_000n; offset += 1000n) runs.add(run(offset, 1000));
  assert.equal(runs.runCount, 1);
  assert.equal(runs.recordCount, 10_000_000n);
  assert.deepEqual(runs.open, [run(0n, 10_000_000)]);
});

test('a hole, a step back and another partition begin a new run', () => {
  const runs = new OffsetRuns();
  for (const one of [run(0n, 5), run(6n, 5), run(11n, 2), run(3n, 1), run(4n, 1, 1)]) runs.add(one);
  assert.deepEqual(runs.open, [run(0n, 5), run(6n, 7), run(3n, 1), run(4n, 1, 1)]);
  const offsets = [...placed(runs.open, 100n)].map(({ firstTargetOffset }) => firstTargetOffset);
  assert.deepEqual(offsets, [100n, 105n, 112n, 113n]);
});

test('a long map is given away in pieces that lie behind one another, and cut in the same places every time', () => {
  const total = RUNS_PER_PIECE * 2 + 10;
  const cut = (counts: readonly number[]): { runs: readonly SourceRun[]; firstIndex: bigint }[] => {
    const runs = new OffsetRuns();
    const pieces = [];
    let given = 0;
    for (const count of counts) {
      // The same runs, added in parts of different sizes.
      for (let part = 0; part < count; part += 1) {
        const piece = runs.add(run(BigInt(given) * 10n + BigInt(part), 1));
        if (piece !== undefined) pieces.push(piece);
      }
      given += 1;
    }
    assert.equal(runs.runCount, total);
    assert.equal(runs.open.length, 10);
    return pieces;
  };
  const counts = Array.from({ length: total }, (_, index) => 1 + (index % 3));
  const pieces = cut(counts);
  assert.deepEqual(
    pieces.map(({ runs }) => runs.length),
    [RUNS_PER_PIECE, RUNS_PER_PIECE],
  );
  assert.equal(pieces[0]!.firstIndex, 0n);
  const inFirst = pieces[0]!.runs.reduce((sum, { count }) => sum + BigInt(count), 0n);
  assert.equal(pieces[1]!.firstIndex, inFirst);
  assert.deepEqual(cut(counts), pieces);
});
