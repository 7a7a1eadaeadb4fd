// Whether every object that the plan needs is in the store with its size: a restore must not find out half way.

import type { SegmentSummary } from '../../model/segment/segment.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { decidingSegments } from '../plan/transaction-index.ts';
import { type RestorePlan, sourcesOf } from '../restore-plan.ts';
import { type CheckList, segmentsOf } from './check-list.ts';

/** Objects, or partitions, looked at together: their requests overlap. */
const LOOKED_AT_ONCE = 32;
/** From so many objects of a partition on, a store is asked for a listing, which tells of a thousand at a time. */
const LISTED_FROM = 100;
/** Objects that a message names; `validate` names them all. */
const NAMES_SHOWN = 10;

export async function checkObjects(plan: RestorePlan, store: ObjectStore, list: CheckList): Promise<void> {
  const segments = neededSegments(plan);
  const listed = await listedSizes(segments, store);
  const faults = await together(segments, async ({ key, storedSizeBytes }) => {
    // A listing may have missed it; only the object itself can be said to be gone.
    const sizeBytes = listed.get(key) ?? (await store.head(key))?.sizeBytes;
    if (sizeBytes === undefined) return `${key} is missing`;
    return sizeBytes === storedSizeBytes ? undefined : `${key} has ${sizeBytes} bytes instead of ${storedSizeBytes}`;
  });
  const wrong = faults.filter((fault) => fault !== undefined);
  if (wrong.length === 0) {
    list.ok('objects', `all ${segments.length} object(s) are there with their size`);
    return;
  }
  const more = wrong.length > NAMES_SHOWN ? `, and ${wrong.length - NAMES_SHOWN} more` : '';
  list.block(
    'objects',
    `${wrong.length} of ${segments.length} object(s) are damaged: ${wrong.slice(0, NAMES_SHOWN).join('; ')}${more}; validate lists them all, bring them back from a copy of the store`,
  );
}

/** Those that are restored, and those behind them that say which of their transactions were committed. */
function neededSegments({ topics }: RestorePlan): SegmentSummary[] {
  const deciding = topics.flatMap(sourcesOf).flatMap(decidingSegments);
  return [...topics.flatMap(segmentsOf), ...deciding.map(({ segment }) => segment)];
}

/** By key, of the partitions of which many objects are needed. */
async function listedSizes(segments: readonly SegmentSummary[], store: ObjectStore): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const folders = Map.groupBy(segments, ({ key }) => key.slice(0, key.lastIndexOf('/') + 1));
  const large = [...folders].filter(([, ofOne]) => ofOne.length >= LISTED_FROM);
  await together(large, async ([folder, ofOne]) => {
    const keys = ofOne.map(({ key }) => key).sort();
    const [first = folder, last = folder] = [keys[0], keys.at(-1)];
    for await (const { key, sizeBytes } of store.list(folder, first.slice(0, -1))) {
      if (key > last) break;
      sizes.set(key, sizeBytes);
    }
  });
  return sizes;
}

async function together<T, R>(items: readonly T[], look: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += LOOKED_AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + LOOKED_AT_ONCE).map(look))));
  return results;
}
