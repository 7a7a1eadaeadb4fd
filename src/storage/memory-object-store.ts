// Objects in memory, for tests and `backend: memory`: gone when the process ends.

import { assertKeyPrefix, assertObjectKey } from './object-key.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from './object-store.ts';

export class MemoryObjectStore implements ObjectStore {
  readonly description = 'memory';
  readonly #objects = new Map<string, { readonly bytes: Buffer; readonly modifiedAtMs: number }>();

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    assertObjectKey(key);
    const parts: Buffer[] = [];
    for await (const chunk of chunks) parts.push(Buffer.from(chunk));
    if (this.#objects.has(key)) return 'exists';
    this.#objects.set(key, { bytes: Buffer.concat(parts), modifiedAtMs: Date.now() });
    return 'created';
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    assertObjectKey(key);
    const bytes = this.#objects.get(key)?.bytes;
    if (bytes === undefined) return undefined;
    const found =
      range === undefined
        ? bytes
        : 'suffixBytes' in range
          ? bytes.subarray(Math.max(0, bytes.byteLength - range.suffixBytes))
          : bytes.subarray(range.position, range.position + range.sizeBytes);
    if (into === undefined) return Uint8Array.from(found);
    into.set(found);
    return into.subarray(0, found.byteLength);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    assertObjectKey(key);
    const found = this.#objects.get(key);
    return found === undefined
      ? undefined
      : { key, sizeBytes: found.bytes.byteLength, modifiedAtMs: found.modifiedAtMs };
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectInfo> {
    assertKeyPrefix(prefix);
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter).sort();
    for (const key of keys) {
      const info = await this.head(key);
      if (info !== undefined) yield info;
    }
  }

  async delete(key: string): Promise<Deletion> {
    assertObjectKey(key);
    this.#objects.delete(key);
    return 'deleted';
  }

  /** None: what a put has taken in so far goes with its promise. */
  async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    assertKeyPrefix(prefix);
    yield* [];
  }

  async discard(): Promise<void> {}

  async clock(): Promise<number> {
    return Date.now();
  }

  async close(): Promise<void> {}
}
