// Objects as files under one directory. A put writes a temporary file beside its place (a name with a leading dot, which list
// skips), syncs it, links it to its name, which fails if that exists, and syncs the directory: the object is there, whole and
// durable, or not at all (open(2), link(2), fsync(2)).

import { constants, type Dirent } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BackupError, type ErrorCode, messageOf } from '../../model/errors.ts';
import { assertKeyPrefix, assertObjectKey, isObjectKey } from '../object-key.ts';
import {
  assertReadableWhole,
  type ByteRange,
  type Deletion,
  MAX_WHOLE_BYTES,
  type ObjectInfo,
  type ObjectStore,
  type UnfinishedUpload,
} from '../object-store.ts';
import { DirectWriting, DurableFile } from './durable-file.ts';
import { findTemporaryFiles, isTemporaryName, newTemporaryName, stampedTimeMs } from './temporary-files.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'STORE_REFUSED',
  EPERM: 'STORE_REFUSED',
  EROFS: 'STORE_REFUSED',
  ENOTDIR: 'STORE_REFUSED',
  EEXIST: 'STORE_REFUSED',
  EISDIR: 'STORE_REFUSED',
  ELOOP: 'STORE_REFUSED',
  ENAMETOOLONG: 'STORE_REFUSED',
  ENOTSUP: 'STORE_REFUSED',
  ENOSPC: 'STORE_FULL',
  EDQUOT: 'STORE_FULL',
};

/** An object is a plain file: no link is followed, and a pipe in its place is not waited for. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class FilesystemObjectStore implements ObjectStore {
  readonly description: string;
  readonly #root: string;
  readonly #writing: DirectWriting;
  readonly #knownDirectories = new Set<string>();
  #making: Promise<void> = Promise.resolve();

  constructor(root: string, { directIo = true }: { readonly directIo?: boolean } = {}) {
    this.#root = root;
    this.#writing = new DirectWriting(directIo);
    this.description = root;
  }

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    const path = this.#pathOf(key);
    const directory = dirname(path);
    const temporary = join(directory, newTemporaryName());
    await guard(`prepare ${directory}`, () => this.#ensureDirectory(directory));
    const file = await guard(`create a file in ${directory}`, () => DurableFile.create(temporary, this.#writing));
    try {
      try {
        for await (const chunk of chunks) await guard(`write ${path}`, () => file.append(chunk));
        await guard(`sync ${path}`, () => file.finish());
      } finally {
        await file.close();
      }
      return await guard(`link ${path}`, () => this.#linkIfAbsent(temporary, path, directory));
    } finally {
      await unlink(temporary).catch(() => {});
    }
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const path = this.#pathOf(key);
    return guard(`read ${path}`, async () => {
      const handle = await open(path, READ_FLAGS).catch(absentAsUndefined);
      if (handle === undefined) return undefined;
      try {
        const found = await handle.stat();
        if (!found.isFile()) return undefined;
        const { size } = found;
        if (range === undefined) assertReadableWhole(path, size);
        const [from, to] = boundsOf(range, size);
        const target = into === undefined ? Buffer.allocUnsafe(to - from) : into.subarray(0, to - from);
        return target.subarray(0, await readAll(handle, target, from));
      } finally {
        await handle.close();
      }
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const path = this.#pathOf(key);
    return guard(`stat ${path}`, async () => {
      const found = await lstat(path).catch(absentAsUndefined);
      if (found === undefined || !found.isFile()) return undefined;
      return { key, sizeBytes: found.size, modifiedAtMs: Math.floor(found.mtimeMs) };
    });
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectInfo> {
    assertKeyPrefix(prefix);
    const lastSlash = prefix.lastIndexOf('/');
    yield* this.#walk(lastSlash < 0 ? '' : prefix.slice(0, lastSlash), prefix, startAfter);
  }

  async delete(key: string): Promise<Deletion> {
    const path = this.#pathOf(key);
    await guard(`delete ${path}`, async () => {
      const removed = await unlink(path).then(() => true, absentAsUndefined);
      if (removed === true) await syncDirectory(dirname(path));
    });
    return 'deleted';
  }

  async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    assertKeyPrefix(prefix);
    yield* await guard(`look for temporary files in ${this.#root}`, () => findTemporaryFiles(this.#root, prefix));
  }

  async discard({ name }: UnfinishedUpload): Promise<void> {
    assertKeyPrefix(name.slice(0, name.lastIndexOf('/') + 1));
    const path = join(this.#root, name);
    if (!isTemporaryName(basename(name))) throw new BackupError('STORE_REFUSED', `${path} is not a temporary file`);
    await guard(`delete ${path}`, () => unlink(path).catch(absentAsUndefined));
  }

  clock(): Promise<number> {
    return stampedTimeMs(this.#root);
  }

  async close(): Promise<void> {}

  async *#walk(folder: string, prefix: string, startAfter: string): AsyncGenerator<ObjectInfo> {
    const directory = join(this.#root, folder);
    const entries = await guard(`list ${directory}`, () =>
      readdir(directory, { withFileTypes: true }).catch(absentAsUndefined),
    );
    if (entries === undefined) return;
    for (const [name, entry] of inKeyOrder(entries)) {
      const key = folder === '' ? name : `${folder}/${name}`;
      // What others have put here is none of ours.
      if (!isObjectKey(key)) continue;
      if (entry.isDirectory()) {
        const folderPrefix = `${key}/`;
        const mayHoldPrefix = folderPrefix.startsWith(prefix) || prefix.startsWith(folderPrefix);
        const mayBeAfter = folderPrefix > startAfter || startAfter.startsWith(folderPrefix);
        if (mayHoldPrefix && mayBeAfter) yield* this.#walk(key, prefix, startAfter);
      } else if (entry.isFile() && key.startsWith(prefix) && key > startAfter) {
        const info = await this.head(key);
        if (info !== undefined) yield info;
      }
    }
  }

  async #linkIfAbsent(temporary: string, path: string, directory: string): Promise<'created' | 'exists'> {
    try {
      await link(temporary, path);
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return 'exists';
      throw error;
    }
    await syncDirectory(directory);
    return 'created';
  }

  /**
   * Makes the directory and syncs every parent that gained an entry. One at a time: whoever finds a directory made by another
   * put must not be done before that one has synced it. A root that went away is not made again.
   */
  async #ensureDirectory(directory: string): Promise<void> {
    if (this.#knownDirectories.has(directory) && (await stat(directory).catch(absentAsUndefined)) !== undefined) return;
    const made = this.#making.then(() => this.#makeDirectory(directory));
    this.#making = made.catch(() => {});
    await made;
  }

  async #makeDirectory(directory: string): Promise<void> {
    if (this.#knownDirectories.size > 0) await stat(this.#root);
    const first = await makeWithParents(directory);
    if (first !== undefined) {
      for (let made = directory; ; made = dirname(made)) {
        await syncDirectory(dirname(made));
        if (made === first) break;
      }
    }
    this.#knownDirectories.add(directory);
  }

  #pathOf(key: string): string {
    assertObjectKey(key);
    return join(this.#root, key);
  }
}

