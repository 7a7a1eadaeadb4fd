// Segment files that no entry of the manifest names. The peer leaves some behind when it runs again under the same id with another
// compression: the name of the new file ends otherwise, and its merge keeps the old entry of that first offset (its backup/engine.rs,
// merge_manifests). What such a file holds is in no backup, its own restore does not find it either.

import type { ObjectStore } from '../../storage/object-store.ts';
import { type PeerManifest, type PeerPartition, SEGMENT_KEY } from './peer-manifest.ts';

const MANIFEST_NAME = /[^/]*$/;

/** Keys of segment files in the folder of the backup that are not accounted for, ascending. @throws what the store fails with. */
export async function listUnnamed(store: ObjectStore, manifest: PeerManifest): Promise<string[]> {
  const unnamed: string[] = [];
  const isAccounted = accountOf(manifest);
  const folder = manifest.key.replace(MANIFEST_NAME, 'topics/');
  for await (const { key } of store.list(folder)) {
    if (SEGMENT_KEY.test(key) && !isAccounted(key)) unnamed.push(key);
  }
  return unnamed;
}

/** Whether a manifest names a file, or says that its offsets were pruned: then it only waits to be deleted. */
export function accountOf({ topics }: PeerManifest): (key: string) => boolean {
  const named = new Set<string>();
  const partitions = new Map<string, PeerPartition>();
  for (const { topic, partitions: those } of topics) {
    for (const partition of those) {
      partitions.set(`${topic}/${partition.partition}`, partition);
      for (const { key } of partition.segments) named.add(key);
    }
  }
  return (key) => {
    if (named.has(key)) return true;
    const [, topic, partition, digits] = SEGMENT_KEY.exec(key) ?? [];
    if (digits === undefined) return false;
    const firstOffset = BigInt(digits);
    const declared = partitions.get(`${topic}/${partition}`)?.declaredGaps ?? [];
    return declared.some(({ baseOffset, lastOffset }) => baseOffset <= firstOffset && firstOffset <= lastOffset);
  };
}
