// Checkpoints: the catalog's log rearranged by topic, so that a start need not read every commit and a plan reads only its
// topics. A checkpoint is an index (per partition the resume position, per topic its pieces) and pieces: the actions of one
// incarnation over a range of versions. A new checkpoint writes pieces only for topics that changed; a piece is merged with its
// predecessor when that is no larger, so a topic has logarithmically many. All of it is a cache and may be deleted.

import { createHash, randomBytes } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BackupError } from '../model/errors.ts';
import { JsonFields, parseJson, toJson } from '../model/json-fields.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { CatalogState } from './catalog-state.ts';
import { assertFormat, type CatalogAction, CATALOG_FORMAT_VERSION, decodeAction, incarnationOf } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

const MAX_CHECKPOINT_BYTES = 1024 * 1024 * 1024;

interface Piece {
  readonly key: string;
  readonly sha256: string;
  readonly from: number;
  readonly to: number;
  readonly actionCount: number;
}

interface TopicPieces {
  readonly topic: string;
  readonly topicId: string;
  pieces: Piece[];
}

/** What the writer of checkpoints remembers between two of them. */
export interface CheckpointIndex {
  readonly version: number;
  readonly topics: ReadonlyMap<string, TopicPieces>;
}

export const NO_CHECKPOINT: CheckpointIndex = { version: 0, topics: new Map() };

/** The newest readable checkpoint not after `atMost`, with the segments of the wanted topics; undefined when there is none. */
export async function loadCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  atMost: number,
  wanted: ((topic: string) => boolean) | undefined,
): Promise<CatalogState | undefined> {
  const versions: number[] = [];
  for await (const { key } of store.list(layout.checkpointPrefix)) {
    if (key.startsWith(layout.checkpointPiecePrefix)) break;
    const version = layout.versionOfCheckpoint(key);
    if (version !== undefined && version <= atMost) versions.push(version);
  }
  for (const version of versions.reverse()) {
    try {
      return await load(store, layout, version, wanted);
    } catch (error) {
      if (!(error instanceof BackupError) || error.code !== 'CATALOG_CORRUPT') throw error;
    }
  }
  return undefined;
}

/** The state that one checkpoint tells. @throws CATALOG_CORRUPT when it is missing or damaged. */
export function readCheckpoint(store: ObjectStore, layout: ObjectLayout, version: number): Promise<CatalogState> {
  return load(store, layout, version, undefined);
}

/** Reads the pieces of the newest checkpoint's index, for a writer that goes on from it. */
export async function readCheckpointIndex(
  store: ObjectStore,
  layout: ObjectLayout,
  version: number,
): Promise<CheckpointIndex> {
  const { topics } = decodeIndex(await readIndex(store, layout, version));
  return { version, topics: new Map(topics.map((topic) => [`${topic.topic}/${topic.topicId}`, topic])) };
}

/**
 * Writes the checkpoint of `state`, whose actions since `previous` are `recent`. The result is the next `previous`.
 * A failure leaves the former checkpoint in force.
 */
export async function writeCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  state: CatalogState,
  previous: CheckpointIndex,
  recent: readonly CatalogAction[],
): Promise<CheckpointIndex> {
  const topics = new Map([...previous.topics].map(([key, topic]) => [key, { ...topic }]));
  const byTopic = Map.groupBy(recent, (action) => {
    const incarnation = incarnationOf(action);
    return incarnation === undefined ? '' : `${incarnation.topic}/${incarnation.topicId}`;
  });
  for (const [key, actions] of byTopic) {
    const incarnation = actions[0] && incarnationOf(actions[0]);
    if (incarnation === undefined) continue;
    const { topic, topicId } = incarnation;
    const entry = topics.get(key) ?? { topic, topicId, pieces: [] };
    entry.pieces = await extend(store, layout, entry, actions, previous.version + 1, state.version);
    topics.set(key, entry);
  }
  const index = {
    formatVersion: CATALOG_FORMAT_VERSION,
    version: state.version,
    sha256: state.sha256,
    committedAtMs: state.committedAtMs ?? 0,
    topics: [...topics.values()],
  };
  await store.putIfAbsent(layout.checkpoint(state.version), [pack(index)]);
  return { version: state.version, topics };
}

