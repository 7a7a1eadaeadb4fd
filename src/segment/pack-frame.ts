// The work of a thread on one frame of a backup: check every batch's CRC, gather what the footer says of them, expand batches
// that producers compressed where that makes smaller objects, compress, hash. An expanded batch is still a valid batch: codec
// bits cleared, length and CRC recomputed, everything else untouched.

import { createHash } from 'node:crypto';
import { defineTask } from '../compression/worker-pool.ts';
import { FrameCompressor, maxStoredSize } from '../compression/frame-codec.ts';
import type { SegmentCodec } from '../model/codec.ts';
import { BackupError, type ErrorCode, invariant } from '../model/errors.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  codecOf,
  sealBatchCrc,
  viewOf,
} from '../record/batch-header.ts';
import { BatchCursor } from '../record/batch-cursor.ts';
import { expandRecords } from '../record/producer-compression.ts';
import { type FrameFacts, gatherFacts } from './frame-facts.ts';

/** `measure` compresses both ways and keeps the expanded form where it is at least {@link WORTHWHILE_SAVING} smaller. */
export type Expansion = 'never' | 'always' | 'measure';

/** DESIGN 4.1: expanding costs about three times the CPU; it is done where it saves a fifth. */
const WORTHWHILE_SAVING = 0.2;
/**
 * zstd level for batches that stay compressed. Measured on batches of lz4: level 3 makes them 34 % smaller at 0.3 GB/s, level 1
 * 28 % at 1.2 GB/s; what is compressed better is recognised and copied at either.
 */
const LEVEL_FOR_COMPRESSED = 1;

const NOT_DECODED: readonly ErrorCode[] = ['BATCH_CORRUPT', 'CODEC_MISSING'];

export interface PackTask {
  /** Whole batches, in shared memory. */
  readonly raw: Uint8Array;
  /** Takes the frame when it fits. */
  readonly output: SharedArrayBuffer;
  readonly codec: SegmentCodec;
  readonly level: number;
  readonly expansion: Expansion;
}

export interface PackResult {
  readonly facts: FrameFacts;
  /** Of the batches as stored: more than the task's where they were expanded. */
  readonly rawSizeBytes: number;
  readonly storedSizeBytes: number;
  readonly isExpanded: boolean;
  readonly sha256: string;
  /** The frame when it did not fit into the task's output. */
  readonly overflow: SharedArrayBuffer | null;
}

export const PACK_FRAME = defineTask<PackTask, PackResult>('pack-frame');

const compressors = new Map<string, FrameCompressor>();
let scratch = new Uint8Array(0);
/** A scratch area above this is not kept. */
const KEPT_SCRATCH_BYTES = 32 * 1024 * 1024;
/** A frame that would grow beyond this is stored as it came: what producers send must not decide how much memory is taken. */
const MAX_EXPANDED_FRAME_BYTES = 64 * 1024 * 1024;

/** @throws BATCH_CORRUPT. */
export function packFrame(task: PackTask): PackResult {
  const { raw } = task;
  const facts = gatherFacts(raw);
  invariant(facts.sizeBytes === raw.byteLength && facts.sizeBytes > 0, 'a frame does not end with a whole batch');
  const isMostlyCompressed = facts.compressedBytes * 2 > raw.byteLength;
  const level = isMostlyCompressed ? Math.min(task.level, LEVEL_FOR_COMPRESSED) : task.level;
  const finishAsItCame = (): PackResult => finish({ ...task, level }, raw, facts);
  if (facts.compressedBytes === 0 || task.expansion === 'never') return finishAsItCame();
  const expanded = tryExpand(raw);
  if (expanded === undefined) return finishAsItCame();
  if (task.expansion === 'measure') {
    const asItCame = compress({ ...task, level }, raw).storedSizeBytes;
    const result = finish(task, expanded, gatherFacts(expanded, raw));
    return result.storedSizeBytes <= asItCame * (1 - WORTHWHILE_SAVING) ? result : finishAsItCame();
  }
  return finish(task, expanded, gatherFacts(expanded, raw));
}

/** `stored` is the task's `raw`, or the same batches expanded. */
function finish(task: PackTask, stored: Uint8Array, facts: FrameFacts): PackResult {
  const frame = compress(task, stored);
  const bytes = new Uint8Array(frame.overflow ?? task.output, 0, frame.storedSizeBytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (scratch.byteLength > KEPT_SCRATCH_BYTES) scratch = new Uint8Array(0);
  return { facts, rawSizeBytes: stored.byteLength, isExpanded: stored !== task.raw, sha256, ...frame };
}

function compress(task: PackTask, raw: Uint8Array): { storedSizeBytes: number; overflow: SharedArrayBuffer | null } {
  const key = `${task.codec}/${task.level}`;
  const compressor = compressors.get(key) ?? new FrameCompressor(task.codec, task.level);
  compressors.set(key, compressor);
  const storedSizeBytes = compressor.compress(raw, new Uint8Array(task.output));
  if (storedSizeBytes !== undefined) return { storedSizeBytes, overflow: null };
  const overflow = new SharedArrayBuffer(maxStoredSize(raw.byteLength));
  const overflowBytes = compressor.compress(raw, new Uint8Array(overflow));
  invariant(overflowBytes !== undefined, 'a frame is larger than its bound');
  return { storedSizeBytes: overflowBytes, overflow };
}

/** As expandBatches; undefined also where a producer's compression does not decode here: such a batch is kept exactly as it came. */
function tryExpand(raw: Uint8Array): Uint8Array | undefined {
  try {
    return expandBatches(raw);
  } catch (error) {
    if (error instanceof BackupError && NOT_DECODED.includes(error.code)) return undefined;
    throw error;
  }
}

/** All batches with their records expanded, in this thread's scratch area; undefined when that takes too much memory. */
function expandBatches(raw: Uint8Array): Uint8Array | undefined {
  let filled = 0;
  const header = new BatchCursor(raw);
  while (header.next()) {
    const batch = raw.subarray(header.position, header.position + header.sizeBytes);
    const records = expandRecords(codecOf(header), batch.subarray(BATCH_HEADER_BYTES));
    const sizeBytes = BATCH_HEADER_BYTES + records.byteLength;
    if (filled + sizeBytes > MAX_EXPANDED_FRAME_BYTES) return undefined;
    reserveScratch(filled, sizeBytes);
    const target = scratch.subarray(filled, filled + sizeBytes);
    target.set(batch.subarray(0, BATCH_HEADER_BYTES));
    target.set(records, BATCH_HEADER_BYTES);
    if (codecOf(header) !== 'none') {
      const view = viewOf(target);
      view.setInt32(BATCH_FIELD.batchLength, sizeBytes - BATCH_PREFIX_BYTES);
      view.setInt16(BATCH_FIELD.attributes, header.attributes & ~ATTRIBUTE.codecMask);
      sealBatchCrc(target);
    }
    filled += sizeBytes;
  }
  return scratch.subarray(0, filled);
}

function reserveScratch(filled: number, moreBytes: number): void {
  if (filled + moreBytes <= scratch.byteLength) return;
  const larger = new Uint8Array(Math.max(filled + moreBytes, scratch.byteLength * 2, 8 * 1024 * 1024));
  larger.set(scratch.subarray(0, filled));
  scratch = larger;
}
