// What files of the peer hold of offsets that are gaps in our backup. A gap is for good: the catalog goes on behind it. So a file that
// was damaged and is mended, or that came later, is not imported any more, and whoever imports has to be told.

import type { OffsetRange } from './peer/peer-manifest.ts';

export interface HeldInGaps<File> {
  /** Files that reach into a gap. */
  readonly files: ReadonlySet<File>;
  /** Offsets of gaps from the first to the last offset of such a file, each counted once. */
  readonly offsets: bigint;
}

/** Neither list is in any order; gaps do not overlap, files may. */
export function heldInGaps<File extends OffsetRange>(
  files: Iterable<File>,
  gaps: readonly OffsetRange[],
): HeldInGaps<File> {
  const [ranges, holes] = [[...files].sort(byBase), [...gaps].sort(byBase)];
  const found = new Set<File>();
  let offsets = 0n;
  let uncounted = 0n;
  let first = 0;
  for (const file of ranges) {
    while ((holes[first]?.lastOffset ?? file.baseOffset) < file.baseOffset) first += 1;
    for (let at = first; (holes[at]?.baseOffset ?? file.lastOffset + 1n) <= file.lastOffset; at += 1) {
      found.add(file);
      const { baseOffset = 0n, lastOffset = 0n } = holes[at] ?? {};
      const from = [baseOffset, file.baseOffset, uncounted].reduce((high, one) => (one > high ? one : high));
      const to = lastOffset < file.lastOffset ? lastOffset : file.lastOffset;
      if (to < from) continue;
      offsets += to - from + 1n;
      uncounted = to + 1n;
    }
  }
  return { files: found, offsets };
}

function byBase(a: OffsetRange, b: OffsetRange): number {
  if (a.baseOffset === b.baseOffset) return 0;
  return a.baseOffset < b.baseOffset ? -1 : 1;
}
