// The metrics of one process: a registry made from the metric table, counters that the flows drive through small functions,
// and gauges that are computed from snapshots when somebody scrapes. Nothing here keeps a timer; a scrape that comes while
// another is under way is harmless. The only importer of prom-client.

import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import type { BackupStatus } from '../backup/progress/backup-status.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { Gap } from '../model/segment/segment.ts';
import { restoreProgressRatio } from '../restore/documents/job-document.ts';
import type { RestoreJob } from '../restore/restore-job.ts';
import { type LabelsOf, METRICS, type MetricDefinition, type MetricKey } from './metric-table.ts';
import { lagSamples, RESTORE_STATES, stateCounts, TopicLabels } from './status-samples.ts';

/** What a scrape answers; `body` is Prometheus' text format 0.0.4. */
export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

export interface MetricsOptions {
  readonly backupId: string;
  /** Above this many partitions, lag is told per topic. */
  readonly maxPartitionLabels: number;
  readonly build: { readonly version: string; readonly zstdImpl: string; readonly kafkaClient: string };
  /** Called at each scrape; null while no backup runs, whose gauges are then absent. */
  readonly status: () => BackupStatus | null;
  /** Newest first. */
  readonly restores: () => readonly RestoreJob[];
  /** Of the backup's workers, `utilization` from 0 to 1. Null where the process makes no backup: their gauges are absent. */
  readonly pool: (() => { readonly queued: number; readonly utilization: number }) | null;
}

/** Records of one topic that a commit has just made durable. Sizes in bytes. */
export interface CommittedRecords {
  readonly topic: string;
  readonly records: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/** Free functions, to be passed on as observers one by one. Amounts are finite and not negative. */
export interface AgentMetrics {
  /** The answer to GET /metrics. */
  readonly scrape: () => Promise<MetricsPage>;
  /** One request to the store. Any outcome besides `ok`, `exists`, `absent` and `cancelled` also counts as an error. */
  readonly observeStorageOperation: (backend: string, op: string, outcome: string, seconds: number) => void;
  /** `reason` comes from the closed set of the seal policy. */
  readonly countSegmentClosed: (reason: string) => void;
  /** Once per topic of a commit, after the commit. */
  readonly countCommitted: (committed: CommittedRecords) => void;
  readonly countCommit: () => void;
  /** One gap of `records` offsets. */
  readonly countGap: (reason: Gap['reason'], records: number) => void;
  readonly countError: (code: ErrorCode) => void;
  /** Records acknowledged by the target of a restore, since the last call. */
  readonly countRestored: (records: number) => void;
}

type Handle<K extends MetricKey> = (typeof METRICS)[K]['type'] extends 'counter'
  ? Counter<LabelsOf<K>>
  : (typeof METRICS)[K]['type'] extends 'gauge'
    ? Gauge<LabelsOf<K>>
    : Histogram<LabelsOf<K>>;
type Handles = { readonly [K in MetricKey]: Handle<K> };

const GAP_REASONS: readonly Gap['reason'][] = ['retention', 'delete-records', 'unknown'];
const EXPECTED_OUTCOMES: readonly string[] = ['ok', 'exists', 'absent', 'cancelled'];

/** Makes a registry of its own, with the default metrics of the process; nothing global is touched. */
export function createMetrics(options: MetricsOptions): AgentMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const handles = registerAll(registry);
  const backup = options.backupId;
  const topics = new TopicLabels();

  const { version, zstdImpl, kafkaClient } = options.build;
  handles.buildInfo.set({ version, node: process.version, zstd_impl: zstdImpl, kafka_client: kafkaClient }, 1);
  // A counter that appears with its first event hides that event from rate() and increase().
  handles.commits.inc({ backup }, 0);
  for (const reason of GAP_REASONS) {
    handles.offsetGaps.inc({ backup, reason }, 0);
    handles.gapRecords.inc({ backup, reason }, 0);
  }

