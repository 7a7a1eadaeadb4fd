// One object on its way up in parts. Parts go up in parallel, bounded over all objects together, and each waits for its turn before
// the next one is cut, so that slow storage slows whoever writes. The object appears with the last request, or not at all.

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  HeadObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { pause } from '../../model/back-off.ts';
import { BackupError, errorOf } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { AdaptiveLimit } from '../request/adaptive-limit.ts';
import type { BodyPart } from '../request/body-parts.ts';
import { StrangeAnswer } from '../request/request-failure.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
import { sendPart } from '../request/store-requests.ts';
import { crc32Header } from './crc32.ts';
import type { PartChecksums } from './part-checksums.ts';
import { assertTagged, s3ErrorOf } from './s3-failures.ts';
import { goneAsUndefined } from './s3-unfinished-uploads.ts';

export interface S3UploadOptions {
  readonly client: S3Client;
  readonly policy: RequestPolicy;
  /** Shared by all uploads to one store; each turn is a part in memory. */
  readonly partsInFlight: AdaptiveLimit;
  /** For messages; the whole key is that of the object. */
  readonly key: string;
  /** What the object is created with, made anew for each attempt. */
  readonly newObject: () => CreateMultipartUploadCommandInput;
  /** Of all that was cut into parts so far, to be sent along; null where the store takes none. */
  readonly checksums: PartChecksums | null;
  /** Told why parts stay behind that were to be removed. */
  readonly onLeftover: (error: unknown) => void;
}

/** Answers to the last request that leave open whose object has the key. */
const UNDECIDED: ReadonlySet<string> = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchUpload']);

/** A part that was cut off may be carried out after the abort, and is then kept unseen (API_AbortMultipartUpload): so it is waited for. */
const PARTS_END_WITHIN_MS = 5000;

interface UploadTarget {
  readonly Bucket: string | undefined;
  readonly Key: string | undefined;
  readonly UploadId: string;
}

export class S3MultipartUpload {
  readonly #options: S3UploadOptions;
  readonly #begun: Promise<UploadTarget>;
  readonly #cancel = new AbortController();
  readonly #uploads: Promise<void>[] = [];
  readonly #parts: CompletedPart[] = [];
  #sizeBytes = 0;
  #failure: Error | undefined;
  #isOver = false;

  /** Begins at once; parts are taken meanwhile, since a distant store answers late. */
  constructor(options: S3UploadOptions) {
    this.#options = options;
    this.#begun = this.#begin();
    this.#begun.catch(() => {});
  }

  async #begin(): Promise<UploadTarget> {
    const { client, policy, key, newObject, checksums } = this.#options;
    // One checksum over the whole object, whatever its parts: the last request names what all the bytes must give together.
    const checksum = checksums === null ? {} : ({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const);
    return policy.run('CreateMultipartUpload', key, async (signal) => {
      const command = new CreateMultipartUploadCommand({ ...newObject(), ...checksum });
      const { UploadId } = await client.send(command, { abortSignal: signal });
      if (UploadId === undefined) throw new StrangeAnswer('there is no upload id in the answer');
      const { Bucket, Key } = command.input;
      return { Bucket, Key, UploadId };
    });
  }

