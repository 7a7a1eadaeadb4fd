// One object, or a range of it, on its way down. A body that breaks off is gone on with where it ended, and only on the same
// generation, so what arrives is one object from beginning to end. The store tells the CRC-32C of whole objects only: where the
// range covers one, it is checked; the frames and footers inside a segment carry checksums of their own.

import { BackupError } from '../../model/errors.ts';
import { crc32c } from '../../record/crc32c.ts';
import type { ByteRange } from '../object-store.ts';
import type { GcsResponse, SendGcsRequest } from './gcs-client.ts';
import { gcsErrorOf, isObjectAbsent } from './gcs-failures.ts';

export interface GcsDownloadOptions {
  readonly send: SendGcsRequest;
  /** Path of the object in the API. */
  readonly url: string;
  /** For messages. */
  readonly name: string;
  /** Not empty. Undefined: the whole object. */
  readonly range: ByteRange | undefined;
  /** Where the bytes go; new memory where it is not given. */
  readonly into: Uint8Array | undefined;
}

/** What the first answer has told: which bytes of which object are on their way. */
interface Bounds {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly generation: string | null;
  /** Of the bytes from start to end; null where that is not known. */
  readonly crc32c: string | null;
  readonly target: Uint8Array;
}

export class GcsDownload {
  readonly #options: GcsDownloadOptions;
  #bounds: Bounds | undefined;
  #filled = 0;
  #crc32c = 0;

  constructor(options: GcsDownloadOptions) {
    this.#options = options;
  }

  /** What has arrived; all of it once {@link proceed} has resolved. */
  bytes(): Uint8Array {
    return this.#bounds?.target.subarray(0, this.#filled) ?? (this.#options.into ?? new Uint8Array(0)).subarray(0, 0);
  }

  /** Asks for what is still missing. May be called again after a failure. */
  async proceed(signal: AbortSignal): Promise<'done' | 'absent'> {
    const { send, url } = this.#options;
    const { params = {}, headers } = this.#rest();
    let answer: GcsResponse;
    try {
      answer = await send({
        ...{ method: 'GET', url, params: { alt: 'media', ...params }, responseType: 'stream', signal },
        headers: { ...headers, 'accept-encoding': 'identity' },
      });
    } catch (error) {
      if (isObjectAbsent(error)) return 'absent';
      const { status } = gcsErrorOf(error);
      // Nothing of the object lies in the range, which is an answer.
      if (status === 416 && this.#bounds === undefined) return 'done';
      if (status === 412) throw this.#fault('changed while it was read');
      throw error;
    }
    this.#bounds ??= this.#boundsOf(answer);
    await this.#fill(this.#bounds, answer, signal);
    return 'done';
  }

  #rest(): { readonly params?: Record<string, string>; readonly headers: Record<string, string> } {
    const { range } = this.#options;
    if (this.#bounds !== undefined) {
      const { start, end, generation } = this.#bounds;
      const params = generation === null ? {} : { ifGenerationMatch: generation };
      return this.#filled === 0 && range === undefined
        ? { params, headers: {} }
        : { params, headers: { range: rangeOf(start + this.#filled, end) } };
    }
    if (range === undefined) return { headers: {} };
    if ('suffixBytes' in range) return { headers: { range: `bytes=-${range.suffixBytes}` } };
    return { headers: { range: rangeOf(range.position, range.position + range.sizeBytes) } };
  }

  #boundsOf({ headers }: GcsResponse): Bounds {
    const { range, into } = this.#options;
    const told = /^bytes (\d+)-(\d+)\/(\d+)/.exec(headers.get('content-range') ?? '');
    const start = Number(told?.[1] ?? 0);
    const end = told === null ? Number(headers.get('content-length') ?? 0) : Number(told[2]) + 1;
    const most = range === undefined ? Infinity : 'suffixBytes' in range ? range.suffixBytes : range.sizeBytes;
    const isAsAsked = range === undefined || 'suffixBytes' in range || range.position === start;
    if (!isAsAsked || end - start > most)
      throw this.#fault('the store did not answer with the range that was asked for');
    const sizeBytes = end - start;
    const target = into === undefined ? Buffer.allocUnsafe(sizeBytes) : into.subarray(0, sizeBytes);
    if (target.byteLength < sizeBytes) throw new RangeError(`${sizeBytes} bytes do not fit into ${target.byteLength}`);
    const isWhole = told === null || sizeBytes === Number(told[3]);
    const crc = isWhole ? (/crc32c=([A-Za-z0-9+/=]+)/.exec(headers.get('x-goog-hash') ?? '')?.[1] ?? null) : null;
    return { start, end, generation: headers.get('x-goog-generation'), crc32c: crc, target };
  }

  async #fill({ start, end, target, crc32c: wanted }: Bounds, { data }: GcsResponse, signal: AbortSignal) {
    for await (const chunk of data as AsyncIterable<Uint8Array>) {
      signal.throwIfAborted();
      if (this.#filled + chunk.byteLength > end - start) throw this.#fault('the store sent more than it said');
      target.set(chunk, this.#filled);
      this.#filled += chunk.byteLength;
      this.#crc32c = crc32c(chunk, this.#crc32c);
    }
    if (this.#filled < end - start) {
      const message = `the body broke off after ${this.#filled} of ${end - start} bytes`;
      throw Object.assign(new Error(message), { code: 'ECONNRESET' });
    }
    if (wanted !== null && wanted !== crc32cText(this.#crc32c)) {
      const message = `GetObject ${this.#options.name}: the bytes that arrived do not have the CRC-32C that the store tells`;
      throw new BackupError('STORE_CHECKSUM_MISMATCH', message);
    }
  }

  #fault(what: string): BackupError {
    return new BackupError('STORE_UNSUITABLE', `GetObject ${this.#options.name}: ${what}`);
  }
}

/** As the store writes it: big-endian, in Base64. */
export function crc32cText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}

function rangeOf(start: number, end: number): string {
  return `bytes=${start}-${end - 1}`;
}
