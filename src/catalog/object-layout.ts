// Every key of a backup is made and parsed here (DESIGN 4). Versions and offsets are padded to 20 digits, so that the order of
// keys is their order. A segment's key ends in a random part: what a crash leaves behind can never collide with its successor.
//
//   {backup}/backup.json
//   {backup}/catalog/{version}.json
//   {backup}/catalog/checkpoints/{version}.json.zst
//   {backup}/catalog/checkpoints/topics/{topic}/{topicId}/{from}-{to}.json.zst
//   {backup}/data/{topic}/{topicId}/{partition}/{baseOffset}-{random}.log[.zst|.lz4]
//   {backup}/restores/plans/{planId}.json
//   {backup}/restores/{id}/{intent|producers|verified|report|withdrawn|abandoned}.json
//   {backup}/restores/{id}/attempts/{n}/{begun|ended|{mark}}.json
//   {backup}/restores/{id}/offsets/{topic}/{partition}/{piece}.json.zst
//   {backup}/targets/{topicId}/{n}.json

import { CODEC_SUFFIX, type SegmentCodec } from '../model/codec.ts';
import { BackupError } from '../model/errors.ts';
import type { PartitionIdentity } from '../model/segment/segment.ts';
import { isTopicName, type TopicPartition } from '../model/topic/topic-partition.ts';
import { isObjectKey } from '../storage/object-key.ts';

const DIGITS = 20;
const BACKUP_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const TOPIC_ID = /^[A-Za-z0-9_-]{22}$/;
const PLANS = 'plans';
const RESTORE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** What a restore writes down once. */
export type RestoreObject = 'intent' | 'producers' | 'verified' | 'report' | 'withdrawn' | 'abandoned';

/** Keys of one backup. `prefix` is empty or ends without a slash. */
export class ObjectLayout {
  readonly backupId: string;
  readonly root: string;

  /** @throws CONFIG_INVALID when `backupId` is not one path element of letters, digits, dot, dash and underscore. */
  constructor(backupId: string, prefix = '') {
    if (!BACKUP_ID.test(backupId) || backupId.includes('..')) {
      throw new BackupError('CONFIG_INVALID', `backup_id ${JSON.stringify(backupId)} is not a plain name`);
    }
    this.backupId = backupId;
    this.root = prefix === '' ? backupId : `${prefix}/${backupId}`;
  }

  get identity(): string {
    return `${this.root}/backup.json`;
  }

  /** What is left of trying out the store. */
  get probe(): string {
    return `${this.root}/probe.txt`;
  }

  /** What the doctor writes and removes again. */
  doctorProbe(random: string): string {
    return `${this.root}/probe-${random}.txt`;
  }

  /** Commits and, below it, checkpoints. */
  get catalogPrefix(): string {
    return `${this.root}/catalog/`;
  }

  get checkpointPrefix(): string {
    return `${this.root}/catalog/checkpoints/`;
  }

  get checkpointPiecePrefix(): string {
    return `${this.checkpointPrefix}topics/`;
  }

  get dataPrefix(): string {
    return `${this.root}/data/`;
  }

  commit(version: number): string {
    return `${this.catalogPrefix}${padded(version)}.json`;
  }

  /** Undefined for keys that are not commits. */
  versionOfCommit(key: string): number | undefined {
    return versionIn(key, this.catalogPrefix, '.json');
  }

  checkpoint(version: number): string {
    return `${this.checkpointPrefix}${padded(version)}.json.zst`;
  }

  versionOfCheckpoint(key: string): number | undefined {
    return versionIn(key, this.checkpointPrefix, '.json.zst');
  }

  /** Commits `from` to `to` of one incarnation; the nonce keeps two writers apart. */
  checkpointPiece(topic: string, topicId: string, from: number, to: number, nonce: string): string {
    return `${this.checkpointPiecePrefix}${incarnation(topic, topicId)}/${padded(from)}-${padded(to)}-${nonce}.json.zst`;
  }

  segment(partition: PartitionIdentity, baseOffset: bigint, random: string, codec: SegmentCodec): string {
    const folder = `${incarnation(partition.topic, partition.topicId)}/${partition.partition}`;
    return `${this.dataPrefix}${folder}/${padded(baseOffset)}-${random}.log${CODEC_SUFFIX[codec]}`;
  }

  /** One folder a restore, and those of plans. */
  get restoresPrefix(): string {
    return `${this.root}/restores/`;
  }

