// A new file, written once from its start to its end, and durable when finish() has resolved. Whole blocks go around the page
// cache where the system can (open(2), O_DIRECT): what is backed up is seldom read again, and that memory serves the consumers of
// the broker on the same host. Measured with 290 MB in four files (ext4, Linux 6.18): 0.05 s in the kernel instead of 0.5 to 0.9 s.
// Such writes want memory, position and length in whole blocks: bytes go through buffers that begin at a page, and what is less
// than a block waits for more, or at the end goes through the page cache.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { copyBytes } from '../../model/buffer/copy-bytes.ts';
import { BufferPool } from '../../model/buffer/buffer-pool.ts';
import { errorOf } from '../../model/errors.ts';

/** The largest block and page that Linux asks for on the usual machines. */
const BLOCK_BYTES = 4096;
const BUFFER_BYTES = 1024 * 1024;
/** Node writes with four threads; one more waits, filled. */
const BUFFERS = 5;
/** Dirty bytes of one file in the page cache before a sync is started. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;
/** What a filesystem answers that cannot do it, or not with these blocks. */
const CANNOT = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'];
const MODE = 0o640;

/** The memory that all files of one store are written from, and whether its filesystem takes direct writes. */
export class DirectWriting {
  /** Memory of a resizable buffer begins at a page. Were that to change, the first write would be refused, and the rest be buffered. */
  readonly buffers = new BufferPool(BUFFER_BYTES, BUFFERS, (maxByteLength) => {
    return new ArrayBuffer(maxByteLength, { maxByteLength });
  });
  #isPossible: boolean;

  constructor(isWanted: boolean) {
    // Absent outside Linux.
    this.#isPossible = isWanted && constants.O_DIRECT !== undefined;
  }

  /** Undefined where it is not possible. */
  async open(path: string): Promise<FileHandle | undefined> {
    if (!this.#isPossible) return undefined;
    return open(path, constants.O_WRONLY | constants.O_DIRECT).catch((error: unknown) => this.refused(error));
  }

  /** Direct writes are not tried again. @throws the error, when it says something else. */
  refused(error: unknown): undefined {
    if (!(error instanceof Error && 'code' in error && CANNOT.includes(String(error.code)))) throw error;
    this.#isPossible = false;
  }
}

export class DurableFile {
  readonly #path: string;
  readonly #writing: DirectWriting;
  readonly #handle: FileHandle;
  /** Opened with the first whole block; undefined where the file is written through the page cache. */
  #direct: FileHandle | undefined;
  /** Bytes on their way to the disk, or there. */
  #position = 0;
  /** Behind `#position`, less than a block. */
  readonly #rest = Buffer.allocUnsafe(BLOCK_BYTES);
  #restBytes = 0;
  #unsyncedBytes = 0;
  #syncing: Promise<void> | undefined;
  #failure: Error | undefined;

  private constructor(path: string, writing: DirectWriting, handle: FileHandle) {
    this.#path = path;
    this.#writing = writing;
    this.#handle = handle;
  }

  /** @throws the system's error, EEXIST when there is such a file. */
  static async create(path: string, writing: DirectWriting): Promise<DurableFile> {
    return new DurableFile(path, writing, await open(path, 'wx', MODE));
  }

  /** `bytes` may be used again when this has resolved. */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const memory = await this.#writing.buffers.acquire();
    try {
      const buffer = Buffer.from(memory, 0, memory.byteLength);
      for (let taken = 0; taken < bytes.byteLength; ) {
        this.#rest.copy(buffer, 0, 0, this.#restBytes);
        const end = Math.min(bytes.byteLength, taken + buffer.byteLength - this.#restBytes);
        copyBytes(bytes, { start: taken, end }, buffer, this.#restBytes);
        const filled = this.#restBytes + end - taken;
        taken = end;
        this.#restBytes = filled % BLOCK_BYTES;
        buffer.copy(this.#rest, 0, filled - this.#restBytes, filled);
        await this.#writeBlocks(buffer.subarray(0, filled - this.#restBytes));
      }
    } finally {
      this.#writing.buffers.release(memory);
    }
  }

  /** The last bytes are written, and all of them are on the disk. */
  async finish(): Promise<void> {
    await this.#writeAll(this.#rest.subarray(0, this.#restBytes), this.#handle);
    await this.#syncing;
    // A failed sync is never tried again on the same file: its pages may be gone, and the next one would say that all is well.
    if (this.#failure !== undefined) throw this.#failure;
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#syncing;
    await this.#direct?.close();
    await this.#handle.close();
  }

  async #writeBlocks(blocks: Uint8Array): Promise<void> {
    if (blocks.byteLength === 0) return;
    if (this.#position === 0) this.#direct = await this.#writing.open(this.#path);
    if (this.#direct !== undefined) {
      try {
        await this.#writeAll(blocks, this.#direct);
        return;
      } catch (error) {
        this.#writing.refused(error);
        const refused = this.#direct;
        this.#direct = undefined;
        await refused.close();
      }
    }
    await this.#writeAll(blocks, this.#handle);
    this.#unsyncedBytes += blocks.byteLength;
    this.#syncAlong();
  }

  /** What is in the page cache is synced beside the writing, so that little is left to wait for at the end. */
  #syncAlong(): void {
    if (this.#syncing !== undefined || this.#unsyncedBytes < SYNC_EVERY_BYTES) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#handle.datasync().then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#failure = errorOf(error);
      },
    );
  }

  /** Moves the position only when all is written: what fails half-way may be written again. */
  async #writeAll(bytes: Uint8Array, handle: FileHandle): Promise<void> {
    for (let written = 0; written < bytes.byteLength; ) {
      const { bytesWritten } = await handle.write(bytes, written, bytes.byteLength - written, this.#position + written);
      written += bytesWritten;
    }
    this.#position += bytes.byteLength;
  }
}
