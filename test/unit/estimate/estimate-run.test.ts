import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { type Estimate, EstimateRun } from '../../../src/estimate/estimate-run.ts';
import type { FetchedPartition, FetchPosition, PartitionLog } from '../../../src/kafka/partition-log.ts';
import type { ClusterProbe } from '../../../src/kafka/probe/cluster-probe.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { TopicPartition } from '../../../src/model/topic/topic-partition.ts';
import { partitionName } from '../../../src/model/topic/topic-partition.ts';
import { jsonBatch, startWorkers, T0, TOPIC_ID } from '../../support/stored-backup.ts';

const NOW_MS = T0 + 3_600_000;
const RECORDS = 20;
const QUESTION = { sampleBytes: 1e6, retentionMs: 86_400_000, bandwidthBytesPerSec: 1e6 };

/** Instead of records; undefined lets them through. */
type Fault = (position: FetchPosition, leader: number) => Partial<FetchedPartition> | 'throttled' | undefined;

/** Topics of one partition and twenty records each, led by broker 1 until their metadata is asked for again. */
class FakeSource {
  fault: Fault = () => undefined;
  denied: readonly string[] = [];
  /** Leader as the metadata tells it, by how often it was asked. */
  leader: (times: number) => number = () => 1;
  #asked = 0;

