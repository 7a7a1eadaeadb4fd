// What will become of the records: too large for the target, soon deleted by its retention, or not in the backup at all.

import { PRODUCER_CODECS, type ProducerCodec } from '../../model/codec.ts';
import { utcText } from '../../model/instant.ts';
import { type LostOffsets, type RestorePlan, sourcesOf, type TopicRestorePlan } from '../restore-plan.ts';
import { ORIGIN_HEADERS_BYTES } from '../judge/judge-task.ts';
import {
  type BatchLimits,
  type CheckList,
  DEFAULT_MAX_MESSAGE_BYTES,
  type LastingTopic,
  numberOf,
  type PreflightInput,
  segmentsOf,
} from './check-list.ts';

/** Partitions that a message names. */
const PARTITIONS_SHOWN = 10;

export function checkSizes(
  topic: TopicRestorePlan,
  lasting: LastingTopic,
  input: PreflightInput,
  list: CheckList,
): BatchLimits {
  const { targetTopic } = topic;
  if (lasting.configs.size > 0) list.look('batch size');
  const limits = sizeLimits(lasting);
  const maxMessageBytes = Math.min(...limits.map(({ value }) => value));
  const addedBytes = input.plan.includeOriginalOffsetHeader ? ORIGIN_HEADERS_BYTES : 0;
  const needed = indivisibleBytes(topic, input);
  const stored = segmentsOf(topic).reduce((most, { maxBatchSizeBytes }) => Math.max(most, maxBatchSizeBytes), 0);
  const largest = stored === 0 ? 0 : stored + addedBytes;
  const tooSmall = limits.filter(({ value }) => needed > value);
  if (tooSmall.length > 0 && lasting.configs.size > 0) {
    for (const { name, value } of tooSmall) {
      list.block(
        'batch size',
        `the backup holds a record that alone makes a batch of ${needed} bytes, ${targetTopic} takes ${value}${limitText(name)}; ${remedyText(topic, lasting, { name, value: needed + addedBytes, gain: 'makes room for it' })}`,
      );
    }
  } else if (largest > maxMessageBytes) {
    const names = limits.filter(({ value }) => largest > value).map(({ name }) => name);
    list.warn(
      'batch size',
      `the largest batch has ${largest} bytes${addedBytes > 0 ? ' with the headers that are added' : ''}, ${targetTopic} takes ${maxMessageBytes}: it is divided; a single record that large will stop the restore half way: if there may be one, raise ${names.join(' and ')} of the topic first`,
    );
  }
  return { maxMessageBytes, brokerCodec: brokerCodecOf(lasting) };
}

/** A broker refuses a batch that is larger than a segment of the topic's log, too. */
function sizeLimits(lasting: LastingTopic) {
  return [
    { name: 'max.message.bytes', value: numberOf(lasting, 'max.message.bytes', DEFAULT_MAX_MESSAGE_BYTES) },
    { name: 'segment.bytes', value: numberOf(lasting, 'segment.bytes', Number.MAX_SAFE_INTEGER) },
  ];
}

/** Everybody expects max.message.bytes. */
function limitText(name: string): string {
  return name === 'max.message.bytes' ? '' : ` (${name})`;
}

/** What the target must take for certain: of records that are wanted whatever their frames turn out to hold, and stay as they are. */
function indivisibleBytes(topic: TopicRestorePlan, { plan, settings }: PreflightInput): number {
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY, cut } = topic.recoveryTarget;
  const mayShrink = settings.compression !== 'producer' && settings.compression !== 'none';
  // What lies behind a cut is only known once the log has been read up to it.
  if (mayShrink || plan.filter !== null || (cut === 'log' && toMs !== Number.POSITIVE_INFINITY)) return 0;
  const certain = sourcesOf(topic)
    .flatMap(({ segments }) => segments)
    .filter(({ segment, fromOffset, toOffset }) => {
      const isWhole = fromOffset <= segment.baseOffset && toOffset >= segment.nextOffset;
      const isInside = (segment.minTimestampMs ?? Number.NEGATIVE_INFINITY) >= fromMs && segment.maxTimestampMs <= toMs;
      return isWhole && isInside && !segment.isTransactional;
    });
  return certain.reduce((most, { segment }) => Math.max(most, segment.maxIndivisibleBatchSizeBytes), 0);
}