  return {
    scrape: async () => {
      setBackupGauges(handles, options);
      setProcessGauges(handles, options);
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    observeStorageOperation: (backend, op, outcome, seconds) => {
      handles.storageOperationDuration.observe({ backend, op, outcome }, seconds);
      handles.storageErrors.inc({ backend, op }, EXPECTED_OUTCOMES.includes(outcome) ? 0 : 1);
    },
    countSegmentClosed: (reason) => handles.segmentClose.inc({ reason }),
    countCommitted: (committed) => {
      const labels = { backup, topic: topics.labelOf(committed.topic) };
      handles.records.inc(labels, committed.records);
      handles.sourceBytes.inc(labels, committed.rawBytes);
      handles.storedBytes.inc(labels, committed.storedBytes);
    },
    countCommit: () => handles.commits.inc({ backup }),
    countGap: (reason, records) => {
      handles.offsetGaps.inc({ backup, reason });
      handles.gapRecords.inc({ backup, reason }, records);
    },
    countError: (code) => handles.errors.inc({ code }),
    countRestored: (records) => handles.restoreRecords.inc(records),
  };
}

/** Series of partitions and topics that are gone disappear: every gauge is emptied before it is filled. */
function setBackupGauges(handles: Handles, options: MetricsOptions): void {
  const backup = options.backupId;
  const { lagRecords, lagSeconds, taskState } = handles;
  const instants = [
    [handles.restorableTimestamp, (status: BackupStatus) => status.restorableToMs],
    [handles.earliestRestorableTimestamp, (status: BackupStatus) => status.earliestRestorableMs],
    [handles.lastSuccessTimestamp, (status: BackupStatus) => status.lastCommitAtMs],
  ] as const;
  for (const gauge of [lagRecords, lagSeconds, taskState, ...instants.map(([instant]) => instant)]) gauge.reset();

  const status = options.status();
  if (status === null) return;
  for (const sample of lagSamples(status, options.maxPartitionLabels)) {
    const labels = { backup, topic: sample.topic, partition: sample.partition };
    lagRecords.set(labels, sample.lagRecords);
    lagSeconds.set(labels, sample.lagSeconds);
  }
  for (const [state, count] of stateCounts(status)) taskState.set({ backup, state }, count);
  for (const [gauge, instantOf] of instants) {
    const instantMs = instantOf(status);
    if (instantMs !== null) gauge.set({ backup }, instantMs / 1000);
  }
}

function setProcessGauges(handles: Handles, options: MetricsOptions): void {
  const pool = options.pool?.();
  handles.workerPoolQueue.remove();
  handles.workerPoolUtilization.remove();
  if (pool !== undefined) {
    handles.workerPoolQueue.set(pool.queued);
    handles.workerPoolUtilization.set(pool.utilization);
  }
  const traffic = options.status()?.store ?? null;
  handles.storageCircuitOpen.remove();
  handles.storageConcurrencyLimit.remove();
  if (traffic !== null) {
    handles.storageCircuitOpen.set(traffic.circuit === 'open' ? 1 : 0);
    handles.storageConcurrencyLimit.set(traffic.concurrency);
  }
  const newest = options.restores()[0];
  handles.restoreProgress.remove();
  if (newest !== undefined) handles.restoreProgress.set(restoreProgressRatio(newest));
  for (const state of RESTORE_STATES) handles.restoreState.set({ state }, newest?.state === state ? 1 : 0);
}

/** The table decides which class a key gets; TypeScript cannot follow that through a loop, hence the one cast. */
function registerAll(registry: Registry): Handles {
  const made = Object.entries(METRICS).map(([key, definition]) => [key, register(registry, definition)]);
  return Object.fromEntries(made) as Handles;
}

function register(registry: Registry, definition: MetricDefinition): Metric {
  const { name, help, buckets = [] } = definition;
  const configuration = { name, help, labelNames: [...definition.labels], registers: [registry] };
  switch (definition.type) {
    case 'counter':
      return new Counter(configuration);
    case 'gauge':
      return new Gauge(configuration);
    case 'histogram':
      return new Histogram({ ...configuration, buckets: [...buckets] });
  }
}
