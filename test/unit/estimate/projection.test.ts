import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CHOICES, type TopicSample } from '../../../src/estimate/measure-codecs.ts';
import { COMMIT_HEAD_BYTES } from '../../../src/estimate/object-overhead.ts';
import {
  type MeasuredTopic,
  offsetsPerObject,
  project,
  type ProjectionSettings,
} from '../../../src/estimate/projection.ts';
import { DAY_MS, partitionRate } from '../../../src/estimate/topic-rate.ts';

const MIB = 1024 * 1024;
const NOW_MS = 1_700_000_000_000;

const SETTINGS: ProjectionSettings = {
  choices: CHOICES,
  configured: { codec: 'zstd', level: 3 },
  frameBytes: 4 * MIB,
  segmentMaxBytes: 128 * MIB,
  segmentMaxIntervalMs: 60_000,
  segmentMaxRecords: null,
  commitIntervalSecs: 30,
  partSizeBytes: 8 * MIB,
  requestsBesideParts: 2,
  retentionMs: 30 * DAY_MS,
  bandwidthBytesPerSec: 1_000_000,
};

/**
 * 1,000 bytes a record and batch at the brokers, 2,000 raw; every codec stores a quarter of that, at 100 MB/s, and each object
 * takes 1,500 bytes besides.
 */
const SAMPLE: TopicSample = {
  kafkaBytes: 1_000_000,
  rawBytes: 2_000_000,
  offsets: 1000,
  batches: 1000,
  frames: 10,
  overheadBytes: 15_000,
  hasProducerTimes: true,
  measured: CHOICES.map(() => ({ framedBytes: 2_000_000, storedBytes: 500_000, seconds: 0.01 })),
};

function topic(...offsetsPerDay: number[]): MeasuredTopic {
  const partitions = offsetsPerDay.map((each) => ({ offsetsPerDay: each, basisMs: DAY_MS }));
  return { topic: 'orders', partitions, sample: SAMPLE };
}

