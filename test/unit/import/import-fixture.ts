// An import between two stores in memory, and what it left there, read without the code that wrote it.
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { PartitionHistory } from '../../../src/catalog/catalog-state.ts';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { FrameExpander } from '../../../src/compression/frame-codec.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { type ImportReport, ImportRun, type ImportSettings } from '../../../src/import/import-run.ts';
import type { ImportChoices } from '../../../src/import/partition-import.ts';
import { pause } from '../../../src/model/back-off.ts';
import { splitBatches, verifyBatchCrc } from '../../../src/record/batch-header.ts';
import { readFooter, readFrame } from '../../../src/segment/segment-reader.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { ValidationRun } from '../../../src/validation/validation-run.ts';
import type { PeerRecord } from '../../support/peer-backup.ts';
import { readBatch } from '../../support/record-batches.ts';

export const LAYOUT = new ObjectLayout('ours');
export const NOW = 1_795_500_000_000;

export interface ImportChange {
  readonly choices?: Partial<ImportChoices>;
  readonly settings?: Partial<ImportSettings>;
  readonly peerBackupId?: string;
  readonly signal?: AbortSignal;
}

export function importInto(
  store: ObjectStore,
  peer: ObjectStore,
  workers: WorkerPool,
  change: ImportChange = {},
): Promise<ImportReport> {
  const run = new ImportRun({
    peer,
    peerBackupId: change.peerBackupId,
    choices: { keepsAddedHeaders: false, dropsMarkers: false, damaged: 'stop', ...change.choices },
    store,
    layout: LAYOUT,
    settings: {
      segments: { codec: 'zstd', level: 1 },
      frameBytes: 1024 * 1024,
      segmentMaxBytes: 64 * 1024 * 1024,
      segmentMaxRecords: null,
      maxConcurrentPartitions: 4,
      ...change.settings,
    },
    workers,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    monotonicMs: () => performance.now(),
    wallMs: () => NOW,
    wait: pause,
  });
  return run.run(change.signal ?? new AbortController().signal);
}

/** A record as it is stored: bytes in Latin-1. */
export interface StoredRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [key: string, value: string | null])[];
}

export async function storedRecords(store: ObjectStore, topic = 'orders', partition = 0): Promise<StoredRecord[]> {
  const history = await historyOf(store, topic, partition);
  const expander = new FrameExpander();
  const records: StoredRecord[] = [];
  for (const { segment } of history.currentSegments()) {
    const { frames } = await readFooter(store, segment);
    for (const frame of frames) {
      const stored = await readFrame(store, segment, frame);
      const raw = expander.expand(segment.codec, stored, new Uint8Array(frame.rawSizeBytes), frame.rawSizeBytes);
      for (const header of splitBatches(raw)) {
        verifyBatchCrc(raw, header);
        records.push(...readBatch(raw.subarray(header.position, header.position + header.sizeBytes)));
      }
    }
  }
  return records;
}

export async function historyOf(store: ObjectStore, topic = 'orders', partition = 0): Promise<PartitionHistory> {
  const state = await readCatalog(store, LAYOUT, { ignoreCheckpoints: true });
  const life = state.incarnations.find((one) => one.topic === topic);
  if (life === undefined) throw new Error(`the catalog does not know ${topic}`);
  return life.partition(partition);
}

/** What is expected to be stored of a record of the peer. */
export function asStored({ offset, timestamp, key, value, headers }: PeerRecord): StoredRecord {
  const text = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : Buffer.from(bytes).toString('latin1');
  const pairs = headers.map((one) => [text(Buffer.from(one.key)) ?? '', text(one.value)] as const);
  return { offset, timestampMs: Number(timestamp), key: text(key), value: text(value), headers: pairs };
}

/** What a deep validation finds wrong. */
export async function problemsOf(store: ObjectStore, workers: WorkerPool): Promise<string[]> {
  const { signal } = new AbortController();
  const { problems } = await new ValidationRun({
    store,
    layout: LAYOUT,
    depth: 'deep',
    workers,
    sample: null,
    signal,
  }).run();
  return problems.map(({ message }) => message);
}
