// A store that is tried out before it is used: whether it is there, lets us list, create and read, and honours put-if-absent, on
// which everything rests. One small object stays behind, since whoever may only create cannot delete; where it is found again,
// the trial is one refused put and one read.

import { BackupError } from '../model/errors.ts';
import type { ByteRange, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';

const CONTENT = Buffer.from('Written once, to find out whether this store honours put-if-absent.\n');

export class ProbedObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #probeKey: string;
  #probe: Promise<void> | undefined;

  constructor(inner: ObjectStore, probeKey: string) {
    this.#inner = inner;
    this.#probeKey = probeKey;
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

  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    this.#beginTrial();
    return this.#inner.get(key, range, into);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    this.#beginTrial();
    return this.#inner.head(key);
  }

  /** Asked beside the trial and told after it: a catalog is listed before anything is fetched. */
  async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    const listing = this.#inner.list(prefix, startAfter)[Symbol.asyncIterator]();
    const first = listing.next();
    first.catch(() => {});
    try {
      await this.#probed();
      for (let next = await first; next.done !== true; next = await listing.next()) yield next.value;
    } finally {
      await listing.return?.();
    }
  }

  async delete(key: string): Promise<void> {
    await this.#probed();
    await this.#inner.delete(key);
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

  /** Once for all; after a failure the next call tries again. */
  #probed(): Promise<void> {
    this.#probe ??= this.#tryOut().catch((error: unknown) => {
      this.#probe = undefined;
      throw error;
    });
    return this.#probe;
  }

  /** Reading one object does not wait for the trial: listing does. */
  #beginTrial(): void {
    this.#probed().catch(() => {});
  }

  async #tryOut(): Promise<void> {
    await Promise.all([this.#tryListing(), this.#tryPutting()]);
  }

  async #tryListing(): Promise<void> {
    for await (const _ of this.#inner.list(this.#probeKey)) break;
  }

  /** Requests that do not build on each other go out together: a distant store costs a start a round trip for each step. */
  async #tryPutting(): Promise<void> {
    const store = this.#inner;
    const key = this.#probeKey;
    const first = await store.putIfAbsent(key, [CONTENT]);
    const again = first === 'created' ? store.putIfAbsent(key, [CONTENT]) : 'exists';
    const [second, bytes] = await Promise.all([again, store.get(key)]);
    if (second === 'created') {
      const message = `${store.description} overwrites objects where it was told not to (If-None-Match: * on ${key})`;
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
