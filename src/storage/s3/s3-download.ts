// One object, or a range of it, on its way down. A body that breaks off is gone on with where it ended, and only on the same object
// (`If-Match`), so what arrives is one version of it from beginning to end.

import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { BackupError } from '../../model/errors.ts';
import type { ByteRange } from '../object-store.ts';
import { isAbsent, s3ErrorOf } from './s3-failures.ts';

export interface S3DownloadOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly objectKey: string;
  /** Asks for the checksum of the whole object and holds it against what arrives. */
  readonly verifies: boolean;
  /** Not empty. Undefined: the whole object. */
  readonly range: ByteRange | undefined;
  /** Where the bytes go; new memory where it is not given. */
  readonly into: Uint8Array | undefined;
}

/** What the first answer has told: which bytes of which version are on their way. */
interface Bounds {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly eTag: string | undefined;
  readonly target: Uint8Array;
}

export class S3Download {
  readonly #options: S3DownloadOptions;
  #bounds: Bounds | undefined;
  #filled = 0;

  constructor(options: S3DownloadOptions) {
    this.#options = options;
  }

  /** What has arrived; all of it once {@link proceed} has resolved. */
  bytes(): Uint8Array {
    return this.#bounds?.target.subarray(0, this.#filled) ?? (this.#options.into ?? new Uint8Array(0)).subarray(0, 0);
  }

  /** Asks for what is still missing. May be called again after a failure. */
  async proceed(signal: AbortSignal): Promise<'done' | 'absent'> {
    const { client, bucket, objectKey, verifies } = this.#options;
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: objectKey,
      ...(verifies ? { ChecksumMode: 'ENABLED' } : {}),
      ...this.#rest(),
    });
    let answer: GetObjectCommandOutput;
    try {
      answer = await client.send(command, { abortSignal: signal });
    } catch (error) {
      if (isAbsent(error)) return 'absent';
      const { status } = s3ErrorOf(error);
      // Nothing of the object lies in the range, which is an answer.
      if (status === 416 && this.#bounds === undefined) return 'done';
      if (status === 412) throw this.#fault('changed while it was read');
      throw error;
    }
    this.#bounds ??= this.#boundsOf(answer);
    await this.#fill(this.#bounds, answer, signal);
    return 'done';
  }

  #rest(): { readonly Range?: string; readonly IfMatch?: string } {
    const { range } = this.#options;
    if (this.#bounds !== undefined) {
      const { start, end, eTag } = this.#bounds;
      const match = eTag === undefined ? {} : { IfMatch: eTag };
      return this.#filled === 0 && range === undefined
        ? match
        : { Range: rangeOf(start + this.#filled, end), ...match };
    }
    if (range === undefined) return {};
    if ('suffixBytes' in range) return { Range: `bytes=-${range.suffixBytes}` };
    return { Range: rangeOf(range.position, range.position + range.sizeBytes) };
  }

  #boundsOf({ ContentRange, ContentLength = 0, ETag: eTag }: GetObjectCommandOutput): Bounds {
    const { range, into } = this.#options;
    const told = /^bytes (\d+)-(\d+)\//.exec(ContentRange ?? '');
    const start = Number(told?.[1] ?? 0);
    const end = told === null ? ContentLength : Number(told[2]) + 1;
    const most = range === undefined ? Infinity : 'suffixBytes' in range ? range.suffixBytes : range.sizeBytes;
    const isAsAsked = range === undefined || 'suffixBytes' in range || range.position === start;
    if (!isAsAsked || end - start > most)
      throw this.#fault('the store did not answer with the range that was asked for');
    const sizeBytes = end - start;
    const target = into === undefined ? Buffer.allocUnsafe(sizeBytes) : into.subarray(0, sizeBytes);
    if (target.byteLength < sizeBytes) throw new RangeError(`${sizeBytes} bytes do not fit into ${target.byteLength}`);
    return { start, end, eTag, target };
  }

  async #fill({ start, end, target }: Bounds, { Body: body }: GetObjectCommandOutput, signal: AbortSignal) {
    const stream = body as NodeJS.ReadableStream & { destroy(error?: Error): void };
    const stop = (): void => stream.destroy(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        if (signal.aborted) throw signal.reason;
        if (this.#filled + chunk.byteLength > end - start) throw this.#fault('the store sent more than it said');
        target.set(chunk, this.#filled);
        this.#filled += chunk.byteLength;
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
    if (this.#filled < end - start) throw new Error(`the body broke off after ${this.#filled} of ${end - start} bytes`);
  }

  #fault(what: string): BackupError {
    const { objectKey, bucket } = this.#options;
    return new BackupError('STORE_UNSUITABLE', `GetObject ${objectKey} in bucket ${bucket}: ${what}`);
  }
}

function rangeOf(start: number, end: number): string {
  return `bytes=${start}-${end - 1}`;
}
