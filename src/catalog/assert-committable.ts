// A last look before a commit: whether the store is still the one that holds this backup, and holds what the commit will name. A
// directory whose disk was unmounted takes files as if nothing had happened, and whoever prunes beside a running agent may remove
// what it has stored and not committed yet. What a commit has named and is not there would be lost for good.

import { BackupError } from '../model/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { CatalogAction } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

/** Objects looked for at once. */
const LOOKS_AT_ONCE = 16;

/**
 * @throws STORE_UNAVAILABLE when the identity of the backup is gone: it may come back with the store. OBJECT_MISSING when an object
 * is: what it held is in the source still, for whoever goes on from the last commit.
 */
export async function assertCommittable(
  store: ObjectStore,
  layout: ObjectLayout,
  actions: readonly CatalogAction[],
): Promise<void> {
  const isFounded = async (): Promise<boolean> => (await store.head(layout.identity)) !== undefined;
  const [missing, wasFounded] = await Promise.all([firstMissing(store, actions), isFounded()]);
  // Looked for again behind objects that are gone: where the store is another one by now, they are not what is gone.
  if (!wasFounded || (missing !== undefined && !(await isFounded()))) {
    throw new BackupError(
      'STORE_UNAVAILABLE',
      `${layout.identity} is gone from ${store.description}: this is not the store that the backup was begun in; is its disk mounted?`,
    );
  }
  if (missing === undefined) return;
  throw new BackupError(
    'OBJECT_MISSING',
    `${missing} was stored and is gone before its commit; nothing is lost: start again, and the backup goes on from what is committed`,
    { context: { key: missing } },
  );
}

/** Key of an object that is not there as it was stored. */
async function firstMissing(store: ObjectStore, actions: readonly CatalogAction[]): Promise<string | undefined> {
  const segments = actions.flatMap((action) => (action.kind === 'segment' ? [action.segment] : []));
  for (let from = 0; from < segments.length; from += LOOKS_AT_ONCE) {
    const looks = segments.slice(from, from + LOOKS_AT_ONCE).map(async ({ key, storedSizeBytes }) => {
      return (await store.head(key))?.sizeBytes === storedSizeBytes ? undefined : key;
    });
    const missing = (await Promise.all(looks)).find((key) => key !== undefined);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
