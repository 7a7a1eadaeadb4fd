// Decides transactions across segments, from their footers alone: the next marker of a producer after a batch decides it. A
// commit whose marker is past the recovery target had not happened then.

import type { CurrentSegment } from '../catalog/catalog-state.ts';
import type { RecoveryTarget } from '../model/recovery-target.ts';
import type { TransactionMarker } from '../model/segment.ts';
import { readFooter } from '../segment/segment-reader.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { MarkerVerdict, Verdict } from './judge-frame.ts';

/** Footers read at once. */
const READ_AHEAD = 8;

export class TransactionIndex {
  /** By producer, in offset order. */
  readonly #markers = new Map<bigint, MarkerVerdict[]>();

  /** `markers` in any order. */
  constructor(markers: Iterable<TransactionMarker>, target: RecoveryTarget) {
    for (const marker of markers) {
      const list = this.#markers.get(marker.producerId) ?? [];
      list.push({ producerId: marker.producerId, offset: marker.offset, verdict: verdictOf(marker, target) });
      this.#markers.set(marker.producerId, list);
    }
    for (const list of this.#markers.values()) list.sort((a, b) => (a.offset < b.offset ? -1 : 1));
  }

  /** Reads the footers of all transactional segments of a partition. @throws OBJECT_MISSING, OBJECT_CORRUPT. */
  static async read(
    store: ObjectStore,
    segments: readonly CurrentSegment[],
    target: RecoveryTarget,
  ): Promise<TransactionIndex> {
    const markers: TransactionMarker[] = [];
    for (let from = 0; from < segments.length; from += READ_AHEAD) {
      const read = segments.slice(from, from + READ_AHEAD).map(async ({ segment, fromOffset, toOffset }) => {
        const { transactions } = await readFooter(store, segment);
        return transactions.markers.filter(({ offset }) => offset >= fromOffset && offset < toOffset);
      });
      markers.push(...(await Promise.all(read)).flat());
    }
    return new TransactionIndex(markers, target);
  }

  /** Those that can decide a batch with a base offset in `[baseOffset, lastOffset]`: of each producer up to the next one after. */
  deciding(baseOffset: bigint, lastOffset: bigint): MarkerVerdict[] {
    const deciding: MarkerVerdict[] = [];
    for (const list of this.#markers.values()) {
      for (let index = firstAfter(list, baseOffset); index < list.length; index += 1) {
        const marker = list[index];
        if (marker === undefined) break;
        deciding.push(marker);
        if (marker.offset > lastOffset) break;
      }
    }
    return deciding;
  }
}

function verdictOf({ outcome, timestampMs }: TransactionMarker, { toMs }: RecoveryTarget): Verdict {
  if (outcome === 'abort') return 'aborted-transaction';
  return toMs !== undefined && timestampMs > toMs ? 'decided-after-target' : 'keep';
}

/** Index of the first marker whose offset is greater than `offset`. */
function firstAfter(list: readonly MarkerVerdict[], offset: bigint): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.offset ?? 0n) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
