// One blob on its way up as a list of blocks: each part is a block, staged beside others, and the blob appears when the list is
// committed. Blocks that no commit names are never visible, and the service drops them after a week, or when another commit of
// the same blob wins. Their ids carry its put's nonce, so that two writers of one key cannot take up each other's blocks, and when it
// began, since a listing does not tell that of blobs that are not there yet.

import { createHash } from 'node:crypto';
import type { BlockBlobClient } from '@azure/storage-blob';
import type { AdaptiveLimit } from '../request/adaptive-limit.ts';
import type { BodyPart } from '../request/body-parts.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
import { sendPart } from '../request/store-requests.ts';

export interface BlockUploadContext {
  readonly blob: BlockBlobClient;
  readonly key: string;
  readonly nonce: string;
  /** By the clock of this host. */
  readonly startedAtMs: number;
  readonly policy: RequestPolicy;
  /** Parts in flight, over all uploads of the store. */
  readonly partsInFlight: AdaptiveLimit;
}

export class BlockUpload {
  readonly #context: BlockUploadContext;
  readonly #blockIds: string[] = [];
  #sizeBytes = 0;
  readonly #staging = new Set<Promise<void>>();
  /** Aborted by the first failure, with it as the reason. */
  readonly #failed = new AbortController();

  constructor(context: BlockUploadContext) {
    this.#context = context;
  }

  /** True until the first part. */
  get isEmpty(): boolean {
    return this.#blockIds.length === 0;
  }

  /** Of all parts that were added. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Takes a part over; resolves when it is on its way. @throws what an earlier part failed with */
  async add(part: BodyPart): Promise<void> {
    const { partsInFlight } = this.#context;
    // A list without blocks makes an empty blob; a block cannot be empty.
    if (part.bytes.byteLength === 0) return;
    const { signal } = this.#failed;
    const turn = await partsInFlight.acquire(signal);
    const id = this.#nextBlockId();
    this.#sizeBytes += part.bytes.byteLength;
    const staging = this.#stage(id, part)
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => {
        partsInFlight.release(turn, 'same');
        this.#staging.delete(staging);
      });
    this.#staging.add(staging);
  }

  /** Waits for every part. @throws what one of them failed with */
  async staged(): Promise<readonly string[]> {
    await Promise.all(this.#staging);
    this.#failed.signal.throwIfAborted();
    return this.#blockIds;
  }

  /** Gives up what is still under way; to be called in the end, whatever the end. */
  async close(): Promise<void> {
    this.#failed.abort(new Error('the upload was given up'));
    await Promise.all(this.#staging);
  }

  async #stage(id: string, part: BodyPart): Promise<void> {
    const { blob, key, policy } = this.#context;
    const { bytes } = part;
    const transactionalContentMD5 = md5(bytes);
    await sendPart(policy, part, {
      operation: 'PutBlock',
      key,
      attempt: (abortSignal) => blob.stageBlock(id, bytes, bytes.byteLength, { abortSignal, transactionalContentMD5 }),
      signal: this.#failed.signal,
    });
  }

  /** All ids of one blob must be of one length, 64 bytes at most; 50,000 blocks are the most that it can have. */
  #nextBlockId(): string {
    const { nonce, startedAtMs } = this.#context;
    const number = String(this.#blockIds.length).padStart(6, '0');
    const id = `${nonce}-${String(startedAtMs).padStart(13, '0')}-${number}`;
    const encoded = Buffer.from(id).toString('base64');
    this.#blockIds.push(encoded);
    return encoded;
  }
}

/** When the upload began that staged a block of this id; undefined for what is no id of ours. */
export function startOfUpload(blockId: string): number | undefined {
  const told = /^[0-9a-f]+-(\d{13})-\d{6}$/.exec(Buffer.from(blockId, 'base64').toString('latin1'))?.[1];
  return told === undefined ? undefined : Number(told);
}

/** Compared by the service with what arrived, and by us with what was sent. */
export function md5(bytes: Uint8Array): Uint8Array {
  return createHash('md5').update(bytes).digest();
}
