// Frames of generated batches, a pool of real threads, and segments written into memory.

import { SharedBufferPool } from '../../../src/compression/shared-buffer-pool.ts';
import { PiscinaPool } from '../../../src/compression/piscina-pool.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { BackupError, type ErrorCode } from '../../../src/model/errors.ts';
import type { PartitionIdentity, SegmentSummary } from '../../../src/model/segment/segment.ts';
import { splitBatches } from '../../../src/record/batch-header.ts';
import type { Expansion } from '../../../src/segment/pack-frame.ts';
import {
  type RawFrame,
  type SealFacts,
  type SegmentSettings,
  SegmentWriter,
} from '../../../src/segment/segment-writer.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { encodeBatch, shared, type TestBatch, text } from '../../support/record-batches.ts';

export const T0 = 1_700_000_000_000;
export const IDENTITY: PartitionIdentity = { topic: 'orders', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partition: 3 };
export const KEY = 'b/data/orders/AAAAAAAAAAAAAAAAAAAAAQ/3/00000000000000000100-abcd.log';
export const OUTPUTS = 4;

export function startWorkers(threads = 2): WorkerPool {
  return new PiscinaPool({
    entry: new URL('../../../src/frame-worker.ts', import.meta.url),
    threads,
    keptThreads: threads,
    toError: (code, message) => new BackupError(code as ErrorCode, message),
  });
}

/** `count` JSON records from `baseOffset` on. */
export function jsonBatch(baseOffset: bigint, count: number, change: Partial<TestBatch> = {}): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampMs: T0 + Number(baseOffset) + index,
    key: text(`key-${index}`),
    value: text(JSON.stringify({ order: Number(baseOffset) + index, state: 'shipped', customer: index % 5 })),
  }));
  return encodeBatch({ baseOffset, records, ...change });
}

export function frameOf(batches: readonly Uint8Array[], expansion: Expansion = 'never'): RawFrame {
  const raw = new Uint8Array(shared(...batches));
  const headers = [...splitBatches(raw)];
  return {
    raw,
    baseOffset: headers[0]!.baseOffset,
    lastOffset: headers.at(-1)!.lastOffset,
    recordCount: headers.reduce((sum, header) => sum + header.recordCount, 0),
    batchCount: headers.length,
    expansion,
  };
}

export interface SegmentSetup {
  readonly workers: WorkerPool;
  readonly store?: ObjectStore;
  readonly outputs?: SharedBufferPool;
  readonly settings?: SegmentSettings;
  readonly outputBytes?: number;
  readonly key?: string;
}

export function openWriter(setup: SegmentSetup): SegmentWriter {
  return new SegmentWriter({
    identity: IDENTITY,
    key: setup.key ?? KEY,
    baseOffset: 95n,
    timeline: 2,
    settings: setup.settings ?? { codec: 'zstd', level: 3 },
    store: setup.store ?? new MemoryObjectStore(),
    workers: setup.workers,
    outputs: setup.outputs ?? new SharedBufferPool(setup.outputBytes ?? 1024 * 1024, OUTPUTS),
  });
}

export function sealAt(nextOffset: bigint): SealFacts {
  return { nextOffset, decidedOffset: nextOffset - 1n, capturedAtMs: T0 + 9999, reachedLogEnd: true };
}

/** One segment of `frames`, written into `store`. */
export async function writeSegment(frames: readonly RawFrame[], setup: SegmentSetup): Promise<SegmentSummary> {
  const writer = openWriter(setup);
  await Promise.all(frames.map((frame) => writer.addFrame(frame)));
  return writer.seal(sealAt((frames.at(-1)?.lastOffset ?? 94n) + 1n));
}

export async function bytesOf(store: ObjectStore, key = KEY): Promise<Buffer> {
  const bytes = await store.get(key);
  if (bytes === undefined) throw new Error(`${key} is not in the store`);
  return Buffer.from(bytes);
}
