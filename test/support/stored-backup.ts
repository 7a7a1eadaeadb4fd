// A backup made without Kafka: real segments and commits, written by the code under test from generated batches; and the ways
// in which a store, a bug or a hand can damage it.

import { createHash } from 'node:crypto';
import { foundBackup } from '../../src/catalog/backup-identity.ts';
import { CatalogWriter } from '../../src/catalog/catalog-writer.ts';
import { type CatalogAction, encodeCommit } from '../../src/catalog/commit.ts';
import { ObjectLayout } from '../../src/catalog/object-layout.ts';
import { SharedBufferPool } from '../../src/compression/shared-buffer-pool.ts';
import { PiscinaPool } from '../../src/compression/piscina-pool.ts';
import type { WorkerPool } from '../../src/compression/worker-pool.ts';
import type { SegmentCodec } from '../../src/model/codec.ts';
import { BackupError, type ErrorCode } from '../../src/model/errors.ts';
import { NO_REQUESTS, type RequestCounts } from '../../src/model/request-counts.ts';
import type { SegmentFooter, SegmentSummary } from '../../src/model/segment/segment.ts';
import { splitBatches } from '../../src/record/batch-header.ts';
import type { Expansion } from '../../src/segment/pack-frame.ts';
import { encodeFooter, footerSha256 } from '../../src/segment/segment-format.ts';
import { readFooter } from '../../src/segment/segment-reader.ts';
import { SegmentWriter } from '../../src/segment/segment-writer.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { encodeBatch, shared, type TestBatch, text } from './record-batches.ts';

export const T0 = 1_700_000_000_000;
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const BACKUP_ID = 'b';

export function startWorkers(threads = 2): WorkerPool {
  return new PiscinaPool({
    entry: new URL('../../src/frame-worker.ts', import.meta.url),
    threads,
    keptThreads: threads,
    toError: (code, message) => new BackupError(code as ErrorCode, message),
  });
}

/** `count` records from `baseOffset` on, one millisecond apart. */
export function jsonBatch(baseOffset: bigint, count: number, change: Partial<TestBatch> = {}): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampMs: T0 + Number(baseOffset) + index,
    key: text(`key-${index % 3}`),
    value: text(JSON.stringify({ order: Number(baseOffset) + index, state: 'shipped' })),
    headers: [{ key: text('source'), value: text('test') }],
  }));
  return encodeBatch({ baseOffset, records, ...change });
}

export interface SegmentSpec {
  readonly topic?: string;
  readonly topicId?: string;
  readonly partition?: number;
  readonly timeline?: number;
  /** First offset covered; that of the first batch unless given. */
  readonly baseOffset?: bigint;
  /** Behind the last batch unless given. */
  readonly nextOffset?: bigint;
  readonly codec?: SegmentCodec;
  readonly expansion?: Expansion;
  readonly reachedLogEnd?: boolean;
  /** The last stable offset when it was captured; by default every transaction had ended. */
  readonly decidedOffset?: bigint;
}

export class TestBackup {
  readonly store: ObjectStore;
  readonly layout = new ObjectLayout(BACKUP_ID);
  readonly #workers: WorkerPool;
  readonly #outputs = new SharedBufferPool(256 * 1024, 4);
  readonly #catalog: CatalogWriter;
  #objects = 0;

  private constructor(store: ObjectStore, workers: WorkerPool, catalog: CatalogWriter) {
    this.store = store;
    this.#workers = workers;
    this.#catalog = catalog;
  }

  /** @param requests what is said to have gone to the store so far */
  static async create(store: ObjectStore, workers: WorkerPool, requests?: () => RequestCounts): Promise<TestBackup> {
    const layout = new ObjectLayout(BACKUP_ID);
    await foundBackup(store, layout, 'cluster-1', T0);
    return new TestBackup(store, workers, await CatalogWriter.open(store, layout, () => T0 + 60_000, requests));
  }

