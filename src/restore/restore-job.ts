// A restore as a job: what was asked, its states and its progress, as the control port and the command line show them.
// Terminal states never change again. COMPLETED means every planned record was acknowledged and counted.

import type { DropCounts, RecoveryTarget } from '../model/recovery-target.ts';

export type RestoreState = 'QUEUED' | 'PLANNING' | 'RUNNING' | 'CANCELLING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

/** What to restore, to when, and to where. Topic patterns are exact names, globs or `~regex`. */
export interface RestoreRequest {
  readonly recoveryTarget: RecoveryTarget;
  readonly includeTopics: readonly string[];
  readonly excludeTopics: readonly string[];
  /** Source topic -> target topic; topics not named keep their name. */
  readonly topicMapping: Readonly<Record<string, string>>;
  /** Name of a target in the configuration. */
  readonly target: string;
  readonly dryRun: boolean;
}

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

export interface PlannedTopic {
  readonly topic: string;
  readonly targetTopic: string;
  readonly action: 'create' | 'use';
  readonly partitions: number;
  readonly segments: number;
  readonly records: number;
  readonly storedBytes: number;
  /** Lowest and highest record timestamp that the selected segments can hold; null when nothing is selected. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly gaps: number;
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
  readonly failure: RestoreFailure | null;
}

/** Runs restores one at a time; what the control port needs. */
export interface RestoreJobs {
  /** Accepts a restore and returns at once. @throws RESTORE_CONFLICT while another one is not terminal, FORBIDDEN for an unknown target. */
  submit(request: RestoreRequest): RestoreJob;
  /** Newest first; at most the last 100. */
  list(): readonly RestoreJob[];
  get(id: string): RestoreJob | undefined;
  /** Asks a running restore to stop; a terminal one stays as it is. Returns undefined for an unknown id. */
  cancel(id: string): RestoreJob | undefined;
}
