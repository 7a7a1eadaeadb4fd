// What a backup is made of: its settings, its source and store as contracts, clocks, and who is told what happens.

import type { CommitResult } from '../catalog/catalog-writer.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { RequestCounts } from '../model/request-counts.ts';
import type { Gap } from '../model/segment/segment.ts';
import type { SealReason } from '../segment/seal-policy.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { BackupSettings } from './backup-settings.ts';
import type { StoreTraffic } from './progress/backup-status.ts';

/** What happens, for metrics. Called on the spot; must not throw. */
export interface BackupObserver {
  readonly segmentSealed: (reason: SealReason) => void;
  readonly committed: (result: CommitResult) => void;
  readonly gap: (reason: Gap['reason'], records: number) => void;
  readonly error: (code: ErrorCode) => void;
}

export interface BackupOptions {
  readonly settings: BackupSettings;
  readonly log: PartitionLog;
  readonly store: ObjectStore;
  /** Where the store makes requests over a network. */
  readonly storeTraffic?: () => StoreTraffic | null;
  /** What went to the store so far, for the catalog to tell; none unless given. */
  readonly storeRequests?: (() => RequestCounts) | undefined;
  readonly layout: ObjectLayout;
  readonly workers: WorkerPool;
  readonly logger: Logger;
  readonly observer: BackupObserver;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
}
