// Blobs of which blocks were staged and no list was ever committed: no reader sees them, and the service drops them after a week.
// It deletes no blob that is not there yet, and every request that takes blocks away makes a blob of that name: an empty list
// committed in their place makes an empty one, which is deleted at once. Whoever discards must be able to bear that it is seen, and
// that it stays when the delete is denied or the process dies before it: `appearsWhenDiscarded` says so. Blocks staged for a blob
// that another put has made are not shown: the service drops those too.

import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { isObjectKey } from '../object-key.ts';
import type { UnfinishedUpload } from '../object-store.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
import { azureErrorOf } from './azure-failures.ts';
import { isDirectory, listed } from './blob-listing.ts';
import { startOfUpload } from './block-upload.ts';

export interface AzureUploadPlace {
  readonly container: ContainerClient;
  readonly policy: RequestPolicy;
  /** In front of every key: empty, or ends with a slash. */
  readonly prefix: string;
}

const PAGE_BLOBS = 5000;
/** Of staging and committing: what has become of the upload since it was listed. */
const NOT_THERE = new Set(['BlobNotFound', 'ConditionNotMet']);
const THERE_NOW = new Set(['BlobAlreadyExists', 'ConditionNotMet', 'TargetConditionNotMet']);

export async function* listUncommittedBlobs(
  { container, policy, prefix }: AzureUploadPlace,
  below: string,
): AsyncGenerator<UnfinishedUpload> {
  for (let next: string | undefined = ''; next !== undefined; ) {
    const continuationToken: string = next;
    const { value } = await policy.run('ListBlobs', below, (abortSignal) =>
      listed(
        container
          .listBlobsFlat({ prefix: prefix + below, includeUncommitedBlobs: true, abortSignal })
          .byPage({ maxPageSize: PAGE_BLOBS, ...(continuationToken === '' ? {} : { continuationToken }) })
          .next(),
      ),
    );
    for (const item of value?.segment.blobItems ?? []) {
      const { name: blobName, properties } = item;
      const name = blobName.slice(prefix.length);
      // A listing mixes them with blobs that are there, of which only empty ones look alike.
      if (!isObjectKey(name) || (properties.contentLength ?? 0) > 0 || isDirectory(item)) continue;
      const staged = await stagedBlocks(container.getBlockBlobClient(blobName), name, policy);
      if (staged === undefined) continue;
      // Azurite tells it; Microsoft has no Last-Modified for what is not there yet.
      const modifiedAtMs = properties.lastModified?.getTime() ?? Number.NaN;
      const touchedAtMs = Number.isNaN(modifiedAtMs) ? staged.startedAtMs : modifiedAtMs;
      yield { name, id: '', touchedAtMs, sizeBytes: staged.sizeBytes, appearsWhenDiscarded: true };
    }
    next = value?.continuationToken === '' ? undefined : value?.continuationToken;
  }
}

export async function discardBlocks({ container, policy, prefix }: AzureUploadPlace, name: string): Promise<void> {
  const blob = container.getBlockBlobClient(prefix + name);
  const etag = await policy.run('PutBlockList', name, async (abortSignal) => {
    try {
      return (await blob.commitBlockList([], { conditions: { ifNoneMatch: '*' }, abortSignal })).etag;
    } catch (error) {
      if (THERE_NOW.has(azureErrorOf(error).code)) return undefined;
      throw error;
    }
  });
  if (etag === undefined) return;
  await policy.run('DeleteBlob', name, async (abortSignal) => {
    try {
      await blob.delete({ conditions: { ifMatch: etag }, abortSignal });
    } catch (error) {
      if (!NOT_THERE.has(azureErrorOf(error).code)) throw error;
    }
  });
}

/** Undefined for a blob that is there, and for one without anything staged. */
async function stagedBlocks(
  blob: BlockBlobClient,
  name: string,
  policy: RequestPolicy,
): Promise<{ readonly sizeBytes: number; readonly startedAtMs: number | null } | undefined> {
  return policy.run('GetBlockList', name, async (abortSignal) => {
    try {
      await blob.getProperties({ abortSignal });
      return undefined;
    } catch (error) {
      if (azureErrorOf(error).code !== 'BlobNotFound') throw error;
    }
    try {
      const { uncommittedBlocks = [] } = await blob.getBlockList('uncommitted', { abortSignal });
      const starts = uncommittedBlocks.map((block) => startOfUpload(block.name)).filter((start) => start !== undefined);
      return {
        sizeBytes: uncommittedBlocks.reduce((sum, { size }) => sum + size, 0),
        startedAtMs: starts.length === 0 ? null : starts.reduce((newest, start) => Math.max(newest, start)),
      };
    } catch (error) {
      if (azureErrorOf(error).code === 'BlobNotFound') return undefined;
      throw error;
    }
  });
}
