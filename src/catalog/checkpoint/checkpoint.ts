// Checkpoints: the catalog's log rearranged by topic, so that a start need not read every commit and a plan reads only its
// topics. A checkpoint is an index (the catalog's head, and per topic its pieces) and pieces: the actions of one incarnation
// over a range of versions. A new checkpoint writes pieces only for topics that changed; a piece is merged with its predecessor
// when that is no larger, up to a limit, so a topic has few pieces and none is large. All of it is a cache and may be deleted.

import { createHash, randomBytes } from 'node:crypto';
import { BackupError, type ErrorCode } from '../../model/errors.ts';
import { toJson } from '../../model/json-fields.ts';
import { addRequests } from '../../model/request-counts.ts';
import { incarnationName } from '../../model/topic/topic-partition.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { CatalogHead } from '../catalog-head.ts';
import { CatalogState } from '../catalog-state.ts';
import {
  type CheckpointIndex,
  type DecodedIndex,
  encodeIndex,
  headOf,
  NO_CHECKPOINT,
  type Piece,
  positionsOf,
  readIndex,
  type TopicPieces,
} from './checkpoint-index.ts';
import { type CatalogAction, decodeAction, incarnationOf } from '../commit.ts';
import { packLines, unpackLines } from './json-lines.ts';
import type { ObjectLayout } from '../object-layout.ts';

/** Pieces are not merged beyond this: whoever merges or reads one holds all of it. */
export const MAX_PIECE_ACTIONS = 2000;
/** Pieces read, or topics written, at once. */
const AT_ONCE = 16;

/** The newest readable checkpoint not after `atMost`, with the segments of the wanted topics; undefined when there is none. */
export async function loadCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  atMost: number,
  wanted: ((topic: string) => boolean) | undefined,
): Promise<CatalogState | undefined> {
  return newest(store, layout, atMost, (version) => load(store, layout, version, wanted));
}

/** Some stores hold every answer against its checksum, and so find what others leave to us; all find what is too large. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set(['CATALOG_CORRUPT', 'OBJECT_CORRUPT', 'STORE_CHECKSUM_MISMATCH']);

/**
 * What the newest checkpoint gives that `read` does not find fault with.
 * @throws CATALOG_CORRUPT when one cannot be read and the log does not reach it: what it knew is known nowhere else.
 */
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
      if (!(error instanceof BackupError) || !DAMAGE.has(error.code)) throw error;
      if ((await store.head(layout.commit(version))) === undefined) throw error;
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
 * The newest checkpoint not after `atMost` whose pieces are all whole; undefined when there is none. Every piece is read once, and none is kept:
 * damage to one that no writer reads would go from checkpoint to checkpoint for ever.
 */
export async function resumeCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  atMost = Number.MAX_SAFE_INTEGER,
): Promise<ResumedCheckpoint | undefined> {
  return newest(store, layout, atMost, async (version) => {
    const index = await readWholeIndex(store, layout, version);
    return { index: indexOf(version, index), head: headOf(version, index) };
  });
}

/**
 * The index of a checkpoint, each of its pieces read and found whole; those in `verified` are not read again.
 * @throws CATALOG_CORRUPT, FORMAT_TOO_NEW.
 */
export async function readWholeIndex(
  store: ObjectStore,
  layout: ObjectLayout,
  version: number,
  verified: Set<string> = new Set(),
): Promise<DecodedIndex> {
  const index = await readIndex(store, layout, version);
  const pieces = index.topics.flatMap((topic) => topic.pieces).filter(({ key }) => !verified.has(key));
  for (const some of slicesOf(pieces, AT_ONCE)) await Promise.all(some.map((piece) => readPieceBytes(store, piece)));
  for (const { key } of pieces) verified.add(key);
  return index;
}

function indexOf(version: number, { topics }: DecodedIndex): CheckpointIndex {
  const entries = topics.map(({ topic, topicId, pieces }) => ({ topic, topicId, pieces }));
  return { version, topics: new Map(entries.map((entry) => [incarnationName(entry), entry])) };
}