/** Returns the first directory that was made; undefined when all were there. */
async function makeWithParents(directory: string): Promise<string | undefined> {
  const mode = 0o750;
  try {
    return await mkdir(directory, { recursive: true, mode });
  } catch (error) {
    // Node answers so of any parent that it cannot make, be the reason a file system that is read-only. A single one tells why.
    if (errnoOf(error) !== 'ENOENT') throw error;
    let missing = directory;
    while ((await stat(dirname(missing)).catch(absentAsUndefined)) === undefined) missing = dirname(missing);
    await mkdir(missing, { mode });
    await mkdir(directory, { recursive: true, mode });
    return missing;
  }
}

/** Files and directories as their keys sort: a directory sorts as if its name ended with `/`. Temporary files are left out. */
function inKeyOrder(entries: readonly Dirent[]): [string, Dirent][] {
  return entries
    .filter((entry) => !entry.name.startsWith('.'))
    .map((entry): [string, Dirent, string] => [entry.name, entry, entry.isDirectory() ? `${entry.name}/` : entry.name])
    .sort(([, , a], [, , b]) => (a < b ? -1 : 1))
    .map(([name, entry]) => [name, entry]);
}

function boundsOf(range: ByteRange | undefined, size: number): [from: number, to: number] {
  if (range === undefined) return [0, size];
  if ('suffixBytes' in range) return [Math.max(0, size - range.suffixBytes), size];
  const from = Math.min(range.position, size);
  return [from, Math.min(from + range.sizeBytes, size)];
}

async function readAll(handle: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < target.byteLength) {
    // More than 2^31 at once ends the process.
    const wanted = Math.min(target.byteLength - filled, MAX_WHOLE_BYTES);
    const { bytesRead } = await handle.read(target, filled, wanted, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function absentAsUndefined(error: unknown): undefined {
  if (errnoOf(error) === 'ENOENT') return undefined;
  throw error;
}

/** Translates what the operating system refuses. */
async function guard<T>(attempt: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof BackupError) throw error;
    const errno = errnoOf(error);
    const reason =
      errno === 'ELOOP' ? 'it is a symbolic link, and links to objects are not followed' : messageOf(error);
    throw new BackupError(CODES[errno] ?? 'STORE_UNAVAILABLE', `${attempt}: ${reason}`, { cause: error });
  }
}
