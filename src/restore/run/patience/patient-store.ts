// The store as a running restore uses it: failures that may pass are waited out. An object that is missing while the backup's
// identity is missing too is no damage: the whole store is away, a mount that was lost.

import { BackupError } from '../../../model/errors.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from '../../../storage/object-store.ts';
import { type Patience, patiently } from './patience.ts';

export class PatientStore implements ObjectStore {
  /** By all gets. */
  bytesRead = 0;
  readonly #store: ObjectStore;
  readonly #identityKey: string;
  readonly #patience: Patience;

  constructor(store: ObjectStore, identityKey: string, patience: Patience) {
    this.#store = store;
    this.#identityKey = identityKey;
    this.#patience = patience;
  }

  get description(): string {
    return this.#store.description;
  }

  /** `chunks` are read again at every attempt. */
  putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    return patiently(this.#patience, async () => {
      await this.#assertThere();
      return this.#store.putIfAbsent(key, chunks);
    });
  }

  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return patiently(this.#patience, async () => {
      const bytes = await this.#store.get(key, range, into);
      if (bytes === undefined) await this.#assertThere();
      this.bytesRead += bytes?.byteLength ?? 0;
      return bytes;
    });
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return patiently(this.#patience, async () => {
      const found = await this.#store.head(key);
      if (found === undefined) await this.#assertThere();
      return found;
    });
  }

  /** After a failure it goes on behind the last one that was listed. */
  async *list(prefix: string, startAfter?: string): AsyncGenerator<ObjectInfo> {
    let last = startAfter;
    let isEmpty = true;
    let listing: AsyncIterator<ObjectInfo> | undefined;
    const next = async (): Promise<ObjectInfo | undefined> => {
      try {
        listing ??= this.#store.list(prefix, last)[Symbol.asyncIterator]();
        const { done, value } = await listing.next();
        if (done === true && isEmpty) await this.#assertThere();
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
        isEmpty = false;
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

  async #assertThere(): Promise<void> {
    if ((await this.#store.head(this.#identityKey)) !== undefined) return;
    throw new BackupError('STORE_UNAVAILABLE', `${this.#identityKey} has gone from ${this.#store.description}`, {
      context: { key: this.#identityKey },
    });
  }
}
