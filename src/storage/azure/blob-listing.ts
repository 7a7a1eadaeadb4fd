// The blobs of a container in the order of their names. The service can begin a listing only at a prefix, so one that begins in
// the middle walks down the folders of its starting point and passes over whole folders that come before it.

import type { BlobItem, BlobPrefix, ContainerClient } from '@azure/storage-blob';
import { StrangeAnswer } from '../request/request-failure.ts';
import type { RequestPolicy } from '../request/request-policy.ts';

export interface ListedBlob {
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

export interface ListingRange {
  /** What is listed, for messages. */
  readonly what: string;
  readonly prefix: string;
  /** A name; empty for all. */
  readonly startAfter: string;
  /** Blobs and folders of one request. */
  readonly pageSize: number;
}

type Page = { readonly items: readonly (BlobItem | BlobPrefix)[]; readonly next: string | undefined };

/** Blobs whose name begins with `prefix` and is greater than `startAfter`, in ascending order. */
export async function* listBlobs(
  container: ContainerClient,
  policy: RequestPolicy,
  { what, prefix, startAfter, pageSize }: ListingRange,
): AsyncGenerator<ListedBlob> {
  const delimiter = startAfter > prefix && startAfter.startsWith(prefix) ? '/' : undefined;
  if (delimiter === undefined && startAfter > prefix) return;
  for (let next: string | undefined = ''; next !== undefined; ) {
    const page: Page = await policy.run('ListBlobs', what, (signal) =>
      readPage(container, { prefix, delimiter, next: next ?? '', pageSize }, signal),
    );
    next = page.next;
    for (const item of page.items) {
      if ('properties' in item) {
        if (item.name > startAfter && !isDirectory(item)) yield listedBlob(item);
      } else if (item.name > startAfter || startAfter.startsWith(item.name)) {
        yield* listBlobs(container, policy, { what, prefix: item.name, startAfter, pageSize });
      }
    }
  }
}

async function readPage(
  container: ContainerClient,
  place: {
    readonly prefix: string;
    readonly delimiter: string | undefined;
    readonly next: string;
    readonly pageSize: number;
  },
  abortSignal: AbortSignal,
): Promise<Page> {
  const { prefix, delimiter, next, pageSize } = place;
  const options = { prefix, abortSignal };
  const settings = { maxPageSize: pageSize, ...(next === '' ? {} : { continuationToken: next }) };
  const pages =
    delimiter === undefined
      ? container.listBlobsFlat(options).byPage(settings)
      : container.listBlobsByHierarchy(delimiter, options).byPage(settings);
  const { value } = await listed(pages.next());
  if (value === undefined) return { items: [], next: undefined };
  const { blobItems } = value.segment;
  const blobPrefixes: readonly BlobPrefix[] = 'blobPrefixes' in value.segment ? (value.segment.blobPrefixes ?? []) : [];
  const items = [...blobItems, ...blobPrefixes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const { continuationToken } = value;
  return { items, next: continuationToken === undefined || continuationToken === '' ? undefined : continuationToken };
}

/** The SDK looks for the blobs of any document. @throws StrangeAnswer where there is no listing */
export async function listed<T>(page: Promise<T>): Promise<T> {
  try {
    return await page;
  } catch (error) {
    if (error instanceof TypeError) throw new StrangeAnswer('there is no listing in the answer');
    throw error;
  }
}

/** An account with a hierarchical namespace lists its directories among the blobs; the SDK passes that on without a type. */
export function isDirectory({ properties }: BlobItem): boolean {
  return (properties as { readonly ResourceType?: string }).ResourceType === 'directory';
}

function listedBlob({ name, properties }: BlobItem): ListedBlob {
  return {
    name,
    sizeBytes: properties.contentLength ?? 0,
    modifiedAtMs: properties.lastModified.getTime(),
  };
}
