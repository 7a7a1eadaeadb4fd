// Objects as block blobs of one container. A put is one Put Blob, or staged blocks and the commit of their list, with
// `If-None-Match: *` on the request that makes the blob visible; the blob's metadata carries a mark of its put, so that a put
// whose first answer was lost knows its own work. Blocks and blobs of one request carry the MD5 of their bytes, and so does what comes
// back; the service keeps none of a blob made of blocks, which would take hashing all bytes once more.

import { randomBytes } from 'node:crypto';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { BackupError } from '../../model/errors.ts';
import { type BodyPart, cutParts, wholePart } from '../request/body-parts.ts';
import { assertKeyPrefix, assertObjectKey, folderOf, isObjectKey } from '../object-key.ts';
import type { ByteRange, Deletion, ObjectInfo, ObjectStore, UnfinishedUpload } from '../object-store.ts';
import type { RequestPolicy, TranslateFailure } from '../request/request-policy.ts';
import { StoreClock } from '../request/store-clock.ts';
import { createStoreRequests, type RequestSurroundings, type StoreRequests } from '../request/store-requests.ts';
import { type AzureSettings, createContainerClient } from './azure-client.ts';
import { assertTagged, azureErrorOf, translateAzure } from './azure-failures.ts';
import { listBlobs, listed } from './blob-listing.ts';
import { readBlob } from './blob-reader.ts';
import { BlockUpload, md5 } from './block-upload.ts';
import { type AzureUploadPlace, discardBlocks, listUncommittedBlobs } from './uncommitted-blobs.ts';

/** Metadata of every blob: which put made it. Names of metadata are identifiers of C#. */
const NONCE = 'kafkabackupput';

/** Codes that tell that there is a blob of this name already; the last is of a commit whose blocks another commit took away. */
const EXISTS = new Set(['BlobAlreadyExists', 'ConditionNotMet', 'TargetConditionNotMet', 'InvalidBlockList']);

const MOST_BLOBS_OF_A_PAGE = 5000;

/** One put: the blob that it would make, and how that one is told from others of its name. */
interface Put {
  readonly blob: BlockBlobClient;
  readonly key: string;
  readonly nonce: string;
}

/** Of the request that makes a blob visible. */
interface CreationOptions {
  readonly conditions: { readonly ifNoneMatch: string };
  readonly metadata: Record<string, string>;
  readonly abortSignal: AbortSignal;
}

export class AzureObjectStore implements ObjectStore {
  readonly description: string;
  readonly policy: RequestPolicy;
  readonly #container: ContainerClient;
  /** In front of every key: empty, or ends with a slash. */
  readonly #prefix: string;
  readonly #requests: StoreRequests;
  readonly #pageSize: number;

  /** @throws CONFIG_INVALID for an account key of no possible form */
  constructor(settings: AzureSettings, surroundings: RequestSurroundings = {}) {
    const { accountName, container } = settings;
    const clock = new StoreClock(surroundings.logger);
    this.#container = createContainerClient(settings, (date) => clock.hear(date));
    this.#prefix = folderOf(settings.prefix);
    this.description = `azure://${accountName}/${container}/${this.#prefix}`;
    const translate: TranslateFailure = (...failure) => translateAzure({ accountName, container }, ...failure);
    this.#requests = createStoreRequests(settings.requests, translate, surroundings);
    this.#pageSize = surroundings.pageSize ?? MOST_BLOBS_OF_A_PAGE;
    this.policy = this.#requests.policy;
  }

