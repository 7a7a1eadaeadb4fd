// Whether every object that the plan needs is in the store with its size: a restore must not find out half way.

import type { SegmentSummary } from '../../model/segment/segment.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { decidingSegments } from '../plan/transaction-index.ts';
import { type RestorePlan, sourcesOf } from '../restore-plan.ts';
import { type CheckList, segmentsOf } from './check-list.ts';

/** Objects looked at once. */
const HEADS_AT_ONCE = 32;
/** Objects that a message names; `validate` names them all. */
const NAMES_SHOWN = 10;

export async function checkObjects(plan: RestorePlan, store: ObjectStore, list: CheckList): Promise<void> {
  const segments = neededSegments(plan);
  const wrong: string[] = [];
  for (let from = 0; from < segments.length; from += HEADS_AT_ONCE) {
    const looked = segments.slice(from, from + HEADS_AT_ONCE).map(async ({ key, storedSizeBytes }) => {
      const found = await store.head(key);
      if (found === undefined) return `${key} is missing`;
      if (found.sizeBytes === storedSizeBytes) return undefined;
      return `${key} has ${found.sizeBytes} bytes instead of ${storedSizeBytes}`;
    });
    for (const fault of await Promise.all(looked)) if (fault !== undefined) wrong.push(fault);
  }
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
