// A restore as its journal knows it, for the tests of the journal.
import type { ObjectLayout } from '../../../../src/catalog/object-layout.ts';
import { NO_DROPS } from '../../../../src/model/restore/recovery-target.ts';
import type { RestoreIntent } from '../../../../src/restore/journal/restore-intent.ts';
import { RestoreJournal } from '../../../../src/restore/journal/restore-journal.ts';
import type { RestoreReport } from '../../../../src/restore/journal/restore-report.ts';
import { RESTORE_ALL } from '../../../../src/restore/restore-job.ts';
import type { ObjectStore } from '../../../../src/storage/object-store.ts';

export const INTENT: RestoreIntent = {
  id: 'rst_1',
  createdAtMs: 1000,
  planId: '0123456789ab',
  catalogVersion: 4,
  target: {
    clusterId: 'c',
    topics: [{ topic: 'there', topicId: 'T1', endOffsets: [5n, 2n ** 62n], configs: { 'retention.ms': '-1' } }],
  },
  request: {
    ...RESTORE_ALL,
    recoveryTarget: { toMs: 5, cut: 'log' },
    offsets: [{ topic: 'orders', partition: 1, fromOffset: null, toOffset: 9n }],
    target: 'default',
  },
  settings: {
    isolation: 'read_committed',
    replicationFactor: -1,
    topicConfigs: { '*': { 'retention.ms': null, 'segment.bytes': '100' } },
    compression: 'lz4',
    maxBatchRecords: 10,
    maxWholeRecords: 100,
    maxBatchBytes: 1000,
  },
  topics: [
    {
      topic: 'new',
      creation: { topic: 'new', partitions: 3, replicationFactor: -1, configs: { a: 'b' } },
      partitions: 3,
      maxMessageBytes: 1000,
      brokerCodec: 'gzip',
      finalConfigs: { 'retention.ms': '5', 'cleanup.policy': null },
    },
    { topic: 'there', creation: null, partitions: 1, maxMessageBytes: 5, brokerCodec: null, finalConfigs: {} },
  ],
};

export const REPORT: RestoreReport = {
  id: 'rst_1',
  backupId: 'b',
  planId: '0123456789ab',
  catalogVersion: 4,
  clusterId: 'c',
  createdAtMs: 1000,
  finishedAtMs: 2000,
  isResumed: true,
  lastAttempt: {
    durationMs: 10,
    recordsSent: 1,
    bytesSent: 2,
    bytesRead: 3,
    recordsPerSecond: 4,
    bytesPerSecond: 5,
  },
  allAttempts: {
    attempts: 3,
    durationMs: 40,
    recordsRestored: 10,
    bytesSent: 6,
    bytesRead: 7,
    recordsPerSecond: 250,
    bytesPerSecond: 150,
  },
  sources: [
    {
      topic: 'orders',
      partition: 1,
      targetTopic: '.new',
      recordsPlanned: 12,
      recordsRestored: 10,
      dropped: { ...NO_DROPS, filtered: 2 },
      gaps: [{ baseOffset: 5n, lastOffset: 9n, reason: 'retention' }],
    },
  ],
  targets: [
    {
      topic: '.new',
      partition: 0,
      startOffset: 50n,
      recordCount: 10,
      sourceTopic: 'orders',
      runCount: 2,
      runs: [
        { sourcePartition: 1, firstSourceOffset: 7n, count: 4 },
        { sourcePartition: 1, firstSourceOffset: 12n, count: 6 },
      ],
      pieceCount: 0,
    },
  ],
};

export function journalOf(store: ObjectStore, layout: ObjectLayout, id: string): RestoreJournal {
  return new RestoreJournal(store, layout, id);
}

export async function putComplete(store: ObjectStore, layout: ObjectLayout, id: string): Promise<void> {
  await journalOf(store, layout, id).putReport({ ...REPORT, id });
}
