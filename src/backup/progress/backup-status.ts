// The state of a running backup, as status, health, metrics and the control port show it. A snapshot: plain data.

export type PartitionState = 'waiting' | 'catching-up' | 'tailing' | 'done' | 'failed' | 'fenced';

export interface PartitionStatus {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly state: PartitionState;
  /** Next offset that a restart would fetch: everything before it is committed. */
  readonly committedOffset: bigint;
  /** Next offset to fetch now. */
  readonly nextOffset: bigint;
  /** -1 until the first fetch. */
  readonly highWatermark: bigint;
  /** Records that the source holds and the catalog does not. */
  readonly lagRecords: number;
  /** How long ago all that the partition held was last known to be committed; 0 while nothing is missing. */
  readonly lagSeconds: number;
  readonly failure: string | null;
}

export interface BackupStatus {
  readonly backupId: string;
  readonly clusterId: string;
  readonly mode: 'one-shot' | 'continuous';
  readonly startedAtMs: number;
  readonly catalogVersion: number;
  readonly lastCommitAtMs: number | null;
  readonly partitions: readonly PartitionStatus[];
  readonly missingTopics: readonly string[];
  /** Newest instant that every partition can be restored to; null before the first commit. */
  readonly restorableToMs: number | null;
  readonly earliestRestorableMs: number | null;
  readonly counters: BackupCounters;
  /** Null while all is well; else what the agent is waiting for. */
  readonly trouble: string | null;
  /** Null where the store makes no requests over a network. */
  readonly store: StoreTraffic | null;
}

/** How the requests to a store fare. */
export interface StoreTraffic {
  /** `open`: the last requests all failed without an answer. */
  readonly circuit: 'closed' | 'open';
  /** Requests allowed at once now. */
  readonly concurrency: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** 0 while the store answers. */
  readonly failingForMs: number;
  /** Code of the last unanswered request; null while the store answers. */
  readonly lastFailure: string | null;
  /** Since the start of the process, repetitions counted one by one. */
  readonly requests: number;
}

/** Since the start of the process; monotonic. */
export interface BackupCounters {
  /** Records in committed segments. */
  readonly records: number;
  /** Bytes of committed record batches before compression. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly segments: number;
  readonly commits: number;
  readonly gaps: number;
  readonly gapRecords: number;
  readonly errors: number;
  readonly fencedSegments: number;
}

/** What the requests of the store come to; null before anything is stored. */
export function requestsPerStoredGib(store: StoreTraffic, { storedBytes }: BackupCounters): number | null {
  return storedBytes === 0 ? null : Math.round(store.requests / (storedBytes / 2 ** 30));
}
