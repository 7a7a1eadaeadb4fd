// One commit of the catalog: an immutable JSON object with the actions of one writer at one version, chained to its
// predecessor by SHA-256 (the protocol of Delta Lake's log). Offsets are decimal strings.

import { BackupError } from '../model/errors.ts';
import { type JsonFields, parseJson, toJson } from '../model/json-fields.ts';
import type { Gap, PartitionIdentity, SegmentSummary } from '../model/segment.ts';
import { decodePartitionIdentity, decodeSegmentDescription } from '../model/segment-json.ts';
import type { TopicConfigs } from '../model/topic-description.ts';

export const CATALOG_FORMAT_VERSION = 1;

/** A topic as observed at a time; the newest observation before a recovery target is what a restore creates. */
export interface TopicObservation {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
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

export type CatalogAction =
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
  readonly actions: readonly CatalogAction[];
}

/** The partition that an action concerns; undefined for those about a topic or about nothing. */
export function partitionOf(action: CatalogAction): PartitionIdentity | undefined {
  switch (action.kind) {
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
  return Buffer.from(`${toJson({ formatVersion: CATALOG_FORMAT_VERSION, ...commit })}\n`);
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

export function decodeAction(fields: JsonFields): CatalogAction {
  const kind = fields.choice('kind', ['segment', 'remove', 'gap', 'truncation', 'topic', 'note']);
  switch (kind) {
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

function decodeSegment(fields: JsonFields): SegmentSummary {
  return {
    ...decodeSegmentDescription(fields),
    key: fields.string('key'),
    sha256: fields.string('sha256'),
    storedSizeBytes: fields.integer('storedSizeBytes'),
    footerSizeBytes: fields.integer('footerSizeBytes'),
    footerSha256: fields.string('footerSha256'),
  };
}

function decodeGap(fields: JsonFields): Gap {
  return {
    ...decodePartitionIdentity(fields),
    baseOffset: fields.bigint('baseOffset'),
    lastOffset: fields.bigint('lastOffset'),
    reason: fields.choice('reason', ['retention', 'delete-records', 'unknown']),
    detectedAtMs: fields.integer('detectedAtMs'),
  };
}

function decodeTruncation(fields: JsonFields): Truncation {
  return {
    ...decodePartitionIdentity(fields),
    endOffset: fields.bigint('endOffset'),
    timeline: fields.integer('timeline'),
    detectedAtMs: fields.integer('detectedAtMs'),
  };
}

function decodeTopic(fields: JsonFields): TopicObservation {
  return {
    topic: fields.string('topic'),
    topicId: fields.string('topicId'),
    partitions: fields.integer('partitions'),
    replicationFactor: fields.integer('replicationFactor'),
    configs: fields.has('configs') ? fields.strings('configs') : null,
    observedAtMs: fields.integer('observedAtMs'),
  };
}
