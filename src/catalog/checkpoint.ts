// Checkpoints: the catalog's log rearranged by topic, so that a start need not read every commit and a plan reads only its
// topics. A checkpoint is an index (the catalog's head, and per topic its pieces) and pieces: the actions of one incarnation
// over a range of versions. A new checkpoint writes pieces only for topics that changed; a piece is merged with its predecessor
// when that is no larger, up to a limit, so a topic has few pieces and none is large. All of it is a cache and may be deleted.

import { createHash, randomBytes } from 'node:crypto';
import { BackupError } from '../model/errors.ts';
import { toJson } from '../model/json-fields.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { CatalogHead } from './catalog-head.ts';
import { CatalogState } from './catalog-state.ts';
import {
  type CheckpointIndex,
  encodeIndex,
  headOf,
  pack,
  type Piece,
  positionsOf,
  readIndex,
  type TopicPieces,
  unpack,
} from './checkpoint-index.ts';
import { type CatalogAction, decodeAction, incarnationOf } from './commit.ts';
import type { ObjectLayout } from './object-layout.ts';

/** Pieces are not merged beyond this: whoever merges or reads one holds all of it. */
const MAX_PIECE_ACTIONS = 2000;
/** Pieces read at once. */
const READ_AHEAD = 8;

/** The newest readable checkpoint not after `atMost`, with the segments of the wanted topics; undefined when there is none. */
export async function loadCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  atMost: number,
  wanted: ((topic: string) => boolean) | undefined,
): Promise<CatalogState | undefined> {
  return newest(store, layout, atMost, (version) => load(store, layout, version, wanted));
}

/** What the newest checkpoint gives that `read` does not find fault with. */
async function newest<T>(
  store: ObjectStore,
  layout: ObjectLayout,
  atMost: number,
  read: (version: number) => Promise<T>,
): Promise<T | undefined> {
  const versions: number[] = [];
  for await (const { key } of store.list(layout.checkpointPrefix)) {
    if (key.startsWith(layout.checkpointPiecePrefix)) break;
    const version = layout.versionOfCheckpoint(key);
    if (version !== undefined && version <= atMost) versions.push(version);
  }
  for (const version of versions.reverse()) {
    try {
      return await read(version);
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

/** A checkpoint for a writer that goes on from it. */
export interface ResumedCheckpoint {
  readonly index: CheckpointIndex;
  readonly head: CatalogHead;
}

/**
 * The newest checkpoint whose pieces are all whole; undefined when there is none. Every piece is read once, and none is kept:
 * damage to one that no writer reads would go from checkpoint to checkpoint for ever.
 */
export async function resumeCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
): Promise<ResumedCheckpoint | undefined> {
  return newest(store, layout, Number.MAX_SAFE_INTEGER, async (version) => {
    const index = await readIndex(store, layout, version);
    const pieces = index.topics.flatMap((topic) => topic.pieces);
    for (let from = 0; from < pieces.length; from += READ_AHEAD) {
      await Promise.all(pieces.slice(from, from + READ_AHEAD).map((piece) => readPieceBytes(store, piece)));
    }
    const topics = index.topics.map(({ topic, topicId, pieces: own }) => ({ topic, topicId, pieces: own }));
    const byKey = new Map(topics.map((entry) => [`${entry.topic}/${entry.topicId}`, entry]));
    return { index: { version, topics: byKey }, head: headOf(version, index) };
  });
}

/**
 * Writes the checkpoint of `head`, whose actions since `previous` are `recent`. The result is the next `previous`.
 * A failure leaves the former checkpoint in force.
 */
export async function writeCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  head: CatalogHead,
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
    entry.pieces = await extend(store, layout, entry, actions, previous.version + 1, head.version);
    topics.set(key, entry);
  }
  await store.putIfAbsent(layout.checkpoint(head.version), [encodeIndex(head, [...topics.values()])]);
  return { version: head.version, topics };
}

/** Adds a piece for `actions`, merging it with predecessors that hold no more, as far as the limit allows. */
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
  for (let last = pieces.at(-1); last !== undefined && isMerged(last, merged.length); last = pieces.at(-1)) {
    merged = [...(await readPiece(store, last)), ...merged];
    first = last.from;
    pieces.pop();
  }
  const bytes = pack({ actions: merged });
  const key = layout.checkpointPiece(entry.topic, entry.topicId, first, to, randomBytes(4).toString('hex'));
  await store.putIfAbsent(key, [bytes]);
  return [...pieces, { key, sha256: sha256(bytes), from: first, to, actionCount: merged.length }];
}

function isMerged({ actionCount }: Piece, added: number): boolean {
  return actionCount <= added && actionCount + added <= MAX_PIECE_ACTIONS;
}

async function load(
  store: ObjectStore,
  layout: ObjectLayout,
  version: number,
  wanted: ((topic: string) => boolean) | undefined,
): Promise<CatalogState> {
  const index = await readIndex(store, layout, version);
  const state = new CatalogState();
  for (const { topic, topicId, pieces, partitions } of index.topics) {
    const life = state.incarnation(topic, topicId);
    if (wanted !== undefined && !wanted(topic)) continue;
    for (const piece of pieces) {
      for (const action of await readPiece(store, piece)) {
        if (action.kind === 'segment') layout.assertSegmentKey(action.segment.key);
        state.applyAction(action);
      }
    }
    if (toJson(positionsOf(life)) !== toJson(partitions)) {
      const key = layout.checkpoint(version);
      throw new BackupError('CATALOG_CORRUPT', `${key} has positions of ${topic} that its pieces do not lead to`, {
        context: { key },
      });
    }
  }
  state.version = version;
  state.checkpointVersion = version;
  state.sha256 = index.sha256;
  state.committedAtMs = index.committedAtMs;
  return state;
}

async function readPiece(store: ObjectStore, piece: Piece): Promise<CatalogAction[]> {
  const fields = unpack(await readPieceBytes(store, piece), piece.key);
  return fields.list('actions').map(decodeAction);
}

async function readPieceBytes(store: ObjectStore, piece: Piece): Promise<Uint8Array> {
  const bytes = await store.get(piece.key);
  if (bytes === undefined || sha256(bytes) !== piece.sha256) {
    throw new BackupError('CATALOG_CORRUPT', `${piece.key} of a checkpoint is missing or damaged`, {
      context: { key: piece.key },
    });
  }
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
