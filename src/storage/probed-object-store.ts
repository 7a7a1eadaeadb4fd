// A store that is tried out before it is used: whether it is there, lets us list, create and read, and honours put-if-absent, on
// which everything rests. One small object stays behind, since whoever may only create cannot delete.

import { BackupError } from '../model/errors.ts';
import { once } from '../model/once.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';

const CONTENT = Buffer.from('Written once, to find out whether this store honours put-if-absent.\n');

/** Rejects when the store refuses what new objects of a key are given. Leaves nothing behind. */
export type TryCreating = (key: string) => Promise<void>;

export class ProbedObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #probeKey: string;
  readonly #tryCreating: TryCreating | null;
  readonly #probed = once(() => this.#tryOut());

  /** @param tryCreating null where new objects are given nothing but their bytes */
  constructor(inner: ObjectStore, probeKey: string, tryCreating: TryCreating | null = null) {
    this.#inner = inner;
    this.#probeKey = probeKey;
    this.#tryCreating = tryCreating;
  }

  get description(): string {
    return this.#inner.description;
  }

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    await this.#probed();
    return this.#inner.putIfAbsent(key, chunks);
  }

  /** Read beside the trial and told after it: no backup begins without reading what it is. */
  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const probed = this.#probed();
    const reading = this.#inner.get(key, range, into);
    reading.catch(() => {});
    await probed;
    return reading;
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    this.#beginTrial();
    return this.#inner.head(key);
  }

  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    this.#beginTrial();
    return this.#inner.list(prefix, startAfter);
  }

  async delete(key: string): Promise<Deletion> {
    await this.#probed();
    return this.#inner.delete(key);
  }

  async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    await this.#probed();
    yield* this.#inner.unfinished(prefix);
  }

  async discard(upload: UnfinishedUpload): Promise<void> {
    await this.#probed();
    await this.#inner.discard(upload);
  }

  async clock(): Promise<number> {
    await this.#probed();
    return this.#inner.clock();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** What only looks for objects does not wait for the trial. */
  #beginTrial(): void {
    this.#probed().catch(() => {});
  }

  async #tryOut(): Promise<void> {
    await Promise.all([this.#tryListing(), this.#tryPutting()]);
  }

  async #tryListing(): Promise<void> {
    for await (const _ of this.#inner.list(this.#probeKey)) break;
  }

  /**
   * Requests that do not build on each other go out together: a distant store costs a start a round trip for each step. Of two
   * puts at once, one at most may create.
   */
  async #tryPutting(): Promise<void> {
    const store = this.#inner;
    const key = this.#probeKey;
    const puts = [store.putIfAbsent(key, [CONTENT]), store.putIfAbsent(key, [CONTENT])];
    // Read as soon as one of them is through.
    const reading = Promise.any(puts).then(() => store.get(key));
    reading.catch(() => {});
    const outcomes = await Promise.all(puts);
    const bytes = await reading;
    // Of an object that is there already a store answers just that, before it looks at what a new one is to be.
    if (outcomes.every((outcome) => outcome === 'exists')) await this.#tryCreating?.(key);
    if (outcomes.every((outcome) => outcome === 'created')) {
      const message = `${store.description} overwrites objects where it was told not to (${key})`;
      throw new BackupError('STORE_UNSUITABLE', `${message}. Use a store with conditional writes.`, {
        context: { key },
      });
    }
    if (bytes === undefined || !CONTENT.equals(bytes)) {
      const found = bytes === undefined ? 'nothing' : 'something else';
      const message = `${key} was put into ${store.description}, and ${found} was read back`;
      throw new BackupError('STORE_UNSUITABLE', message, { context: { key } });
    }
  }
}
