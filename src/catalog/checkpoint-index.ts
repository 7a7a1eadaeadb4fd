// The index of a checkpoint: the catalog's head, and per topic the pieces that hold its actions. Also how index and pieces are
// packed: JSON in one zstd frame with its checksum.

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BackupError } from '../model/errors.ts';
import { JsonFields, parseJson, toJson } from '../model/json-fields.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { CatalogHead, type Incarnation, PartitionHead } from './catalog-head.ts';
import { assertFormat, CATALOG_FORMAT_VERSION, decodeTopic, type TopicObservation } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

const MAX_CHECKPOINT_BYTES = 1024 * 1024 * 1024;

/** The actions of one incarnation in the commits `from` to `to`. */
export interface Piece {
  readonly key: string;
  readonly sha256: string;
  readonly from: number;
  readonly to: number;
  readonly actionCount: number;
}

export interface TopicPieces {
  readonly topic: string;
  readonly topicId: string;
  pieces: Piece[];
}

/** As it stands in the index: what a reader of the pieces must come to, and what a writer goes on from. */
interface PositionEntry {
  readonly partition: number;
  readonly nextOffset: bigint;
  readonly leaderEpoch: number;
  readonly timeline: number;
  readonly earliestMs: number | null;
  readonly capturedAtMs: number | null;
}

interface TopicEntry extends TopicPieces {
  readonly observation: TopicObservation | null;
  readonly partitions: readonly PositionEntry[];
}

/** As it lies in the store. `sha256` is of the commit that it reaches. */
export interface DecodedIndex {
  readonly sha256: string;
  readonly committedAtMs: number;
  readonly topics: readonly TopicEntry[];
}

/** What the writer of checkpoints remembers between two of them. */
export interface CheckpointIndex {
  readonly version: number;
  readonly topics: ReadonlyMap<string, TopicPieces>;
}

export const NO_CHECKPOINT: CheckpointIndex = { version: 0, topics: new Map() };

/** The index of the checkpoint of `head`, packed. */
export function encodeIndex(head: CatalogHead, topics: readonly TopicPieces[]): Buffer {
  const entries = topics.map((entry): TopicEntry => {
    const life = head.incarnation(entry.topic, entry.topicId);
    return { ...entry, observation: life.observation ?? null, partitions: positionsOf(life) };
  });
  const { version, sha256, committedAtMs } = head;
  return pack({
    formatVersion: CATALOG_FORMAT_VERSION,
    version,
    sha256,
    committedAtMs: committedAtMs ?? 0,
    topics: entries,
  });
}

/** The head as of the checkpoint of `version`. */
export function headOf(version: number, index: DecodedIndex): CatalogHead {
  const { topics, sha256, committedAtMs } = index;
  const head = new CatalogHead();
  for (const { topic, topicId, observation, partitions } of topics) {
    const life = head.incarnation(topic, topicId);
    life.observation = observation ?? undefined;
    for (const { partition, earliestMs, capturedAtMs, ...resume } of partitions) {
      const position = { resume, earliestMs, capturedAtMs };
      life.partitions.set(partition, new PartitionHead({ topic, topicId, partition }, position));
    }
  }
  head.version = version;
  head.sha256 = sha256;
  head.committedAtMs = committedAtMs;
  return head;
}

/** By partition; those of which nothing was committed are left out. */
export function positionsOf({ partitions }: Incarnation<PartitionHead>): PositionEntry[] {
  return [...partitions]
    .flatMap(([partition, { position }]): PositionEntry[] => {
      const { resume, earliestMs, capturedAtMs } = position;
      if (resume === undefined) return [];
      // In one order: entries are compared as text.
      const { nextOffset, leaderEpoch, timeline } = resume;
      return [{ partition, nextOffset, leaderEpoch, timeline, earliestMs, capturedAtMs }];
    })
    .sort((a, b) => a.partition - b.partition);
}

/** @throws CATALOG_CORRUPT when it is missing or damaged, FORMAT_TOO_NEW. */
export async function readIndex(store: ObjectStore, layout: ObjectLayout, version: number): Promise<DecodedIndex> {
  const key = layout.checkpoint(version);
  const bytes = await store.get(key);
  if (bytes === undefined)
    throw new BackupError('CATALOG_CORRUPT', `checkpoint ${key} is missing`, { context: { key } });
  const fields = unpack(bytes, key);
  assertFormat(fields, key);
  if (fields.integer('version') !== version) {
    throw new BackupError('CATALOG_CORRUPT', `${key} is the checkpoint of another version`, { context: { key } });
  }
  return decodeIndex(fields);
}

function decodeIndex(fields: JsonFields): DecodedIndex {
  const topics = fields.list('topics').map((topic) => ({
    topic: topic.string('topic'),
    topicId: topic.string('topicId'),
    pieces: topic.list('pieces').map((piece) => ({
      key: piece.string('key'),
      sha256: piece.string('sha256'),
      from: piece.integer('from'),
      to: piece.integer('to'),
      actionCount: piece.integer('actionCount'),
    })),
    observation: topic.has('observation') ? decodeTopic(topic.fields('observation')) : null,
    partitions: topic.list('partitions').map((position) => ({
      partition: position.integer('partition'),
      nextOffset: position.bigint('nextOffset'),
      leaderEpoch: position.integer('leaderEpoch', -1),
      timeline: position.integer('timeline'),
      earliestMs: position.nullableInteger('earliestMs', Number.MIN_SAFE_INTEGER),
      capturedAtMs: position.nullableInteger('capturedAtMs', 0),
    })),
  }));
  return { sha256: fields.string('sha256'), committedAtMs: fields.integer('committedAtMs'), topics };
}

/** With zstd's checksum: no commit carries a hash of the index. */
export function pack(value: unknown): Buffer {
  return zstdCompressSync(Buffer.from(toJson(value)), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
}

/** @throws CATALOG_CORRUPT when the bytes are damaged. */
export function unpack(bytes: Uint8Array, key: string): JsonFields {
  try {
    return parseJson(zstdDecompressSync(bytes, { maxOutputLength: MAX_CHECKPOINT_BYTES }), key, 'CATALOG_CORRUPT');
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('CATALOG_CORRUPT', `${key} does not decompress`, { context: { key }, cause: error });
  }
}
