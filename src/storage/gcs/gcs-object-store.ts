// Objects in a bucket of Google Cloud Storage. Small objects go up in one request, larger ones in a resumable upload; either way
// `ifGenerationMatch=0` lets an object appear only where there is none. Each put carries a nonce: when the answer to a request was
// lost, the object itself tells whose it is. The store checks the CRC-32C of every object before it appears.

import { randomBytes } from 'node:crypto';
import { BackupError } from '../../model/errors.ts';
import { crc32c } from '../../record/crc32c.ts';
import { type BodyPart, cutParts, wholePart } from '../request/body-parts.ts';
import { assertKeyPrefix, assertObjectKey, folderOf, isObjectKey } from '../object-key.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from '../object-store.ts';
import { StrangeAnswer } from '../request/request-failure.ts';
import { lengthOf, noBytes, RangedDownload } from '../request/ranged-download.ts';
import type { RequestPolicy, TranslateFailure } from '../request/request-policy.ts';
import { StoreClock } from '../request/store-clock.ts';
import {
  createStoreRequests,
  type RequestSurroundings,
  sendPart,
  type StoreRequests,
} from '../request/store-requests.ts';
import { createGcsClient, type GcsResponse, type GcsSettings, type SendGcsRequest } from './gcs-client.ts';
import { askGcs, crc32cText } from './gcs-download.ts';
import { isObjectAbsent, translateGcs } from './gcs-failures.ts';
import { type ObjectResource, resourceOf, ResumableUpload } from './resumable-upload.ts';

/** Metadata of every object: which put made it. */
const NONCE = 'kafka-backup-put';
/** All chunks of a resumable upload but the last are multiples of it. */
const CHUNK_UNIT_BYTES = 256 * 1024;
const MOST_OBJECTS_OF_A_PAGE = 1000;

interface StoredObject extends ObjectResource {
  readonly updated: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface ListedObject {
  readonly name: string;
  readonly size: string;
  readonly updated: string;
}

interface Page {
  readonly kind?: string;
  readonly items?: readonly ListedObject[];
  readonly nextPageToken?: string;
}

export class GcsObjectStore implements ObjectStore {
  readonly description: string;
  readonly policy: RequestPolicy;
  readonly #clock: StoreClock;
  readonly #send: SendGcsRequest;
  readonly #objects: string;
  /** In front of every key: empty, or ends with a slash. */
  readonly #prefix: string;
  readonly #requests: StoreRequests;
  readonly #pageSize: number;

  /** @throws CONFIG_INVALID for a key file that is none */
  constructor(settings: GcsSettings, surroundings: RequestSurroundings = {}) {
    const { bucket, requests } = settings;
    this.#clock = new StoreClock(surroundings.logger);
    this.#send = createGcsClient(settings, (date) => this.#clock.hear(date));
    this.#objects = `/storage/v1/b/${encodeURIComponent(bucket)}/o`;
    this.#prefix = folderOf(settings.prefix);
    this.description = `gs://${bucket}/${this.#prefix}`;
    const partSizeBytes = Math.max(1, Math.floor(requests.partSizeBytes / CHUNK_UNIT_BYTES)) * CHUNK_UNIT_BYTES;
    const translate: TranslateFailure = (...failure) => translateGcs(bucket, ...failure);
    this.#requests = createStoreRequests({ ...requests, partSizeBytes }, translate, surroundings);
    this.#pageSize = surroundings.pageSize ?? MOST_OBJECTS_OF_A_PAGE;
    this.policy = this.#requests.policy;
  }

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    assertObjectKey(key);
    const nonce = randomBytes(16).toString('hex');
    let upload: ResumableUpload | undefined;
    try {
      for await (const part of cutParts(chunks, this.#requests.memory)) {
        if (part.isLast && upload === undefined) return await this.#putWhole(key, nonce, part);
        upload ??= await this.#beginUpload(key, nonce);
        if (upload === undefined) return await this.#whose(key, nonce, undefined);
        if (!(await upload.add(part))) break;
      }
      if (upload === undefined) throw new Error('invariant broken: a body without a part');
      const outcome = await upload.outcome();
      if (outcome.kind === 'undecided') return await this.#whose(key, nonce, upload);
      await this.#verify(key, outcome.resource, upload);
      return 'created';
    } finally {
      await upload?.close();
    }
  }

