// A store in which something is known to be: an object that is missing while a witness of the backup (its identity, another program's
// manifest) is missing too is no damage. The whole store is away, a mount that was lost.

import { BackupError } from '../model/errors.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';

export class WitnessedStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #witnessKey: string;

  /** `witnessKey` names an object that is there as long as the store is. */
  constructor(store: ObjectStore, witnessKey: string) {
    this.#store = store;
    this.#witnessKey = witnessKey;
  }

  get description(): string {
    return this.#store.description;
  }

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    await this.#assertThere();
    return this.#store.putIfAbsent(key, chunks);
  }

  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#unlessAway(() => this.#store.get(key, range, into));
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#unlessAway(() => this.#store.head(key));
  }

  async *list(prefix: string, startAfter?: string): AsyncGenerator<ObjectInfo> {
    let isEmpty = true;
    for await (const info of this.#store.list(prefix, startAfter)) {
      isEmpty = false;
      yield info;
    }
    if (isEmpty) await this.#assertThere();
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