  /** @throws RESTORE_NOT_FOUND when `restoreId` cannot be the id of a restore. */
  restoreObject(restoreId: string, name: RestoreObject): string {
    return `${this.#restore(restoreId)}/${name}.json`;
  }

  attemptsPrefix(restoreId: string): string {
    return `${this.#restore(restoreId)}/attempts/`;
  }

  /** `name` is a number for one of the attempt's marks. Attempts and marks are counted from 1. */
  restoreAttempt(restoreId: string, attempt: number, name: 'begun' | 'ended' | number): string {
    return `${this.attemptsPrefix(restoreId)}${padded(attempt)}/${typeof name === 'number' ? padded(name) : name}.json`;
  }

  /** Undefined for keys that are not of an attempt; `mark` is undefined for what is none. */
  attemptOf(key: string): { readonly attempt: number; readonly mark: number | undefined } | undefined {
    const found = /\/attempts\/(\d{20})\/(?:(\d{20})|[a-z]+)\.json$/.exec(key);
    if (!key.startsWith(this.restoresPrefix) || found === null) return undefined;
    return { attempt: Number(found[1]), mark: found[2] === undefined ? undefined : Number(found[2]) };
  }

  /** Who has filled one life of a target topic: its fillings are counted from 1. */
  fillingPrefix(topicId: string): string {
    return `${this.root}/targets/${elementOf(topicId)}/`;
  }

  filling(topicId: string, number: number): string {
    return `${this.fillingPrefix(topicId)}${padded(number)}.json`;
  }

  /** Part `piece`, counted from 0, of the offset map of one target partition. */
  restoreOffsets(restoreId: string, { topic, partition }: TopicPartition, piece: number): string {
    return `${this.#restore(restoreId)}/offsets/${folderOf(topic)}/${partition}/${piece}.json.zst`;
  }

  /** The restore that a key belongs to; undefined for other keys, those of no folder among them. */
  restoreOf(key: string): string | undefined {
    if (!key.startsWith(this.restoresPrefix)) return undefined;
    const [id = '', ...rest] = key.slice(this.restoresPrefix.length).split('/');
    return rest.length > 0 && id !== PLANS && RESTORE_ID.test(id) ? id : undefined;
  }

  #restore(restoreId: string): string {
    if (!RESTORE_ID.test(restoreId) || restoreId === PLANS) {
      throw new BackupError(
        'RESTORE_NOT_FOUND',
        `${JSON.stringify(restoreId.slice(0, 80))} is not the id of a restore`,
      );
    }
    return `${this.restoresPrefix}${restoreId}`;
  }

  restorePlan(planId: string): string {
    return `${this.restoresPrefix}${PLANS}/${planId}.json`;
  }

  /** @throws CATALOG_CORRUPT when a catalog names a segment outside this backup's data. */
  assertSegmentKey(key: string): void {
    if (!key.startsWith(this.dataPrefix) || !isObjectKey(key)) {
      throw new BackupError(
        'CATALOG_CORRUPT',
        `the catalog names ${JSON.stringify(key)}, which is not data of this backup`,
        {
          context: { key },
        },
      );
    }
  }
}

/** The backup id in the key of an identity object, or undefined for other keys. */
export function backupIdOf(key: string): string | undefined {
  return /(?:^|\/)([^/]+)\/backup\.json$/.exec(key)?.[1];
}

function incarnation(topic: string, topicId: string): string {
  if (!isTopicName(topic) || !TOPIC_ID.test(topicId)) {
    throw new BackupError(
      'CATALOG_CORRUPT',
      `${JSON.stringify(topic)} with id ${JSON.stringify(topicId)} is not a topic`,
    );
  }
  return `${folderOf(topic)}/${elementOf(topicId)}`;
}

function elementOf(topicId: string): string {
  return `${topicId.startsWith('-') ? '=' : ''}${topicId}`;
}

/** A topic name may begin with a dot, which a store's keys may not; no topic name holds "=". */
function folderOf(topic: string): string {
  return `${topic.startsWith('.') ? '=' : ''}${topic}`;
}

function padded(value: number | bigint): string {
  return value.toString().padStart(DIGITS, '0');
}

function versionIn(key: string, prefix: string, suffix: string): number | undefined {
  if (!key.startsWith(prefix) || !key.endsWith(suffix)) return undefined;
  const digits = key.slice(prefix.length, key.length - suffix.length);
  return /^\d{20}$/.test(digits) ? Number(digits) : undefined;
}
