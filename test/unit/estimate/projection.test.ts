import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CHOICES, type TopicSample } from '../../../src/estimate/measure-codecs.ts';
import { type MeasuredTopic, project, type ProjectionSettings } from '../../../src/estimate/projection.ts';
import { DAY_MS, partitionRate } from '../../../src/estimate/topic-rate.ts';

const MIB = 1024 * 1024;
const NOW_MS = 1_700_000_000_000;

const SETTINGS: ProjectionSettings = {
  segmentMaxBytes: 128 * MIB,
  segmentMaxIntervalMs: 60_000,
  segmentMaxRecords: null,
  commitIntervalSecs: 30,
  partSizeBytes: 8 * MIB,
  requestsBesideParts: 2,
  retentionMs: 30 * DAY_MS,
  bandwidthBytesPerSec: 1_000_000,
};

/** 1,000 bytes a record at the brokers, 2,000 raw; every codec stores a quarter of that, at 100 MB/s. */
const SAMPLE: TopicSample = {
  kafkaBytes: 1_000_000,
  rawBytes: 2_000_000,
  offsets: 1000,
  measured: CHOICES.map(() => ({ framedBytes: 2_000_000, storedBytes: 500_000, seconds: 0.01 })),
};

function topic(...offsetsPerDay: number[]): MeasuredTopic {
  const partitions = offsetsPerDay.map((each) => ({ offsetsPerDay: each, basisMs: DAY_MS }));
  return { topic: 'orders', partitions, sample: SAMPLE };
}

const first = (topics: readonly MeasuredTopic[], change: Partial<ProjectionSettings> = {}) =>
  project(topics, { ...SETTINGS, ...change }).codecs[0]!;

describe('the rate of a partition', () => {
  const rate = (earliest: bigint, latest: bigint, at: { offset: bigint; timestampMs: number } | null) =>
    partitionRate({ earliest, latest }, at, NOW_MS);

  test('is what came in the last day where the log is older', () => {
    const found = rate(0n, 1000n, { offset: 400n, timestampMs: NOW_MS - DAY_MS + 1000 });
    assert.deepEqual(found, { offsetsPerDay: 600, basisMs: DAY_MS });
  });

  test('is scaled to a day where the log is younger', () => {
    const found = rate(100n, 700n, { offset: 100n, timestampMs: NOW_MS - DAY_MS / 4 });
    assert.deepEqual(found, { offsetsPerDay: 2400, basisMs: DAY_MS / 4 });
  });

  test('rests on a minute at least, and is nothing without a young record', () => {
    assert.equal(rate(0n, 10n, { offset: 0n, timestampMs: NOW_MS + 5000 }).basisMs, 60_000);
    assert.equal(rate(0n, 10n, null).offsetsPerDay, 0);
  });
});

describe('a projection', () => {
  test('adds partitions and topics up', () => {
    const { kafkaBytesPerDay, rawBytesPerDay, recordsPerDay, codecs } = project(
      [topic(86_400, 86_400), topic(0)],
      SETTINGS,
    );
    assert.deepEqual([recordsPerDay, kafkaBytesPerDay, rawBytesPerDay], [172_800, 172_800_000, 345_600_000]);
    const [codec] = codecs;
    assert.deepEqual([codec?.storedBytesPerDay, codec?.storageBytes], [86_400_000, 30 * 86_400_000]);
    assert.deepEqual([codec?.ratio, codec?.uploadBytesPerSec], [4, 1000]);
    assert.equal(codec?.bytesPerCoreSecond, 100_000_000);
    assert.ok(Math.abs((codec?.cores ?? 0) - 0.00002) < 1e-9);
    // What the brokers get is more than what is stored, and takes longer.
    assert.equal(codec?.restoreSeconds, (30 * 172_800_000) / 1_000_000);
  });

  test('counts an object a minute where records come often, and one a record where they hardly come', () => {
    assert.equal(Math.round(first([topic(86_400)]).objectsPerDay), 1440);
    assert.equal(first([topic(10)]).objectsPerDay, 10);
    assert.equal(first([topic(0)]).objectsPerDay, 0);
  });

  test('counts objects by size and by records where these end a segment before the minute does', () => {
    // 2 GB framed a day and partition, in segments of 1 MiB.
    const bySize = first([topic(1_000_000)], { segmentMaxBytes: MIB });
    assert.equal(Math.round(bySize.objectsPerDay), Math.round(2_000_000_000 / MIB));
    assert.equal(Math.round(first([topic(864_000)], { segmentMaxRecords: 100 }).objectsPerDay), 8640);
  });

  test('counts the requests of uploads in parts, and a commit for all that was sealed since the last', () => {
    const small = first([topic(86_400)]);
    assert.equal(Math.round(small.putsPerDay), 1440 + 1440);
    // 100 GB framed a day in segments of 128 MiB: 32 MiB stored each, 4 parts and two requests besides.
    const large = first([topic(50_000_000)], { segmentMaxIntervalMs: 3_600_000 });
    assert.equal(Math.round(large.putsPerDay), Math.round(large.objectsPerDay * 6 + large.objectsPerDay));
    const onDisk = first([topic(50_000_000)], { segmentMaxIntervalMs: 3_600_000, partSizeBytes: null });
    assert.equal(Math.round(onDisk.putsPerDay), Math.round(onDisk.objectsPerDay * 2));
    const busy = first([topic(...Array<number>(100).fill(86_400))]);
    assert.equal(Math.round(busy.putsPerDay), 144_000 + 2880);
  });

  test('says nothing of what was not sampled', () => {
    const empty = {
      kafkaBytes: 0,
      rawBytes: 0,
      offsets: 0,
      measured: CHOICES.map(() => ({ framedBytes: 0, storedBytes: 0, seconds: 0 })),
    };
    const codec = first([{ ...topic(86_400), sample: empty }]);
    assert.deepEqual(
      [codec.ratio, codec.bytesPerCoreSecond, codec.storedBytesPerDay, codec.putsPerDay],
      [null, null, 0, 0],
    );
  });
});
