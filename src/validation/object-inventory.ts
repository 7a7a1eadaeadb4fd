// What lies in the store against what the catalog names: one listing finds objects that are missing, have another size, or
// belong to nobody. An orphan is no fault: a crash leaves one, and so does a backup that is at work right now. Keys are looked up one
// folder at a time, in the order of the listing: the segments of one partition.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError } from '../model/errors.ts';
import type { SegmentSummary } from '../model/segment/segment.ts';
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import type { ProblemList } from './problem-list.ts';
import { folderOf } from './segment-keys.ts';

const MAX_ORPHANS_KEPT = 1000;
/** No size of an object. */
const ABSENT = -1;

export interface Orphans {
  readonly count: number;
  readonly sizeBytes: number;
  /** The first thousand, in the order of their keys. */
  readonly objects: readonly ObjectInfo[];
}

export interface ObjectInventory {
  /** Committed objects that are there with their size, in the order of `segments`. */
  readonly present: readonly SegmentSummary[];
  readonly orphans: Orphans;
}

/** @throws INTERRUPTED, and what the store fails with. */
export async function takeInventory(
  store: ObjectStore,
  layout: ObjectLayout,
  segments: readonly SegmentSummary[],
  problems: ProblemList,
  signal: AbortSignal,
): Promise<ObjectInventory> {
  const folders = indexesByFolder(segments);
  const sizes = new Float64Array(segments.length).fill(ABSENT);
  const objects: ObjectInfo[] = [];
  let count = 0;
  let sizeBytes = 0;
  let folder: string | undefined;
  let wanted = new Map<string, number>();
  for await (const info of store.list(layout.dataPrefix)) {
    if (signal.aborted) throw new BackupError('INTERRUPTED', `the validation of ${layout.backupId} was stopped`);
    if (folder !== folderOf(info.key)) {
      folder = folderOf(info.key);
      wanted = new Map((folders.get(folder) ?? []).map((index) => [segments[index]?.key ?? '', index]));
    }
    const index = wanted.get(info.key);
    if (index !== undefined) {
      sizes[index] = info.sizeBytes;
      continue;
    }
    count += 1;
    sizeBytes += info.sizeBytes;
    if (objects.length < MAX_ORPHANS_KEPT) objects.push(info);
  }
  const present: SegmentSummary[] = [];
  for (const [index, segment] of segments.entries()) {
    const listed = sizes[index] ?? ABSENT;
    // A listing may have missed it; only the object itself can be said to be gone.
    const size = listed === ABSENT ? (await store.head(segment.key).catch(absentWhenNoKey))?.sizeBytes : listed;
    if (isAsCommitted(segment, size, problems)) present.push(segment);
  }
  return { present, orphans: { count, sizeBytes, objects } };
}

function indexesByFolder(segments: readonly SegmentSummary[]): Map<string, number[]> {
  const folders = new Map<string, number[]>();
  for (const [index, { key }] of segments.entries()) {
    const indexes = folders.get(folderOf(key));
    if (indexes === undefined) folders.set(folderOf(key), [index]);
    else indexes.push(index);
  }
  return folders;
}

/** A key that no store accepts names no object. */
function absentWhenNoKey(error: unknown): undefined {
  if (error instanceof BackupError && error.code === 'OBJECT_CORRUPT') return undefined;
  throw error;
}

function isAsCommitted(segment: SegmentSummary, sizeBytes: number | undefined, problems: ProblemList): boolean {
  const { key, topic, partition, baseOffset, storedSizeBytes } = segment;
  if (sizeBytes === storedSizeBytes) return true;
  const place = { key, topic, partition, offset: baseOffset };
  if (sizeBytes === undefined) {
    problems.add({ code: 'OBJECT_MISSING', message: `${key}, which the catalog names, is not in the store`, ...place });
  } else {
    const message = `${key} has ${sizeBytes} bytes instead of ${storedSizeBytes}`;
    problems.add({ code: 'OBJECT_CORRUPT', message, ...place });
  }
  return false;
}
