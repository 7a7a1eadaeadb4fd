// How Google Cloud Storage is asked for the bytes of an object. It tells versions apart by their generation, and the CRC-32C of whole
// objects only: where the answer is one, it is checked; the frames and footers inside a segment carry checksums of their own.

import type { Readable } from 'node:stream';
import { BackupError } from '../../model/errors.ts';
import { crc32c } from '../../record/crc32c.ts';
import { StrangeAnswer } from '../request/request-failure.ts';
import type { AskForBytes } from '../request/ranged-download.ts';
import type { SendGcsRequest } from './gcs-client.ts';
import { gcsErrorOf, isObjectAbsent } from './gcs-failures.ts';

/** @param url path of the object in the API @param name for messages */
export function askGcs(send: SendGcsRequest, url: string, name: string): AskForBytes {
  return async ({ range, version }, signal) => {
    try {
      const { headers, data } = await send({
        ...{ method: 'GET', url, responseType: 'stream', signal },
        params: { alt: 'media', ...(version === undefined ? {} : { ifGenerationMatch: version }) },
        headers: { 'accept-encoding': 'identity', ...(range === undefined ? {} : { range }) },
      });
      const told = /crc32c=([A-Za-z0-9+/=]+)/.exec(headers.get('x-goog-hash') ?? '')?.[1];
      const generation = headers.get('x-goog-generation') ?? undefined;
      if (generation === undefined && told === undefined) {
        (data as Readable).destroy();
        throw new StrangeAnswer('there is neither generation nor checksum in the answer');
      }
      const length = headers.get('content-length');
      return {
        contentRange: headers.get('content-range'),
        contentLength: length === null ? undefined : Number(length),
        version: generation,
        body: data as Readable,
        verify: (bytes) => verifyCrc32c(bytes, told, name),
      };
    } catch (error) {
      if (isObjectAbsent(error)) return 'absent';
      const { status } = gcsErrorOf(error);
      if (status === 416) return 'beyond';
      if (status === 412) return 'changed';
      throw error;
    }
  };
}

function verifyCrc32c(bytes: Uint8Array, told: string | undefined, name: string): void {
  if (told === undefined || told === crc32cText(crc32c(bytes))) return;
  const message = `GetObject ${name}: the bytes that arrived do not have the CRC-32C that the store tells`;
  throw new BackupError('STORE_CHECKSUM_MISMATCH', message);
}

/** As the store writes it: big-endian, in Base64. */
export function crc32cText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