/** `producer`, Kafka's default, keeps every batch as it comes. */
function brokerCodecOf({ configs }: LastingTopic): ProducerCodec | null {
  const type = configs.get('compression.type')?.value;
  return type === 'uncompressed' ? 'none' : (PRODUCER_CODECS.find((codec) => codec === type) ?? null);
}

/** Kafka deletes by whole log segments of the target, so the figures are of what may go at once. */
export function checkRetention(topic: TopicRestorePlan, lasting: LastingTopic, nowMs: number, list: CheckList): void {
  if (lasting.configs.size > 0) list.look('retention');
  const policy = lasting.configs.get('cleanup.policy')?.value ?? 'delete';
  if (!policy.split(',').some((one) => one.trim() === 'delete')) return;
  checkAge(topic, lasting, nowMs, list);
  checkBytes(topic, lasting, list);
}

/** By key, records are taken to be spread evenly. */
function checkBytes(topic: TopicRestorePlan, lasting: LastingTopic, list: CheckList): void {
  const { targetTopic } = topic;
  const retentionBytes = numberOf(lasting, 'retention.bytes', -1);
  if (retentionBytes < 0) return;
  const filled = topic.lanes.flatMap(({ sources, targets }) => {
    const segments = sources.flatMap((source) => source.segments);
    const bytes = segments.reduce((total, { segment }) => total + segment.rawSizeBytes, 0) / targets.length;
    return targets.map((partition) => ({ partition, bytes }));
  });
  const [fullest, ...others] = filled.filter(({ bytes }) => bytes > retentionBytes).sort((a, b) => b.bytes - a.bytes);
  if (fullest === undefined) return;
  list.warn(
    'retention',
    `${targetTopic} keeps ${retentionBytes} bytes a partition (retention.bytes): ${others.length + 1} of ${filled.length} partition(s) get more, partition ${fullest.partition} about ${Math.round(fullest.bytes)} before compression; their oldest records are deleted soon after the restore; ${remedyText(topic, lasting, keeping('retention.bytes'))}`,
  );
}

function checkAge(topic: TopicRestorePlan, lasting: LastingTopic, nowMs: number, list: CheckList): void {
  const { targetTopic } = topic;
  const retentionMs = numberOf(lasting, 'retention.ms', -1);
  if (retentionMs < 0) return;
  const expiredMs = nowMs - retentionMs;
  const segments = segmentsOf(topic);
  const oldestMs = segments.reduce((oldest, { minTimestampMs, maxTimestampMs }) => {
    return Math.min(oldest, Math.max(minTimestampMs ?? maxTimestampMs, topic.recoveryTarget.fromMs ?? -Infinity));
  }, nowMs);
  const isBound = segments.every(({ minTimestampMs }) => minTimestampMs !== null);
  if (oldestMs >= expiredMs) return;
  const [gone, all] = [segments.filter(({ maxTimestampMs }) => maxTimestampMs < expiredMs), segments].map((some) =>
    some.reduce((total, { recordCount }) => total + recordCount, 0),
  );
  list.warn(
    'retention',
    `${targetTopic} keeps records for ${retentionMs} ms (retention.ms): those from before ${utcText(expiredMs)}, at least ${gone} of about ${all}, are deleted soon after the restore; the oldest is of ${utcText(oldestMs)}${isBound ? '' : ' or before'}; ${remedyText(topic, lasting, keeping('retention.ms'))}`,
  );
}

/** Whether the backup goes as far as it is to be restored to at all. */
export function checkReach({ topics, newestCaptureMs, catalogVersion }: RestorePlan, list: CheckList): void {
  const ends = topics.flatMap(({ recoveryTarget }) => recoveryTarget.toMs ?? []);
  const latest = ends.reduce((high, one) => Math.max(high, one), Number.NEGATIVE_INFINITY);
  if (newestCaptureMs === null || latest <= newestCaptureMs) return;
  list.warn(
    'coverage',
    `nothing of these topics was captured after ${utcText(newestCaptureMs)} (version ${catalogVersion} of the backup), and the recovery target is ${utcText(latest)}: records written in between are missing, if there were any`,
  );
}

