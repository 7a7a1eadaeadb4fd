// Compression of segment frames. A zstd frame carries its content size and checksum (RFC 8878), so that `zstd -t` judges a segment
// without us. zstd-napi compresses straight into memory that is used again; where its native part is absent (npm 12 blocks
// install scripts), node:zlib writes and reads the same frames.

import { createRequire } from 'node:module';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type SegmentCodec, withCodecLibrary } from '../model/codec.ts';
import { copyBytes } from '../model/buffer/copy-bytes.ts';
import { BackupError, messageOf } from '../model/errors.ts';
import { noteNativeBuffer } from '../model/buffer/native-garbage.ts';
import { writeLz4Frame } from './lz4-frame.ts';

interface ZstdContext {
  setParameter(parameter: number, value: number): void;
  /** @throws when `target` is too small. */
  compress2(target: Uint8Array, source: Uint8Array): number;
}

/** What is used of zstd-napi's thin layer over the C library. Declared here, since the package may be absent. */
interface ZstdNapi {
  readonly CCtx: new () => ZstdContext;
  readonly DCtx: new () => { decompress(target: Uint8Array, source: Uint8Array): number };
}

const require = createRequire(import.meta.url);
const zstdNapi = loadZstdNapi();

/** Loaded when it is needed: every thread pays for what it loads. */
const lz4 = () => withCodecLibrary('lz4-napi', () => require('lz4-napi') as typeof import('lz4-napi'));

/** Which zstd is in use, for --version and the build metric. */
export const zstdImplementation: 'zstd-napi' | 'node:zlib' = zstdNapi === undefined ? 'node:zlib' : 'zstd-napi';

function loadZstdNapi(): ZstdNapi | undefined {
  try {
    return require('zstd-napi/binding') as ZstdNapi;
  } catch {
    return undefined;
  }
}

/** Bytes that a frame of `rawSizeBytes` can take at most, for any codec. */
export function maxStoredSize(rawSizeBytes: number): number {
  return rawSizeBytes + Math.ceil(rawSizeBytes / 255) + 1024;
}

/**
 * The C library's parameters for a level, by their numbers there (zstd.h), which both bindings take. Level 3, the default, gets
 * tables of 384 KiB instead of 768, which stay in a core's own cache beside the frame, and matches of 6 bytes instead of 5, as
 * fit records that repeat each other's fields. Frames of 4 MiB of JSON, logs, binary events, code and prose took 0.77 to 0.94
 * of the time and 0.97 to 1.03 of the room (1.00 on average). The fast levels look back over a whole frame of 4 MiB, which is in
 * memory anyway, instead of the last 0.5 to 2: in the same time 1.00 to 0.72 of the room with level 1, the more a log repeats
 * itself the less, and 1.00 to 0.95 with level 3.
 */
function zstdParameters(level: number): Record<number, number> {
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
    ...(level <= 3 && { [constants.ZSTD_c_windowLog]: 22 }),
    ...(level === 3 && {
      [constants.ZSTD_c_hashLog]: 16,
      [constants.ZSTD_c_chainLog]: 15,
      [constants.ZSTD_c_minMatch]: 6,
    }),
  };
}

/** Compresses frames one after the other; keeps a context, so one instance serves one thread. */
export class FrameCompressor {
  readonly #codec: SegmentCodec;
  readonly #parameters: Record<number, number>;
  readonly #context: ZstdContext | undefined;

  constructor(codec: SegmentCodec, level: number) {
    this.#codec = codec;
    this.#parameters = zstdParameters(level);
    if (codec === 'zstd' && zstdNapi !== undefined) {
      this.#context = new zstdNapi.CCtx();
      for (const [parameter, value] of Object.entries(this.#parameters)) {
        this.#context.setParameter(Number(parameter), value);
      }
    }
  }

  /**
   * Writes the frame into `target` and returns its size; undefined when it does not fit, and then `target` holds nothing of
   * use. A frame fits for certain into maxStoredSize(raw.byteLength) bytes.
   */
  compress(raw: Uint8Array, target: Uint8Array): number | undefined {
    switch (this.#codec) {
      case 'none':
        return fill(target, raw);
      case 'lz4':
        return writeLz4Frame(raw, target, compressLz4Block);
      case 'zstd':
        if (this.#context !== undefined) return this.#compressWithContext(this.#context, raw, target);
        return fill(target, this.#compressWithZlib(raw));
    }
  }

  #compressWithContext(context: ZstdContext, raw: Uint8Array, target: Uint8Array): number | undefined {
    try {
      return context.compress2(target, raw);
    } catch (error) {
      if (target.byteLength < maxStoredSize(raw.byteLength)) return undefined;
      throw error;
    }
  }

  #compressWithZlib(raw: Uint8Array): Uint8Array {
    const frame = zstdCompressSync(raw, { params: this.#parameters, pledgedSrcSize: raw.byteLength });
    noteNativeBuffer(frame.byteLength);
    return frame;
  }
}

/** In a buffer that is left to the garbage collector. Before the block lz4-napi writes the size of what it holds. */
function compressLz4Block(plain: Uint8Array): Uint8Array {
  const sized = lz4().compressSync(asBuffer(plain));
  noteNativeBuffer(sized.byteLength);
  return sized.subarray(4);
}

function fill(target: Uint8Array, bytes: Uint8Array): number | undefined {
  if (bytes.byteLength > target.byteLength) return undefined;
  copyBytes(bytes, { start: 0, end: bytes.byteLength }, target, 0);
  return bytes.byteLength;
}

/** Expands frames. `rawSizeBytes` comes from a verified footer and bounds the memory. */
export class FrameExpander {
  readonly #context = zstdNapi === undefined ? undefined : new zstdNapi.DCtx();

  /**
   * Writes the raw bytes into `target` and returns a view of them.
   * @throws OBJECT_CORRUPT when the frame does not decode to exactly `rawSizeBytes`.
   */
  expand(codec: SegmentCodec, stored: Uint8Array, target: Uint8Array, rawSizeBytes: number): Uint8Array {
    const raw = this.#expand(codec, stored, target, rawSizeBytes);
    if (raw.byteLength !== rawSizeBytes) {
      throw new BackupError('OBJECT_CORRUPT', `a frame holds ${raw.byteLength} bytes instead of ${rawSizeBytes}`);
    }
    return raw;
  }

  #expand(codec: SegmentCodec, stored: Uint8Array, target: Uint8Array, rawSizeBytes: number): Uint8Array {
    try {
      switch (codec) {
        case 'none':
          return copyInto(target, stored);
        case 'lz4':
          return copyInto(target, lz4().decompressFrameSync(asBuffer(stored)));
        case 'zstd':
          if (this.#context !== undefined) {
            return target.subarray(0, this.#context.decompress(target.subarray(0, rawSizeBytes), stored));
          }
          return copyInto(target, zstdDecompressSync(stored, { maxOutputLength: Math.max(1, rawSizeBytes) }));
      }
    } catch (error) {
      if (error instanceof BackupError) throw error;
      throw new BackupError('OBJECT_CORRUPT', `a ${codec} frame does not decode: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

function copyInto(target: Uint8Array, bytes: Uint8Array): Uint8Array {
  noteNativeBuffer(bytes.byteLength);
  if (bytes.byteLength > target.byteLength) {
    throw new BackupError('OBJECT_CORRUPT', `a frame expands to ${bytes.byteLength} bytes, more than its footer says`);
  }
  copyBytes(bytes, { start: 0, end: bytes.byteLength }, target, 0);
  return target.subarray(0, bytes.byteLength);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