  /** See PutInParts. */
  async putInParts(key: string, bytes: Buffer, isThere: Promise<unknown>): Promise<'created' | 'exists'> {
    assertObjectKey(key);
    await isThere;
    const upload = await this.#beginUpload(key, randomBytes(16).toString('hex'));
    if (upload === undefined) return 'exists';
    try {
      await upload.add(wholePart(bytes));
      return (await upload.outcome()).kind === 'created' ? 'created' : 'exists';
    } finally {
      await upload.close();
    }
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    assertObjectKey(key);
    if (range !== undefined && lengthOf(range) === 0) return (await this.head(key)) && noBytes(into);
    const download = new RangedDownload({
      ask: askGcs(this.#send, this.#urlOf(key), key),
      operation: 'GetObject',
      name: key,
      range,
      into,
    });
    const progress = (): number => download.filledBytes;
    const found = await this.policy.run('GetObject', key, (signal) => download.proceed(signal), { progress });
    return found === 'absent' ? undefined : download.bytes();
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    assertObjectKey(key);
    const found = await this.#head(key);
    return found && infoOf(key, found);
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectInfo> {
    assertKeyPrefix(prefix);
    let token: string | undefined;
    do {
      const params = {
        prefix: this.#prefix + prefix,
        // The offset itself is part of what is listed.
        ...(startAfter === '' ? {} : { startOffset: this.#prefix + startAfter }),
        ...(token === undefined ? {} : { pageToken: token }),
        maxResults: String(this.#pageSize),
        fields: 'kind,items(name,size,updated),nextPageToken',
      };
      const page = await this.policy.run('ListObjects', prefix, async (signal) =>
        pageOf(await this.#send({ method: 'GET', url: this.#objects, params, responseType: 'json', signal })),
      );
      for (const object of page.items ?? []) {
        const key = object.name.slice(this.#prefix.length);
        // Others may keep objects here too, and some tools make empty ones for folders.
        if (key > startAfter && isObjectKey(key)) yield infoOf(key, object);
      }
      token = page.nextPageToken;
    } while (token !== undefined && token !== '');
  }

  /** The answer is the same whether or not the bucket keeps older versions. */
  async delete(key: string): Promise<Deletion> {
    assertObjectKey(key);
    await this.#delete(key, {});
    return 'deleted';
  }

  /** None: resumable uploads are neither shown nor charged for, and expire after a week. */
  async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    assertKeyPrefix(prefix);
    yield* [];
  }

  async discard(): Promise<void> {}

  /** As the answer to a listing is dated. */
  async clock(): Promise<number> {
    const params = { prefix: this.#prefix, maxResults: '1', fields: 'items(name)' };
    await this.policy.run('ListObjects', '', (signal) =>
      this.#send({ method: 'GET', url: this.#objects, params, responseType: 'json', signal }),
    );
    const timeMs = this.#clock.nowMs();
    if (timeMs === undefined) throw new BackupError('STORE_UNSUITABLE', `${this.description} does not tell the time`);
    return timeMs;
  }

  async close(): Promise<void> {
    this.policy.close();
  }

  /** Description and bytes in one request (`uploadType=multipart`, RFC 2387). */
  async #putWhole(key: string, nonce: string, part: BodyPart): Promise<'created' | 'exists'> {
    const { bytes } = part;
    const boundary = `part-${nonce}`;
    const object = JSON.stringify({ ...this.#newObject(key, nonce), crc32c: crc32cText(crc32c(bytes)) });
    const body = [
      Buffer.from(`--${boundary}\r\ncontent-type: application/json\r\n\r\n${object}\r\n`),
      Buffer.from(`--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`),
      bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ];
    const attempt = async (signal: AbortSignal): Promise<'created' | 'undecided'> => {
      const { status, data } = await this.#send({
        ...{ method: 'POST', url: `/upload${this.#objects}`, responseType: 'json', answers: [412], signal },
        params: { uploadType: 'multipart', ifGenerationMatch: '0' },
        headers: { 'content-type': `multipart/related; boundary=${boundary}` },
        body,
      });
      if (status === 412) return 'undecided';
      resourceOf(data);
      return 'created';
    };
    const outcome = await sendPart(this.policy, part, { operation: 'InsertObject', key, attempt });
    return outcome === 'created' ? outcome : await this.#whose(key, nonce, undefined);
  }

  #beginUpload(key: string, nonce: string): Promise<ResumableUpload | undefined> {
    return ResumableUpload.begin({
      send: this.#send,
      policy: this.policy,
      partsInFlight: this.#requests.partsInFlight,
      key,
      url: `/upload${this.#objects}`,
      object: this.#newObject(key, nonce),
      params: { name: this.#prefix + key, ifGenerationMatch: '0' },
    });
  }

  /** Takes back what the store let appear although it is not what was sent. */
  async #verify(
    key: string,
    { size, crc32c: found, generation }: ObjectResource,
    upload: ResumableUpload,
  ): Promise<void> {
    const isWhole = Number(size) === upload.sizeBytes;
    if (isWhole && found === upload.crc32c) return;
    await this.#delete(key, { ifGenerationMatch: generation });
    const what = isWhole ? 'the store has other bytes than were sent' : 'the store ended the upload before its end';
    const message = `put ${key} in ${this.description}: ${what}`;
    throw new BackupError(isWhole ? 'STORE_CHECKSUM_MISMATCH' : 'STORE_UNAVAILABLE', message, { context: { key } });
  }

  /** Something has the key: the object of this very put whose answer was lost, held against what `upload` sent, or another one. */
  async #whose(key: string, nonce: string, upload: ResumableUpload | undefined): Promise<'created' | 'exists'> {
    const found = await this.#head(key);
    if (found !== undefined && found.metadata?.[NONCE] !== nonce) return 'exists';
    if (found !== undefined) {
      if (upload !== undefined) await this.#verify(key, found, upload);
      return 'created';
    }
    const message = `put ${key} in ${this.description}: another put or delete of the same key came in between, or the upload expired`;
    throw new BackupError('STORE_UNAVAILABLE', message, { context: { key } });
  }

  async #head(key: string): Promise<StoredObject | undefined> {
    return this.policy.run('GetObjectMetadata', key, async (signal) => {
      const request = { method: 'GET', url: this.#urlOf(key), responseType: 'json', signal } as const;
      const answer = await this.#send(request).catch(absentAsUndefined);
      return answer && (resourceOf(answer.data) as StoredObject);
    });
  }

  async #delete(key: string, params: Readonly<Record<string, string>>): Promise<void> {
    await this.policy.run('DeleteObject', key, (signal) =>
      this.#send({ method: 'DELETE', url: this.#urlOf(key), params, responseType: 'json', signal }).catch(
        absentAsUndefined,
      ),
    );
  }

  #newObject(key: string, nonce: string) {
    return { name: this.#prefix + key, contentType: 'application/octet-stream', metadata: { [NONCE]: nonce } };
  }

  #urlOf(key: string): string {
    return `${this.#objects}/${encodeURIComponent(this.#prefix + key)}`;
  }
}

function infoOf(key: string, { size, updated }: Pick<ListedObject, 'size' | 'updated'>): ObjectInfo {
  return { key, sizeBytes: Number(size), modifiedAtMs: Date.parse(updated) };
}

/** @throws StrangeAnswer for what is no listing */
function pageOf({ data }: GcsResponse): Page {
  if ((data as Page | null)?.kind !== 'storage#objects') throw new StrangeAnswer('there is no listing in the answer');
  return data as Page;
}

function absentAsUndefined(error: unknown): GcsResponse | undefined {
  if (isObjectAbsent(error)) return undefined;
  throw error;
}
