// The store as long work uses it: failures that may pass are waited out, and so is a mount that was lost (witnessed-store.ts).

import type { ByteRange, ObjectInfo, ObjectStore } from './object-store.ts';
import { type Patience, patiently, patientlyUnlessAborted } from '../model/patience.ts';
import { WitnessedStore } from './witnessed-store.ts';

export class PatientStore extends WitnessedStore {
  /** By all gets. */
  bytesRead = 0;
  readonly #patience: Patience;

  /** `witnessKey` names an object that is there as long as the store is. */
  constructor(store: ObjectStore, witnessKey: string, patience: Patience) {
    super(store, witnessKey);
    this.#patience = { ...patience, outage: { sinceMs: undefined } };
  }

  /** `chunks` are read again at every attempt. */
  override putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    return patiently(this.#patience, () => super.putIfAbsent(key, chunks));
  }

  /** A read that the signal has cut short may go on writing to `into` behind it: nobody may use that for anything else then. */
  override get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return patientlyUnlessAborted(this.#patience, async () => {
      const bytes = await super.get(key, range, into);
      this.bytesRead += bytes?.byteLength ?? 0;
      return bytes;
    });
  }

  override head(key: string): Promise<ObjectInfo | undefined> {
    return patientlyUnlessAborted(this.#patience, () => super.head(key));
  }

  /** After a failure it goes on behind the last one that was listed. */
  override async *list(prefix: string, startAfter?: string): AsyncGenerator<ObjectInfo> {
    let last = startAfter;
    let listing: AsyncIterator<ObjectInfo> | undefined;
    const next = async (): Promise<ObjectInfo | undefined> => {
      try {
        listing ??= super.list(prefix, last)[Symbol.asyncIterator]();
        const { done, value } = await listing.next();
        return done === true ? undefined : value;
      } catch (error) {
        listing = undefined;
        throw error;
      }
    };
    try {
      for (;;) {
        const found = await patiently(this.#patience, next);
        if (found === undefined) return;
        last = found.key;
        yield found;
      }
    } finally {
      await listing?.return?.();
    }
  }
}