/** Adds a piece for `actions`, merging it with predecessors that hold no more. */
async function extend(
  store: ObjectStore,
  layout: ObjectLayout,
  entry: TopicPieces,
  actions: readonly CatalogAction[],
  from: number,
  to: number,
): Promise<Piece[]> {
  const pieces = [...entry.pieces];
  let merged = [...actions];
  let first = from;
  for (let last = pieces.at(-1); last !== undefined && last.actionCount <= merged.length; last = pieces.at(-1)) {
    merged = [...(await readPiece(store, last)), ...merged];
    first = last.from;
    pieces.pop();
  }
  const bytes = pack({ actions: merged });
  const key = layout.checkpointPiece(entry.topic, entry.topicId, first, to, randomBytes(4).toString('hex'));
  await store.putIfAbsent(key, [bytes]);
  return [...pieces, { key, sha256: sha256(bytes), from: first, to, actionCount: merged.length }];
}

async function load(
  store: ObjectStore,
  layout: ObjectLayout,
  version: number,
  wanted: ((topic: string) => boolean) | undefined,
): Promise<CatalogState> {
  const index = decodeIndex(await readIndex(store, layout, version));
  const state = new CatalogState();
  for (const { topic, topicId, pieces } of index.topics) {
    state.incarnation(topic, topicId);
    if (wanted !== undefined && !wanted(topic)) continue;
    for (const piece of pieces) {
      for (const action of await readPiece(store, piece)) {
        if (action.kind === 'segment') layout.assertSegmentKey(action.segment.key);
        state.applyAction(action);
      }
    }
  }
  state.version = version;
  state.checkpointVersion = version;
  state.sha256 = index.sha256;
  state.committedAtMs = index.committedAtMs;
  return state;
}

async function readIndex(store: ObjectStore, layout: ObjectLayout, version: number): Promise<JsonFields> {
  const key = layout.checkpoint(version);
  const bytes = await store.get(key);
  if (bytes === undefined)
    throw new BackupError('CATALOG_CORRUPT', `checkpoint ${key} is missing`, { context: { key } });
  const fields = unpack(bytes, key);
  assertFormat(fields, key);
  if (fields.integer('version') !== version) {
    throw new BackupError('CATALOG_CORRUPT', `${key} is the checkpoint of another version`, { context: { key } });
  }
  return fields;
}

function decodeIndex(fields: JsonFields): { sha256: string; committedAtMs: number; topics: TopicPieces[] } {
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
  }));
  return { sha256: fields.string('sha256'), committedAtMs: fields.integer('committedAtMs'), topics };
}

async function readPiece(store: ObjectStore, piece: Piece): Promise<CatalogAction[]> {
  const bytes = await store.get(piece.key);
  if (bytes === undefined || sha256(bytes) !== piece.sha256) {
    throw new BackupError('CATALOG_CORRUPT', `${piece.key} of a checkpoint is missing or damaged`, {
      context: { key: piece.key },
    });
  }
  return unpack(bytes, piece.key).list('actions').map(decodeAction);
}

/** With zstd's checksum: no commit carries a hash of the index. */
function pack(value: unknown): Buffer {
  return zstdCompressSync(Buffer.from(toJson(value)), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
}

function unpack(bytes: Uint8Array, key: string): JsonFields {
  try {
    return parseJson(zstdDecompressSync(bytes, { maxOutputLength: MAX_CHECKPOINT_BYTES }), key, 'CATALOG_CORRUPT');
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('CATALOG_CORRUPT', `${key} does not decompress`, { context: { key }, cause: error });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
