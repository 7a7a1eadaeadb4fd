// The index of a checkpoint: the catalog's head, and per topic the pieces that hold its actions. Its lines are what is true of all,
// then each topic with its pieces and the positions of its partitions behind it. A checkpoint is a cache: one in another form is
// passed over.

import { BackupError } from '../../model/errors.ts';
import type { JsonFields } from '../../model/json-fields.ts';
import { addRequests, decodeRequests, type RequestCounts, requestsJson } from '../../model/request-counts.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { CatalogHead, type Incarnation, PartitionHead } from '../catalog-head.ts';
import { assertFormat, CATALOG_FORMAT_VERSION, decodeTopic, type TopicObservation } from '../commit.ts';
import { packLines, unpackLines } from './json-lines.ts';
import type { ObjectLayout } from '../object-layout.ts';

/** Actions of one incarnation in the commits `from` to `to`, in their order; several pieces may share a commit. */
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
  /** Only where it is not `capturedAtMs`. */
  readonly heldToMs?: number;
}

interface TopicEntry extends TopicPieces {
  readonly observation: TopicObservation | null;
  readonly partitions: PositionEntry[];
}

/** As it lies in the store. `sha256` is of the commit that it reaches. */
export interface DecodedIndex {
  readonly sha256: string;
  readonly committedAtMs: number;
  readonly requests: RequestCounts;
  readonly topics: readonly TopicEntry[];
}

/** What the writer of checkpoints remembers between two of them. */
export interface CheckpointIndex {
  readonly version: number;
  readonly topics: ReadonlyMap<string, TopicPieces>;
}

export const NO_CHECKPOINT: CheckpointIndex = { version: 0, topics: new Map() };

/** The index of the checkpoint of `head`, packed; `head` must stay as it is until then. */
export function encodeIndex(head: CatalogHead, topics: readonly TopicPieces[]): Promise<Buffer> {
  return packLines(linesOf(head, topics));
}

function* linesOf(head: CatalogHead, topics: readonly TopicPieces[]): Generator<object> {
  const { version, sha256, committedAtMs, requests } = head;
  yield {
    formatVersion: CATALOG_FORMAT_VERSION,
    version,
    sha256,
    committedAtMs: committedAtMs ?? 0,
    requests: requestsJson(requests),
    topicCount: topics.length,
  };
  for (const { topic, topicId, pieces } of topics) {
    const life = head.incarnation(topic, topicId);
    yield { kind: 'topic', topic, topicId, observation: life.observation ?? null };
    for (const piece of pieces) yield { kind: 'piece', ...piece };
    for (const position of positionsOf(life)) yield { kind: 'position', ...position };
  }
}

/** The head as of the checkpoint of `version`. */
export function headOf(version: number, index: DecodedIndex): CatalogHead {
  const { topics, sha256, committedAtMs, requests } = index;
  const head = new CatalogHead();
  for (const { topic, topicId, observation, partitions } of topics) {
    const life = head.incarnation(topic, topicId);
    life.observation = observation ?? undefined;
    for (const { partition, earliestMs, capturedAtMs, heldToMs = capturedAtMs, ...resume } of partitions) {
      const position = { resume, earliestMs, capturedAtMs, heldToMs };
      life.partitions.set(partition, new PartitionHead({ topic, topicId, partition }, position));
    }
  }
  head.version = version;
  head.sha256 = sha256;
  head.committedAtMs = committedAtMs;
  addRequests(head.requests, requests);
  return head;
}

/** By partition; those of which nothing was committed are left out. */
export function positionsOf({ partitions }: Incarnation<PartitionHead>): PositionEntry[] {
  return [...partitions]
    .flatMap(([partition, { position }]): PositionEntry[] => {
      const { resume, earliestMs, capturedAtMs, heldToMs } = position;
      if (resume === undefined) return [];
      // In one order: entries are compared as text.
      const { nextOffset, leaderEpoch, timeline } = resume;
      const held = heldToMs === null || heldToMs === capturedAtMs ? {} : { heldToMs };
      return [{ partition, nextOffset, leaderEpoch, timeline, earliestMs, capturedAtMs, ...held }];
    })
    .sort((a, b) => a.partition - b.partition);
}

/** @throws CATALOG_CORRUPT when it is missing or damaged, FORMAT_TOO_NEW. */
export async function readIndex(store: ObjectStore, layout: ObjectLayout, version: number): Promise<DecodedIndex> {
  const key = layout.checkpoint(version);
  const bytes = await store.get(key);
  if (bytes === undefined) throw corrupt(key, 'is missing');
  const lines = unpackLines(bytes, key);
  const first = await lines.next();
  if (first.done === true) throw corrupt(key, 'is empty');
  const fields = first.value;
  assertFormat(fields, key);
  if (fields.integer('version') !== version) throw corrupt(key, 'is the checkpoint of another version');
  const topics: TopicEntry[] = [];
  for await (const line of lines) decodeLine(line, topics, key);
  if (topics.length !== fields.integer('topicCount')) throw corrupt(key, 'lacks topics');
  return {
    sha256: fields.string('sha256'),
    committedAtMs: fields.integer('committedAtMs'),
    requests: decodeRequests(fields),
    topics,
  };
}

/** What belongs to a topic goes to the last one. */
function decodeLine(line: JsonFields, topics: TopicEntry[], key: string): void {
  const kind = line.choice('kind', ['topic', 'piece', 'position']);
  if (kind === 'topic') {
    topics.push({
      topic: line.string('topic'),
      topicId: line.string('topicId'),
      pieces: [],
      observation: line.has('observation') ? decodeTopic(line.fields('observation')) : null,
      partitions: [],
    });
    return;
  }
  const topic = topics.at(-1);
  if (topic === undefined) throw corrupt(key, `has a ${kind} of no topic`);
  if (kind === 'piece') topic.pieces.push(decodePiece(line));
  else topic.partitions.push(decodePosition(line));
}

function decodePiece(piece: JsonFields): Piece {
  return {
    key: piece.string('key'),
    sha256: piece.string('sha256'),
    from: piece.integer('from'),
    to: piece.integer('to'),
    actionCount: piece.integer('actionCount'),
  };
}

function decodePosition(position: JsonFields): PositionEntry {
  return {
    partition: position.integer('partition'),
    nextOffset: position.bigint('nextOffset'),
    leaderEpoch: position.integer('leaderEpoch', -1),
    timeline: position.integer('timeline'),
    earliestMs: position.nullableInteger('earliestMs', Number.MIN_SAFE_INTEGER),
    capturedAtMs: position.nullableInteger('capturedAtMs', 0),
    ...(position.has('heldToMs') ? { heldToMs: position.integer('heldToMs', Number.MIN_SAFE_INTEGER) } : {}),
  };
}

function corrupt(key: string, what: string): BackupError {
  return new BackupError('CATALOG_CORRUPT', `checkpoint ${key} ${what}`, { context: { key } });
}
