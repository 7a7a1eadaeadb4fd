// Checkpoints that newer ones have replaced. The newest few that are whole stay, with every piece that they name, and so does each
// that was the newest one within the age limit: somebody may be reading it. Indexes go first, then pieces that no index names which
// is there by then: a writer looks for the index that it builds on before it names its pieces again, and so does not name what is
// about to go. Should the two meet within that moment, there is a checkpoint that nobody can read, and readers pass over it.

import { readWholeIndex } from '../catalog/checkpoint/checkpoint.ts';
import { type DecodedIndex, readIndex } from '../catalog/checkpoint/checkpoint-index.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError } from '../model/errors.ts';
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import type { LeftoverList } from './leftover-list.ts';

const KEPT_CHECKPOINTS = 3;

export interface CheckpointSweep {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  /** By the store's clock. */
  readonly bornBeforeMs: number;
  readonly leftovers: LeftoverList;
  /** Removes it or only notes it. @throws INTERRUPTED. */
  readonly remove: (object: ObjectInfo) => Promise<void>;
}

/** Where no checkpoint is whole, nothing is superseded. @throws FORMAT_TOO_NEW, INTERRUPTED, and what the store fails with. */
export async function pruneCheckpoints(sweep: CheckpointSweep): Promise<void> {
  const removed = await pruneIndexes(sweep);
  if (removed === undefined) return;
  const { store, layout, bornBeforeMs, leftovers, remove } = sweep;
  const named = new Set<string>();
  for (const { key, version } of await listIndexes(sweep)) {
    if (removed.has(key)) continue;
    const index = await unlessCorrupt(readIndex(store, layout, version));
    for (const { pieces } of index?.topics ?? []) for (const piece of pieces) named.add(piece.key);
  }
  for await (const object of store.list(layout.checkpointPiecePrefix)) {
    if (named.has(object.key)) continue;
    if (object.modifiedAtMs > bornBeforeMs) leftovers.spare('young', object);
    else await remove(object);
  }
}

/** Keys of those that went, or would; undefined where there is no whole one. */
async function pruneIndexes(sweep: CheckpointSweep): Promise<Set<string> | undefined> {
  const { store, layout, bornBeforeMs, leftovers, remove } = sweep;
  const removed = new Set<string>();
  const verified = new Set<string>();
  let whole = 0;
  let supersededAtMs = Number.POSITIVE_INFINITY;
  for (const index of (await listIndexes(sweep)).reverse()) {
    if (whole < KEPT_CHECKPOINTS && (await isWhole(readWholeIndex(store, layout, index.version, verified)))) {
      whole += 1;
    } else if (whole > 0 && supersededAtMs > bornBeforeMs) {
      leftovers.spare('young', index);
    } else if (whole > 0) {
      await remove(index);
      removed.add(index.key);
    }
    supersededAtMs = index.modifiedAtMs;
  }
  return whole === 0 ? undefined : removed;
}

type IndexObject = ObjectInfo & { readonly version: number };

/** Oldest first. */
async function listIndexes({ store, layout }: CheckpointSweep): Promise<IndexObject[]> {
  const indexes: IndexObject[] = [];
  for await (const object of store.list(layout.checkpointPrefix)) {
    if (object.key.startsWith(layout.checkpointPiecePrefix)) break;
    const version = layout.versionOfCheckpoint(object.key);
    if (version !== undefined) indexes.push({ ...object, version });
  }
  return indexes;
}

async function isWhole(reading: Promise<DecodedIndex>): Promise<boolean> {
  return (await unlessCorrupt(reading)) !== undefined;
}

async function unlessCorrupt(reading: Promise<DecodedIndex>): Promise<DecodedIndex | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof BackupError && error.code === 'CATALOG_CORRUPT') return undefined;
    throw error;
  }
}