  /** Starts a part once it may go; it gives its memory back when it is up. @throws what an earlier part failed with */
  async add(part: BodyPart): Promise<void> {
    const turn = await this.#options.partsInFlight.acquire(this.#cancel.signal);
    if (this.#failure !== undefined) {
      this.#options.partsInFlight.release(turn, 'same');
      throw this.#failure;
    }
    this.#sizeBytes += part.bytes.byteLength;
    const number = this.#uploads.length + 1;
    const upload = this.#send(number, part)
      .catch((error: unknown) => {
        this.#failure ??= errorOf(error);
      })
      .finally(() => this.#options.partsInFlight.release(turn, 'same'));
    this.#uploads.push(upload);
  }

  /** Waits for the parts and makes the object appear. `undecided`: something has the key, perhaps this very object. */
  async complete(): Promise<'created' | 'undecided'> {
    const { policy, key, checksums } = this.#options;
    await Promise.all(this.#uploads);
    if (this.#failure !== undefined) throw this.#failure;
    const command = new CompleteMultipartUploadCommand({
      ...(await this.#begun),
      MultipartUpload: { Parts: this.#parts },
      IfNoneMatch: '*',
      ...(checksums === null ? {} : { ChecksumCRC32: crc32Header(checksums.ofWhole()), ChecksumType: 'FULL_OBJECT' }),
    });
    let attempts = 0;
    const attempt = (signal: AbortSignal): Promise<'created' | 'undecided'> =>
      this.#completeOnce(command, (attempts += 1) > 1, signal);
    return policy.run('CompleteMultipartUpload', key, attempt, { joinedBytes: this.#sizeBytes });
  }

  /**
   * An earlier attempt may have done it, or may still be at it: then versitygw answers at once that all is well, although there
   * is nothing yet. S3 answers 200 before it has begun, and the error comes behind (API_CompleteMultipartUpload); the SDK sees
   * that by the last bytes, and what it does not see has no ETag. So only a first answer with an ETag is believed unseen.
   */
  async #completeOnce(
    command: CompleteMultipartUploadCommand,
    isRepeated: boolean,
    signal: AbortSignal,
  ): Promise<'created' | 'undecided'> {
    try {
      if (isRepeated && (await this.#hasAppeared(signal))) return 'undecided';
      // It has the time that the policy gives it, longer than that of others.
      const { ETag } = await this.#options.client.send(command, { abortSignal: signal, requestTimeout: 0 });
      if (isRepeated || ETag === undefined) {
        if (await this.#hasAppeared(signal)) return 'undecided';
        throw Object.assign(new Error('the store says that the object is complete, and there is none'), {
          code: 'EPROTO',
        });
      }
      this.#isOver = true;
      return 'created';
    } catch (error) {
      const { status, code } = s3ErrorOf(error);
      if (status === 412 || UNDECIDED.has(code)) return 'undecided';
      throw error;
    }
  }

  /** False where the store does not say: then the answer to the last request decides. */
  async #hasAppeared(signal: AbortSignal): Promise<boolean> {
    const { Bucket, Key } = await this.#begun;
    return this.#options.client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: signal }).then(
      ({ ETag }) => ETag !== undefined,
      () => false,
    );
  }

  /** Gives the parts back, as far as the store answers. Never throws. */
  async abort(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const { client, policy, key, onLeftover } = this.#options;
    const isAnswering = (): boolean => policy.traffic().circuit === 'closed';
    const parts = Promise.all(this.#uploads);
    if (isAnswering()) await settledWithin(PARTS_END_WITHIN_MS, parts);
    this.#cancel.abort(new BackupError('INTERRUPTED', `the upload of ${key} was given up`));
    await parts;
    if (!isAnswering()) return;
    const target = await this.#begun.catch(() => undefined);
    if (target === undefined) return;
    const command = new AbortMultipartUploadCommand(target);
    await policy
      .run('AbortMultipartUpload', key, (signal) =>
        client.send(command, { abortSignal: signal }).catch(goneAsUndefined),
      )
      .catch(onLeftover);
  }

  async #send(number: number, part: BodyPart): Promise<void> {
    const { client, policy, key, checksums } = this.#options;
    const checksum = checksums === null ? {} : { ChecksumCRC32: crc32Header(checksums.ofPart(number)) };
    const target = await this.#begun;
    const command = new UploadPartCommand({ ...target, PartNumber: number, Body: part.bytes, ...checksum });
    const { ETag } = await sendPart(policy, part, {
      operation: 'UploadPart',
      key,
      attempt: async (signal) => {
        const answer = await client.send(command, { abortSignal: signal });
        assertTagged(answer);
        return answer;
      },
      signal: this.#cancel.signal,
    });
    this.#parts[number - 1] = { PartNumber: number, ETag, ...checksum };
  }
}

/** Every failed put would say the same; one line for each kind of failure is enough. */
export function tellLeftovers(logger: Logger | undefined): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const kind = error instanceof BackupError ? error.code : 'other';
    if (told.has(kind)) return;
    told.add(kind);
    const hint = 'prune or a lifecycle rule of the bucket has to remove them';
    logger?.warn(`the parts of an upload that failed could not be removed: ${hint}`, { error });
  };
}

/** Resolves when the work is done or the time is over. */
export async function settledWithin(ms: number, work: Promise<unknown>): Promise<void> {
  const ended = new AbortController();
  void work.then(() => ended.abort());
  await pause(ms, ended.signal);
}
