import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StartOffset } from '../../../../src/backup/backup-settings.ts';
import { startPositions } from '../../../../src/backup/roster/start-positions.ts';
import type { PartitionLog } from '../../../../src/kafka/partition-log.ts';
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
