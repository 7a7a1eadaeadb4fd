// Multipart uploads that neither ended nor were given up: their parts are paid for, and shown to nobody. When one last grew is
// told by its newest part. MinIO lists uploads only under their whole key, and drops them itself after a day.

import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type Part,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isObjectKey } from '../object-key.ts';
import type { UnfinishedUpload } from '../object-store.ts';
import type { RequestPolicy } from '../request/request-policy.ts';
import { s3ErrorOf } from './s3-failures.ts';
import { nextOf } from './s3-pages.ts';

export interface S3UploadPlace {
  readonly client: S3Client;
  readonly policy: RequestPolicy;
  readonly bucket: string;
  /** In front of every key: empty, or ends with a slash. */
  readonly prefix: string;
}

export async function* listUnfinishedUploads(place: S3UploadPlace, prefix: string): AsyncGenerator<UnfinishedUpload> {
  const { client, policy, bucket } = place;
  let keyMarker: string | undefined;
  let uploadIdMarker: string | undefined;
  do {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: place.prefix + prefix,
      KeyMarker: keyMarker,
      UploadIdMarker: uploadIdMarker,
    });
    const page: UploadsPage = await policy.run('ListMultipartUploads', prefix, async (signal) => {
      const answer = await client.send(command, { abortSignal: signal });
      return { answer, next: nextOf(answer, 'NextKeyMarker', answer.NextKeyMarker) };
    });
    for (const { Key = '', UploadId = '', Initiated } of page.answer.Uploads ?? []) {
      const name = Key.slice(place.prefix.length);
      // Others may be uploading here too, and not every store heeds the prefix.
      if (!Key.startsWith(place.prefix + prefix) || !isObjectKey(name)) continue;
      const growth = await measureParts(place, name, UploadId);
      const times = [Initiated?.getTime(), growth.grownAtMs].filter((time) => time !== undefined);
      const touchedAtMs = times.length === 0 ? null : Math.max(...times);
      yield { name, id: UploadId, touchedAtMs, sizeBytes: growth.sizeBytes };
    }
    keyMarker = page.next;
    uploadIdMarker = page.answer.NextUploadIdMarker;
  } while (keyMarker !== undefined);
}

/** Succeeds when it has ended in the meantime. */
export async function abortUpload(place: S3UploadPlace, { name, id }: UnfinishedUpload): Promise<void> {
  const { client, policy, bucket, prefix } = place;
  const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: prefix + name, UploadId: id });
  await policy.run('AbortMultipartUpload', name, async (signal) => {
    await client.send(command, { abortSignal: signal }).catch(goneAsUndefined);
  });
}

interface UploadsPage {
  readonly answer: ListMultipartUploadsCommandOutput;
  readonly next: string | undefined;
}

interface PartsPage {
  readonly parts: readonly Part[];
  readonly next: string | undefined;
}

/** Nothing of an upload that has ended in the meantime. */
async function measureParts(
  { client, policy, bucket, prefix }: S3UploadPlace,
  name: string,
  uploadId: string,
): Promise<{ readonly sizeBytes: number; readonly grownAtMs: number | undefined }> {
  let sizeBytes = 0;
  let grownAtMs: number | undefined;
  let marker: string | undefined;
  do {
    const command: ListPartsCommand = new ListPartsCommand({
      Bucket: bucket,
      Key: prefix + name,
      UploadId: uploadId,
      PartNumberMarker: marker,
    });
    const page: PartsPage = await policy.run('ListParts', name, async (signal) => {
      const answer = await client.send(command, { abortSignal: signal }).catch(goneAsUndefined);
      if (answer === undefined) return { parts: [], next: undefined };
      return { parts: answer.Parts ?? [], next: nextOf(answer, 'NextPartNumberMarker', answer.NextPartNumberMarker) };
    });
    for (const { Size = 0, LastModified } of page.parts) {
      sizeBytes += Size;
      grownAtMs = Math.max(grownAtMs ?? 0, LastModified?.getTime() ?? 0);
    }
    marker = page.next;
  } while (marker !== undefined);
  return { sizeBytes, grownAtMs };
}

/** An upload that has ended is an answer. */
export function goneAsUndefined(error: unknown): undefined {
  if (s3ErrorOf(error).code !== 'NoSuchUpload') throw error;
}