  /** Writes an object of these frames, each a list of batches. It is committed by {@link commit}. */
  async segment(frames: readonly (readonly Uint8Array[])[], spec: SegmentSpec = {}): Promise<SegmentSummary> {
    const {
      topic = 'orders',
      topicId = TOPIC_ID,
      partition = 0,
      timeline = 0,
      codec = 'zstd',
      expansion = 'never',
    } = spec;
    const headers = frames.map((batches) => [...splitBatches(Buffer.concat(batches))]);
    const baseOffset = spec.baseOffset ?? headers[0]![0]!.baseOffset;
    const nextOffset = spec.nextOffset ?? headers.at(-1)!.at(-1)!.lastOffset + 1n;
    this.#objects += 1;
    const identity = { topic, topicId, partition };
    const key = this.layout.segment(identity, baseOffset, String(this.#objects).padStart(8, '0'), codec);
    const { store } = this;
    const [workers, outputs] = [this.#workers, this.#outputs];
    const settings = { codec, level: 1 };
    const writer = new SegmentWriter({ identity, key, baseOffset, timeline, settings, store, workers, outputs });
    const added = frames.map((batches, index) =>
      writer.addFrame({
        raw: new Uint8Array(shared(...batches)),
        baseOffset: headers[index]![0]!.baseOffset,
        lastOffset: headers[index]!.at(-1)!.lastOffset,
        recordCount: headers[index]!.reduce((sum, header) => sum + header.recordCount, 0),
        batchCount: headers[index]!.length,
        expansion,
      }),
    );
    await Promise.all(added);
    const { reachedLogEnd = true, decidedOffset = nextOffset } = spec;
    return writer.seal({ nextOffset, decidedOffset, capturedAtMs: T0 + 50_000, reachedLogEnd });
  }

  async commit(...actions: readonly CatalogAction[]): Promise<void> {
    const { fenced } = await this.#catalog.commit(actions);
    if (fenced.length > 0) throw new Error('a commit of the test was fenced');
  }

  /** Writes a segment of one frame and commits it. */
  async add(batches: readonly Uint8Array[], spec: SegmentSpec = {}): Promise<SegmentSummary> {
    const segment = await this.segment([batches], spec);
    await this.commit({ kind: 'segment', segment });
    return segment;
  }

  /** A commit that no writer of ours would make, in the chain all the same. */
  async forceCommit(...actions: readonly CatalogAction[]): Promise<void> {
    const { version, sha256 } = this.#catalog.state;
    const commit = {
      version: version + 1,
      previousSha256: sha256,
      writer: 'test',
      committedAtMs: T0,
      requests: NO_REQUESTS,
      actions,
    };
    const bytes = encodeCommit(commit);
    await this.store.putIfAbsent(this.layout.commit(version + 1), [bytes]);
    this.#catalog.state.apply(commit, createHash('sha256').update(bytes).digest('hex'));
  }

  async observe(
    partitions = 1,
    change: { topic?: string; topicId?: string; configs?: Record<string, string> } = {},
  ): Promise<void> {
    const { topic = 'orders', topicId = TOPIC_ID, configs = { 'retention.ms': '1000' } } = change;
    await this.commit({
      kind: 'topic',
      topic: { topic, topicId, partitions, replicationFactor: 1, configs, observedAtMs: T0 },
    });
  }

  checkpoint(): Promise<void> {
    return this.#catalog.checkpoint(true);
  }

  /** Changes an object behind everybody's back. */
  async change(key: string, edit: (bytes: Buffer) => Uint8Array | undefined): Promise<void> {
    const edited = edit(await this.bytes(key));
    await this.store.delete(key);
    if (edited !== undefined) await this.store.putIfAbsent(key, [edited]);
  }

  async bytes(key: string): Promise<Buffer> {
    const bytes = await this.store.get(key);
    if (bytes === undefined) throw new Error(`${key} is not in the store`);
    return Buffer.from(bytes);
  }

  /** The object with another footer, and a summary that agrees with it in size and hashes: a lie without a damaged byte. */
  async forge(segment: SegmentSummary, edit: (footer: SegmentFooter) => SegmentFooter): Promise<SegmentSummary> {
    const footer = edit(await readFooter(this.store, segment));
    const bytes = encodeFooter(footer);
    await this.change(segment.key, (object) => Buffer.concat([object.subarray(0, footer.bodySizeBytes), bytes]));
    const object = await this.bytes(segment.key);
    return {
      ...segment,
      ...footer.description,
      storedSizeBytes: object.byteLength,
      footerSizeBytes: bytes.byteLength,
      footerSha256: footerSha256(bytes),
    };
  }
}
