// Objects in a bucket of S3 or of a store that speaks its protocol. Small objects go up in one request, larger ones in parts; either
// way the last request carries `If-None-Match: *`, so an object appears once, whole, or not at all. Each put carries a nonce: when
// the answer to a request was lost, the object itself tells whose it is.

import { randomBytes } from 'node:crypto';
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { BackupError } from '../../model/errors.ts';
import { type BodyPart, cutParts, wholePart } from '../request/body-parts.ts';
import { assertKeyPrefix, assertObjectKey, folderOf, isObjectKey } from '../object-key.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from '../object-store.ts';
import { lengthOf, noBytes, RangedDownload } from '../request/ranged-download.ts';
import type { RequestPolicy, TranslateFailure } from '../request/request-policy.ts';
import { StoreClock } from '../request/store-clock.ts';
import {
  createStoreRequests,
  type RequestSurroundings,
  sendPart,
  type StoreRequests,
} from '../request/store-requests.ts';
import { crc32Header } from './crc32.ts';
import { PartChecksums } from './part-checksums.ts';
import { createS3Client, type S3Settings } from './s3-client.ts';
import { askS3 } from './s3-download.ts';
import { assertTagged, isAbsent, s3ErrorOf, translateS3 } from './s3-failures.ts';
import { S3MultipartUpload, settledWithin, tellLeftovers } from './s3-multipart-upload.ts';
import { nextOf } from './s3-pages.ts';
import { abortUpload, listUnfinishedUploads, type S3UploadPlace } from './s3-unfinished-uploads.ts';

/** Metadata of every object: which put made it. */
const NONCE = 'kafka-backup-put';
const DAY_MS = 86_400_000;
/** A store that is away does not hold up who closes it. */
const GIVEN_UP_WITHIN_MS = 2000;

export class S3ObjectStore implements ObjectStore {
  readonly description: string;
  readonly policy: RequestPolicy;
  readonly #client: S3Client;
  readonly #clock: StoreClock;
  readonly #settings: S3Settings;
  /** In front of every key: empty, or ends with a slash. */
  readonly #prefix: string;
  readonly #requests: StoreRequests;
  readonly #pageSize: number | undefined;
  readonly #onLeftover: (error: unknown) => void;
  /** Of the trial upload, which nobody waits for. */
  #givenUp: Promise<void> | undefined;

