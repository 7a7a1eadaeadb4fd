// An object, or a range of it, on its way down. A body that breaks off is gone on with where it ended, and only on the same version
// of the object, so what arrives is one object from its beginning to its end. How a store is asked, and what it answers, its adapter
// knows.

import type { Readable } from 'node:stream';
import { BackupError } from '../../model/errors.ts';
import { assertReadableWhole, type ByteRange } from '../object-store.ts';

/** The bytes that are still wanted. */
export interface DownloadRequest {
  /** Value of the header `Range`; undefined: the whole object. */
  readonly range: string | undefined;
  /** Version that must still be there; undefined while none is known. */
  readonly version: string | undefined;
}

export interface DownloadAnswer {
  readonly contentRange: string | null | undefined;
  /** Undefined where the store does not say. */
  readonly contentLength: number | undefined;
  /** What tells the object from a later one of its key; undefined where the store does not say. */
  readonly version: string | undefined;
  readonly body: Readable;
  /** Holds a whole object, or a whole range that is one, against what the store tells of it. @throws when it is another one */
  readonly verify?: (bytes: Uint8Array) => void;
  /** Holds all that this answer was asked for, whole object or not, against what the store tells of just that. @throws as well */
  readonly verifyRange?: (bytes: Uint8Array) => void;
}

/** `beyond`: nothing of the object lies in the range; `changed`: the version is not there any more. */
export type AskForBytes = (
  request: DownloadRequest,
  signal: AbortSignal,
) => Promise<DownloadAnswer | 'absent' | 'beyond' | 'changed'>;

export interface DownloadOptions {
  /** Sends one request. What it throws is passed on. */
  readonly ask: AskForBytes;
  /** The store's own name of the request, for messages. */
  readonly operation: string;
  /** Of the object and where it is, for messages. */
  readonly name: string;
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
  readonly isWhole: boolean;
  readonly answer: DownloadAnswer;
  readonly target: Uint8Array;
}

export class RangedDownload {
  readonly #options: DownloadOptions;
  #bounds: Bounds | undefined;
  #filled = 0;

  constructor(options: DownloadOptions) {
    this.#options = options;
  }

  /** What has arrived; all of it once {@link proceed} has resolved. */
  bytes(): Uint8Array {
    return this.#bounds?.target.subarray(0, this.#filled) ?? noBytes(this.#options.into);
  }

  /** So far; the measure of how {@link proceed} gets on. */
  get filledBytes(): number {
    return this.#filled;
  }

  /** Which tells what object it is of, and how much there is; undefined before it, and where nothing lies in the range. */
  get firstAnswer(): DownloadAnswer | undefined {
    return this.#bounds?.answer;
  }

