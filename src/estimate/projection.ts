// From what was measured to what a backup will need. Pure. Rates are averages of a day: a peak needs more. Objects are counted as if
// batches came evenly spread, which makes the most of them.

import { MAX_PIECE_ACTIONS } from '../catalog/checkpoint/checkpoint.ts';
import { ACTIONS_PER_CHECKPOINT, COMMITS_PER_CHECKPOINT } from '../catalog/checkpoint/checkpoint-series.ts';
import { type CodecChoice, isSameChoice, type TopicSample } from './measure-codecs.ts';
import { COMMIT_HEAD_BYTES } from './object-overhead.ts';
import type { PartitionRate } from './topic-rate.ts';

const DAY_SECONDS = 86_400;

export interface MeasuredTopic {
  readonly topic: string;
  readonly partitions: readonly PartitionRate[];
  readonly sample: TopicSample;
}

export interface ProjectionSettings {
  /** In the order of {@link TopicSample.measured}. */
  readonly choices: readonly CodecChoice[];
  /** One of them. */
  readonly configured: CodecChoice;
  /** The most that a frame holds, as the brokers hold it. */
  readonly frameBytes: number;
  readonly segmentMaxBytes: number;
  readonly segmentMaxIntervalMs: number;
  readonly segmentMaxRecords: number | null;
  readonly commitIntervalSecs: number;
  /** Larger objects go up in parts; null where an object is one write. */
  readonly partSizeBytes: number | null;
  /** Requests of an upload in parts besides its parts. */
  readonly requestsBesideParts: number;
  readonly retentionMs: number;
  readonly bandwidthBytesPerSec: number;
}

export interface TopicProjection {
  readonly topic: string;
  readonly partitions: number;
  readonly recordsPerDay: number;
  readonly kafkaBytesPerDay: number;
  readonly rawBytesPerDay: number;
  /** The shortest time that the rate of a partition rests on; 0 without partitions. */
  readonly basisMs: number;
  /**
   * False where there are records and none bears a time of the last 24 hours, by the clock of its producer: they may have come
   * just now, so that a rate of 0 says nothing.
   */
  readonly isRateKnown: boolean;
  readonly sampleBytes: number;
}

export interface CodecProjection extends CodecChoice {
  /** True of the one that a backup by this configuration uses. */
  readonly isConfigured: boolean;
  /** Bytes with nothing compressed, by bytes of frames; null without a sample. */
  readonly ratio: number | null;
  /** Of the brokers' bytes, by one core; null without a sample. */
  readonly bytesPerCoreSecond: number | null;
  /** Frames and {@link overheadBytesPerDay}. */
  readonly storedBytesPerDay: number;
  /** Footers of objects, and commits. */
  readonly overheadBytesPerDay: number;
  readonly objectsPerDay: number;
  /** Requests that create something: objects, their parts, commits, checkpoints. */
  readonly putsPerDay: number;
  readonly storageBytes: number;
  readonly uploadBytesPerSec: number;
  /** For checks and compression. */
  readonly cores: number;
  /** Of everything at the retention. */
  readonly restoreSeconds: number;
}

export interface Projection {
  readonly topics: readonly TopicProjection[];
  readonly codecs: readonly CodecProjection[];
  readonly recordsPerDay: number;
  readonly kafkaBytesPerDay: number;
  readonly rawBytesPerDay: number;
  readonly fetchBytesPerSec: number;
}

export function project(topics: readonly MeasuredTopic[], settings: ProjectionSettings): Projection {
  const projected = topics.map(projectTopic);
  const kafkaBytesPerDay = sum(projected, (topic) => topic.kafkaBytesPerDay);
  return {
    topics: projected,
    codecs: settings.choices.map((choice, index) =>
      projectCodec(choice, index, topics, { ...settings, kafkaBytesPerDay }),
    ),
    recordsPerDay: sum(projected, (topic) => topic.recordsPerDay),
    kafkaBytesPerDay,
    rawBytesPerDay: sum(projected, (topic) => topic.rawBytesPerDay),
    fetchBytesPerSec: kafkaBytesPerDay / DAY_SECONDS,
  };
}

function projectTopic({ topic, partitions, sample }: MeasuredTopic): TopicProjection {
  const recordsPerDay = sum(partitions, ({ offsetsPerDay }) => offsetsPerDay);
  const perOffset = (bytes: number): number => (sample.offsets === 0 ? 0 : bytes / sample.offsets);
  return {
    topic,
    partitions: partitions.length,
    recordsPerDay,
    kafkaBytesPerDay: recordsPerDay * perOffset(sample.kafkaBytes),
    rawBytesPerDay: recordsPerDay * perOffset(sample.rawBytes),
    basisMs: partitions.length === 0 ? 0 : Math.min(...partitions.map(({ basisMs }) => basisMs)),
    isRateKnown: recordsPerDay > 0 || !sample.hasProducerTimes,
    sampleBytes: sample.kafkaBytes,
  };
}

