import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StartOffset } from '../../../../src/backup/backup-settings.ts';
import { startPositions, unmetStarts } from '../../../../src/backup/roster/start-positions.ts';
import type { PartitionLog } from '../../../../src/kafka/partition-log.ts';
import type { TopicDescription } from '../../../../src/model/topic/topic-description.ts';
import { jsonBatch } from '../../segment/segment-fixture.ts';
import { MovingPartitionLog } from '../moving-log.ts';
import { TOPIC, TOPIC_ID } from '../memory-log.ts';

const PARTITION = { topic: TOPIC, topicId: TOPIC_ID, partition: 0, leader: 1 };

/** Its log goes from offset 20 to before 100. */
function logOf(): MovingPartitionLog {
  const log = new MovingPartitionLog([[jsonBatch(0n, 100)]], 1);
  log.partitions[0]!.startOffset = 20n;
  return log;
}

async function beginning(start: StartOffset, log: PartitionLog = logOf()): Promise<readonly (bigint | boolean)[]> {
  const known = { resumeOf: () => undefined, startOf: () => start };
  const positions = await startPositions(log, [PARTITION], known);
  return positions.flatMap(({ resume, isResumed }) => [resume.nextOffset, isResumed]);
}

function topicOf(topic: string, partitions: readonly number[]): TopicDescription {
  const led = partitions.map((partition) => ({ partition, leader: 1, leaderEpoch: 0 }));
  return { topic, topicId: TOPIC_ID, isInternal: false, partitions: led, replicationFactor: 1 };
}

function specific(offset: bigint): StartOffset {
  return { kind: 'specific', offsets: new Map([[TOPIC, new Map([[0, offset]])]]) };
}

describe('a partition that the catalog has no position for', () => {
  test('begins at the end of the log that is wanted', async () => {
    assert.deepEqual(await beginning({ kind: 'earliest' }), [20n, false]);
    assert.deepEqual(await beginning({ kind: 'latest' }), [100n, false]);
  });

  test('begins at the offset that is wanted, or at the end of the log that is nearest to it', async () => {
    for (const [wanted, found] of [
      [0n, 20n],
      [20n, 20n],
      [50n, 50n],
      [100n, 100n],
      [1000n, 100n],
    ] as const) {
      assert.deepEqual(await beginning(specific(wanted)), [found, false]);
    }
  });

  test('is found again later when its leader does not tell both ends of its log', async () => {
    for (const untold of ['earliest', 'latest'] as const) {
      const log = logOf();
      const { listOffsets } = log;
      log.listOffsets = async (asked, at) => (at === untold ? new Map() : listOffsets.call(log, asked, at));
      for (const kind of ['earliest', 'latest'] as const) assert.deepEqual(await beginning({ kind }, log), []);
    }
  });
});

describe('a start by offsets', () => {
  test('of topics and partitions that the source does not have is told', () => {
    const at = (...partitions: readonly number[]) => new Map(partitions.map((partition) => [partition, 5n]));
    const offsets = new Map([
      ['met', at(0, 1)],
      ['mised', at(0)],
      ['short', at(0, 2, 3)],
    ]);
    const topics = [topicOf('met', [0, 1]), topicOf('missed', [0]), topicOf('short', [0, 1, 2])];
    assert.deepEqual(unmetStarts({ kind: 'specific', offsets }, topics), [
      { topic: 'mised', partitions: null },
      { topic: 'short', partitions: [3] },
    ]);
    assert.deepEqual(unmetStarts({ kind: 'latest' }, topics), []);
  });
});
