// A restore as a job: what was asked, its states and its progress, as the control port and the command line show them.
// Terminal states never change again. COMPLETED means every planned record was acknowledged and counted.

import type { RecordFilter } from '../model/restore/record-filter.ts';
import type { DropCounts, DropReason, RecoveryTarget } from '../model/restore/recovery-target.ts';
import type { MappingRule, PartitionOffsets, Repartitioning } from '../model/restore/restore-shape.ts';
import type { RestoreReport } from './journal/restore-report.ts';
import type { RestoreSettings } from './restore-settings.ts';

export type RestoreState = 'QUEUED' | 'PLANNING' | 'RUNNING' | 'CANCELLING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

/**
 * What to restore, to when, and to where: fully resolved, so that the same request means the same at any later time.
 * Topic patterns are exact names, globs or `~regex`. What is left out of it is in {@link RESTORE_ALL}.
 */
export interface RestoreRequest {
  readonly recoveryTarget: RecoveryTarget;
  /** By topic of the backup: another recovery target for it. */
  readonly topicTargets: Readonly<Record<string, RecoveryTarget>>;
  /** Offsets per partition of the backup; those of partitions not named are not limited. */
  readonly offsets: readonly PartitionOffsets[];
  /** Plan from the catalog as of this version; null for the newest. */
  readonly catalogVersion: number | null;
  readonly includeTopics: readonly string[];
  readonly excludeTopics: readonly string[];
  /** Source topic -> target topic; before `mappingRules`. Topics that nothing maps keep their name. */
  readonly topicMapping: Readonly<Record<string, string>>;
  /** The first rule that fits gives the name. */
  readonly mappingRules: readonly MappingRule[];
  /** Only these partitions of every topic; null for all. */
  readonly partitions: readonly number[] | null;
  /** Source partition -> target partition, of every topic; partitions not named keep their number. */
  readonly partitionMapping: Readonly<Record<string, number>>;
  /** By target topic. */
  readonly repartitioning: Readonly<Record<string, Repartitioning>>;
  readonly filter: RecordFilter | null;
  /** Adds headers that tell where a record came from. */
  readonly includeOriginalOffsetHeader: boolean;
  readonly intoExisting: 'refuse' | 'append';
  /** What is to be otherwise than the agent is configured. */
  readonly settings: Partial<RestoreSettings>;
  /** Name of a target in the configuration. */
  readonly target: string;
  readonly dryRun: boolean;
}

/** Everything, to the latest state, as it was. */
export const RESTORE_ALL: Omit<RestoreRequest, 'target'> = {
  recoveryTarget: { cut: 'timestamp' },
  topicTargets: {},
  offsets: [],
  catalogVersion: null,
  includeTopics: [],
  excludeTopics: [],
  topicMapping: {},
  mappingRules: [],
  partitions: null,
  partitionMapping: {},
  repartitioning: {},
  filter: null,
  includeOriginalOffsetHeader: false,
  intoExisting: 'refuse',
  settings: {},
  dryRun: false,
};

export interface PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  readonly targetTopic: string;
  readonly recordsPlanned: number;
  readonly recordsRestored: number;
  readonly dropped: DropCounts;
}

export interface RestoreProgress {
  readonly recordsRestored: number;
  /** Upper bound: records in the planned frames, before aborted and out-of-window ones are dropped. */
  readonly recordsTotal: number;
  readonly bytesRead: number;
  readonly bytesTotal: number;
  /** Bytes of the record batches sent. */
  readonly rawBytes: number;
  readonly partitionsDone: number;
  readonly partitionsTotal: number;
}

export interface RestoreFailure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** A preflight finding, in the words of DESIGN 6. A `block` stops the restore before anything is written. */
export interface PreflightCheck {
  readonly level: 'ok' | 'warn' | 'block';
  readonly name: string;
  readonly message: string;
}

/** Printed by validate-restore and kept with the job. */
export interface PlanSummary {
  readonly planId: string;
  readonly catalogVersion: number;
  readonly recoveryTarget: RecoveryTarget;
  readonly topics: readonly PlannedTopic[];
  readonly checks: readonly PreflightCheck[];
}

