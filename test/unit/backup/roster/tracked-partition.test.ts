import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PartitionBackup } from '../../../../src/backup/partition-backup.ts';
import { type BrokerAnswer, TrackedPartition } from '../../../../src/backup/roster/tracked-partition.ts';
import type { SegmentSummary } from '../../../../src/model/segment/segment.ts';

const HOUR_MS = 3_600_000;
const T0 = 1_700_000_000_000;

interface BackupLook {
  readonly nextOffset: bigint;
  highWatermark: bigint;
  firstTimestampMs?: number;
}

function track(look: BackupLook, heldToMs: number | null = null): TrackedPartition {
  // The same object, so that a test may move it on.
  const backup = Object.assign(look, {
    identity: { topic: 'orders', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partition: 0 },
    lastEpoch: 0,
    reachedFrom: (committedOffset: bigint) => committedOffset,
  });
  return new TrackedPartition({
    backup: backup as unknown as PartitionBackup,
    leader: 1,
    endOffset: undefined,
    committedOffset: backup.nextOffset,
    heldToMs,
    foundAtMs: T0,
  });
}

function segmentUpTo(nextOffset: bigint, fields: Partial<SegmentSummary>): SegmentSummary {
  return { nextOffset, reachedLogEnd: true, capturedAtMs: T0, maxTimestampMs: T0, ...fields } as SegmentSummary;
}

describe('how far a partition is known to be whole', () => {
  test('is the last answer of the broker that is asked for it while nothing is missing', () => {
    const partition = track({ nextOffset: 10n, highWatermark: 10n }, T0 - HOUR_MS);
    const answer: BrokerAnswer = { request: 0, atMs: 0 };
    partition.askedOf(answer, 1);
    assert.equal(partition.wholeAtMs, T0, 'as of when it was found');
    Object.assign(answer, { request: 1, atMs: T0 + 500 });
    assert.equal(partition.wholeAtMs, T0 + 500);
    Object.assign(answer, { request: 2, atMs: T0 + 1000 });
    assert.equal(partition.wholeAtMs, T0 + 1000);
  });

  test('is not moved by answers to requests that did not ask for it', () => {
    const partition = track({ nextOffset: 10n, highWatermark: 10n });
    const answer: BrokerAnswer = { request: 6, atMs: T0 + 500 };
    partition.askedOf(answer, 8);
    assert.equal(partition.wholeAtMs, T0);
    Object.assign(answer, { request: 7, atMs: T0 + 1000 });
    assert.equal(partition.wholeAtMs, T0);
  });

  test('stands still once records come, it fails, or it is fetched no more', () => {
    for (const end of ['records', 'failure', 'drop'] as const) {
      const look: BackupLook = { nextOffset: 10n, highWatermark: 10n };
      const partition = track(look);
      const answer: BrokerAnswer = { request: 1, atMs: T0 };
      partition.askedOf(answer, 1);
      partition.keepProof();
      if (end === 'records') look.highWatermark = 11n;
      if (end === 'failure') partition.failures = 1;
      if (end === 'drop') partition.droppedBy(answer);
      Object.assign(answer, { request: 2, atMs: T0 + HOUR_MS });
      assert.equal(partition.wholeAtMs, T0, end);
    }
  });

  test('of one that catches up is as far as the newest committed segment goes', () => {
    const partition = track({ nextOffset: 0n, highWatermark: 1000n });
    partition.committed(segmentUpTo(100n, { reachedLogEnd: false, maxTimestampMs: T0 - HOUR_MS }));
    assert.equal(partition.wholeAtMs, T0 - HOUR_MS);
    partition.committed(segmentUpTo(1000n, {}));
    assert.equal(partition.wholeAtMs, T0);
  });

  test('of one that catches up is not what a record with a timestamp in the future made of an older segment', () => {
    const partition = track({ nextOffset: 0n, highWatermark: 1000n });
    partition.committed(segmentUpTo(100n, { reachedLogEnd: false, maxTimestampMs: T0 + 9 * HOUR_MS }));
    partition.committed(segmentUpTo(200n, { reachedLogEnd: false, maxTimestampMs: T0 - HOUR_MS }));
    assert.equal(partition.wholeAtMs, T0 - HOUR_MS);
    assert.equal(partition.status(T0).lagSeconds, 3600);
  });

  test('of one that was found to lag is what its newest segment showed, and counts the lag from there', () => {
    const partition = track({ nextOffset: 100n, highWatermark: 1000n }, T0 - HOUR_MS);
    assert.deepEqual([partition.wholeAtMs, partition.status(T0).lagSeconds], [T0 - HOUR_MS, 3600]);
  });

  test('is as of when a log was last read to its end, however old what comes then', () => {
    const partition = track({ nextOffset: 0n, highWatermark: 1000n });
    partition.committed(segmentUpTo(100n, {}));
    partition.committed(segmentUpTo(200n, { reachedLogEnd: false, maxTimestampMs: T0 - HOUR_MS }));
    assert.equal(partition.wholeAtMs, T0);
  });
});

describe('the lag of a partition in seconds', () => {
  test('is none while nothing is missing', () => {
    assert.equal(track({ nextOffset: 10n, highWatermark: 10n }).status(T0 + HOUR_MS).lagSeconds, 0);
  });

  test('counts from when it was last whole, also while it waits for its turn', () => {
    const { lagRecords, lagSeconds } = track({ nextOffset: 0n, highWatermark: 1_000_000n }, T0 - HOUR_MS).status(T0);
    assert.deepEqual([lagRecords, lagSeconds], [1_000_000, 3600]);
  });

  test('of one that was never backed up counts from when it was found, or from its first batch once that is read', () => {
    const look: BackupLook = { nextOffset: 0n, highWatermark: 1_000_000n };
    const partition = track(look);
    assert.equal(partition.status(T0 + 5000).lagSeconds, 5);
    look.firstTimestampMs = T0 - HOUR_MS;
    assert.equal(partition.status(T0 + 5000).lagSeconds, 3605);
  });
});
