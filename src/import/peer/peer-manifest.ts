// What a store of OSO kafka-backup holds: `{backup}/manifest.json` names topics, partitions and segment files. Only what an import
// needs is read of it. What a segment file holds is read from the file, since a second run of the peer may have overwritten it and
// kept the old entry; what the entry tells of it shows whether it is the right file (entry-contradiction.ts).

import { BackupError } from '../../model/errors.ts';
import { LAST_INSTANT_MS } from '../../model/instant.ts';
import { type JsonFields, parseJson } from '../../model/json-fields.ts';
import type { TopicConfigs } from '../../model/topic/topic-description.ts';
import { isTopicName, MOST_PARTITIONS } from '../../model/topic/topic-partition.ts';
import { isObjectKey } from '../../storage/object-key.ts';
import type { ObjectStore } from '../../storage/object-store.ts';

const MANIFEST = 'manifest.json';
/** How the peer names its files, whatever its settings: topic, partition and first offset (its backup/engine.rs). */
export const SEGMENT_KEY = /\/([^/]+)\/partition=(\d+)\/segment-(\d{20})\.bin(?:\.zst|\.lz4)?$/;
/** Greater than every character that a key holds: behind it begins the next folder. */
const BEHIND_ALL_KEYS = '~';
/** Of an i16. */
const MOST_REPLICAS = 32_767;

export interface PeerManifest {
  /** Of the manifest itself. */
  readonly key: string;
  readonly backupId: string;
  readonly createdAtMs: number;
  readonly topics: readonly PeerTopic[];
}

export interface PeerTopic {
  readonly topic: string;
  readonly partitionCount: number;
  /** Null where the peer was too old to note it (before 0.20). */
  readonly replicationFactor: number | null;
  readonly configs: TopicConfigs | null;
  readonly partitions: readonly PeerPartition[];
}

export interface PeerPartition {
  readonly partition: number;
  /** In the order of their first offsets. */
  readonly segments: readonly PeerSegmentEntry[];
  /** Offsets that the peer knows it has not: missed at the source, or pruned. */
  readonly declaredGaps: readonly OffsetRange[];
}

export interface PeerSegmentEntry {
  readonly key: string;
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  readonly recordCount: number;
  /** What the file holds at least: 0 for a topic that may be compacted, of which a second run of the peer may have found fewer. */
  readonly leastRecords: number;
  /** Of the records of the first and the last offset; null where the manifest does not tell. */
  readonly firstTimestampMs: number | null;
  readonly lastTimestampMs: number | null;
  readonly storedSizeBytes: number;
  /** 0 where the peer was too old to note it (before 0.21). */
  readonly uploadedAtMs: number;
}

/** Both ends inclusive. */
export interface OffsetRange {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
}

/** Ids of the peer's backups in the store, ascending. Reads one key of each folder, not all that the folders hold. */
export async function listPeerBackups(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for (let key = await firstKey(store, ''); key !== undefined; ) {
    const slash = key.indexOf('/');
    const id = slash < 0 ? undefined : key.slice(0, slash);
    if (id !== undefined && (await isPeerBackup(store, id))) ids.push(id);
    key = await firstKey(store, id === undefined ? key : `${id}/${BEHIND_ALL_KEYS}`);
  }
  return ids;
}

/** True when the folder is that of a backup of the peer. */
export async function isPeerBackup(store: ObjectStore, folder: string): Promise<boolean> {
  return (await store.head(`${folder}/${MANIFEST}`)) !== undefined;
}

async function firstKey(store: ObjectStore, startAfter: string): Promise<string | undefined> {
  for await (const { key } of store.list('', startAfter)) return key;
  return undefined;
}

/**
 * The manifest of `backupId`, or of the only backup there is.
 * @throws BACKUP_NOT_FOUND, USAGE_INVALID when the store holds several and none is named, or `backupId` cannot be part of a key,
 * SOURCE_DAMAGED.
 */
export async function readPeerManifest(store: ObjectStore, backupId: string | undefined): Promise<PeerManifest> {
  const id = backupId ?? (await onlyBackup(store));
  const key = `${id}/${MANIFEST}`;
  if (!isObjectKey(key))
    throw new BackupError('USAGE_INVALID', `--backup-id ${JSON.stringify(id)} is not a plain name`);
  return manifestAt(store, key);
}

/** The same manifest as it is by now. @throws BACKUP_NOT_FOUND, SOURCE_DAMAGED. */
export function rereadPeerManifest(store: ObjectStore, { key }: PeerManifest): Promise<PeerManifest> {
  return manifestAt(store, key);
}

async function manifestAt(store: ObjectStore, key: string): Promise<PeerManifest> {
  const bytes = await store.get(key);
  if (bytes === undefined) throw new BackupError('BACKUP_NOT_FOUND', `there is no ${key} in ${store.description}`);
  const fields = parseJson(bytes, key, 'SOURCE_DAMAGED');
  return {
    key,
    backupId: fields.string('backup_id'),
    createdAtMs: fields.integer('created_at', 0, LAST_INSTANT_MS),
    topics: unlike(
      fields.list('topics').map((topic) => readTopic(topic, key)),
      ({ topic }) => `${key} names topic ${topic}`,
    ),
  };
}