  async putIfAbsent(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<'created' | 'exists'> {
    const put = this.#newPut(key);
    const upload = this.#beginUpload(put);
    try {
      for await (const part of cutParts(chunks, this.#requests.memory)) {
        const outcome = part.isLast && upload.isEmpty ? await this.#putWhole(put, part) : 'absent';
        if (outcome !== 'absent') return outcome;
        await upload.add(part);
      }
      const outcome = (await this.#commit(put, upload)) ? 'created' : await this.#whose(put);
      if (outcome !== 'absent') return outcome;
      const message = `put ${key} in ${this.description}: another put or delete of the same key came in between`;
      throw new BackupError('STORE_UNAVAILABLE', message, { context: { key } });
    } finally {
      await upload.close();
    }
  }

  /** See PutInParts. What was staged for a blob that is there nobody sees, and the service drops it after a week. */
  async putInParts(key: string, bytes: Buffer, isThere: Promise<unknown>): Promise<'created' | 'exists'> {
    // To a blob that has only blocks the service may say that it is there.
    await isThere;
    const put = this.#newPut(key);
    const upload = this.#beginUpload(put);
    try {
      await upload.add(wholePart(bytes));
      return (await this.#commit(put, upload)) ? 'created' : 'exists';
    } catch (error) {
      // Said only to those who are let in: a policy keeps what is there as it is.
      if (error instanceof BackupError && error.code === 'STORE_REFUSED') return 'exists';
      throw error;
    } finally {
      await upload.close();
    }
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    return readBlob({ blob: this.#blobOf(key), key, policy: this.policy }, range, into);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const blob = this.#blobOf(key);
    const found = await this.#propertiesOf(blob, key);
    if (found === undefined) return undefined;
    return { key, sizeBytes: found.contentLength ?? 0, modifiedAtMs: found.lastModified?.getTime() ?? 0 };
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectInfo> {
    assertKeyPrefix(prefix);
    const range = {
      what: prefix,
      prefix: this.#prefix + prefix,
      startAfter: startAfter === '' ? '' : this.#prefix + startAfter,
      pageSize: this.#pageSize,
    };
    for await (const { name, ...info } of listBlobs(this.#container, this.policy, range)) {
      const key = name.slice(this.#prefix.length);
      // Others may keep blobs here too.
      if (isObjectKey(key)) yield { key, ...info };
    }
  }

  async delete(key: string): Promise<Deletion> {
    const blob = this.#blobOf(key);
    await this.policy.run('DeleteBlob', key, async (abortSignal) => {
      await blob.delete({ abortSignal }).catch(absentAsUndefined);
    });
    return 'deleted';
  }

  async *unfinished(prefix: string): AsyncIterable<UnfinishedUpload> {
    assertKeyPrefix(prefix);
    yield* listUncommittedBlobs(this.#place(), prefix);
  }

  async discard({ name }: UnfinishedUpload): Promise<void> {
    assertObjectKey(name);
    await discardBlocks(this.#place(), name);
  }

  /** As the answer to a listing is dated. */
  async clock(): Promise<number> {
    const { value } = await this.policy.run('ListBlobs', '', (abortSignal) =>
      listed(this.#container.listBlobsFlat({ prefix: this.#prefix, abortSignal }).byPage({ maxPageSize: 1 }).next()),
    );
    const timeMs = value?.date?.getTime();
    if (timeMs === undefined) throw new BackupError('STORE_UNSUITABLE', `${this.description} does not tell the time`);
    return timeMs;
  }

  async close(): Promise<void> {
    this.policy.close();
  }

  /** `absent`: the service says that there is a blob, and there is none. It may mean blocks of an upload that was given up. */
  async #putWhole(put: Put, { bytes, release }: BodyPart): Promise<'created' | 'exists' | 'absent'> {
    const transactionalContentMD5 = md5(bytes);
    let attempts = 0;
    const isCreated = await this.#create('PutBlob', put, (options) => {
      attempts += 1;
      return put.blob.upload(bytes, bytes.byteLength, { ...options, transactionalContentMD5 });
    });
    const outcome = isCreated ? 'created' : await this.#whose(put);
    // After a request that was cut off, its socket may still read from the memory.
    if (attempts === 1 && outcome !== 'absent') release();
    return outcome;
  }

  /** False where something has the name. */
  async #commit(put: Put, upload: BlockUpload): Promise<boolean> {
    const blockIds = await upload.staged();
    const commit = (options: CreationOptions): Promise<unknown> => put.blob.commitBlockList([...blockIds], options);
    return this.#create('PutBlockList', put, commit, upload.sizeBytes);
  }

  /** Sends the request that makes a blob visible. False where something has the name. */
  #create(
    operation: string,
    { key, nonce }: Put,
    send: (options: CreationOptions) => Promise<unknown>,
    joinedBytes?: number,
  ): Promise<boolean> {
    const attempt = async (abortSignal: AbortSignal): Promise<boolean> => {
      try {
        await send({ conditions: { ifNoneMatch: '*' }, metadata: { [NONCE]: nonce }, abortSignal });
        return true;
      } catch (error) {
        if (EXISTS.has(azureErrorOf(error).code)) return false;
        throw error;
      }
    };
    return this.policy.run(operation, key, attempt, { joinedBytes });
  }

  /** Something has the name: the blob of this very put, whose first answer was lost, or another one. */
  async #whose({ blob, key, nonce }: Put): Promise<'created' | 'exists' | 'absent'> {
    const found = await this.#propertiesOf(blob, key);
    if (found === undefined) return 'absent';
    return found.metadata?.[NONCE] === nonce ? 'created' : 'exists';
  }

  #propertiesOf(blob: BlockBlobClient, key: string) {
    return this.policy.run('GetBlobProperties', key, async (abortSignal) => {
      const found = await blob.getProperties({ abortSignal }).catch(absentAsUndefined);
      if (found !== undefined) assertTagged(found);
      return found;
    });
  }

  #newPut(key: string): Put {
    return { blob: this.#blobOf(key), key, nonce: randomBytes(16).toString('hex') };
  }

  #beginUpload(put: Put): BlockUpload {
    const { partsInFlight } = this.#requests;
    return new BlockUpload({ ...put, startedAtMs: Date.now(), policy: this.policy, partsInFlight });
  }

  #place(): AzureUploadPlace {
    return { container: this.#container, policy: this.policy, prefix: this.#prefix };
  }

  #blobOf(key: string): BlockBlobClient {
    assertObjectKey(key);
    return this.#container.getBlockBlobClient(this.#prefix + key);
  }
}

/** Only of a blob: where the container is missing, nothing can be said of what it holds. */
function absentAsUndefined(error: unknown): undefined {
  if (azureErrorOf(error).code === 'BlobNotFound') return undefined;
  throw error;
}
