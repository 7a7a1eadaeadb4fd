import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BackupStatus, PartitionStatus } from '../../../src/backup/progress/backup-status.ts';
import { restoreProgressRatio } from '../../../src/restore/documents/job-document.ts';
import { RESTORE_ALL, type RestoreJob } from '../../../src/restore/restore-job.ts';
import { METRICS, type MetricDefinition } from '../../../src/telemetry/metric-table.ts';
import { createMetrics, type MetricsOptions } from '../../../src/telemetry/metrics.ts';
import { renderMetrics } from '../../../src/telemetry/render-metrics.ts';
import { lagSamples, MAX_TOPIC_LABELS } from '../../../src/telemetry/status-samples.ts';
import { queuedJob } from '../control/control-fixture.ts';
import { type MetricFamily, parseExposition } from './exposition.ts';

const TABLE: readonly MetricDefinition[] = Object.values(METRICS);

function partition(topic: string, number: number, change: Partial<PartitionStatus> = {}): PartitionStatus {
  return {
    topic,
    partition: number,
    topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    state: 'tailing',
    committedOffset: 0n,
    nextOffset: 0n,
    highWatermark: 10n,
    lagRecords: 2,
    lagSeconds: number,
    failure: null,
    ...change,
  };
}

function status(partitions: readonly PartitionStatus[]): BackupStatus {
  const none = { records: 0, rawBytes: 0, storedBytes: 0, segments: 0, commits: 0, gaps: 0, gapRecords: 0 };
  return {
    backupId: 'b',
    clusterId: 'c',
    mode: 'continuous',
    startedAtMs: 0,
    catalogVersion: 1,
    lastCommitAtMs: 2500,
    partitions,
    missingTopics: [],
    restorableToMs: 2000,
    earliestRestorableMs: 1000,
    counters: { ...none, errors: 0, fencedSegments: 0 },
    trouble: null,
    store: null,
  };
}

const TRAFFIC: NonNullable<BackupStatus['store']> = {
  circuit: 'open',
  concurrency: 8,
  inFlight: 1,
  waiting: 2,
  failingForMs: 3000,
  lastFailure: 'STORE_UNAVAILABLE',
  requests: 9,
};

function job(change: Partial<RestoreJob>): RestoreJob {
  return {
    ...queuedJob('rst_1', { ...RESTORE_ALL, target: 't' }),
    state: 'RUNNING',
    backupId: 'b',
    createdAtMs: 0,
    startedAtMs: 0,
    progress: {
      recordsRestored: 1,
      recordsTotal: 4,
      bytesRead: 1,
      bytesTotal: 4,
      rawBytes: 0,
      partitionsDone: 0,
      partitionsTotal: 1,
    },
    ...change,
  };
}

function make(change: Partial<MetricsOptions> = {}) {
  const metrics = createMetrics({
    backupId: 'b',
    maxPartitionLabels: 100,
    build: { version: '1.2.3', zstdImpl: 'zstd-napi', kafkaClient: 'kafkajs 2.2.4' },
    status: () => null,
    restores: () => [],
    pool: () => ({ queued: 3, utilization: 0.5 }),
    ...change,
  });
  const scrape = async (): Promise<ReadonlyMap<string, MetricFamily>> => parseExposition((await metrics.scrape()).body);
  const value = async (name: string, labels: Record<string, string> = {}): Promise<number | undefined> => {
    const samples = (await scrape()).get(name)?.samples ?? [];
    return samples.find((sample) => {
      const isAlike = Object.entries(labels).every(([label, text]) => sample.labels[label] === text);
      return sample.name === name && isAlike;
    })?.value;
  };
  return { metrics, scrape, value };
}

describe('the metric table', () => {
  test('keeps the rules for names: prefix, base units, _total on counters and nowhere else', () => {
    for (const { name, type, unit } of TABLE) {
      assert.match(name, /^kafka_backup_[a-z]+(_[a-z]+)*$/);
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.doesNotMatch(name, /_(ms|millis|milliseconds|kb|mb|percent|mbps)(_|$)/);
      if (unit === 'seconds' || unit === 'ratio') assert.match(name, new RegExp(`_${unit}$`), name);
      if (unit === 'bytes') assert.match(name, /_bytes(_total)?$/, name);
    }
    assert.equal(new Set(TABLE.map(({ name }) => name)).size, TABLE.length);
  });

  test('has help, legal labels, and ascending buckets on histograms only', () => {
    for (const { name, type, help, labels, buckets } of TABLE) {
      assert.match(help, /\.$/, name);
      for (const label of labels) assert.match(label, /^[a-z][a-z_]*$/);
      assert.equal(labels.includes('le'), false);
      assert.equal(buckets !== undefined, type === 'histogram', name);
      assert.deepEqual(
        [...(buckets ?? [])].sort((a, b) => a - b),
        [...(buckets ?? [])],
      );
    }
  });

  test('is printed whole, one row each', () => {
    const page = renderMetrics();
    for (const { name } of TABLE) assert.equal(page.split(`\`${name}\``).length, 2, name);
    assert.match(page, /\n$/);
    assert.equal(page, renderMetrics());
  });
});

