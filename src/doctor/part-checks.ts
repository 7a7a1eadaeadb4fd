// What a store makes of objects that go up in parts: that they are created once, read back across the border of two parts, and that
// nothing is left of one that is given up on its way.

import { pause } from '../model/back-off.ts';
import { BackupError, messageOf } from '../model/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { fail, type Finding, ok, warn } from './check-list.ts';

export interface PartSubject {
  readonly store: ObjectStore;
  readonly key: string;
  /** Larger objects go up in parts. */
  readonly partSizeBytes: number;
}

const CHUNK_BYTES = 1024 * 1024;
/** Of the second part, and read on both sides of the border. */
const BORDER_BYTES = 1024;
/** A part may arrive after its upload was given up, or even discarded: servers carry out what a client has broken off. */
const LOOKS = 10;
const BETWEEN_LOOKS_MS = 200;

/** The object in parts: no two of its ranges of that length are the same within 4 GiB. */
export function objectInParts({ partSizeBytes }: PartSubject): Generator<Uint8Array> {
  return numbered(0, partSizeBytes + BORDER_BYTES);
}

export async function readsAcrossParts(subject: PartSubject): Promise<Finding> {
  const { store, key, partSizeBytes } = subject;
  const position = Math.max(0, partSizeBytes - BORDER_BYTES);
  const sizeBytes = partSizeBytes + BORDER_BYTES - position;
  const found = await store.get(key, { position, sizeBytes });
  const isRight = found !== undefined && Buffer.concat([...numbered(position, sizeBytes)]).equals(found);
  const size = (await store.head(key))?.sizeBytes;
  if (isRight && size === partSizeBytes + BORDER_BYTES)
    return ok('a range across the border of two parts, and its size');
  return fail(
    `what was written to ${key} in parts was not read back`,
    'Look for a cache or proxy that changes or withholds bytes.',
  );
}

/** A backup gets by without it, and pays for what stays. */
export async function givesUp(subject: PartSubject): Promise<Finding> {
  const { store, key } = subject;
  const reason = new Error(`${key} was given up on purpose`);
  await store.putIfAbsent(key, endingWith(reason, objectInParts(subject))).catch((error: unknown) => {
    if (error !== reason) throw error;
  });
  if ((await store.head(key)) !== undefined) {
    await store.delete(key);
    return fail(
      `${key} is there, though its upload was given up`,
      'Use a store whose uploads appear whole or not at all.',
    );
  }
  try {
    for (let look = 1; look <= LOOKS; look += 1) {
      await pause(BETWEEN_LOOKS_MS);
      let isLeft = false;
      for await (const upload of store.unfinished(key)) {
        isLeft = true;
        await store.discard(upload);
      }
      if (!isLeft) return ok('nothing is left of an upload that was given up');
    }
    return staysBehind(`the upload of ${key} is still there`);
  } catch (error) {
    if (!(error instanceof BackupError) || error.kind.retriable) throw error;
    return staysBehind(messageOf(error));
  }
}

function staysBehind(message: string): Finding {
  return warn(
    message,
    'Allow uploads to be discarded (on S3: s3:AbortMultipartUpload). Without that, parts of failed uploads stay, unseen and paid for, and prune cannot remove them either.',
  );
}

async function* endingWith(reason: Error, chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
  throw reason;
}

/** Bytes `[position, position + sizeBytes)` of an endless row of 32-bit numbers, each its own place in it. */
function* numbered(position: number, sizeBytes: number): Generator<Uint8Array> {
  const end = position + sizeBytes;
  for (let at = position; at < end; ) {
    const skipped = at % 4;
    const words = Buffer.alloc(CHUNK_BYTES);
    for (let word = 0; word < CHUNK_BYTES / 4; word += 1) words.writeUInt32LE((at - skipped) / 4 + word, word * 4);
    const chunk = words.subarray(skipped, Math.min(CHUNK_BYTES, skipped + end - at));
    yield chunk;
    at += chunk.byteLength;
  }
}