/**
 * Writes the checkpoint of `head`, whose actions since `previous` are `recent`. The result is the next `previous`.
 * A failure leaves the former checkpoint in force.
 * @throws CATALOG_CORRUPT when a piece that it needs is gone, or `previous` was pruned, which its pieces do not outlive.
 */
export async function writeCheckpoint(
  store: ObjectStore,
  layout: ObjectLayout,
  head: CatalogHead,
  previous: CheckpointIndex,
  recent: readonly CatalogAction[],
): Promise<CheckpointIndex> {
  const topics = new Map([...previous.topics].map(([key, topic]) => [key, { ...topic }]));
  const changes = new Map<TopicPieces, CatalogAction[]>();
  for (const action of recent) {
    const incarnation = incarnationOf(action);
    if (incarnation === undefined) continue;
    const { topic, topicId } = incarnation;
    const key = incarnationName(incarnation);
    const entry = topics.get(key) ?? { topic, topicId, pieces: [] };
    // Before anything is awaited: of the lives of a topic, the last one here is the newest.
    topics.set(key, entry);
    const actions = changes.get(entry);
    if (actions === undefined) changes.set(entry, [action]);
    else actions.push(action);
  }
  const range = { from: previous.version + 1, to: head.version };
  for (const some of slicesOf([...changes], AT_ONCE)) {
    await Promise.all(some.map(([entry, actions]) => extend(store, layout, entry, { ...range, actions })));
  }
  await assertPresent(store, layout, previous.version);
  const index = await encodeIndex(head, [...topics.values()]);
  const outcome = await store.putIfAbsent(layout.checkpoint(head.version), [index]);
  if (outcome === 'created') return { version: head.version, topics };
  // That of another writer, or our own whose answer was lost. What no index names is pruned, so only what it names can be built on.
  return indexOf(head.version, await readWholeIndex(store, layout, head.version));
}

async function assertPresent(store: ObjectStore, layout: ObjectLayout, version: number): Promise<void> {
  const key = layout.checkpoint(version);
  if (version === NO_CHECKPOINT.version || (await store.head(key)) !== undefined) return;
  throw new BackupError('CATALOG_CORRUPT', `${key}, on which the next checkpoint is to build, is gone`, {
    context: { key },
  });
}

interface NewActions {
  readonly from: number;
  readonly to: number;
  readonly actions: readonly CatalogAction[];
}

/** Adds pieces for `actions`, the first merged with predecessors that hold no more, as far as the limit allows. */
async function extend(
  store: ObjectStore,
  layout: ObjectLayout,
  entry: TopicPieces,
  { from, to, actions }: NewActions,
): Promise<void> {
  const { topic, topicId } = entry;
  for (const some of slicesOf(actions, MAX_PIECE_ACTIONS)) {
    const pieces = [...entry.pieces];
    let merged = [...some];
    let first = from;
    for (let last = pieces.at(-1); last !== undefined && isMerged(last, merged.length); last = pieces.at(-1)) {
      merged = [...(await readPiece(store, last)), ...merged];
      first = last.from;
      pieces.pop();
    }
    const bytes = await packLines(merged);
    const key = layout.checkpointPiece(topic, topicId, first, to, randomBytes(4).toString('hex'));
    await store.putIfAbsent(key, [bytes]);
    entry.pieces = [...pieces, { key, sha256: sha256(bytes), from: first, to, actionCount: merged.length }];
  }
}

function* slicesOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
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
  addRequests(state.requests, index.requests);
  return state;
}

async function readPiece(store: ObjectStore, piece: Piece): Promise<CatalogAction[]> {
  const actions: CatalogAction[] = [];
  for await (const line of unpackLines(await readPieceBytes(store, piece), piece.key)) actions.push(decodeAction(line));
  return actions;
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
