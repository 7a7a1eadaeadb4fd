// A store that is tried out before it is used: whether it is there, lets us list, create and read, and honours put-if-absent, on
// which everything rests, for small objects and for those in parts, which are created by other requests and may be denied alone.
// One small object stays behind, since whoever may only create cannot delete.

import { BackupError } from '../model/errors.ts';
import { once } from '../model/once.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';

const CONTENT = Buffer.from('Written once, to find out whether this store honours put-if-absent.\n');

/**
 * Puts a small object in parts, with all that new objects are given, and gives the upload up when the store says that there is one.
 * @param isThere resolves when there is an object of this key; the upload does not end before
 */
export type PutInParts = (key: string, bytes: Buffer, isThere: Promise<unknown>) => Promise<'created' | 'exists'>;

export class ProbedObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #probeKey: string;
  readonly #putInParts: PutInParts | null;
  readonly #probed = once(() => this.#tryOut());

  /** @param putInParts null where there are no parts */
  constructor(inner: ObjectStore, probeKey: string, putInParts: PutInParts | null = null) {
    this.#inner = inner;
    this.#probeKey = probeKey;
    this.#putInParts = putInParts;
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
    const key = this.#probeKey;
    const puts = [this.#inner.putIfAbsent(key, [CONTENT]), this.#inner.putIfAbsent(key, [CONTENT])];
    const isThere = Promise.any(puts);
    const inParts = this.#putInParts?.(key, CONTENT, isThere);
    inParts?.catch(() => {});
    const listing = this.#tryListing();
    try {
      await Promise.all([listing, this.#tryPutting(puts, isThere, listing)]);
    } finally {
      // An upload that was begun is given up, whatever else fails.
      await Promise.allSettled([inParts]);
    }
    if ((await inParts) === 'created') throw this.#overwrites('objects in parts');
  }

  async #tryListing(): Promise<void> {
    for await (const _ of this.#inner.list(this.#probeKey)) break;
  }

  /**
   * Requests that do not build on each other go out together: a distant store costs a start a round trip for each step. Of two
   * puts at once, one at most may create.
   */
  async #tryPutting(
    puts: readonly Promise<'created' | 'exists'>[],
    isThere: Promise<unknown>,
    listing: Promise<void>,
  ): Promise<void> {
    const store = this.#inner;
    const key = this.#probeKey;
    const reading = isThere.then(() => store.get(key));
    reading.catch(() => {});
    const outcomes = await Promise.all(puts);
    // What says yes to everything may be no store at all: a listing tells.
    if (outcomes.every((outcome) => outcome === 'created')) await listing;
    const bytes = await reading;
    if (outcomes.every((outcome) => outcome === 'created')) throw this.#overwrites('objects');
    if (bytes === undefined || !CONTENT.equals(bytes)) {
      const found = bytes === undefined ? 'nothing' : 'something else';
      const message = `${key} was put into ${store.description}, and ${found} was read back`;
      throw new BackupError('STORE_UNSUITABLE', message, { context: { key } });
    }
  }

  #overwrites(what: string): BackupError {
    const key = this.#probeKey;
    const message = `${this.#inner.description} overwrites ${what} where it was told not to (${key})`;
    return new BackupError('STORE_UNSUITABLE', `${message}. Use a store with conditional writes.`, {
      context: { key },
    });
  }
}
