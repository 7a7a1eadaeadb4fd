// CONTRACT of the store. An object is created once, becomes visible only when it is complete, and never changes. Keys are
// relative, `/`-separated, and made only by catalog/object-layout.ts. One conformance suite (test/contract) runs against every
// implementation.

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** Bytes `[position, position + sizeBytes)`, or the last `suffixBytes` of the object (all of it when it is shorter). */
export type ByteRange = { readonly position: number; readonly sizeBytes: number } | { readonly suffixBytes: number };

/**
 * Every method may throw STORE_UNAVAILABLE, STORE_REFUSED or STORE_FULL; STORE_UNAVAILABLE and STORE_FULL may pass. An absent
 * object is an answer, not an error.
 */
export interface ObjectStore {
  /** Where it is, for messages; carries no secret. */
  readonly description: string;
  /**
   * Creates the object from `chunks`, durably, unless there is one: then nothing changes and the answer is `exists`. A chunk is
   * read before the next one is asked for, so its memory may be used again then. When `chunks` throws, nothing becomes visible.
   */
  putIfAbsent(key: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<'created' | 'exists'>;
  /**
   * The bytes asked for, written into `into` where that is given (then a view of it is returned); undefined when there is no
   * such object. A range that reaches past the end gives what exists.
   */
  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Complete objects whose key begins with `prefix` and is greater than `startAfter`, in ascending order of UTF-8 bytes. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo>;
  /** Succeeds when there is no such object. */
  delete(key: string): Promise<void>;
  close(): Promise<void>;
}

/** What a decorator reports of one operation. */
export type StoreObserver = (operation: {
  readonly operation: 'put' | 'get' | 'head' | 'list' | 'delete';
  readonly outcome: 'ok' | 'error';
  readonly seconds: number;
}) => void;