describe('the metrics page', () => {
  test('is exposition format, and every family of ours has the type and labels of the table', async () => {
    const { metrics, scrape } = make({
      status: () => ({ ...status([partition('a', 0)]), store: TRAFFIC }),
      restores: () => [job({})],
    });
    metrics.countCommitted({ topic: 'a"\\\n', records: 1, rawBytes: 2, storedBytes: 3 });
    metrics.observeStorageOperation('filesystem', 'put', 'ok', 0.01);
    metrics.countSegmentClosed('size');
    metrics.countError('STORE_FULL');
    assert.equal((await metrics.scrape()).contentType, 'text/plain; version=0.0.4; charset=utf-8');
    const families = await scrape();
    for (const { name, type, labels } of TABLE) {
      const family = families.get(name);
      assert.equal(family?.type, type, name);
      assert.ok(family.samples.length > 0, name);
      for (const sample of family.samples) {
        const given = Object.keys(sample.labels).filter((label) => label !== 'le');
        assert.deepEqual(given.sort(), [...labels].sort(), name);
      }
    }
    assert.ok(families.has('process_cpu_user_seconds_total'));
    assert.ok(families.has('nodejs_eventloop_lag_seconds'));
  });

  test('counts what the flows tell it', async () => {
    const { metrics, value } = make();
    assert.equal(await value('kafka_backup_commits_total'), 0);
    assert.equal(await value('kafka_backup_offset_gaps_total', { reason: 'retention' }), 0);
    metrics.countCommit();
    for (let round = 0; round < 2; round += 1) {
      metrics.countCommitted({ topic: 'a', records: 10, rawBytes: 100, storedBytes: 30 });
    }
    metrics.countGap('retention', 500);
    metrics.countRestored(7);
    metrics.observeStorageOperation('s3', 'put', 'ok', 0.3);
    metrics.observeStorageOperation('s3', 'put', 'exists', 0.3);
    metrics.observeStorageOperation('s3', 'put', 'error', 40);
    assert.equal(await value('kafka_backup_commits_total', { backup: 'b' }), 1);
    assert.equal(await value('kafka_backup_records_total', { topic: 'a' }), 20);
    assert.equal(await value('kafka_backup_source_bytes_total', { topic: 'a' }), 200);
    assert.equal(await value('kafka_backup_stored_bytes_total', { topic: 'a' }), 60);
    assert.equal(await value('kafka_backup_offset_gaps_total', { reason: 'retention' }), 1);
    assert.equal(await value('kafka_backup_gap_records_total', { reason: 'retention' }), 500);
    assert.equal(await value('kafka_backup_restore_records_total'), 7);
    assert.equal(await value('kafka_backup_storage_errors_total', { backend: 's3', op: 'put' }), 1);
    assert.equal(await value('kafka_backup_worker_pool_queue'), 3);
    assert.equal(await value('kafka_backup_worker_pool_utilization_ratio'), 0.5);
    assert.equal(await value('kafka_backup_build_info', { version: '1.2.3', node: process.version }), 1);
  });

  test('tells nothing of the threads of a backup where none is made', async () => {
    const { value } = make({ pool: null });
    assert.equal(await value('kafka_backup_worker_pool_queue'), undefined);
    assert.equal(await value('kafka_backup_worker_pool_utilization_ratio'), undefined);
  });

  test('shows the state of the backup at the moment of the scrape, and nothing of partitions that are gone', async () => {
    let current: BackupStatus | null = null;
    const { value, scrape } = make({ status: () => current });
    assert.equal(await value('kafka_backup_restorable_timestamp_seconds'), undefined);
    current = status([partition('a', 0), partition('a', 1, { state: 'failed' })]);
    assert.equal(await value('kafka_backup_restorable_timestamp_seconds', { backup: 'b' }), 2);
    assert.equal(await value('kafka_backup_earliest_restorable_timestamp_seconds'), 1);
    assert.equal(await value('kafka_backup_last_success_timestamp_seconds'), 2.5);
    assert.equal(await value('kafka_backup_lag_seconds', { topic: 'a', partition: '1' }), 1);
    assert.equal(await value('kafka_backup_task_state', { state: 'failed' }), 1);
    assert.equal(await value('kafka_backup_task_state', { state: 'fenced' }), 0);
    current = { ...status([partition('a', 0)]), restorableToMs: null };
    assert.equal((await scrape()).get('kafka_backup_lag_records')?.samples.length, 1);
    assert.equal(await value('kafka_backup_restorable_timestamp_seconds'), undefined);
  });

  test('shows the newest restore, and no progress while there is none', async () => {
    let jobs: readonly RestoreJob[] = [];
    const { value } = make({ restores: () => jobs });
    assert.equal(await value('kafka_backup_restore_progress_ratio'), undefined);
    assert.equal(await value('kafka_backup_restore_state', { state: 'RUNNING' }), 0);
    jobs = [job({}), job({ state: 'COMPLETED' })];
    assert.equal(await value('kafka_backup_restore_progress_ratio'), 0.25);
    assert.equal(await value('kafka_backup_restore_state', { state: 'RUNNING' }), 1);
    assert.equal(await value('kafka_backup_restore_state', { state: 'COMPLETED' }), 0);
  });

  test('stays below 2,000 series of ours with 10,000 topics', async () => {
    const partitions = Array.from({ length: 10_000 }, (_, index) => partition(`topic-${index}`, 0));
    const { metrics, scrape } = make({ status: () => status(partitions) });
    for (const { topic } of partitions) metrics.countCommitted({ topic, records: 1, rawBytes: 1, storedBytes: 1 });
    const families = [...(await scrape())].filter(([name]) => name.startsWith('kafka_backup_'));
    const series = families.reduce((sum, [, { samples }]) => sum + samples.length, 0);
    assert.ok(series < 2000, String(series));
    const records = families.find(([name]) => name === 'kafka_backup_records_total')?.[1].samples ?? [];
    assert.equal(records.length, MAX_TOPIC_LABELS + 1);
    assert.equal(
      records.reduce((sum, { value: count }) => sum + count, 0),
      10_000,
    );
  });

  test('two at once agree', async () => {
    const { metrics } = make({ status: () => status([partition('a', 0), partition('b', 0)]) });
    const ours = (body: string): string =>
      body
        .split('\n')
        .filter((line) => line.startsWith('kafka_backup'))
        .join('\n');
    const [first, second] = await Promise.all([metrics.scrape(), metrics.scrape()]);
    assert.equal(ours(first.body), ours(second.body));
  });
});

