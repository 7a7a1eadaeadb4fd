// The store as long work uses it: failures that may pass are waited out, and so is a mount that was lost (witnessed-store.ts).

import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';
import { type Patience, patiently, patientlyUnlessAborted } from '../model/patience.ts';
import { WitnessedStore } from './witnessed-store.ts';

export class PatientStore implements ObjectStore {
  /** By all gets. */
  bytesRead = 0;
  readonly #store: ObjectStore;
  readonly #patience: Patience;

  /** `witnessKey` names an object that is there as long as the store is. */
  constructor(store: ObjectStore, witnessKey: string, patience: Patience) {
    this.#store = new WitnessedStore(store, witnessKey);
    this.#patience = { ...patience, outage: { sinceMs: undefined } };
  }

  get description(): string {
    return this.#store.description;
  }

  /** `chunks` are read again at every attempt. */
  putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    return patiently(this.#patience, () => this.#store.putIfAbsent(key, chunks));
  }

  /** A read that the signal has cut short may go on writing to `into` behind it: nobody may use that for anything else then. */
  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return patientlyUnlessAborted(this.#patience, async () => {
      const bytes = await this.#store.get(key, range, into);
      this.bytesRead += bytes?.byteLength ?? 0;
      return bytes;
    });
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return patientlyUnlessAborted(this.#patience, () => this.#store.head(key));
  }

  /** After a failure it goes on behind the last one that was listed. */
  async *list(prefix: string, startAfter?: string): AsyncGenerator<ObjectInfo> {
    let last = startAfter;
    let listing: AsyncIterator<ObjectInfo> | undefined;
    const next = async (): Promise<ObjectInfo | undefined> => {
      try {
        listing ??= this.#store.list(prefix, last)[Symbol.asyncIterator]();
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

  delete(key: string): Promise<Deletion> {
    return this.#store.delete(key);
  }

  unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    return this.#store.unfinished(prefix);
  }

  discard(upload: UnfinishedUpload): Promise<void> {
    return this.#store.discard(upload);
  }

  clock(): Promise<number> {
    return this.#store.clock();
  }

  /** The store belongs to whoever opened it. */
  async close(): Promise<void> {}
}
