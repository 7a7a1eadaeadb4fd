// From what was measured to what a backup will need. Pure. Rates are averages of a day: a peak needs more.

import { CHOICES, type CodecChoice, type TopicSample } from './measure-codecs.ts';
import type { PartitionRate } from './topic-rate.ts';

const DAY_SECONDS = 86_400;

export interface MeasuredTopic {
  readonly topic: string;
  readonly partitions: readonly PartitionRate[];
  readonly sample: TopicSample;
}

export interface ProjectionSettings {
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
  readonly sampleBytes: number;
}

export interface CodecProjection extends CodecChoice {
  /** Bytes with nothing compressed, by bytes stored; null without a sample. */
  readonly ratio: number | null;
  /** Of the brokers' bytes, by one core; null without a sample. */
  readonly bytesPerCoreSecond: number | null;
  readonly storedBytesPerDay: number;
  readonly objectsPerDay: number;
  /** Requests that create something: objects, their parts, commits. */
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
    codecs: CHOICES.map((choice, index) => projectCodec(choice, index, topics, { ...settings, kafkaBytesPerDay })),
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
  const total = { storedBytes: 0, coreSeconds: 0, objects: 0, requests: 0 };
  const sampled = { kafkaBytes: 0, rawBytes: 0, storedBytes: 0, seconds: 0 };
  for (const { sample, partitions } of topics) {
    const measured = sample.measured[index];
    if (measured === undefined || sample.offsets === 0) continue;
    sampled.kafkaBytes += sample.kafkaBytes;
    sampled.rawBytes += sample.rawBytes;
    sampled.storedBytes += measured.storedBytes;
    sampled.seconds += measured.seconds;
    for (const { offsetsPerDay } of partitions) {
      const storedBytes = (offsetsPerDay * measured.storedBytes) / sample.offsets;
      const objects = objectsPerDay(offsetsPerDay, measured.framedBytes / sample.offsets, settings);
      total.storedBytes += storedBytes;
      total.coreSeconds += (offsetsPerDay * measured.seconds) / sample.offsets;
      total.objects += objects;
      total.requests += objects === 0 ? 0 : objects * requestsOf(storedBytes / objects, settings);
    }
  }
  const days = retentionMs / (DAY_SECONDS * 1000);
  const storageBytes = total.storedBytes * days;
  return {
    ...choice,
    ratio: sampled.storedBytes === 0 ? null : sampled.rawBytes / sampled.storedBytes,
    bytesPerCoreSecond: sampled.seconds === 0 ? null : sampled.kafkaBytes / sampled.seconds,
    storedBytesPerDay: total.storedBytes,
    objectsPerDay: total.objects,
    // A commit names every segment that was sealed since the last one.
    putsPerDay: total.requests + Math.min(total.objects, DAY_SECONDS / commitIntervalSecs),
    storageBytes,
    uploadBytesPerSec: total.storedBytes / DAY_SECONDS,
    cores: total.coreSeconds / DAY_SECONDS,
    // What is read from the store, and what is produced: the larger of them bounds a link that takes both ways at once.
    restoreSeconds: Math.max(storageBytes, kafkaBytesPerDay * days) / bandwidthBytesPerSec,
  };
}

/** Of one partition. A segment begins with the first record after the last seal, and ends with what is first: size, count or age. */
function objectsPerDay(offsetsPerDay: number, bytesPerOffset: number, settings: ProjectionSettings): number {
  if (offsetsPerDay === 0) return 0;
  const secondsPerRecord = DAY_SECONDS / offsetsPerDay;
  const records = Math.min(settings.segmentMaxBytes / bytesPerOffset, settings.segmentMaxRecords ?? Infinity);
  const heldSeconds = Math.min(records * secondsPerRecord, settings.segmentMaxIntervalMs / 1000);
  return Math.min(offsetsPerDay, DAY_SECONDS / Math.max(heldSeconds, secondsPerRecord));
}

function requestsOf(objectBytes: number, { partSizeBytes, requestsBesideParts }: ProjectionSettings): number {
  if (partSizeBytes === null || objectBytes <= partSizeBytes) return 1;
  return Math.ceil(objectBytes / partSizeBytes) + requestsBesideParts;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
