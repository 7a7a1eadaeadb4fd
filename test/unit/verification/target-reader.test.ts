import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FetchLimits, FetchPosition, FetchResult, TopicListing } from '../../../src/kafka/partition-log.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { TargetReader } from '../../../src/verification/target-reader.ts';
import { text } from '../../support/record-batches.ts';
import { LogInMemory } from './log-in-memory.ts';

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const BATCH = { baseOffset: 0n, records: [{ timestampMs: 1, key: null, value: text('a') }] };

/** Its first leader goes; the metadata names the other one only after a while. */
class MovingLog extends LogInMemory {
  readonly asked: number[] = [];
  leader = 1;
  readonly #trouble: 'unreachable' | 'transient';

  constructor(trouble: 'unreachable' | 'transient') {
    super([BATCH]);
    this.#trouble = trouble;
  }

  override async fetchOnce(
    node: number,
    positions: readonly FetchPosition[],
    limits: FetchLimits,
  ): Promise<FetchResult> {
    this.asked.push(node);
    if (node === 1 && this.#trouble === 'unreachable') throw new BackupError('KAFKA_UNREACHABLE', 'broker 1 is gone');
    if (node === 1) this.troubles.push('transient');
    return super.fetchOnce(node, positions, limits);
  }

  override async describeTopics(): Promise<TopicListing> {
    const { topics, ...rest } = await super.describeTopics();
    const partitions = [{ partition: 0, leader: this.leader, leaderEpoch: 0 }];
    return { ...rest, topics: topics.map((topic) => ({ ...topic, partitions })) };
  }
}

describe('a reader of the target', () => {
  for (const trouble of ['unreachable', 'transient'] as const) {
    test(`finds the next leader when the one it reads from is ${trouble}`, async () => {
      const log = new MovingLog(trouble);
      let nowMs = 0;
      const reader = new TargetReader({
        log,
        partition: { topic: 'restored', topicId: 'id', partition: 0 },
        fromOffset: 0n,
        endOffset: 1n,
        fetchBytes: 1000,
        patience: {
          work: 'the verification',
          patienceMs: 60_000,
          signal: new AbortController().signal,
          logger: SILENT,
          monotonicMs: () => nowMs,
          wait: async (ms) => {
            nowMs += ms;
            if (log.asked.length > 1) log.leader = 2;
          },
        },
      });
      assert.equal((await reader.next())?.header.baseOffset, 0n);
      assert.deepEqual(log.asked, [1, 1, 2]);
    });
  }
});