/** Requests for the checkpoints of so many commits of one topic: an index and a piece after 64 of them. */
const checkpointsOf = (commits: number): number => (commits / 64) * 2;

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
    // An object a minute and partition, each with a footer and a line in a commit; a commit every half a minute.
    const overhead = 2880 * (1500 + COMMIT_HEAD_BYTES);
    assert.equal(codec?.overheadBytesPerDay, overhead);
    assert.deepEqual(
      [codec?.storedBytesPerDay, codec?.storageBytes],
      [86_400_000 + overhead, 30 * (86_400_000 + overhead)],
    );
    assert.deepEqual([codec?.ratio, codec?.uploadBytesPerSec], [4, (86_400_000 + overhead) / 86_400]);
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

  test('counts no more objects than batches come', () => {
    const bulky = { ...topic(86_400), sample: { ...SAMPLE, batches: 2 } };
    // 500 records at once, every 500 seconds.
    assert.equal(Math.round(first([bulky]).objectsPerDay), 173);
    assert.equal(Math.round(first([bulky], { segmentMaxRecords: 10 }).objectsPerDay), 173);
  });

  test('counts what many small objects take besides their records', () => {
    // A record every 20 seconds: three of 500 bytes stored an object.
    const { storedBytesPerDay, overheadBytesPerDay } = first([topic(...Array<number>(100).fill(4320))]);
    assert.equal(overheadBytesPerDay, 144_000 * 1500 + 2880 * COMMIT_HEAD_BYTES);
    assert.equal(storedBytesPerDay, 432_000 * 500 + overheadBytesPerDay);
  });

  test('counts a footer that grows with the frames of a large object', () => {
    const { overheadBytesPerDay } = first([topic(86_400_000)], { segmentMaxIntervalMs: 3_600_000 });
    const frames = (86_400_000 * 1000) / (4 * MIB);
    assert.ok(overheadBytesPerDay > frames * 1500 && overheadBytesPerDay < frames * 1700);
  });

  test('counts objects by size and by records where these end a segment before the minute does', () => {
    // 2 GB framed a day and partition, in segments of 1 MiB.
    const bySize = first([topic(1_000_000)], { segmentMaxBytes: MIB });
    assert.equal(Math.round(bySize.objectsPerDay), Math.round(2_000_000_000 / MIB));
    assert.equal(Math.round(first([topic(864_000)], { segmentMaxRecords: 100 }).objectsPerDay), 8640);
  });

  test('counts the requests of uploads in parts, and a commit for all that was sealed since the last, and checkpoints', () => {
    const small = first([topic(86_400)]);
    assert.equal(Math.round(small.putsPerDay), Math.round(1440 + 1440 + checkpointsOf(1440)));
    // 100 GB framed a day in segments of 128 MiB: 32 MiB of frames each and a footer, 5 parts and two requests besides.
    const large = first([topic(50_000_000)], { segmentMaxIntervalMs: 3_600_000 });
    assert.equal(
      Math.round(large.putsPerDay),
      Math.round(large.objectsPerDay * 8 + checkpointsOf(large.objectsPerDay)),
    );
    const onDisk = first([topic(50_000_000)], { segmentMaxIntervalMs: 3_600_000, partSizeBytes: null });
    assert.equal(
      Math.round(onDisk.putsPerDay),
      Math.round(onDisk.objectsPerDay * 2 + checkpointsOf(onDisk.objectsPerDay)),
    );
    const partitions = (count: number): MeasuredTopic => topic(...Array<number>(count).fill(86_400));
    // Of 100 partitions, 3,200 objects between two checkpoints: two pieces of at most 2,000.
    assert.equal(Math.round(first([partitions(100)]).putsPerDay), 144_000 + 2880 + 45 + 72);
    // Of 10,000, a checkpoint every 20,000 objects: 720 a day, of ten pieces each.
    assert.equal(Math.round(first([partitions(10_000)]).putsPerDay), 14_400_000 + 2880 + 720 + 7200);
    // Two topics, one of which hardly ever has something new.
    const rare = first([partitions(1), topic(10)]);
    assert.equal(Math.round(rare.putsPerDay), Math.round(1450 + 1450 + 1450 / 64 + 1450 / 64 + 10));
  });

  test('tells a topic that is quiet from one whose timestamps say nothing', () => {
    const known = (one: MeasuredTopic): boolean | undefined => project([one], SETTINGS).topics[0]?.isRateKnown;
    assert.equal(known(topic(10)), true);
    assert.equal(known(topic(0)), false);
    assert.equal(known({ ...topic(0), sample: { ...SAMPLE, hasProducerTimes: false } }), true);
  });

  test('says nothing of what was not sampled', () => {
    const empty = {
      kafkaBytes: 0,
      rawBytes: 0,
      ...{ offsets: 0, batches: 0, frames: 0, overheadBytes: 0, hasProducerTimes: false },
      measured: CHOICES.map(() => ({ framedBytes: 0, storedBytes: 0, seconds: 0 })),
    };
    const codec = first([{ ...topic(86_400), sample: empty }]);
    assert.deepEqual(
      [codec.ratio, codec.bytesPerCoreSecond, codec.storedBytesPerDay, codec.putsPerDay],
      [null, null, 0, 0],
    );
  });
});

describe('the records that come together in an object', () => {
  const gathered = (offsetsPerDay: readonly number[], segmentMaxRecords: number | null = null) =>
    offsetsPerObject(
      offsetsPerDay.map((each) => ({ offsetsPerDay: each, basisMs: DAY_MS })),
      { segmentMaxIntervalMs: 60_000, segmentMaxRecords },
    );

  test('are those of the interval, as many as a segment may have, and never less than one', () => {
    assert.equal(gathered([144_000, 144_000]), 100);
    assert.equal(gathered([144_000], 30), 30);
    assert.equal(gathered([10]), 1);
  });

  test('are those of the partitions where most records come', () => {
    assert.ok(gathered([1_440_000, 1440]) > 990);
  });

  test('are unlimited where nothing tells', () => {
    assert.deepEqual([gathered([0]), gathered([]), gathered([0], 5)], [Infinity, Infinity, 5]);
  });
});