/** Records that were asked for and are not in the backup. */
export function checkCoverage(topic: TopicRestorePlan, list: CheckList): void {
  const { toMs } = topic.recoveryTarget;
  if (segmentsOf(topic).length === 0) {
    list.warn(
      'coverage',
      `${topic.topic}: the backup holds no record inside the recovery target; nothing will be restored`,
    );
  }
  checkUnknown(topic, list);
  checkLife(topic, list);
  for (const { topicId, fromMs, toMs: lastMs } of topic.otherLives) {
    list.warn(
      'coverage',
      `${topic.topic}: the topic was made anew, and only its life with id ${topic.topicId} is restored; records of ${utcText(fromMs)} to ${utcText(lastMs)} inside the window are of its life with id ${topicId}: restore them with a window that ends in that life`,
    );
  }
  for (const { source, segments, missing, lostSince } of sourcesOf(topic)) {
    const name = `${source.topic}-${source.partition}`;
    if (lostSince !== null) list.warn('coverage', lossText(name, lostSince));
    for (const { baseOffset, lastOffset, reason } of missing) {
      list.warn('gap', `${name}: offsets ${baseOffset}..${lastOffset} were never backed up (${reason})`);
    }
    const last = segments.at(-1);
    if (toMs === undefined || last === undefined) continue;
    const { capturedAtMs, reachedLogEnd, nextOffset, maxTimestampMs } = last.segment;
    // A later segment would have been selected, or begins past the target.
    const isNewest = last.toOffset === nextOffset && !reachedLogEnd && maxTimestampMs <= toMs && capturedAtMs < toMs;
    if (!isNewest) continue;
    list.warn(
      'coverage',
      `${name}: the backup had not reached the end of the log at offset ${nextOffset}, captured ${utcText(capturedAtMs)}; records up to the recovery target may be missing`,
    );
  }
}

function lossText(name: string, { baseOffset, lastOffset, detectedAtMs }: LostOffsets): string {
  const seen = utcText(detectedAtMs);
  return `${name}: the log of the source has lost offsets ${baseOffset}..${lastOffset}, which was found behind the recovery target, ${seen}: what they held is in the backup and is not restored; with --catalog-version, a version from before ${seen} restores it`;
}

function checkLife({ topic, topicId, doubt }: TopicRestorePlan, list: CheckList): void {
  if (doubt === null) return;
  const { otherTopicId, isNewerTaken } = doubt;
  const [lastSeen, firstSeen] = [utcText(doubt.lastSeenMs), utcText(doubt.firstSeenMs)];
  const choice = isNewerTaken
    ? `the life with id ${topicId} is restored, which holds records from between the two; for the one before it, id ${otherTopicId}, use --to ${topic}=${lastSeen}`
    : `the life with id ${topicId} is restored, as far as it was backed up; for the one after it, id ${otherTopicId}, use --to ${topic}=${firstSeen}`;
  list.warn(
    'coverage',
    `${topic}: the topic was made anew between ${lastSeen}, when its former life was last seen, and ${firstSeen}, and the recovery target lies between: ${choice}`,
  );
}

/** Partitions of a topic that is in the backup otherwise. */
function checkUnknown(topic: TopicRestorePlan, list: CheckList): void {
  const unknown = sourcesOf(topic).flatMap(({ source, isKnown }) => (isKnown ? [] : [source.partition]));
  if (unknown.length === 0 || segmentsOf(topic).length === 0) return;
  const named = unknown.sort((a, b) => a - b).slice(0, PARTITIONS_SHOWN);
  const more = unknown.length > named.length ? `, and ${unknown.length - named.length} more` : '';
  list.warn(
    'coverage',
    `${topic.topic}: the backup holds nothing of partition(s) ${named.join(', ')}${more}: they were empty, or were never captured`,
  );
}

/** An entry of the target's configuration that would do, and what is gained by it. */
interface Remedy {
  readonly name: string;
  readonly value: number;
  readonly gain: string;
}

/** Kafka deletes nothing of a topic whose limit is -1. */
function keeping(name: 'retention.ms' | 'retention.bytes'): Remedy {
  return { name, value: -1, gain: 'keeps them' };
}

function remedyText(
  { targetTopic }: TopicRestorePlan,
  { isThere, resumedId }: LastingTopic,
  { name, value, gain }: Remedy,
): string {
  if (resumedId !== null)
    return `what the topic has at the end was laid down when ${resumedId} began: restore --abandon ${resumedId}, and restore again with another ${name}`;
  if (isThere)
    return `the topic exists and keeps its own configuration: set ${name}=${value} on it, or map to another name`;
  return `restore.topic_configs: {${targetTopic}: {${name}: "${value}"}} ${gain}`;
}
