// One commit of the catalog: an immutable JSON object with the actions of one writer at one version, chained to its
// predecessor by SHA-256 (the protocol of Delta Lake's log), and with a SHA-256 of its own: nothing is chained to the newest yet.
// Offsets are decimal strings.

import { BackupError } from '../model/errors.ts';
import { JsonFields, parseJson, sealJson, toJson } from '../model/json-fields.ts';
import { decodeRequests, type RequestCounts, requestsJson } from '../model/request-counts.ts';
import type { Gap, PartitionIdentity, SegmentSummary } from '../model/segment/segment.ts';
import { decodePartitionIdentity, decodeSegmentDescription } from '../model/segment/segment-json.ts';
import type { TopicConfigs } from '../model/topic/topic-description.ts';
import { isTopicName, MOST_PARTITIONS } from '../model/topic/topic-partition.ts';

export const CATALOG_FORMAT_VERSION = 1;
const MAX_OFFSET = 2n ** 63n - 1n;

/** A topic as observed at a time; the newest observation before a recovery target is what a restore creates. */
export interface TopicObservation {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
  /** -1 when it is not known: what is created then has the target's default. */
  readonly replicationFactor: number;
  /** Null when the configuration could not be read. */
  readonly configs: TopicConfigs | null;
  readonly observedAtMs: number;
}

/** The source's log was cut back to `endOffset`: what was stored from there on stays on the old timeline. */
export interface Truncation extends PartitionIdentity {
  readonly endOffset: bigint;
  readonly timeline: number;
  readonly detectedAtMs: number;
}

/** Where the backup of a partition begins: what lies before was not wanted, or gone when the partition was first found. */
export interface PartitionStart extends PartitionIdentity {
  readonly offset: bigint;
  readonly foundAtMs: number;
}

export type CatalogAction =
  | { readonly kind: 'start'; readonly start: PartitionStart }
  | { readonly kind: 'segment'; readonly segment: SegmentSummary }
  | { readonly kind: 'remove'; readonly key: string; readonly partition: PartitionIdentity }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'truncation'; readonly truncation: Truncation }
  | { readonly kind: 'topic'; readonly topic: TopicObservation }
  | { readonly kind: 'note'; readonly text: string };

export interface Commit {
  readonly version: number;
  /** SHA-256, hex, of the object of commit version - 1; empty for the first. */
  readonly previousSha256: string;
  readonly writer: string;
  readonly committedAtMs: number;
  /** What its writer asked of the store since its commit before; nothing where the store makes no requests. */
  readonly requests: RequestCounts;
  readonly actions: readonly CatalogAction[];
}

/** The partition that an action concerns; undefined for those about a topic or about nothing. */
export function partitionOf(action: CatalogAction): PartitionIdentity | undefined {
  switch (action.kind) {
    case 'start':
      return action.start;
    case 'segment':
      return action.segment;
    case 'remove':
      return action.partition;
    case 'gap':
      return action.gap;
    case 'truncation':
      return action.truncation;
    case 'topic':
    case 'note':
      return undefined;
  }
}

/** The incarnation that an action concerns; undefined for notes. */
export function incarnationOf(action: CatalogAction): { readonly topic: string; readonly topicId: string } | undefined {
  return action.kind === 'topic' ? action.topic : partitionOf(action);
}

export function encodeCommit(commit: Commit): Buffer {
  const { actions, requests, ...head } = commit;
  const fields = { formatVersion: CATALOG_FORMAT_VERSION, ...head, requests: requestsJson(requests), actions };
  return Buffer.from(sealJson(toJson(fields)));
}

/** @throws CATALOG_CORRUPT, FORMAT_TOO_NEW. */
export function decodeCommit(bytes: Uint8Array, key: string): Commit {
  const fields = parseJson(bytes, key, 'CATALOG_CORRUPT');
  assertFormat(fields, key);
  return {
    version: fields.integer('version', 1),
    previousSha256: fields.string('previousSha256'),
    writer: fields.string('writer'),
    committedAtMs: fields.integer('committedAtMs'),
    requests: decodeRequests(fields),
    actions: fields.list('actions').map(decodeAction),
  };
}