function projectCodec(
  choice: CodecChoice,
  index: number,
  topics: readonly MeasuredTopic[],
  settings: ProjectionSettings & { readonly kafkaBytesPerDay: number },
): CodecProjection {
  const { retentionMs, bandwidthBytesPerSec, commitIntervalSecs, kafkaBytesPerDay } = settings;
  const total = { frameBytes: 0, footerBytes: 0, coreSeconds: 0, requests: 0 };
  const sampled = { kafkaBytes: 0, rawBytes: 0, storedBytes: 0, seconds: 0 };
  const objectsByTopic: number[] = [];
  for (const { sample, partitions } of topics) {
    const measured = sample.measured[index];
    if (measured === undefined || sample.offsets === 0) continue;
    sampled.kafkaBytes += sample.kafkaBytes;
    sampled.rawBytes += sample.rawBytes;
    sampled.storedBytes += measured.storedBytes;
    sampled.seconds += measured.seconds;
    let topicObjects = 0;
    for (const { offsetsPerDay } of partitions) {
      const frameBytes = (offsetsPerDay * measured.storedBytes) / sample.offsets;
      const objects = objectsPerDay(offsetsPerDay, measured.framedBytes, sample, settings);
      // A large object has one footer, which grows with each frame by less than what a frame's own would take.
      const frames = Math.max(objects, (offsetsPerDay * sample.kafkaBytes) / sample.offsets / settings.frameBytes);
      const footerBytes = (frames * sample.overheadBytes) / sample.frames;
      total.frameBytes += frameBytes;
      total.footerBytes += footerBytes;
      total.coreSeconds += (offsetsPerDay * measured.seconds) / sample.offsets;
      total.requests += objects === 0 ? 0 : objects * requestsOf((frameBytes + footerBytes) / objects, settings);
      topicObjects += objects;
    }
    objectsByTopic.push(topicObjects);
  }
  const objects = sum(objectsByTopic, (count) => count);
  // A commit names every segment that was sealed since the last one.
  const commits = Math.min(objects, DAY_SECONDS / commitIntervalSecs);
  const overheadBytesPerDay = total.footerBytes + commits * COMMIT_HEAD_BYTES;
  const storedBytesPerDay = total.frameBytes + overheadBytesPerDay;
  const days = retentionMs / (DAY_SECONDS * 1000);
  const storageBytes = storedBytesPerDay * days;
  return {
    ...choice,
    isConfigured: isSameChoice(choice, settings.configured),
    ratio: sampled.storedBytes === 0 ? null : sampled.rawBytes / sampled.storedBytes,
    bytesPerCoreSecond: sampled.seconds === 0 ? null : sampled.kafkaBytes / sampled.seconds,
    storedBytesPerDay,
    overheadBytesPerDay,
    objectsPerDay: objects,
    putsPerDay: total.requests + commits + checkpointObjects(commits, objectsByTopic),
    storageBytes,
    uploadBytesPerSec: storedBytesPerDay / DAY_SECONDS,
    cores: total.coreSeconds / DAY_SECONDS,
    // What is read from the store, and what is produced: the larger of them bounds a link that takes both ways at once.
    restoreSeconds: Math.max(storageBytes, kafkaBytesPerDay * days) / bandwidthBytesPerSec,
  };
}

/** How many offsets come together before age or count seals a segment; where partitions differ, in the one of the average record. */
export function offsetsPerObject(
  partitions: readonly PartitionRate[],
  { segmentMaxIntervalMs, segmentMaxRecords }: Pick<ProjectionSettings, 'segmentMaxIntervalMs' | 'segmentMaxRecords'>,
): number {
  const total = sum(partitions, ({ offsetsPerDay }) => offsetsPerDay);
  if (total === 0) return segmentMaxRecords ?? Infinity;
  const days = segmentMaxIntervalMs / (DAY_SECONDS * 1000);
  const gathered = (offsetsPerDay: number): number => Math.min(offsetsPerDay * days, segmentMaxRecords ?? Infinity);
  return Math.max(1, sum(partitions, ({ offsetsPerDay }) => offsetsPerDay * gathered(offsetsPerDay)) / total);
}

/** Of one partition. A segment begins with the first batch after the last seal, and ends with what is first: size, count or age. */
function objectsPerDay(
  offsetsPerDay: number,
  framedBytes: number,
  sample: TopicSample,
  settings: ProjectionSettings,
): number {
  if (offsetsPerDay === 0) return 0;
  const secondsPerOffset = DAY_SECONDS / offsetsPerDay;
  const secondsPerBatch = (secondsPerOffset * sample.offsets) / sample.batches;
  const bySize = (settings.segmentMaxBytes * sample.offsets) / framedBytes;
  const offsets = Math.min(bySize, settings.segmentMaxRecords ?? Infinity);
  const heldSeconds = Math.min(offsets * secondsPerOffset, settings.segmentMaxIntervalMs / 1000);
  return DAY_SECONDS / Math.max(heldSeconds, secondsPerBatch);
}

/** A day's indexes, and the pieces of each: of every topic that has something new, and more than one where that is much. */
function checkpointObjects(commits: number, objectsByTopic: readonly number[]): number {
  const objects = sum(objectsByTopic, (count) => count);
  const checkpoints = Math.min(commits, Math.max(commits / COMMITS_PER_CHECKPOINT, objects / ACTIONS_PER_CHECKPOINT));
  const pieces = sum(objectsByTopic, (count) => Math.max(Math.min(count, checkpoints), count / MAX_PIECE_ACTIONS));
  return checkpoints + pieces;
}

function requestsOf(objectBytes: number, { partSizeBytes, requestsBesideParts }: ProjectionSettings): number {
  if (partSizeBytes === null || objectBytes <= partSizeBytes) return 1;
  return Math.ceil(objectBytes / partSizeBytes) + requestsBesideParts;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
