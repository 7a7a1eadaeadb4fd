// The store as long work uses it: failures that may pass are waited out. An object that is missing while a witness of the backup (its
// identity, another program's manifest) is missing too is no damage: the whole store is away, a mount that was lost.

import { BackupError } from '../model/errors.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';
import { type Patience, patiently } from '../model/patience.ts';

export class PatientStore implements ObjectStore {
  /** By all gets. */
  bytesRead = 0;
  readonly #store: ObjectStore;
  readonly #witnessKey: string;
  readonly #patience: Patience;

  /** `witnessKey` names an object that is there as long as the store is. */
  constructor(store: ObjectStore, witnessKey: string, patience: Patience) {
    this.#store = store;
    this.#witnessKey = witnessKey;
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
      const bytes = await this.#unlessAway(() => this.#store.get(key, range, into));
      this.bytesRead += bytes?.byteLength ?? 0;
      return bytes;
    });
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return patiently(this.#patience, () => this.#unlessAway(() => this.#store.head(key)));
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

  /** Asks again where nothing is found: the store may have come back before its witness was looked for. */
  async #unlessAway<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const found = await ask();
    if (found !== undefined) return found;
    await this.#assertThere();
    return ask();
  }

  async #assertThere(): Promise<void> {
    if ((await this.#store.head(this.#witnessKey)) !== undefined) return;
    throw new BackupError('STORE_UNAVAILABLE', `${this.#witnessKey} has gone from ${this.#store.description}`, {
      context: { key: this.#witnessKey },
    });
  }
}
