// A process that dies at a chosen one of its calls, just before or just after the call has had its effect. From then on no call
// of it does anything.

import type {
  ByteRange,
  Deletion,
  ObjectInfo,
  ObjectStore,
  UnfinishedUpload,
} from '../../../../src/storage/object-store.ts';

export class Fault {
  calls = 0;
  isDead = false;
  readonly #at: number;
  readonly #moment: 'before' | 'after';

  constructor(at = Number.POSITIVE_INFINITY, moment: 'before' | 'after' = 'before') {
    this.#at = at;
    this.#moment = moment;
  }

  /** `leave` is given the effect of a call that the process did not live to see, where it may still come. */
  async pass<T>(effect: () => T | Promise<T>, leave: (land: () => unknown) => void = () => {}): Promise<T> {
    // Calls take time: others come in between.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#assertAlive();
    this.calls += 1;
    const isLast = this.calls === this.#at;
    if (isLast && this.#moment === 'before') {
      this.isDead = true;
      leave(effect);
      this.#assertAlive();
    }
    const result = await effect();
    if (isLast) this.isDead = true;
    this.#assertAlive();
    return result;
  }

  #assertAlive(): void {
    if (this.isDead) throw new Error('the process is dead');
  }
}

/** The store as the process sees it. */
export class FaultyStore implements ObjectStore {
  readonly description = 'a store';
  readonly #store: ObjectStore;
  readonly #fault: Fault;

  constructor(store: ObjectStore, fault: Fault) {
    this.#store = store;
    this.#fault = fault;
  }

  putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    return this.#fault.pass(() => this.#store.putIfAbsent(key, chunks));
  }

  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#fault.pass(() => this.#store.get(key, range, into));
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#fault.pass(() => this.#store.head(key));
  }

  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
    return this.#store.list(prefix, startAfter);
  }

  delete(key: string): Promise<Deletion> {
    return this.#fault.pass(() => this.#store.delete(key));
  }

  unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    return this.#store.unfinished(prefix);
  }

  discard(upload: UnfinishedUpload): Promise<void> {
    return this.#fault.pass(() => this.#store.discard(upload));
  }

  clock(): Promise<number> {
    return this.#store.clock();
  }

  async close(): Promise<void> {}
}