test('the circuit and the limit of a cloud store are told, and are absent for other stores', async () => {
  const { value } = make({ status: () => ({ ...status([]), store: TRAFFIC }) });
  assert.equal(await value('kafka_backup_storage_circuit_open'), 1);
  assert.equal(await value('kafka_backup_storage_concurrency_limit'), 8);
  const { value: none } = make();
  assert.equal(await none('kafka_backup_storage_circuit_open'), undefined);
});

test('lag above the label limit is summed per topic, its age the highest, unfetched partitions left out', () => {
  const partitions = [
    partition('a', 0),
    partition('a', 1),
    partition('b', 5),
    partition('b', 6, { highWatermark: -1n }),
  ];
  assert.equal(lagSamples(status(partitions), 3).length, 3);
  assert.deepEqual(lagSamples(status(partitions), 2), [
    { topic: 'a', partition: 'all', lagRecords: 4, lagSeconds: 1 },
    { topic: 'b', partition: 'all', lagRecords: 2, lagSeconds: 5 },
  ]);
});

test('the progress of a restore is 1 only when it is completed', () => {
  assert.equal(restoreProgressRatio(job({ state: 'COMPLETED', progress: null })), 1);
  assert.equal(restoreProgressRatio(job({ state: 'QUEUED', progress: null })), 0);
  const progress = { ...job({}).progress!, bytesRead: 4 };
  assert.equal(restoreProgressRatio(job({ state: 'FAILED', progress })), 0.999);
  assert.equal(restoreProgressRatio(job({ progress: { ...progress, bytesTotal: 0 } })), 0);
});
