// From when to when something can be restored, as far as the catalog proves it: from the first record's time to the last
// capture that reached the end of the log. A partition that was quiet afterwards proves nothing newer, whatever the clock says.

import type { PartitionHistory } from '../catalog/catalog-state.ts';
import { heldSinceMs, heldToMs } from '../model/segment/held-times.ts';

/** Epoch milliseconds; null where nothing is stored. */
export interface RestorableWindow {
  readonly fromMs: number | null;
  /** Newest instant of which every partition is known completely. */
  readonly toMs: number | null;
  /** Newest instant at which anything was captured. */
  readonly newestCaptureMs: number | null;
}

export const NO_WINDOW: RestorableWindow = { fromMs: null, toMs: null, newestCaptureMs: null };

/** Of the newest timeline of one partition. */
export function partitionWindow(history: PartitionHistory): RestorableWindow {
  const current = history.currentSegments();
  const last = current.at(-1);
  if (last === undefined) return NO_WINDOW;
  const starts = current.map(({ segment }) => heldSinceMs(segment));
  const { reachedLogEnd, nextOffset } = last.segment;
  const isWhole = reachedLogEnd && last.toOffset === nextOffset;
  return {
    fromMs: lowest(starts),
    toMs: heldToMs({ ...last.segment, reachedLogEnd: isWhole }),
    newestCaptureMs: highest(current.map(({ segment }) => segment.capturedAtMs)),
  };
}

/** Of several partitions together: from the first that can be restored, to where all of them can. */
export function joinWindows(windows: readonly RestorableWindow[]): RestorableWindow {
  return {
    fromMs: lowest(windows.flatMap(({ fromMs }) => fromMs ?? [])),
    toMs: lowest(windows.flatMap(({ toMs }) => toMs ?? [])),
    newestCaptureMs: highest(windows.flatMap(({ newestCaptureMs }) => newestCaptureMs ?? [])),
  };
}

function lowest(values: readonly number[]): number | null {
  return values.reduce<number | null>((low, value) => (low === null || value < low ? value : low), null);
}

function highest(values: readonly number[]): number | null {
  return values.reduce<number | null>((high, value) => (high === null || value > high ? value : high), null);
}
