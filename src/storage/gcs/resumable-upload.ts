// One object on its way up in chunks of one session (cloud.google.com/storage/docs/performing-resumable-uploads). Chunks go one after
// the other, while the next one is being filled; after a failure the store is asked how much it has. The object appears with the
// last chunk, if there is none of its name, and not at all when the session is cancelled or forgotten.

import { BackupError, errorOf } from '../../model/errors.ts';
import { crc32c } from '../../record/crc32c.ts';
import type { AdaptiveLimit } from '../request/adaptive-limit.ts';
import type { BodyPart } from '../request/body-parts.ts';
import { StrangeAnswer } from '../request/request-failure.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
import { sendPart } from '../request/store-requests.ts';
import type { GcsResponse, SendGcsRequest } from './gcs-client.ts';
import { crc32cText } from './gcs-download.ts';

export interface ResumableUploadOptions {
  readonly send: SendGcsRequest;
  readonly policy: RequestPolicy;
  /** Shared by all uploads to one store; each turn is a part in memory. */
  readonly partsInFlight: AdaptiveLimit;
  readonly key: string;
  /** Path of the bucket's objects in the API's part for uploads. */
  readonly url: string;
  /** Resource to create, but for its content. */
  readonly object: object;
  readonly params: Readonly<Record<string, string>>;
}

/** What the store knows of an object. */
export interface ObjectResource {
  readonly size: string;
  readonly crc32c: string;
  readonly generation: string;
}

/** `undecided`: something has the name, perhaps this very object; or the store has forgotten the session. */
export type UploadOutcome =
  | { readonly kind: 'created'; readonly resource: ObjectResource }
  | { readonly kind: 'undecided' };

const INCOMPLETE = 308;
/** Precondition failed; no such session; session gone. */
const UNDECIDED = [412, 404, 410];
/** What the store answers when a session is cancelled. */
const CANCELLED = 499;

export class ResumableUpload {
  readonly #options: ResumableUploadOptions;
  readonly #session: string;
  readonly #cancel = new AbortController();
  #sending: Promise<void> = Promise.resolve();
  #outcome: UploadOutcome | undefined;
  #failure: Error | undefined;
  #sizeBytes = 0;
  #crc32c = 0;

  private constructor(options: ResumableUploadOptions, session: string) {
    this.#options = options;
    this.#session = session;
  }

  /** Undefined: there is an object of this name. */
  static async begin(options: ResumableUploadOptions): Promise<ResumableUpload | undefined> {
    const { send, policy, key, url, object, params } = options;
    const session = await policy.run('StartResumableUpload', key, async (signal) => {
      const answer = await send({
        ...{ method: 'POST', url, params: { ...params, uploadType: 'resumable' }, responseType: 'json', signal },
        headers: { 'content-type': 'application/json' },
        body: [Buffer.from(JSON.stringify(object))],
        answers: [412],
      });
      if (answer.status === 412) return undefined;
      const location = answer.headers.get('location');
      if (location === null) throw new StrangeAnswer('there is no session in the answer');
      return location;
    });
    return session === undefined ? undefined : new ResumableUpload(options, session);
  }

