// Every metric of the agent: the only definition, from which the registry, deploy/METRICS.md and the tests follow. Prometheus'
// rules hold: prefix kafka_backup, base units (seconds, bytes, ratio from 0 to 1), `_total` on counters and nowhere else.
// Labels are bounded: topics up to a limit, partitions up to a limit, everything else from closed sets. Offsets, keys,
// restore ids and error texts are never labels. Names shared with the peer keep its dashboards working.

export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** What a value of 1 is. */
  readonly unit: 'records' | 'bytes' | 'seconds' | 'ratio' | 'count';
  /** Upper bounds, ascending; of histograms only. */
  readonly buckets?: readonly number[];
}

export const METRICS = {
  buildInfo: {
    name: 'kafka_backup_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say what runs.',
    labels: ['version', 'node', 'zstd_impl', 'kafka_client'],
    unit: 'count',
  },
  records: {
    name: 'kafka_backup_records_total',
    type: 'counter',
    help: 'Records in committed segments.',
    labels: ['backup', 'topic'],
    unit: 'records',
  },
  sourceBytes: {
    name: 'kafka_backup_source_bytes_total',
    type: 'counter',
    help: 'Bytes of the record batches in committed segments, before our compression.',
    labels: ['backup', 'topic'],
    unit: 'bytes',
  },
  storedBytes: {
    name: 'kafka_backup_stored_bytes_total',
    type: 'counter',
    help: 'Bytes of committed segments as stored.',
    labels: ['backup', 'topic'],
    unit: 'bytes',
  },
  commits: {
    name: 'kafka_backup_commits_total',
    type: 'counter',
    help: 'Catalog commits made.',
    labels: ['backup'],
    unit: 'count',
  },
  lagRecords: {
    name: 'kafka_backup_lag_records',
    type: 'gauge',
    help: 'Records that the source holds and the backup does not. Above the label limit summed per topic, partition="all".',
    labels: ['backup', 'topic', 'partition'],
    unit: 'records',
  },
  lagSeconds: {
    name: 'kafka_backup_lag_seconds',
    type: 'gauge',
    help: 'How long ago all that the partition held was last known to be committed, 0 while nothing is missing: the oldest record not yet committed came after that. Above the label limit the highest of the topic, partition="all".',
    labels: ['backup', 'topic', 'partition'],
    unit: 'seconds',
  },
  restorableTimestamp: {
    name: 'kafka_backup_restorable_timestamp_seconds',
    type: 'gauge',
    help: 'Newest instant that every partition can be restored to; absent before the first commit. RPO is time() minus it.',
    labels: ['backup'],
    unit: 'seconds',
  },
  earliestRestorableTimestamp: {
    name: 'kafka_backup_earliest_restorable_timestamp_seconds',
    type: 'gauge',
    help: 'Oldest instant that can be restored to; absent before the first commit.',
    labels: ['backup'],
    unit: 'seconds',
  },
  lastSuccessTimestamp: {
    name: 'kafka_backup_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'Time of the last catalog commit; absent before the first. A quiet source commits nothing.',
    labels: ['backup'],
    unit: 'seconds',
  },
  offsetGaps: {
    name: 'kafka_backup_offset_gaps_total',
    type: 'counter',
    help: 'Gaps recorded: ranges of offsets that were gone from Kafka before they could be read.',
    labels: ['backup', 'reason'],
    unit: 'count',
  },
  gapRecords: {
    name: 'kafka_backup_gap_records_total',
    type: 'counter',
    help: 'Offsets inside those gaps.',
    labels: ['backup', 'reason'],
    unit: 'records',
  },
  taskState: {
    name: 'kafka_backup_task_state',
    type: 'gauge',
    help: 'Partitions in this state.',
    labels: ['backup', 'state'],
    unit: 'count',
  },
  segmentClose: {
    name: 'kafka_backup_segment_close_total',
    type: 'counter',
    help: 'Segments sealed, by what sealed them.',
    labels: ['reason'],
    unit: 'count',
  },
  storageOperationDuration: {
    name: 'kafka_backup_storage_operation_duration_seconds',
    type: 'histogram',
    help: 'Duration of requests to the object store, retries counted one by one; for a cloud store op is its own name of the request. Requests per stored GiB, those of restores included, are the sum of its _count over kafka_backup_stored_bytes_total / 2^30.',
    labels: ['backend', 'op', 'outcome'],
    unit: 'seconds',
    buckets: [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  storageErrors: {
    name: 'kafka_backup_storage_errors_total',
    type: 'counter',
    help: 'Requests to the object store that failed; an expected absence or an object that already exists is no failure.',
    labels: ['backend', 'op'],
    unit: 'count',
  },
  storageCircuitOpen: {
    name: 'kafka_backup_storage_circuit_open',
    type: 'gauge',
    help: '1 while a cloud store has not answered several requests in a row; absent for other stores.',
    labels: [],
    unit: 'count',
  },
  storageConcurrencyLimit: {
    name: 'kafka_backup_storage_concurrency_limit',
    type: 'gauge',
    help: 'Requests to a cloud store allowed at once now: half of those under way when it asks for fewer, growing again up to max_concurrent_requests. Uploads that timed out are held back besides.',
    labels: [],
    unit: 'count',
  },
  errors: {
    name: 'kafka_backup_errors_total',
    type: 'counter',
    help: 'Failures by code: every trouble of the backup, tried again or not, and every restore that failed. The codes are those of ERRORS.md.',
    labels: ['code'],
    unit: 'count',
  },
  workerPoolQueue: {
    name: 'kafka_backup_worker_pool_queue',
    type: 'gauge',
    help: 'Compression tasks that wait for a worker.',
    labels: [],
    unit: 'count',
  },
  workerPoolUtilization: {
    name: 'kafka_backup_worker_pool_utilization_ratio',
    type: 'gauge',
    help: 'Share of the time since the start that the workers were busy.',
    labels: [],
    unit: 'ratio',
  },
  restoreRecords: {
    name: 'kafka_backup_restore_records_total',
    type: 'counter',
    help: 'Records that a restore wrote and the target acknowledged.',
    labels: [],
    unit: 'records',
  },
  restoreProgress: {
    name: 'kafka_backup_restore_progress_ratio',
    type: 'gauge',
    help: 'Progress of the newest restore; 1 only when it is completed. Absent while there was none.',
    labels: [],
    unit: 'ratio',
  },
  restoreState: {
    name: 'kafka_backup_restore_state',
    type: 'gauge',
    help: '1 for the state of the newest restore, 0 for every other state.',
    labels: ['state'],
    unit: 'count',
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof METRICS;

/** Label names of one metric, as a union of literals. */
export type LabelsOf<K extends MetricKey> = (typeof METRICS)[K]['labels'][number];
