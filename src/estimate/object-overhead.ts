// What an object takes besides its frames: its footer, and its line in the commit that names it. Both are made here by the code that
// makes them for a backup, of a sample's own frame, so that they have the size that the format gives them.

import { encodeCommit } from '../catalog/commit.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { NO_REQUESTS } from '../model/request-counts.ts';
import type { SegmentSummary } from '../model/segment/segment.ts';
import type { PackResult } from '../segment/pack-frame.ts';
import { SegmentBody } from '../segment/segment-writer.ts';
import type { SampleFrame } from './sample-frame.ts';

/** Of its length only: any other version, time and hash of today has as many digits, or a few more. */
const HEAD = {
  version: 1,
  previousSha256: '0'.repeat(64),
  writer: '0'.repeat(16),
  committedAtMs: 1_700_000_000_000,
  requests: NO_REQUESTS,
} as const;
const RANDOM = '0'.repeat(8);

/** Bytes of a commit besides what it says of segments. */
export const COMMIT_HEAD_BYTES = encodeCommit({ ...HEAD, actions: [] }).byteLength;

/** Of an object that holds this frame and no other. */
export function objectOverheadBytes(frame: SampleFrame, result: PackResult, layout: ObjectLayout): number {
  const { identity, baseOffset, lastOffset } = frame;
  const key = layout.segment(identity, baseOffset, RANDOM, 'zstd');
  const settings = { codec: 'zstd', level: 0 } as const;
  const body = new SegmentBody({ identity, key, baseOffset, timeline: 0, settings });
  body.append(frame, result, new Uint8Array(result.storedSizeBytes));
  const nextOffset = lastOffset + 1n;
  body.finish({ nextOffset, decidedOffset: nextOffset, capturedAtMs: HEAD.committedAtMs, reachedLogEnd: true });
  const segment = body.summary();
  return segment.footerSizeBytes + lineBytes(segment);
}

function lineBytes(segment: SegmentSummary): number {
  return encodeCommit({ ...HEAD, actions: [{ kind: 'segment', segment }] }).byteLength - COMMIT_HEAD_BYTES;
}