  /** Of all bytes that were added. */
  get crc32c(): string {
    return crc32cText(this.#crc32c);
  }

  /** Of all parts that were added. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Starts a part once those before it are up; it gives its memory back. False: the upload has ended, and more is of no use.
   * @throws what an earlier part failed with
   */
  async add(part: BodyPart): Promise<boolean> {
    const { partsInFlight } = this.#options;
    await this.#sending;
    if (this.#failure !== undefined) throw this.#failure;
    this.#crc32c = crc32c(part.bytes, this.#crc32c);
    const position = this.#sizeBytes;
    this.#sizeBytes += part.bytes.byteLength;
    if (this.#outcome !== undefined) return false;
    const turn = await partsInFlight.acquire(this.#cancel.signal);
    this.#sending = this.#send(part, position)
      .catch((error: unknown) => {
        this.#failure = errorOf(error);
      })
      .finally(() => partsInFlight.release(turn, 'same'));
    return true;
  }

  /** Waits for the last part. */
  async outcome(): Promise<UploadOutcome> {
    await this.#sending;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#outcome === undefined) throw new Error('invariant broken: the last chunk did not end the upload');
    return this.#outcome;
  }

  /** Cancels the session unless it has ended, as far as the store answers. Never throws. */
  async close(): Promise<void> {
    if (this.#outcome?.kind === 'created') return;
    const { send, policy, key } = this.#options;
    this.#cancel.abort(new BackupError('INTERRUPTED', `the upload of ${key} was given up`));
    await this.#sending;
    if (policy.traffic().circuit === 'open') return;
    const answers = [CANCELLED, ...UNDECIDED];
    await policy
      .run('CancelResumableUpload', key, (signal) =>
        send({ method: 'DELETE', url: this.#session, responseType: 'json', answers, signal }),
      )
      .catch(() => {});
  }

  async #send(part: BodyPart, position: number): Promise<void> {
    const { policy, key } = this.#options;
    await sendPart(policy, part, {
      operation: 'UploadChunk',
      key,
      attempt: async (signal, number) => {
        const storedBytes = number === 1 ? position : await this.#ask(part, position, signal);
        if (this.#outcome === undefined) await this.#sendFrom(storedBytes, part, position, signal);
      },
      signal: this.#cancel.signal,
      joinedBytes: part.isLast ? position + part.bytes.byteLength : undefined,
    });
  }

  /** Sends what the store does not have yet; it may keep less of a chunk than it was sent. */
  async #sendFrom(storedBytes: number, part: BodyPart, position: number, signal: AbortSignal): Promise<void> {
    const end = position + part.bytes.byteLength;
    for (let stored = storedBytes; stored < end || part.isLast; ) {
      const answer = await this.#put(
        part.bytes.subarray(stored - position),
        stored,
        part.isLast ? end : undefined,
        signal,
      );
      if (this.#settle(answer)) return;
      const next = storedBytesOf(answer);
      if (next <= stored || next > end) {
        const message = `the store has ${next} bytes after a chunk from ${stored} to ${end}`;
        throw Object.assign(new Error(message), { code: 'EPROTO' });
      }
      stored = next;
    }
  }

  /** How much the store has; settles the outcome where it has everything. */
  async #ask(part: BodyPart, position: number, signal: AbortSignal): Promise<number> {
    const end = position + part.bytes.byteLength;
    const answer = await this.#put(Buffer.alloc(0), undefined, part.isLast ? end : undefined, signal);
    if (this.#settle(answer)) return end;
    const stored = storedBytesOf(answer);
    if (stored >= position && stored <= end) return stored;
    const { key } = this.#options;
    const message = `UploadChunk ${key}: the store has ${stored} bytes where ${position} to ${end} are possible`;
    throw new BackupError('STORE_UNAVAILABLE', message, { context: { key } });
  }

  #put(bytes: Buffer, from: number | undefined, total: number | undefined, signal: AbortSignal): Promise<GcsResponse> {
    const range = from === undefined || bytes.byteLength === 0 ? '*' : `${from}-${from + bytes.byteLength - 1}`;
    return this.#options.send({
      ...{ method: 'PUT', url: this.#session, responseType: 'json', signal, answers: [INCOMPLETE, ...UNDECIDED] },
      headers: {
        'content-type': 'application/octet-stream',
        'content-range': `bytes ${range}/${total ?? '*'}`,
        // The store compares it before the object appears.
        ...(total === undefined ? {} : { 'x-goog-hash': `crc32c=${this.crc32c}` }),
      },
      body: [bytes],
    });
  }

  #settle({ status, data }: GcsResponse): boolean {
    if (status === INCOMPLETE) return false;
    this.#outcome = UNDECIDED.includes(status)
      ? { kind: 'undecided' }
      : { kind: 'created', resource: resourceOf(data) };
    return true;
  }
}

/** What the store always says of an object that is there. @throws StrangeAnswer for any other document */
export function resourceOf(data: unknown): ObjectResource {
  const { size, crc32c: checksum, generation } = (data ?? {}) as Partial<Record<keyof ObjectResource, unknown>>;
  const isResource = [size, checksum, generation].every((each) => typeof each === 'string');
  if (!isResource) throw new StrangeAnswer('there is no object in the answer');
  return data as ObjectResource;
}

/** `range: bytes=0-N` of an answer; without one the store has nothing. */
function storedBytesOf({ headers }: GcsResponse): number {
  const last = /^bytes=0-(\d+)$/.exec(headers.get('range') ?? '')?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}
