// What the catalog must say of a partition: its segments and gaps lie side by side from one offset to another, so that every
// offset is there exactly once or is known to be missing.
import assert from 'node:assert/strict';
import type { CatalogState, PartitionHistory } from '../../src/catalog/catalog-state.ts';

export interface Piece {
  readonly kind: 'segment' | 'gap';
  readonly from: bigint;
  /** Exclusive. */
  readonly to: bigint;
}

/** Segments and gaps of the newest timeline, in offset order. */
export function piecesOf(history: PartitionHistory): Piece[] {
  const segments = history
    .currentSegments()
    .map(({ fromOffset, toOffset }): Piece => ({ kind: 'segment', from: fromOffset, to: toOffset }));
  const gaps = history.gaps.map(
    ({ baseOffset, lastOffset }): Piece => ({ kind: 'gap', from: baseOffset, to: lastOffset + 1n }),
  );
  return [...segments, ...gaps].sort((a, b) => (a.from < b.from ? -1 : 1));
}

/** Asserts that the pieces of a partition cover `[from, to)` without hole and overlap. @returns how many there are */
export function assertTiling(history: PartitionHistory, from: bigint, to: bigint): number {
  const pieces = piecesOf(history);
  const { topic, partition } = history.identity;
  let next = from;
  for (const piece of pieces) {
    const said = `${topic}-${partition}: ${piece.kind} [${piece.from}, ${piece.to}) after [.., ${next})`;
    assert.equal(piece.from, next, said);
    assert.ok(piece.to > piece.from, said);
    next = piece.to;
  }
  assert.equal(next, to, `${topic}-${partition}: end of ${pieces.length} pieces`);
  return pieces.length;
}

/** Asserts it of every partition of the newest life of a topic. @returns the number of pieces */
export function assertTopicTiling(
  state: CatalogState,
  topic: string,
  from: ReadonlyMap<number, bigint>,
  to: ReadonlyMap<number, bigint>,
): number {
  const life = state.incarnations.findLast((one) => one.topic === topic);
  let pieces = 0;
  for (const [partition, end] of to) {
    const start = from.get(partition) ?? 0n;
    const history = life?.partitions.get(partition);
    if (history === undefined) assert.equal(end, start, `${topic}-${partition} is not in the catalog`);
    else pieces += assertTiling(history, start, end);
  }
  return pieces;
}
