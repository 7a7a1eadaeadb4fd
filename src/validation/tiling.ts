// The rule that makes a backup complete: within an incarnation, segments and gaps tile the offsets of each timeline without
// overlap or hole, from where the partition starts, and a truncation begins the next timeline at an offset that was reached. Judged
// commit by commit, in order, so that later actions are held against exactly what their writer saw.

import type { PartitionHistory } from '../catalog/catalog-state.ts';
import type { CatalogAction } from '../catalog/commit.ts';
import type { Gap, SegmentSummary } from '../model/segment/segment.ts';

export interface TilingFault {
  readonly message: string;
  readonly offset: bigint;
}

/** What is wrong with `action` as the next one of `history`; undefined when it fits. Pure: it is not applied. */
export function tilingFault(history: PartitionHistory, action: CatalogAction): TilingFault | undefined {
  switch (action.kind) {
    case 'segment':
      return segmentFault(history, action.segment);
    case 'gap':
      return gapFault(history, action.gap);
    case 'truncation': {
      const { timeline, endOffset } = action.truncation;
      const { nextOffset, timeline: current } = positionOf(history);
      if (timeline !== current + 1) return fault(endOffset, `timeline ${timeline} follows timeline ${current}`);
      if (nextOffset === undefined || endOffset > nextOffset) {
        return fault(endOffset, `the log was cut at offset ${endOffset}, where the backup had not been`);
      }
      return undefined;
    }
    case 'start':
    case 'remove':
    case 'topic':
    case 'note':
      return undefined;
  }
}

function segmentFault(
  history: PartitionHistory,
  { baseOffset, nextOffset, timeline }: SegmentSummary,
): TilingFault | undefined {
  const current = positionOf(history).timeline;
  if (nextOffset <= baseOffset)
    return fault(baseOffset, `a segment from ${baseOffset} to before ${nextOffset} covers nothing`);
  if (timeline !== current) return fault(baseOffset, `a segment of timeline ${timeline} follows timeline ${current}`);
  return boundaryFault(history, 'segment', baseOffset);
}

function gapFault(history: PartitionHistory, { baseOffset, lastOffset }: Gap): TilingFault | undefined {
  if (lastOffset < baseOffset) return fault(baseOffset, `a gap from ${baseOffset} to ${lastOffset} covers nothing`);
  return boundaryFault(history, 'gap', baseOffset);
}

function boundaryFault(history: PartitionHistory, what: string, baseOffset: bigint): TilingFault | undefined {
  const { nextOffset } = positionOf(history);
  if (nextOffset === undefined || baseOffset === nextOffset) return undefined;
  if (baseOffset > nextOffset) {
    return fault(nextOffset, `offsets ${nextOffset} to ${baseOffset - 1n} are neither stored nor declared as a gap`);
  }
  return fault(baseOffset, `a ${what} from offset ${baseOffset} overlaps what is stored up to ${nextOffset - 1n}`);
}

function positionOf(history: PartitionHistory): { readonly nextOffset: bigint | undefined; readonly timeline: number } {
  return { nextOffset: history.resume?.nextOffset, timeline: history.resume?.timeline ?? 0 };
}

function fault(offset: bigint, message: string): TilingFault {
  return { offset, message };
}
