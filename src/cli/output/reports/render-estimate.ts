// An estimate, for people and as JSON. Volumes are decimal, as stores and networks are paid for.

import type { Estimate, EstimateQuestion } from '../../../estimate/estimate-run.ts';
import type { CodecProjection, TopicProjection } from '../../../estimate/projection.ts';
import { ERROR_KINDS } from '../../../model/errors.ts';
import { formatCount, formatDuration } from '../format-quantities.ts';
import { renderTable } from '../render-table.ts';
import { printable } from '../terminal.ts';

const DAY_MS = 86_400_000;
const MAX_TOPICS_SHOWN = 50;
const MAX_TOPICS_NAMED = 5;
/** Footers and commits of all that is stored. */
const WORTH_TELLING = 0.1;
/** In the place of a number that cannot be told. */
const UNKNOWN = '-';

export function renderEstimate(estimate: Estimate, question: EstimateQuestion): string {
  const { topics, codecs } = estimate;
  const largest = topics.toSorted((a, b) => b.kafkaBytesPerDay - a.kafkaBytesPerDay).slice(0, MAX_TOPICS_SHOWN);
  const days = `${Number((question.retentionMs / DAY_MS).toFixed(2))} days`;
  const rest = topics.length > largest.length ? [`... and ${topics.length - largest.length} topics more`] : [];
  const isRated = isAnyRateKnown(estimate);
  return [
    renderTable(
      ['TOPIC', 'PARTITIONS', 'RECORDS/DAY', 'KAFKA GB/DAY', 'RAW GB/DAY', 'SAMPLE MB', 'RATE FROM'],
      largest.map(topicRow),
    ),
    ...rest,
    ...leftOutText(estimate),
    ...warningsOf(estimate).map((text) => `Warning: ${printable(text)}`),
    '',
    ...(isRated ? [totalText(estimate), ''] : []),
    renderTable(
      [
        ...[
          'CODEC',
          'RATIO',
          'MB/S PER CORE',
          'STORED GB/DAY',
          'OBJECTS/DAY',
          'PUTS/DAY',
          `GB IN ${days.toUpperCase()}`,
        ],
        ...['UPLOAD MBIT/S', 'CORES', 'RESTORE'],
      ],
      codecs.map((codec) => codecRow(codec, isRated)),
    ),
    '',
    ...codecs.filter(({ isConfigured }) => isConfigured).map((codec) => `This configuration says ${nameOf(codec)}.`),
    'RATIO is raw by compressed. STORED adds footers of objects and commits; OBJECTS are the most that records evenly spread make.',
    ...overheadText(estimate),
    'Rates are averages of a day: leave room for peaks.',
    `RESTORE is of all ${days} at ${megabits(question.bandwidthBytesPerSec)} Mbit/s each way: to read what is stored or to produce what the brokers held, whichever takes longer.`,
  ].join('\n');
}

function totalText({ recordsPerDay, kafkaBytesPerDay, rawBytesPerDay, fetchBytesPerSec }: Estimate): string {
  const total = `${formatCount(Math.round(recordsPerDay))} records, ${gigabytes(kafkaBytesPerDay)} GB as the brokers hold them, ${gigabytes(rawBytesPerDay)} GB raw`;
  return `A day: ${total}; fetched at ${megabits(fetchBytesPerSec)} Mbit/s on average`;
}

/** What is not there needs no remedy: it adds nothing either. */
function leftOutText({ leftOut }: Estimate): string[] {
  return leftOut.flatMap(({ topic, code, message }) => [
    printable(`Left out: ${topic}: ${message}`),
    ...(code === 'TOPIC_NOT_FOUND' ? [] : [`  -> ${ERROR_KINDS[code].hint}`]),
  ]);
}

/** False where no topic with records tells what comes in a day: sums of nothing are no estimate then. */
function isAnyRateKnown({ topics }: Estimate): boolean {
  const filled = topics.filter(({ sampleBytes }) => sampleBytes > 0);
  return filled.length === 0 || filled.some(({ isRateKnown }) => isRateKnown);
}

/** What makes the numbers smaller than a backup will be. */
function warningsOf(estimate: Estimate): string[] {
  const { topics, leftOut } = estimate;
  const refused = leftOut.filter(({ code }) => code !== 'TOPIC_NOT_FOUND').length;
  const unrated = topics.filter(({ isRateKnown }) => !isRateKnown).map(({ topic }) => topic);
  const more = unrated.length > MAX_TOPICS_NAMED ? ` and ${unrated.length - MAX_TOPICS_NAMED} more` : '';
  const named = `${unrated.slice(0, MAX_TOPICS_NAMED).join(', ')}${more}`;
  return [
    ...(refused === 0
      ? []
      : [`${formatCount(refused)} topic(s) could not be read: every sum is too small by what they hold.`]),
    ...(unrated.length === 0
      ? []
      : [
          `the rate of ${named} cannot be told: no record has a timestamp of the last 24 h, and timestamps are those of the producers (CreateTime). Records may come now that bear older ones; ${isAnyRateKnown(estimate) ? 'no sum counts them' : 'so nothing is said of a day'}.`,
        ]),
  ];
}