  /** Asks for what is still missing. May be called again after a failure. */
  async proceed(signal: AbortSignal): Promise<'done' | 'absent'> {
    // The last answer may have failed behind its last byte.
    if (this.#bounds !== undefined && isFull(this.#bounds, this.#filled)) return this.#verified(this.#bounds);
    const answer = await this.#options.ask({ range: this.#rest(), version: this.#bounds?.answer.version }, signal);
    if (answer === 'absent') return answer;
    if (answer === 'beyond' && this.#bounds === undefined) return 'done';
    if (answer === 'beyond' || answer === 'changed') throw this.#fault('changed while it was read');
    if (this.#bounds !== undefined) this.#assertContinues(this.#bounds, answer);
    try {
      this.#bounds ??= this.#boundsOf(answer);
    } catch (error) {
      answer.body.destroy();
      throw error;
    }
    await this.#fill(this.#bounds, answer.body, signal);
    return this.#verified(this.#bounds);
  }

  #rest(): string | undefined {
    const { range } = this.#options;
    if (this.#bounds !== undefined && (this.#filled > 0 || range !== undefined)) {
      return rangeHeader(this.#bounds.start + this.#filled, this.#bounds.end);
    }
    if (range === undefined) return undefined;
    if ('suffixBytes' in range) return `bytes=-${range.suffixBytes}`;
    return rangeHeader(range.position, range.position + range.sizeBytes);
  }

  #boundsOf(answer: DownloadAnswer): Bounds {
    const { range, into } = this.#options;
    const told = parseContentRange(answer.contentRange);
    if (told === undefined && answer.contentLength === undefined) {
      // So that it cannot be told whether all of it arrives.
      const remedy = 'Let nothing between here and the store compress bodies or send them in chunks';
      throw this.#fault(`the answer has no Content-Length. ${remedy}`);
    }
    const { start, end } = told ?? { start: 0, end: answer.contentLength ?? 0 };
    const most = range === undefined ? Infinity : lengthOf(range);
    const isAsAsked = range === undefined || 'suffixBytes' in range || range.position === start;
    if (!isAsAsked || end - start > most)
      throw this.#fault('the store did not answer with the range that was asked for');
    const sizeBytes = end - start;
    if (range === undefined) assertReadableWhole(this.#options.name, sizeBytes);
    const target = into === undefined ? Buffer.allocUnsafe(sizeBytes) : into.subarray(0, sizeBytes);
    if (target.byteLength < sizeBytes) throw new RangeError(`${sizeBytes} bytes do not fit into ${target.byteLength}`);
    return { start, end, isWhole: told === undefined || sizeBytes === told.total, answer, target };
  }

  /** Bytes from anywhere else would end up in the wrong place. */
  #assertContinues({ start }: Bounds, { contentRange }: DownloadAnswer): void {
    const from = parseContentRange(contentRange)?.start ?? 0;
    if (from !== start + this.#filled) throw this.#fault('the store did not go on where the body had broken off');
  }

  async #fill({ start, end, target }: Bounds, body: Readable, signal: AbortSignal): Promise<void> {
    const stop = (): void => void body.destroy(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        signal.throwIfAborted();
        if (this.#filled + chunk.byteLength > end - start) throw this.#fault('the store sent more than it said');
        target.set(chunk, this.#filled);
        this.#filled += chunk.byteLength;
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
    if (this.#filled === end - start) return;
    const message = `the body broke off after ${this.#filled} of ${end - start} bytes`;
    throw Object.assign(new Error(message), { code: 'ECONNRESET' });
  }

  /** The first answer was asked for all of it. */
  #verified({ isWhole, answer }: Bounds): 'done' {
    answer.verifyRange?.(this.bytes());
    if (isWhole) answer.verify?.(this.bytes());
    return 'done';
  }

  #fault(what: string): BackupError {
    return new BackupError('STORE_UNSUITABLE', `${this.#options.operation} ${this.#options.name}: ${what}`);
  }
}

function isFull({ start, end }: Bounds, filledBytes: number): boolean {
  return filledBytes === end - start;
}

/** The most that a range can hold. */
export function lengthOf(range: ByteRange): number {
  return 'suffixBytes' in range ? range.suffixBytes : range.sizeBytes;
}

/** What a range without bytes gives. */
export function noBytes(into: Uint8Array | undefined): Uint8Array {
  return (into ?? new Uint8Array(0)).subarray(0, 0);
}

/** `bytes 0-99/1234`: from 0, up to 100, of 1234 (NaN where the store does not say). Undefined: the answer is the whole object. */
export function parseContentRange(
  header: string | null | undefined,
): { readonly start: number; readonly end: number; readonly total: number } | undefined {
  const told = /^bytes (\d+)-(\d+)\/(\d+|\*)/.exec(header ?? '');
  return told === null ? undefined : { start: Number(told[1]), end: Number(told[2]) + 1, total: Number(told[3]) };
}

/** What {@link DownloadRequest.range} asks for, where that is neither the whole object nor its end. */
export function parseRange(header: string | undefined): { readonly position: number; readonly sizeBytes: number } {
  const asked = /^bytes=(\d+)-(\d+)$/.exec(header ?? '');
  if (asked === null) throw new Error(`invariant broken: ${header} is no range from a position`);
  return { position: Number(asked[1]), sizeBytes: Number(asked[2]) + 1 - Number(asked[1]) };
}

function rangeHeader(start: number, end: number): string {
  return `bytes=${start}-${end - 1}`;
}
