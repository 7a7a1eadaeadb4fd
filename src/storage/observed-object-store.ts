// A store that reports how long each operation of another one took, and whether it failed.

import type { ByteRange, Deletion, ObjectInfo, ObjectStore, StoreObserver, UnfinishedUpload } from './object-store.ts';

type Operation = Parameters<StoreObserver>[0]['operation'];

export class ObservedObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #observe: StoreObserver;

  constructor(inner: ObjectStore, observe: StoreObserver) {
    this.#inner = inner;
    this.#observe = observe;
  }

  get description(): string {
    return this.#inner.description;
  }

  putIfAbsent(key: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    return this.#timed('put', () => this.#inner.putIfAbsent(key, chunks));
  }

  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#timed('get', () => this.#inner.get(key, range, into));
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#timed('head', () => this.#inner.head(key));
  }

  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix, startAfter);
  }

  delete(key: string): Promise<Deletion> {
    return this.#timed('delete', () => this.#inner.delete(key));
  }

  unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    return this.#inner.unfinished(prefix);
  }

  discard(upload: UnfinishedUpload): Promise<void> {
    return this.#inner.discard(upload);
  }

  clock(): Promise<number> {
    return this.#inner.clock();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #timed<T>(operation: Operation, action: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let outcome: 'ok' | 'error' = 'error';
    try {
      const result = await action();
      outcome = 'ok';
      return result;
    } finally {
      this.#observe({ operation, outcome, seconds: (performance.now() - startedAt) / 1000 });
    }
  }
}
