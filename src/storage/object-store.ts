// CONTRACT of the store. An object is created once, becomes visible only when it is complete, and never changes. Keys are
// relative, `/`-separated, and made only by catalog/object-layout.ts. One conformance suite (test/contract) runs against every
// implementation.

import { BackupError } from '../model/errors.ts';

/** Nothing that is read whole is larger: it is JSON, which no string of more than half of it holds, or packed and smaller. */
export const MAX_WHOLE_BYTES = 1024 * 1024 * 1024;

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** What is left of a put that began and has not ended: it takes room, and no reader can see it. */
export interface UnfinishedUpload {
  /** The key of the object that it was to become; on a filesystem that of its temporary file, which is no object's. */
  readonly name: string;
  /** Tells two of one name apart; empty where there can be only one. */
  readonly id: string;
  /** When it began or, where the store tells, when it last grew; null where the store says neither. */
  readonly touchedAtMs: number | null;
  /** Null where the store does not say. */
  readonly sizeBytes: number | null;
  /**
   * The store frees its room only by an empty object of that name, which {@link ObjectStore.discard} deletes at once: readers may
   * see it, for a moment or, where the delete does not come about, for good. Without a discard the store drops the upload itself.
   */
  readonly appearsWhenDiscarded?: true;
}

/**
 * `hidden`: no reader finds the object any more, but the store keeps its bytes as an older version, paid for until the store's own
 * rules (a lock's end, a lifecycle rule) take it away. `deleted` otherwise, also where the store does not say.
 */
export type Deletion = 'deleted' | 'hidden';

/** Bytes `[position, position + sizeBytes)`, or the last `suffixBytes` of the object (all of it when it is shorter). */
export type ByteRange = { readonly position: number; readonly sizeBytes: number } | { readonly suffixBytes: number };

/**
 * Every method may throw STORE_UNAVAILABLE, STORE_REFUSED or STORE_FULL; STORE_UNAVAILABLE and STORE_FULL may pass. Those over a
 * network also throw STORE_AUTHENTICATION_FAILED, STORE_AUTHORIZATION_FAILED, STORE_UNSUITABLE and, for bytes that changed on the
 * way, STORE_CHECKSUM_MISMATCH. An absent object is an answer, not an error.
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
   * @throws OBJECT_CORRUPT without a range, where the object is larger than {@link MAX_WHOLE_BYTES}: before memory is taken for it
   */
  get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Complete objects whose key begins with `prefix` and is greater than `startAfter`, in ascending order of UTF-8 bytes. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo>;
  /** Succeeds when there is no such object. */
  delete(key: string): Promise<Deletion>;
  /**
   * Unfinished uploads whose name begins with `prefix`, those under way included: nothing but their age tells them from what a
   * crash left. Nothing where the store neither shows them nor charges for them.
   */
  unfinished(prefix: string): AsyncIterable<UnfinishedUpload>;
  /** Frees the room of an upload that {@link unfinished} named; whoever still works on it gets STORE_UNAVAILABLE. Never an object's. */
  discard(upload: UnfinishedUpload): Promise<void>;
  /** The time by the clock that stamps `modifiedAtMs`. */
  clock(): Promise<number>;
  close(): Promise<void>;
}

/** For a store that is asked for a whole object. @throws OBJECT_CORRUPT. */
export function assertReadableWhole(name: string, sizeBytes: number): void {
  if (sizeBytes <= MAX_WHOLE_BYTES) return;
  throw new BackupError('OBJECT_CORRUPT', `${name} has ${sizeBytes} bytes, which nothing has that is written here`);
}

/** What a decorator reports of one operation. */
export type StoreObserver = (operation: {
  readonly operation: 'put' | 'get' | 'head' | 'list' | 'delete';
  readonly outcome: 'ok' | 'error';
  readonly seconds: number;
}) => void;