export interface PlannedTopic extends PlannedAmount {
  readonly topic: string;
  readonly targetTopic: string;
  readonly action: 'create' | 'use';
  readonly recoveryTarget: RecoveryTarget;
  /** Partitions of the backup that are restored. */
  readonly partitions: number;
  /** Partitions that the target topic has or gets. */
  readonly targetPartitions: number;
  /** Gaps in which wanted records may have been. */
  readonly gaps: number;
  readonly partitionPlans: readonly PlannedPartition[];
}

export interface PlannedPartition extends PlannedAmount {
  readonly partition: number;
  /** Several when the topic is repartitioned by key. */
  readonly targetPartitions: readonly number[];
  /** First offset that is looked at, and the one behind the last; null when nothing is selected. */
  readonly firstOffset: bigint | null;
  readonly nextOffset: bigint | null;
  /** Both ends inclusive. */
  readonly gaps: readonly { readonly baseOffset: bigint; readonly lastOffset: bigint; readonly reason: string }[];
}

/** Records that are left out: so many, no more than so many, about so many; or nothing that is known before they are read. */
export type PlannedCount =
  | { readonly kind: 'exact' | 'at-most' | 'estimated'; readonly records: number }
  | { readonly kind: 'unknown' };

export type PlannedDrops = Readonly<Record<DropReason, PlannedCount>>;

export interface PlannedAmount {
  readonly segments: number;
  readonly records: number;
  /** Of the records in the selected segments. */
  readonly dropped: PlannedDrops;
  /** False when `records` is an estimate: something cuts segments, or only reading tells what is dropped. */
  readonly isExact: boolean;
  /** Size of the selected objects. */
  readonly storedBytes: number;
  /** What of them will be read, estimated where a window cuts them. */
  readonly bytesToRead: number;
  /** Lowest and highest record timestamp that can be among the restored ones; null when nothing is selected. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export interface RestoreJob {
  readonly id: string;
  readonly state: RestoreState;
  readonly backupId: string;
  readonly request: RestoreRequest;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  readonly progress: RestoreProgress | null;
  readonly partitions: readonly PartitionProgress[];
  readonly plan: PlanSummary | null;
  /** Once COMPLETED, unless it was a dry run. */
  readonly report: RestoreReport | null;
  /** What the plan does not say and whoever asked should know: that nothing was sent, that settings did not apply. */
  readonly remarks: readonly string[];
  /** False of a restore that was found complete, and whose target has deleted records of it since. */
  readonly isWhole: boolean;
  /** Of a restore that FAILED. */
  readonly failure: RestoreFailure | null;
}

/** A restore that will never be carried on. */
export interface AbandonedRestore {
  readonly id: string;
  readonly topics: readonly AbandonedTopic[];
}

export interface AbandonedTopic {
  readonly topic: string;
  /** False where it was left alone: it is gone or was made anew, the restore had not touched it, or another one has filled it since. */
  readonly isReleased: boolean;
  /** Where the records of the restore begin, by partition from 0 on; empty when it has written none. */
  readonly startOffsets: readonly bigint[];
}

/** Runs restores one at a time; what the control port needs. */
export interface RestoreJobs {
  /** Accepts a restore and returns at once. @throws RESTORE_CONFLICT while another one is not terminal, FORBIDDEN for an unknown target. */
  submit(request: RestoreRequest): RestoreJob;
  /** Carries out a plan that was shown. @throws as {@link submit}, USAGE_INVALID for an unknown plan. */
  submitPlan(planId: string): Promise<RestoreJob>;
  /** Carries an unfinished restore on, as it was asked for; one that is complete stays so. @throws as {@link submit}, RESTORE_NOT_FOUND. */
  resume(id: string): Promise<RestoreJob>;
  /**
   * Gives an unfinished restore up for good: its topics get their own configuration, what it has written stays.
   * @throws RESTORE_NOT_FOUND, RESTORE_CONFLICT while this process runs it, USAGE_INVALID when it is complete, FORBIDDEN when its
   * target is no longer configured, FENCED when another process carries it on meanwhile.
   */
  abandon(id: string): Promise<AbandonedRestore>;
  /** Newest first; at most the last 100, each as its last attempt. */
  list(): readonly RestoreJob[];
  get(id: string): RestoreJob | undefined;
  /** What a complete restore, of this process or another, has left in the store. @throws RESTORE_NOT_FOUND when `id` cannot be one. */
  report(id: string): Promise<RestoreReport | undefined>;
  /** Asks a running restore to stop; a terminal one stays as it is. Returns undefined for an unknown id. */
  cancel(id: string): RestoreJob | undefined;
}