async function onlyBackup(store: ObjectStore): Promise<string> {
  const [id, ...others] = await listPeerBackups(store);
  if (id === undefined) {
    throw new BackupError(
      'BACKUP_NOT_FOUND',
      `${store.description} holds no backup of kafka-backup (no ID/${MANIFEST})`,
    );
  }
  if (others.length > 0) {
    const names = [id, ...others].join(', ');
    throw new BackupError(
      'USAGE_INVALID',
      `${store.description} holds several backups: name one with --backup-id (${names})`,
    );
  }
  return id;
}

function readTopic(fields: JsonFields, key: string): PeerTopic {
  const topic = fields.string('name');
  if (!isTopicName(topic)) {
    throw new BackupError('SOURCE_DAMAGED', `${key} names ${JSON.stringify(topic)}, which is no name of a topic`);
  }
  const configs = fields.has('configurations') ? fields.strings('configurations') : null;
  const mayBeCompacted = configs === null || configs['cleanup.policy']?.includes('compact') === true;
  const partitions = unlike(
    fields.list('partitions').map((partition) => readPartition(partition, mayBeCompacted)),
    ({ partition }) => `${key} names partition ${partition} of topic ${topic}`,
  );
  for (const partition of partitions) assertOwnFiles(partition, topic, key);
  const highest = partitions.reduce((high, { partition }) => Math.max(high, partition), -1);
  const optional = (name: string, most: number): number | null =>
    fields.has(name) ? fields.integer(name, 0, most) : null;
  return {
    topic,
    partitionCount: Math.max(optional('original_partition_count', MOST_PARTITIONS) ?? 0, highest + 1),
    replicationFactor: optional('source_replication_factor', MOST_REPLICAS),
    configs,
    partitions,
  };
}

/** Which of two is meant nothing says, and what each holds would be taken for what another writer has done. */
function unlike<T>(all: readonly T[], name: (one: T) => string): readonly T[] {
  const names = new Set<string>();
  for (const one of all) {
    if (names.has(name(one))) throw new BackupError('SOURCE_DAMAGED', `${name(one)} twice`);
    names.add(name(one));
  }
  return all;
}

/** Nothing guards the manifest: a damaged name or number in it would put a whole partition where it does not belong. */
function assertOwnFiles({ partition, segments }: PeerPartition, topic: string, manifestKey: string): void {
  for (const { key, firstOffset } of segments) {
    const [named, namedTopic, namedPartition, digits = ''] = SEGMENT_KEY.exec(key) ?? [];
    const isPlaced = namedTopic === topic && Number(namedPartition) === partition && BigInt(digits) === firstOffset;
    if (named === undefined || isPlaced) continue;
    const place = `partition ${partition} of topic ${topic}, from offset ${firstOffset} on`;
    const message = `${manifestKey} names ${key} for ${place}, which is not what its name says`;
    throw new BackupError('SOURCE_DAMAGED', message, { context: { key: manifestKey } });
  }
}

function readPartition(fields: JsonFields, mayBeCompacted: boolean): PeerPartition {
  const optional = (name: string): JsonFields[] => (fields.has(name) ? fields.list(name) : []);
  const segments = fields.list('segments').map((segment) => readSegment(segment, mayBeCompacted));
  // The end of a gap is exclusive, that of what was pruned inclusive.
  const missed = optional('gaps').map((gap) => rangeOf(gap, BigInt(gap.integer('end_offset')) - 1n));
  const pruned = optional('pruned').map((range) => rangeOf(range, BigInt(range.integer('end_offset'))));
  return {
    partition: fields.integer('partition_id', 0, MOST_PARTITIONS - 1),
    segments: segments.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1)),
    declaredGaps: [...missed, ...pruned],
  };
}

function readSegment(fields: JsonFields, mayBeCompacted: boolean): PeerSegmentEntry {
  const count = (name: string, most?: number): number => (fields.has(name) ? fields.integer(name, 0, most) : 0);
  const timestamp = (name: string): number | null => (fields.has(name) ? fields.number(name) : null);
  const recordCount = count('record_count');
  return {
    key: fields.string('key'),
    firstOffset: BigInt(fields.integer('start_offset')),
    lastOffset: BigInt(fields.integer('end_offset')),
    recordCount,
    leastRecords: mayBeCompacted ? 0 : recordCount,
    firstTimestampMs: timestamp('start_timestamp'),
    lastTimestampMs: timestamp('end_timestamp'),
    storedSizeBytes: count('compressed_size'),
    uploadedAtMs: count('uploaded_at', LAST_INSTANT_MS),
  };
}

function rangeOf(fields: JsonFields, lastOffset: bigint): OffsetRange {
  return { baseOffset: BigInt(fields.integer('start_offset')), lastOffset };
}