  readonly log = {
    describeTopics: async (names: readonly string[]) => {
      this.#asked += 1;
      const partitions = [{ partition: 0, leader: this.leader(this.#asked), leaderEpoch: 0 }];
      return {
        topics: names
          .filter((topic) => !this.denied.includes(topic))
          .map((topic) => ({ topic, topicId: TOPIC_ID, isInternal: false, replicationFactor: 1, partitions })),
        missing: [],
        denied: names.filter((topic) => this.denied.includes(topic)),
      };
    },
    listOffsets: async (partitions: readonly TopicPartition[], at: string) =>
      new Map(partitions.map((one) => [partitionName(one), at === 'earliest' ? 0n : BigInt(RECORDS)])),
    fetchOnce: async (leader: number, [position]: readonly [FetchPosition]) => {
      const { topicId, partition, nextOffset } = position;
      const fault = this.fault(position, leader);
      const records = fault === 'throttled' ? new Uint8Array(0) : jsonBatch(nextOffset, RECORDS - Number(nextOffset));
      const answer = { kind: 'records', records, ...(typeof fault === 'object' ? fault : {}) };
      return {
        partitions: [{ topicId, partition, askedOffset: nextOffset, ...answer }],
        ...{ isComplete: fault !== 'throttled', retain: () => {}, release: () => {} },
      };
    },
  } as unknown as PartitionLog;

  readonly probe = {
    offsetsAt: async (partitions: readonly TopicPartition[]) =>
      new Map(partitions.map((one) => [partitionName(one), { offset: 0n, timestampMs: T0 }])),
  } as unknown as ClusterProbe;
}

let workers: WorkerPool;
before(() => {
  workers = startWorkers(1);
});
after(() => workers.close());

function estimate(
  spoil: (source: FakeSource) => void,
  { topics = ['a', 'b'], signal = new AbortController().signal, allowanceMs = 2000 } = {},
): Promise<Estimate> {
  const source = new FakeSource();
  spoil(source);
  const run = new EstimateRun({
    ...{ log: source.log, probe: source.probe, workers, recompress: 'never', allowanceMs },
    topics: { include: topics, exclude: [] },
    layout: new ObjectLayout('b'),
    limits: { frameBytes: 1e6, fetchMaxBytes: 1e6 },
    settings: {
      ...{ frameBytes: 1e6, segmentMaxBytes: 1e6, segmentMaxIntervalMs: 60_000, segmentMaxRecords: null },
      ...{ commitIntervalSecs: 30, partSizeBytes: null, requestsBesideParts: 1 },
      configured: { codec: 'zstd', level: 3 },
    },
    wallMs: () => NOW_MS,
  });
  return run.run(QUESTION, signal);
}

const sampled = ({ topics }: Estimate): unknown[] => topics.map(({ topic, sampleBytes }) => [topic, sampleBytes > 0]);

describe('an estimate', () => {
  test('leaves a topic out that may not be read, and says what Kafka said', async () => {
    const found = await estimate((source) => {
      source.fault = ({ topic }) =>
        topic === 'b' ? { kind: 'denied', kafkaError: 'TOPIC_AUTHORIZATION_FAILED' } : undefined;
    });
    assert.deepEqual(sampled(found), [['a', true]]);
    const [left, ...others] = found.leftOut;
    assert.deepEqual([left?.topic, left?.code, others], ['b', 'KAFKA_AUTHORIZATION_FAILED', []]);
    assert.match(left?.message ?? '', /^fetch b-0 from offset \d+: TOPIC_AUTHORIZATION_FAILED$/);
  });

  test('tells topics that may not be described from those that are not there', async () => {
    const found = await estimate((source) => (source.denied = ['b']));
    assert.deepEqual(
      found.leftOut.map(({ topic, code }) => [topic, code]),
      [['b', 'KAFKA_AUTHORIZATION_FAILED']],
    );
  });

  test('fails with what stands in the way where no topic can be read', async () => {
    const run = estimate((source) => {
      source.fault = () => ({ kind: 'denied', kafkaError: 'TOPIC_AUTHORIZATION_FAILED' });
    });
    await assert.rejects(run, { code: 'KAFKA_AUTHORIZATION_FAILED', message: /^no topic to estimate: fetch a-0/ });
  });

  test('follows a leader that has moved', async () => {
    const found = await estimate((source) => {
      source.leader = (times) => (times === 1 ? 1 : 2);
      source.fault = (_, leader) =>
        leader === 1 ? { kind: 'stale-metadata', kafkaError: 'NOT_LEADER_OR_FOLLOWER' } : undefined;
    });
    assert.deepEqual(
      [sampled(found), found.leftOut],
      [
        [
          ['a', true],
          ['b', true],
        ],
        [],
      ],
    );
  });

  test('waits for a partition that has no leader just now', async () => {
    const found = await estimate((source) => (source.leader = (times) => (times <= 2 ? -1 : 1)));
    assert.deepEqual(
      [sampled(found), found.leftOut],
      [
        [
          ['a', true],
          ['b', true],
        ],
        [],
      ],
    );
  });

  test('asks a broker again that throttles', async () => {
    let throttles = 3;
    const found = await estimate((source) => {
      source.fault = () => (throttles-- > 0 ? 'throttled' : undefined);
    });
    assert.deepEqual(
      [sampled(found), found.leftOut],
      [
        [
          ['a', true],
          ['b', true],
        ],
        [],
      ],
    );
  });

  test('waits a bounded time, for all topics together, and leaves out what does not come back', async () => {
    const topics = Array.from({ length: 20 }, (_, index) => `gone-${index}`);
    const startedAt = performance.now();
    const found = await estimate(
      (source) => {
        source.fault = ({ topic }) =>
          topic === 'here' ? undefined : { kind: 'stale-metadata', kafkaError: 'NOT_LEADER_OR_FOLLOWER' };
      },
      { topics: ['here', ...topics], allowanceMs: 500 },
    );
    assert.deepEqual([sampled(found), found.leftOut.length], [[['here', true]], 20]);
    assert.match(found.leftOut[0]?.message ?? '', /NOT_LEADER_OR_FOLLOWER/);
    assert.ok(performance.now() - startedAt < 5000);
  });

  test('reads on where retention has just deleted what it asked for', async () => {
    let isDeleted = false;
    const found = await estimate(
      (source) => {
        source.fault = ({ nextOffset }) => {
          if (nextOffset !== 0n || isDeleted) return undefined;
          isDeleted = true;
          source.log.listOffsets = async (partitions, at) =>
            new Map(partitions.map((one) => [partitionName(one), at === 'earliest' ? 10n : BigInt(RECORDS)]));
          return { kind: 'offset-out-of-range' };
        };
      },
      { topics: ['a'] },
    );
    assert.deepEqual([isDeleted, sampled(found), found.leftOut], [true, [['a', true]], []]);
  });

  test('ends as soon as it is told to, in the midst of a topic', async () => {
    const stop = new AbortController();
    const run = estimate(
      (source) => {
        source.log.fetchOnce = () => {
          setTimeout(() => stop.abort(), 20);
          return new Promise(() => {});
        };
      },
      { topics: ['a'], signal: stop.signal },
    );
    await assert.rejects(run, (error: unknown) => error instanceof BackupError && error.code === 'INTERRUPTED');
  });
});
