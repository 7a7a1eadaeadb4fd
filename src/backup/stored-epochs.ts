// Where the stored log of a partition leaves a leader epoch. A source whose log has parted from ours says where an epoch ends with
// it; the footers say where that one ends with us, and both agree up to the lower of the two, as between a leader and a
// follower (KIP-279; AbstractFetcherThread.getOffsetTruncationState). Only a log that has parted is worth reading them.

import { readCatalog } from '../catalog/catalog-reader.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { PartitionIdentity } from '../model/segment/segment.ts';
import { readFooter } from '../segment/segment-reader.ts';
import type { ObjectStore } from '../storage/object-store.ts';

export interface EpochEnd {
  /** Behind the last batch of the epoch and of all before it. */
  readonly endOffset: bigint;
  /** Of the batch before `endOffset`; -1 when there is none. */
  readonly epoch: number;
}

/** Above every leader epoch: the end of all that is stored. */
const ANY_EPOCH = Number.POSITIVE_INFINITY;

export interface StoredLog {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly identity: PartitionIdentity;
  /** Behind everything that is stored. */
  readonly nextOffset: bigint;
}

/**
 * The end of the largest stored epoch that is not above `epoch`. Undefined while the catalog does not hold all of the log: then
 * it will soon. @throws what the catalog, a footer or the store fails with.
 */
export async function storedEpochEnd(log: StoredLog, epoch: number): Promise<EpochEnd | undefined> {
  const { store, layout, identity, nextOffset } = log;
  const state = await readCatalog(store, layout, { topics: (topic) => topic === identity.topic });
  const history = state.incarnation(identity.topic, identity.topicId).partition(identity.partition);
  if (history.resume?.nextOffset !== nextOffset) return undefined;
  let before = -1;
  for (const { segment, toOffset } of history.currentSegments()) {
    if (segment.leaderEpoch <= epoch && toOffset === segment.nextOffset) {
      before = segment.leaderEpoch;
      continue;
    }
    const { leaderEpochs } = await readFooter(store, segment);
    for (const run of leaderEpochs) {
      if (run.baseOffset >= toOffset) break;
      if (run.epoch > epoch) return { endOffset: run.baseOffset, epoch: before };
      before = run.epoch;
    }
  }
  return { endOffset: nextOffset, epoch: before };
}

/** Leader epoch of the last stored batch before `nextOffset`; -1 where none is known. @throws as {@link storedEpochEnd} */
export async function lastStoredEpoch(log: StoredLog): Promise<number> {
  return (await storedEpochEnd(log, ANY_EPOCH))?.epoch ?? -1;
}
