// An estimate, for people and as JSON. Volumes are decimal, as stores and networks are paid for.

import type { Estimate, EstimateQuestion } from '../../../estimate/estimate-run.ts';
import type { CodecProjection, TopicProjection } from '../../../estimate/projection.ts';
import { formatCount, formatDuration } from '../format-quantities.ts';
import { renderTable } from '../render-table.ts';
import { printable } from '../terminal.ts';

const DAY_MS = 86_400_000;
const MAX_TOPICS_SHOWN = 50;
/** Footers and commits of all that is stored. */
const WORTH_TELLING = 0.1;

export function renderEstimate(estimate: Estimate, question: EstimateQuestion): string {
  const { topics, codecs, leftOut } = estimate;
  const largest = topics.toSorted((a, b) => b.kafkaBytesPerDay - a.kafkaBytesPerDay).slice(0, MAX_TOPICS_SHOWN);
  const days = `${Number((question.retentionMs / DAY_MS).toFixed(2))} days`;
  const rest = topics.length > largest.length ? [`... and ${topics.length - largest.length} topics more`] : [];
  const total = `${formatCount(Math.round(estimate.recordsPerDay))} records, ${gigabytes(estimate.kafkaBytesPerDay)} GB as the brokers hold them, ${gigabytes(estimate.rawBytesPerDay)} GB raw`;
  return [
    renderTable(
      ['TOPIC', 'PARTITIONS', 'RECORDS/DAY', 'KAFKA GB/DAY', 'RAW GB/DAY', 'SAMPLE MB', 'RATE FROM'],
      largest.map(topicRow),
    ),
    ...rest,
    ...(leftOut.length === 0 ? [] : [`Left out, not there or denied: ${leftOut.map(printable).join(', ')}`]),
    '',
    `A day: ${total}; fetched at ${megabits(estimate.fetchBytesPerSec)} Mbit/s on average`,
    '',
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
      codecs.map(codecRow),
    ),
    '',
    'RATIO is raw by compressed. STORED adds footers of objects and commits; OBJECTS are the most that records evenly spread make.',
    ...overheadText(estimate),
    'Rates are averages of a day: leave room for peaks.',
    `RESTORE is of all ${days} at ${megabits(question.bandwidthBytesPerSec)} Mbit/s each way: to read what is stored or to produce what the brokers held, whichever takes longer.`,
  ].join('\n');
}

/** By the codec that is the default. */
function overheadText({ codecs }: Estimate): string[] {
  const usual = codecs.find(({ codec, level }) => codec === 'zstd' && level === 3);
  if (usual === undefined || usual.overheadBytesPerDay <= WORTH_TELLING * usual.storedBytesPerDay) return [];
  const share = Math.round((100 * usual.overheadBytesPerDay) / usual.storedBytesPerDay);
  return [
    `With zstd 3, ${share} % of what is stored (${gigabytes(usual.overheadBytesPerDay)} GB/day) are footers and commits: a longer backup.segment_max_interval_ms makes fewer objects.`,
  ];
}

function topicRow(topic: TopicProjection): string[] {
  const { recordsPerDay, kafkaBytesPerDay, rawBytesPerDay, basisMs, sampleBytes } = topic;
  return [
    printable(topic.topic),
    formatCount(topic.partitions),
    formatCount(Math.round(recordsPerDay)),
    gigabytes(kafkaBytesPerDay),
    gigabytes(rawBytesPerDay),
    (sampleBytes / 1e6).toFixed(1),
    basisText(topic, basisMs),
  ];
}

function basisText({ recordsPerDay, sampleBytes }: TopicProjection, basisMs: number): string {
  if (sampleBytes === 0) return 'nothing: no record is there';
  if (recordsPerDay === 0) return 'no record of the last 24 h';
  return basisMs >= DAY_MS
    ? 'the last 24 h'
    : `${formatDuration(basisMs / 1000)}, as old as its log is, scaled to a day`;
}

function codecRow(codec: CodecProjection): string[] {
  return [
    nameOf(codec),
    codec.ratio === null ? '-' : codec.ratio.toFixed(2),
    codec.bytesPerCoreSecond === null ? '-' : formatCount(Math.round(codec.bytesPerCoreSecond / 1e6)),
    gigabytes(codec.storedBytesPerDay),
    formatCount(Math.ceil(codec.objectsPerDay)),
    formatCount(Math.ceil(codec.putsPerDay)),
    gigabytes(codec.storageBytes),
    megabits(codec.uploadBytesPerSec),
    codec.cores.toFixed(3),
    formatDuration(codec.restoreSeconds),
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
    left_out: estimate.leftOut,
    topics: estimate.topics.map((topic) => ({
      topic: topic.topic,
      partitions: topic.partitions,
      records_per_day: Math.round(topic.recordsPerDay),
      kafka_bytes_per_day: Math.round(topic.kafkaBytesPerDay),
      raw_bytes_per_day: Math.round(topic.rawBytesPerDay),
      sampled_bytes: topic.sampleBytes,
      rate_basis_seconds: Math.round(topic.basisMs / 1000),
    })),
    codecs: estimate.codecs.map((codec) => ({
      codec: codec.codec,
      level: codec.codec === 'zstd' ? codec.level : null,
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