  constructor(settings: S3Settings, surroundings: RequestSurroundings = {}) {
    const { bucket, region, tags, objectLock } = settings;
    this.#settings = settings;
    this.#clock = new StoreClock(surroundings.logger);
    this.#client = createS3Client(settings, (date) => this.#clock.hear(date));
    this.#prefix = folderOf(settings.prefix);
    this.description = `s3://${bucket}/${this.#prefix}`;
    const place = { bucket, region, tagsObjects: tags.size > 0, locksObjects: objectLock !== null };
    const translate: TranslateFailure = (...failure) => translateS3(place, ...failure);
    this.#requests = createStoreRequests(settings.requests, translate, surroundings);
    this.#pageSize = surroundings.pageSize;
    this.#onLeftover = tellLeftovers(surroundings.logger);
    this.policy = this.#requests.policy;
  }

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    assertObjectKey(key);
    const nonce = randomBytes(16).toString('hex');
    const { memory } = this.#requests;
    const checksums = this.#sendsChecksums() ? new PartChecksums(memory.partBytes) : null;
    const noted = checksums === null ? chunks : notedBy(checksums, chunks);
    let upload: S3MultipartUpload | undefined;
    try {
      for await (const part of cutParts(noted, memory)) {
        if (part.isLast && upload === undefined) return await this.#putWhole(key, nonce, part, checksums);
        upload ??= this.#beginUpload(key, nonce, checksums);
        await upload.add(part);
      }
      if (upload === undefined) throw new Error('invariant broken: a body without a part');
      const outcome = await upload.complete();
      return outcome === 'created' ? outcome : await this.#whose(key, nonce, upload);
    } catch (error) {
      // Of an upload that stays behind nothing is visible; where the store is away, it is left to a lifecycle rule of the bucket.
      await upload?.abort();
      throw error;
    }
  }

  /** See PutInParts. Also asks for the lock, encryption, class and tags, which a put where there is an object does not. */
  async putInParts(key: string, bytes: Buffer, isThere: Promise<unknown>): Promise<'created' | 'exists'> {
    assertObjectKey(key);
    const checksums = this.#sendsChecksums() ? new PartChecksums(this.#requests.memory.partBytes) : null;
    checksums?.add(bytes);
    const upload = this.#beginUpload(key, randomBytes(16).toString('hex'), checksums);
    try {
      await upload.add(wholePart(bytes));
      await isThere;
      return (await upload.complete()) === 'created' ? 'created' : 'exists';
    } finally {
      // A start has its answer by now, and a distant store takes a while to take the parts back.
      this.#givenUp = upload.abort();
    }
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    assertObjectKey(key);
    if (range !== undefined && lengthOf(range) === 0) return (await this.head(key)) && noBytes(into);
    const { bucket, checksum } = this.#settings;
    const download = new RangedDownload({
      ask: askS3({
        client: this.#client,
        bucket,
        objectKey: this.#prefix + key,
        verifies: checksum === 'when_supported',
      }),
      operation: 'GetObject',
      name: `${key} in bucket ${bucket}`,
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
    return found && { key, sizeBytes: found.ContentLength ?? 0, modifiedAtMs: wholeSeconds(found.LastModified) };
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectInfo> {
    assertKeyPrefix(prefix);
    let token: string | undefined;
    do {
      const after = startAfter === '' ? {} : { StartAfter: this.#prefix + startAfter };
      const command = new ListObjectsV2Command({
        Bucket: this.#settings.bucket,
        Prefix: this.#prefix + prefix,
        ...(token === undefined ? after : { ContinuationToken: token }),
        ...(this.#pageSize === undefined ? {} : { MaxKeys: this.#pageSize }),
      });
      const page = await this.policy.run('ListObjectsV2', prefix, async (signal) => {
        const answer = await this.#client.send(command, { abortSignal: signal });
        const next = nextOf(answer, 'NextContinuationToken', answer.NextContinuationToken);
        return { objects: answer.Contents ?? [], next };
      });
      for (const { Key = '', Size = 0, LastModified } of page.objects) {
        const key = Key.slice(this.#prefix.length);
        // Others may keep objects here too, and some tools make empty ones for folders.
        if (isObjectKey(key)) yield { key, sizeBytes: Size, modifiedAtMs: wholeSeconds(LastModified) };
      }
      token = page.next;
    } while (token !== undefined);
  }

  /** In a bucket with versions it only puts a delete marker in front of the object (API_DeleteObject). */
  async delete(key: string): Promise<Deletion> {
    assertObjectKey(key);
    const command = new DeleteObjectCommand({ Bucket: this.#settings.bucket, Key: this.#prefix + key });
    const answer = await this.policy.run('DeleteObject', key, (signal) =>
      this.#client.send(command, { abortSignal: signal }).catch(absentAsUndefined),
    );
    return answer?.DeleteMarker === true ? 'hidden' : 'deleted';
  }

  async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    assertKeyPrefix(prefix);
    yield* listUnfinishedUploads(this.#place(), prefix);
  }

  async discard(upload: UnfinishedUpload): Promise<void> {
    assertObjectKey(upload.name);
    await abortUpload(this.#place(), upload);
  }

  /** As the answer to a listing is dated. */
  async clock(): Promise<number> {
    const command = new ListObjectsV2Command({ Bucket: this.#settings.bucket, Prefix: this.#prefix, MaxKeys: 1 });
    await this.policy.run('ListObjectsV2', '', (signal) => this.#client.send(command, { abortSignal: signal }));
    const timeMs = this.#clock.nowMs();
    if (timeMs === undefined) throw new BackupError('STORE_UNSUITABLE', `${this.description} does not tell the time`);
    return timeMs;
  }

  async close(): Promise<void> {
    if (this.#givenUp !== undefined) await settledWithin(GIVEN_UP_WITHIN_MS, this.#givenUp);
    this.policy.close();
    this.#client.destroy();
  }

  async #putWhole(
    key: string,
    nonce: string,
    part: BodyPart,
    checksums: PartChecksums | null,
  ): Promise<'created' | 'exists'> {
    const attempt = async (signal: AbortSignal): Promise<'created' | 'exists'> => {
      const command = new PutObjectCommand({
        ...this.#newObject(key, nonce),
        Body: part.bytes,
        IfNoneMatch: '*',
        ...(checksums === null ? {} : { ChecksumCRC32: crc32Header(checksums.ofWhole()) }),
      });
      try {
        assertTagged(await this.#client.send(command, { abortSignal: signal }));
        return 'created';
      } catch (error) {
        if (s3ErrorOf(error).status === 412) return 'exists';
        throw error;
      }
    };
    const outcome = await sendPart(this.policy, part, { operation: 'PutObject', key, attempt });
    return outcome === 'created' ? outcome : await this.#whose(key, nonce);
  }

  #place(): S3UploadPlace {
    return { client: this.#client, policy: this.policy, bucket: this.#settings.bucket, prefix: this.#prefix };
  }

  #beginUpload(key: string, nonce: string, checksums: PartChecksums | null): S3MultipartUpload {
    return new S3MultipartUpload({
      client: this.#client,
      policy: this.policy,
      partsInFlight: this.#requests.partsInFlight,
      key,
      newObject: () => this.#newObject(key, nonce),
      checksums,
      onLeftover: this.#onLeftover,
    });
  }

  /** Something has the key: the object of this very put whose answer was lost, or another one. */
  async #whose(key: string, nonce: string, upload?: S3MultipartUpload): Promise<'created' | 'exists'> {
    const found = await this.#head(key);
    if (found?.Metadata?.[NONCE] === nonce) return 'created';
    if (found === undefined) {
      const message = `put ${key} in ${this.description}: another put or delete of the same key came in between`;
      throw new BackupError('STORE_UNAVAILABLE', message, { context: { key } });
    }
    await upload?.abort();
    return 'exists';
  }

  #head(key: string): Promise<HeadObjectCommandOutput | undefined> {
    const command = new HeadObjectCommand({ Bucket: this.#settings.bucket, Key: this.#prefix + key });
    return this.policy.run('HeadObject', key, async (signal) => {
      const found = await this.#client.send(command, { abortSignal: signal }).catch(absentAsUndefined);
      if (found !== undefined) assertTagged(found);
      return found;
    });
  }

  /** Object lock is refused without a checksum. */
  #sendsChecksums(): boolean {
    return this.#settings.checksum === 'when_supported' || this.#settings.objectLock !== null;
  }

  /** For one attempt: its lock begins when the request goes out, by the clock of the store as the last answer told it. */
  #newObject(key: string, nonce: string) {
    const { bucket, serverSideEncryption, kmsKeyId, storageClass, tags, objectLock } = this.#settings;
    return {
      Bucket: bucket,
      Key: this.#prefix + key,
      Metadata: { [NONCE]: nonce },
      ContentType: 'application/octet-stream',
      ...(serverSideEncryption === null ? {} : { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId === null ? {} : { SSEKMSKeyId: kmsKeyId }),
      ...(storageClass === null ? {} : { StorageClass: storageClass }),
      ...(tags.size === 0 ? {} : { Tagging: new URLSearchParams([...tags]).toString() }),
      ...(objectLock === null
        ? {}
        : {
            ObjectLockMode: objectLock.mode,
            ObjectLockRetainUntilDate: new Date((this.#clock.nowMs() ?? Date.now()) + objectLock.days * DAY_MS),
          }),
    };
  }
}

/** The same chunks, each known to the checksums before it is handed on. */
async function* notedBy(
  checksums: PartChecksums,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    checksums.add(chunk);
    yield chunk;
  }
}

/** A listing tells milliseconds where the store has them, a head never does. */
function wholeSeconds(instant: Date | undefined): number {
  return Math.floor((instant?.getTime() ?? 0) / 1000) * 1000;
}

/** An object that is not there is an answer. */
function absentAsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
}
