// Actions of a catalog, states in a form that can be compared, and a store that loses answers.

import { randomBytes } from 'node:crypto';
import type { CatalogHead } from '../../../src/catalog/catalog-head.ts';
import { CatalogState } from '../../../src/catalog/catalog-state.ts';
import { CatalogWriter } from '../../../src/catalog/catalog-writer.ts';
import type { CatalogAction } from '../../../src/catalog/commit.ts';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { RequestCounts } from '../../../src/model/request-counts.ts';
import type { PartitionIdentity } from '../../../src/model/segment/segment.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';

export const LAYOUT = new ObjectLayout('nightly', 'team/a');
export const T0 = 1_700_000_000_000;

export function topicId(letter: string): string {
  return letter.repeat(22);
}

export function partition(topic: string, number: number, letter = 'A'): PartitionIdentity {
  return { topic, topicId: topicId(letter), partition: number };
}

export const ORDERS = partition('orders', 0);

export interface SegmentChange {
  readonly timeline?: number;
  readonly leaderEpoch?: number;
  readonly random?: string;
  readonly reachedLogEnd?: boolean;
  readonly maxTimestampMs?: number;
}

export function segment(
  identity: PartitionIdentity,
  baseOffset: bigint,
  nextOffset: bigint,
  change: SegmentChange = {},
): CatalogAction {
  const random = change.random ?? randomBytes(4).toString('hex');
  return {
    kind: 'segment',
    segment: {
      ...identity,
      key: LAYOUT.segment(identity, baseOffset, random, 'zstd'),
      codec: 'zstd',
      baseOffset,
      nextOffset,
      recordCount: Number(nextOffset - baseOffset),
      batchCount: 1,
      minTimestampMs: null,
      maxTimestampMs: change.maxTimestampMs ?? T0,
      rawSizeBytes: 1000,
      storedSizeBytes: 500,
      frameCount: 1,
      footerSizeBytes: 300,
      footerSha256: 'cd'.repeat(32),
      timestampType: 'CreateTime',
      leaderEpoch: change.leaderEpoch ?? 4,
      isTransactional: false,
      decidedOffset: nextOffset,
      maxBatchSizeBytes: 900,
      maxIndivisibleBatchSizeBytes: 0,
      capturedAtMs: T0,
      reachedLogEnd: change.reachedLogEnd ?? true,
      timeline: change.timeline ?? 0,
    },
  };
}

export function start(identity: PartitionIdentity, offset: bigint): CatalogAction {
  return { kind: 'start', start: { ...identity, offset, foundAtMs: T0 } };
}

export function gap(identity: PartitionIdentity, baseOffset: bigint, lastOffset: bigint, timeline = 0): CatalogAction {
  return {
    kind: 'gap',
    gap: { ...identity, baseOffset, lastOffset, reason: 'retention', detectedAtMs: T0, timeline },
  };
}

export function truncation(
  identity: PartitionIdentity,
  endOffset: bigint,
  timeline: number,
  detectedAtMs = T0,
): CatalogAction {
  return { kind: 'truncation', truncation: { ...identity, endOffset, timeline, detectedAtMs } };
}

export function topicSeen({ topic, topicId: id }: PartitionIdentity, observedAtMs = T0): CatalogAction {
  const configs = { 'retention.ms': '1000', 'cleanup.policy': 'compact' };
  return { kind: 'topic', topic: { topic, topicId: id, partitions: 3, replicationFactor: 1, configs, observedAtMs } };
}

export function openWriter(store: ObjectStore, requests?: () => RequestCounts): Promise<CatalogWriter> {
  return CatalogWriter.open(store, LAYOUT, () => T0, requests);
}

/** Everything that a state says, as data; incarnations by name. */
export function contentOf(state: CatalogState): unknown {
  const byName = state.incarnations.toSorted((a, b) =>
    `${a.topic}/${a.topicId}` < `${b.topic}/${b.topicId}` ? -1 : 1,
  );
  return {
    version: state.version,
    sha256: state.sha256,
    committedAtMs: state.committedAtMs,
    requests: new Map(state.requests),
    incarnations: byName.map(({ topic, topicId: id, observations, partitions }) => ({
      incarnation: `${topic}/${id}`,
      observations,
      partitions: [...partitions]
        .toSorted(([a], [b]) => a - b)
        .map(([number, { segments, gaps, truncations, resume }]) => {
          return { number, segments, gaps, truncations, resume };
        }),
    })),
  };
}

/** What a head says, or the head of a state: incarnations by name, without those of which nothing was committed. */
export function headOf(fold: CatalogHead | CatalogState): unknown {
  const lives = (fold instanceof CatalogState ? fold.incarnations : fold.incarnations).map((life) => ({
    incarnation: `${life.topic}/${life.topicId}`,
    observation: 'observations' in life ? life.observations.at(-1) : life.observation,
    partitions: [...life.partitions.values()]
      .filter(({ resume }) => resume !== undefined)
      .sort((a, b) => a.identity.partition - b.identity.partition)
      .map(({ identity, position }) => ({ identity, position })),
  }));
  const { version, sha256, committedAtMs, requests } = fold;
  const byName = lives.sort((a, b) => (a.incarnation < b.incarnation ? -1 : 1));
  return { version, sha256, committedAtMs, requests: new Map(requests), incarnations: byName };
}

/** Performs puts, then loses the answers of those that `isLost` picks. */
export class AnswerLosingStore extends MemoryObjectStore {
  isLost: (key: string) => boolean = () => false;
  puts = 0;

  override async putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    const outcome = await super.putIfAbsent(key, chunks);
    this.puts += 1;
    if (this.isLost(key)) throw new BackupError('STORE_UNAVAILABLE', `put ${key}: connection reset`);
    return outcome;
  }
}

export async function keysOf(store: ObjectStore, prefix = LAYOUT.root): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** A copy of the store whose object `key` is what `change` makes of it; null removes it. */
export async function copyWith(
  store: ObjectStore,
  key: string,
  change: (bytes: Buffer) => Uint8Array | null,
): Promise<MemoryObjectStore> {
  const copy = new MemoryObjectStore();
  for await (const info of store.list('')) {
    const bytes = Buffer.from((await store.get(info.key))!);
    const changed = info.key === key ? change(bytes) : bytes;
    if (changed !== null) await copy.putIfAbsent(info.key, [changed]);
  }
  return copy;
}