/** By the codec that is configured. */
function overheadText({ codecs }: Estimate): string[] {
  const usual = codecs.find(({ isConfigured }) => isConfigured);
  if (usual === undefined || usual.overheadBytesPerDay <= WORTH_TELLING * usual.storedBytesPerDay) return [];
  const share = Math.round((100 * usual.overheadBytesPerDay) / usual.storedBytesPerDay);
  return [
    `With ${nameOf(usual)}, ${share} % of what is stored (${gigabytes(usual.overheadBytesPerDay)} GB/day) are footers and commits: a longer backup.segment_max_interval_ms makes fewer objects.`,
  ];
}

function topicRow(topic: TopicProjection): string[] {
  const { recordsPerDay, kafkaBytesPerDay, rawBytesPerDay, basisMs, sampleBytes, isRateKnown } = topic;
  const rates = [formatCount(Math.round(recordsPerDay)), gigabytes(kafkaBytesPerDay), gigabytes(rawBytesPerDay)];
  return [
    printable(topic.topic),
    formatCount(topic.partitions),
    ...rates.map((text) => (isRateKnown ? text : UNKNOWN)),
    (sampleBytes / 1e6).toFixed(1),
    basisText(topic, basisMs),
  ];
}

function basisText({ recordsPerDay, sampleBytes, isRateKnown }: TopicProjection, basisMs: number): string {
  if (sampleBytes === 0) return 'nothing: no record is there';
  if (!isRateKnown) return 'nothing: no timestamp is of the last 24 h';
  if (recordsPerDay === 0) return 'no record of the last 24 h';
  return basisMs >= DAY_MS
    ? 'the last 24 h'
    : `${formatDuration(basisMs / 1000)}, as old as its log is, scaled to a day`;
}

/** @param isRated false: only what was measured of the sample is told */
function codecRow(codec: CodecProjection, isRated: boolean): string[] {
  const volumes = [
    gigabytes(codec.storedBytesPerDay),
    formatCount(Math.ceil(codec.objectsPerDay)),
    formatCount(Math.ceil(codec.putsPerDay)),
    gigabytes(codec.storageBytes),
    megabits(codec.uploadBytesPerSec),
    codec.cores.toFixed(3),
    formatDuration(codec.restoreSeconds),
  ];
  return [
    nameOf(codec),
    codec.ratio === null ? UNKNOWN : codec.ratio.toFixed(2),
    codec.bytesPerCoreSecond === null ? UNKNOWN : formatCount(Math.round(codec.bytesPerCoreSecond / 1e6)),
    ...volumes.map((text) => (isRated ? text : UNKNOWN)),
  ];
}

export function estimateJson(estimate: Estimate, question: EstimateQuestion): Readonly<Record<string, unknown>> {
  return {
    message_type: 'summary',
    command: 'estimate',
    sample_bytes_per_topic: question.sampleBytes,
    retention_seconds: question.retentionMs / 1000,
    bandwidth_bytes_per_second: question.bandwidthBytesPerSec,
    records_per_day: Math.round(estimate.recordsPerDay),
    kafka_bytes_per_day: Math.round(estimate.kafkaBytesPerDay),
    raw_bytes_per_day: Math.round(estimate.rawBytesPerDay),
    fetch_bytes_per_second: Math.round(estimate.fetchBytesPerSec),
    left_out: estimate.leftOut.map(({ topic }) => topic),
    left_out_because: estimate.leftOut.map(({ topic, code, message }) => ({
      ...{ topic, error: code, message, remedy: ERROR_KINDS[code].hint },
    })),
    warnings: warningsOf(estimate),
    topics: estimate.topics.map((topic) => ({
      topic: topic.topic,
      partitions: topic.partitions,
      records_per_day: Math.round(topic.recordsPerDay),
      kafka_bytes_per_day: Math.round(topic.kafkaBytesPerDay),
      raw_bytes_per_day: Math.round(topic.rawBytesPerDay),
      sampled_bytes: topic.sampleBytes,
      rate_basis_seconds: topic.isRateKnown ? Math.round(topic.basisMs / 1000) : null,
    })),
    codecs: estimate.codecs.map((codec) => ({
      codec: codec.codec,
      level: codec.codec === 'zstd' ? codec.level : null,
      configured: codec.isConfigured,
      ratio: codec.ratio,
      bytes_per_core_second: codec.bytesPerCoreSecond === null ? null : Math.round(codec.bytesPerCoreSecond),
      stored_bytes_per_day: Math.round(codec.storedBytesPerDay),
      overhead_bytes_per_day: Math.round(codec.overheadBytesPerDay),
      objects_per_day: Math.ceil(codec.objectsPerDay),
      puts_per_day: Math.ceil(codec.putsPerDay),
      storage_bytes: Math.round(codec.storageBytes),
      upload_bytes_per_second: Math.round(codec.uploadBytesPerSec),
      cores: codec.cores,
      restore_seconds: Math.round(codec.restoreSeconds),
    })),
  };
}

function nameOf({ codec, level }: CodecProjection): string {
  return codec === 'zstd' ? `zstd ${level}` : codec;
}

/** Enough digits to tell small volumes from none. */
function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes >= 1e10 ? 1 : 3);
}

function megabits(bytesPerSec: number): string {
  const value = (bytesPerSec * 8) / 1e6;
  return value.toFixed(value >= 10 ? 0 : 2);
}
