// The work of a thread on one stored frame of `validate`: check its hash; with --deep also decode it, check every batch's CRC and every
// record's place, and hold what it holds against what the footer says of it.

import { createHash } from 'node:crypto';
import { FrameExpander } from '../compression/frame-codec.ts';
import { defineTask } from '../compression/worker-pool.ts';
import type { SegmentCodec } from '../model/codec.ts';
import { BackupError } from '../model/errors.ts';
import type { FrameEntry } from '../model/segment/segment.ts';
import { splitBatches } from '../record/batch-header.ts';
import { type FrameFacts, gatherFacts } from './frame-facts.ts';
import { recordFault } from './record-fault.ts';

export interface HashTask {
  readonly stored: SharedArrayBuffer;
  readonly frame: FrameEntry;
}

export interface VerifyTask extends HashTask {
  readonly codec: SegmentCodec;
}

export interface VerifyResult {
  readonly facts: FrameFacts;
  /** What differs from the footer, in words; empty when all agrees. */
  readonly differences: readonly string[];
}

export const HASH_FRAME = defineTask<HashTask, void>('hash-frame');
export const VERIFY_FRAME = defineTask<VerifyTask, VerifyResult>('verify-frame');

const expander = new FrameExpander();

/** @throws OBJECT_CORRUPT. */
export function hashFrame({ stored, frame }: HashTask): void {
  const sha256 = createHash('sha256').update(storedBytes(stored, frame)).digest('hex');
  if (sha256 !== frame.sha256) throw new BackupError('OBJECT_CORRUPT', 'its bytes are not those that were written');
}

/** @throws OBJECT_CORRUPT, BATCH_CORRUPT when the frame cannot be read at all. */
export function verifyFrame({ stored, codec, frame }: VerifyTask): VerifyResult {
  hashFrame({ stored, frame });
  const bytes = storedBytes(stored, frame);
  const raw = expander.expand(codec, bytes, new Uint8Array(frame.rawSizeBytes), frame.rawSizeBytes);
  const facts = gatherFacts(raw);
  const headers = [...splitBatches(raw)];
  const differences: string[] = [];
  const expect = (what: string, found: unknown, said: unknown): void => {
    if (found !== said) differences.push(`${what} is ${String(found)}, the footer says ${String(said)}`);
  };
  let recordCount = 0;
  let lastOffset = -1n;
  for (const header of headers) {
    if (header.baseOffset <= lastOffset)
      differences.push(`a batch at ${header.baseOffset} follows offset ${lastOffset}`);
    lastOffset = header.lastOffset;
    recordCount += header.recordCount;
    const fault = recordFault(raw, header);
    if (fault !== undefined) differences.push(fault);
  }
  expect('size of whole batches', facts.sizeBytes, frame.rawSizeBytes);
  expect('record count', recordCount, frame.recordCount);
  expect('batch count', headers.length, frame.batchCount);
  expect('base offset', headers[0]?.baseOffset, frame.baseOffset);
  expect('last offset', headers.at(-1)?.lastOffset, frame.lastOffset);
  // Null is no bound, and so never wrong: footers have it also where an earlier version did not look for one.
  if (frame.minTimestampMs !== null) expect('lowest timestamp', facts.minTimestampMs, frame.minTimestampMs);
  expect('highest timestamp', facts.maxTimestampMs, frame.maxTimestampMs);
  return { facts, differences };
}

function storedBytes(stored: SharedArrayBuffer, { storedSizeBytes }: FrameEntry): Uint8Array {
  return new Uint8Array(stored, 0, storedSizeBytes);
}
