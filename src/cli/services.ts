// CONTRACT: what the commands need of the agent. agent.ts provides it; the commands never build anything themselves.

import type { BackupOutcome } from '../backup/backup-supervisor.ts';
import type { BackupStatus } from '../backup/progress/backup-status.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { Check } from '../doctor/check-list.ts';
import type { EstimateRun } from '../estimate/estimate-run.ts';
import type { ImportProgress, ImportReport } from '../import/import-run.ts';
import type { ImportChoices } from '../import/partition-import.ts';
import type { AbandonedRestore, RestoreJob, RestoreRequest } from '../restore/restore-job.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { VerificationProgress, VerificationReport } from '../verification/verification-run.ts';
import type { ConfiguredRestore } from './input/restore-flags.ts';

/** Where the configuration comes from: a file and what flags say. */
export interface ConfigSource {
  readonly file: string;
  /** By dotted key. */
  readonly overrides: Readonly<Record<string, string | number | boolean>>;
  /** Log at the level debug, whatever is configured. */
  readonly isVerbose: boolean;
}

/** How a stored backup is addressed: by a configuration, or by a store's URL or path. */
export type StoreAddress =
  | { readonly kind: 'config'; readonly config: ConfigSource; readonly backupId: string | undefined }
  | { readonly kind: 'path'; readonly path: string; readonly backupId: string | undefined };

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Undefined where the address names no backup. */
  readonly backupId: string | undefined;
  /** False for a directory that does not exist. */
  isThere(): Promise<boolean>;
  layoutOf(backupId: string): ObjectLayout;
  close(): Promise<void>;
}

export interface OpenedBackup {
  status(): BackupStatus;
  /** Where the control port listens, once it does; null without one. */
  controlAddress(): string | null;
  /** Runs to the end, or until the signal aborts and everything in hand is committed. */
  run(signal: AbortSignal): Promise<BackupOutcome>;
}

/** A restore under way. */
export interface StartedRestore {
  /** Its state at any time. */
  readonly job: () => RestoreJob;
  /** @throws what it failed with. */
  readonly finished: Promise<RestoreJob>;
  readonly cancel: () => void;
}

export interface OpenedRestore extends ConfiguredRestore {
  /** Of the configuration; null: unlimited. */
  readonly limits: { readonly recordsPerSecond: number | null; readonly bytesPerSecond: number | null };
  start(request: RestoreRequest): Promise<StartedRestore>;
  /** Carries out the plan of that id, if it still holds. @throws USAGE_INVALID when no plan of that id was kept. */
  startPlan(planId: string): Promise<StartedRestore>;
  /** Carries an unfinished restore on; one that is complete stays so. @throws RESTORE_NOT_FOUND. */
  resume(id: string): Promise<StartedRestore>;
  /** Gives an unfinished restore up for good. @throws as {@link RestoreJobs.abandon}. */
  abandon(id: string): Promise<AbandonedRestore>;
  close(): Promise<void>;
}

export interface OpenedVerification {
  progress(): VerificationProgress;
  /** Of the restore with that id, or of the newest that is complete. */
  run(restoreId: string | undefined, signal: AbortSignal): Promise<VerificationReport>;
  close(): Promise<void>;
}

/** Where an import comes from. */
export interface ImportSource {
  /** A store, as --path names one; what its URL does not say comes from KAFKA_BACKUP__FROM__KEY. */
  readonly from: string;
  /** Which of its backups; undefined when there is only one. */
  readonly backupId: string | undefined;
  readonly choices: ImportChoices;
}

export interface OpenedImport {
  progress(): ImportProgress;
  /** Imports what is not there yet. What was committed stays, whatever ends it. */
  run(signal: AbortSignal): Promise<ImportReport>;
  close(): Promise<void>;
}

export interface OpenedDoctor {
  run(): Promise<readonly Check[]>;
  close(): Promise<void>;
}

export interface OpenedEstimate extends Pick<EstimateRun, 'run' | 'progress'> {
  close(): Promise<void>;
}

/** The agent that a configuration describes, asked over its control port. */
export interface RunningAgent {
  /** Base URL of the control port. */
  readonly url: string;
  /** What it answers of its backup: the resource of `GET /v1/backups/{id}`. @throws AGENT_UNREACHABLE, UNAUTHORIZED. */
  backup(): Promise<unknown>;
}

/** The configuration in force. An origin is a place in the file, a variable, a flag or `default`. */
export interface EffectiveConfig {
  /** Secrets are hidden. */
  readonly values: readonly { readonly key: string; readonly value: string; readonly origin: string }[];
  /** What a start with it says: of keys that do something else here, and of risks. */
  readonly notices: readonly {
    readonly kind: 'notice' | 'warning';
    readonly key: string;
    readonly message: string;
    readonly origin: string;
  }[];
}

export interface Services {
  readonly version: string;
  /** Name of the zstd in use. */
  readonly zstdImplementation: string;
  /** @throws CONFIG_INVALID with every problem in its message. */
  openBackup(config: ConfigSource): Promise<OpenedBackup>;
  openRestore(config: ConfigSource): Promise<OpenedRestore>;
  openVerification(config: ConfigSource): Promise<OpenedVerification>;
  openImport(config: ConfigSource, source: ImportSource): Promise<OpenedImport>;
  openStore(address: StoreAddress): Promise<OpenedStore>;
  /** Asks nothing yet. @throws CONFIG_INVALID, AGENT_UNREACHABLE when the configuration has no control port. */
  openAgent(config: ConfigSource): Promise<RunningAgent>;
  openDoctor(config: ConfigSource): Promise<OpenedDoctor>;
  /** @throws CONFIG_INVALID when the configuration has no source. */
  openEstimate(config: ConfigSource): Promise<OpenedEstimate>;
  openWorkers(): WorkerPool;
  /** @throws CONFIG_INVALID with every problem in its message. */
  effectiveConfig(config: ConfigSource): EffectiveConfig;
  configSchema(): unknown;
}