/** @throws FORMAT_TOO_NEW when `formatVersion` is above ours. */
export function assertFormat(fields: JsonFields, key: string): void {
  const formatVersion = fields.integer('formatVersion', 1);
  if (formatVersion > CATALOG_FORMAT_VERSION) {
    throw new BackupError(
      'FORMAT_TOO_NEW',
      `${key} has format version ${formatVersion}, this program knows ${CATALOG_FORMAT_VERSION}`,
    );
  }
}

/** What two actions that say the same have in common, though one was read back and the other was not. */
export function actionText(action: CatalogAction): string {
  return toJson(decodeAction(new JsonFields(JSON.parse(toJson(action)), 'action', 'CATALOG_CORRUPT')));
}

export function decodeAction(fields: JsonFields): CatalogAction {
  const action = decodeKind(fields);
  const topic = incarnationOf(action)?.topic;
  if (topic !== undefined && !isTopicName(topic))
    throw corrupt(`${JSON.stringify(topic)}, which is no name of a topic`);
  return action;
}

function decodeKind(fields: JsonFields): CatalogAction {
  const kind = fields.choice('kind', ['start', 'segment', 'remove', 'gap', 'truncation', 'topic', 'note']);
  switch (kind) {
    case 'start':
      return { kind, start: decodeStart(fields.fields('start')) };
    case 'segment':
      return { kind, segment: decodeSegment(fields.fields('segment')) };
    case 'remove':
      return { kind, key: fields.string('key'), partition: decodePartitionIdentity(fields.fields('partition')) };
    case 'gap':
      return { kind, gap: decodeGap(fields.fields('gap')) };
    case 'truncation':
      return { kind, truncation: decodeTruncation(fields.fields('truncation')) };
    case 'topic':
      return { kind, topic: decodeTopic(fields.fields('topic')) };
    case 'note':
      return { kind, text: fields.string('text') };
  }
}

function decodeStart(fields: JsonFields): PartitionStart {
  const start = {
    ...decodePartitionIdentity(fields),
    offset: fields.bigint('offset'),
    foundAtMs: fields.integer('foundAtMs'),
  };
  assertOffsets(start.offset, start.offset);
  return start;
}

function decodeSegment(fields: JsonFields): SegmentSummary {
  const segment = {
    ...decodeSegmentDescription(fields),
    key: fields.string('key'),
    storedSizeBytes: fields.integer('storedSizeBytes'),
    footerSizeBytes: fields.integer('footerSizeBytes'),
    footerSha256: fields.string('footerSha256'),
  };
  assertOffsets(segment.baseOffset, segment.nextOffset);
  if (segment.footerSizeBytes > segment.storedSizeBytes)
    throw corrupt(`${segment.key} with a footer larger than itself`);
  return segment;
}

function decodeGap(fields: JsonFields): Gap {
  const gap: Gap = {
    ...decodePartitionIdentity(fields),
    baseOffset: fields.bigint('baseOffset'),
    lastOffset: fields.bigint('lastOffset'),
    reason: fields.choice('reason', ['retention', 'delete-records', 'unknown']),
    detectedAtMs: fields.integer('detectedAtMs'),
    timeline: fields.integer('timeline'),
  };
  assertOffsets(gap.baseOffset, gap.lastOffset);
  return gap;
}

function decodeTruncation(fields: JsonFields): Truncation {
  const truncation = {
    ...decodePartitionIdentity(fields),
    endOffset: fields.bigint('endOffset'),
    timeline: fields.integer('timeline'),
    detectedAtMs: fields.integer('detectedAtMs'),
  };
  assertOffsets(truncation.endOffset, truncation.endOffset);
  return truncation;
}

/** Kafka's offsets are 64-bit and not negative. */
function assertOffsets(from: bigint, to: bigint): void {
  if (from < 0n || to < from || to > MAX_OFFSET) throw corrupt(`offsets from ${from} to ${to}`);
}

function corrupt(what: string): BackupError {
  return new BackupError('CATALOG_CORRUPT', `the catalog names ${what}`);
}

export function decodeTopic(fields: JsonFields): TopicObservation {
  return {
    topic: fields.string('topic'),
    topicId: fields.string('topicId'),
    partitions: fields.integer('partitions', 0, MOST_PARTITIONS),
    replicationFactor: fields.integer('replicationFactor', -1),
    configs: fields.has('configs') ? fields.strings('configs') : null,
    observedAtMs: fields.integer('observedAtMs'),
  };
}
