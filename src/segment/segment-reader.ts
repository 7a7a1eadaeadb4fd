// Reads stored segments by ranges: the footer, then the frames that are needed. Each is held against the hash that the catalog,
// or the verified footer, has of it before anything else looks at its bytes.

import { createHash } from 'node:crypto';
import { BackupError } from '../model/errors.ts';
import type { FrameEntry, SegmentFooter, SegmentSummary } from '../model/segment/segment.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { decodeFooter, footerSha256 } from './segment-format.ts';

/** @throws OBJECT_MISSING, OBJECT_CORRUPT when size, hash or facts differ from what was committed. */
export async function readFooter(store: ObjectStore, segment: SegmentSummary): Promise<SegmentFooter> {
  const footer = await readStoredFooter(store, segment);
  const [difference] = catalogDifferences(footer, segment);
  if (difference === undefined) return footer;
  throw new BackupError('OBJECT_CORRUPT', `${segment.key} is not as the catalog describes it: ${difference}`, {
    context: contextOf(segment),
  });
}

/** What the catalog says of a segment otherwise than its footer, in words. */
export function catalogDifferences({ description }: SegmentFooter, segment: SegmentSummary): string[] {
  const inCatalog: ReadonlyMap<string, unknown> = new Map(Object.entries(segment));
  return Object.entries(description)
    .filter(([name, value]) => inCatalog.get(name) !== value)
    .map(([name, value]) => `${name} is ${String(value)} in the footer, ${String(inCatalog.get(name))} in the catalog`);
}

/** As {@link readFooter}, whatever the catalog says of the segment besides the footer's size and hash. */
export async function readStoredFooter(store: ObjectStore, segment: SegmentSummary): Promise<SegmentFooter> {
  const { key, storedSizeBytes, footerSizeBytes } = segment;
  const position = storedSizeBytes - footerSizeBytes;
  const bytes = await store.get(key, { position, sizeBytes: footerSizeBytes });
  if (bytes === undefined) throw missing(segment);
  if (bytes.byteLength !== footerSizeBytes || footerSha256(bytes) !== segment.footerSha256) {
    throw new BackupError('OBJECT_CORRUPT', `the footer of ${key} is not what was committed`, {
      context: contextOf(segment),
    });
  }
  return decodeFooter(bytes, key);
}

/** The stored bytes of one frame, written into `into` where that is large enough. @throws OBJECT_MISSING, OBJECT_CORRUPT. */
export async function readFrame(
  store: ObjectStore,
  segment: SegmentSummary,
  frame: FrameEntry,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const range = { position: frame.position, sizeBytes: frame.storedSizeBytes };
  const bytes = await store.get(
    segment.key,
    range,
    into !== undefined && into.byteLength >= range.sizeBytes ? into : undefined,
  );
  if (bytes === undefined) throw missing(segment);
  if (bytes.byteLength !== frame.storedSizeBytes || createHash('sha256').update(bytes).digest('hex') !== frame.sha256) {
    throw new BackupError(
      'OBJECT_CORRUPT',
      `frame ${frame.baseOffset}..${frame.lastOffset} of ${segment.key} is not what was written`,
      {
        context: { ...contextOf(segment), offset: frame.baseOffset },
      },
    );
  }
  return bytes;
}

function missing(segment: SegmentSummary): BackupError {
  return new BackupError('OBJECT_MISSING', `${segment.key}, which the catalog names, is not in the store`, {
    context: contextOf(segment),
  });
}

function contextOf({ topic, partition, key }: SegmentSummary) {
  return { topic, partition, key };
}
