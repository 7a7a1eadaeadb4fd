// Restores as jobs: plans, checks, runs one at a time, remembers the last ones, and leaves a report in the store. What the
// command line and the control port both use.

import { randomBytes } from 'node:crypto';
import { readCatalog } from '../catalog/catalog-reader.ts';
import { readIdentity } from '../catalog/backup-identity.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { RestoreSink } from '../kafka/restore-sink.ts';
import { BackupError, errorOf, messageOf } from '../model/errors.ts';
import { toJson } from '../model/json-fields.ts';
import type { Logger } from '../model/logger.ts';
import { TopicSelection } from '../model/topic-selection.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { isBlocked, preflight, type PreflightResult } from './preflight.ts';
import type {
  PlannedTopic,
  PlanSummary,
  RestoreFailure,
  RestoreJob,
  RestoreJobs,
  RestoreRequest,
  RestoreState,
} from './restore-job.ts';
import { planRestore, type RestorePlan } from './restore-plan.ts';
import { RestoreRun } from './restore-run.ts';
import type { RestoreSettings } from './restore-settings.ts';

export interface RestoreServiceOptions {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly settings: RestoreSettings;
  /** Opens the target of that name; the service closes it. */
  readonly openSink: (target: string) => RestoreSink;
  readonly targets: readonly string[];
  /** Opened for a job and closed after it: between restores no thread is kept. */
  readonly openWorkers: () => WorkerPool;
  /** Commits what a running backup holds, so that a restore sees it. */
  readonly beforePlan: (signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
}

const JOBS_KEPT = 100;
const TERMINAL: readonly RestoreState[] = ['COMPLETED', 'FAILED', 'CANCELLED'];

interface Job {
  readonly id: string;
  readonly request: RestoreRequest;
  readonly createdAtMs: number;
  readonly cancelling: AbortController;
  state: RestoreState;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  plan: PlanSummary | null;
  run: RestoreRun | null;
  failure: RestoreFailure | null;
  error: Error | undefined;
  done: Promise<void>;
}

export class RestoreService implements RestoreJobs {
  readonly #options: RestoreServiceOptions;
  readonly #jobs: Job[] = [];

  constructor(options: RestoreServiceOptions) {
    this.#options = options;
  }

  submit(request: RestoreRequest): RestoreJob {
    const { targets, wallMs } = this.#options;
    if (!targets.includes(request.target)) {
      const known = targets.length === 0 ? 'none' : targets.join(', ');
      throw new BackupError(
        'FORBIDDEN',
        `no target ${JSON.stringify(request.target)} in the configuration (it names: ${known})`,
      );
    }
    const active = this.#jobs.find(({ state }) => !TERMINAL.includes(state));
    if (active !== undefined) throw new BackupError('RESTORE_CONFLICT', `restore ${active.id} is ${active.state}`);
    const job: Job = {
      id: `rst_${wallMs().toString(36)}${randomBytes(4).toString('hex')}`,
      request,
      createdAtMs: wallMs(),
      cancelling: new AbortController(),
      state: 'QUEUED',
      startedAtMs: null,
      finishedAtMs: null,
      plan: null,
      run: null,
      failure: null,
      error: undefined,
      done: Promise.resolve(),
    };
    this.#jobs.unshift(job);
    this.#jobs.length = Math.min(this.#jobs.length, JOBS_KEPT);
    job.done = this.#execute(job);
    return this.#describe(job);
  }

  list(): readonly RestoreJob[] {
    return this.#jobs.map((job) => this.#describe(job));
  }

  get(id: string): RestoreJob | undefined {
    const job = this.#find(id);
    return job && this.#describe(job);
  }

  cancel(id: string): RestoreJob | undefined {
    const job = this.#find(id);
    if (job === undefined) return undefined;
    if (!TERMINAL.includes(job.state)) {
      job.state = 'CANCELLING';
      job.cancelling.abort();
    }
    return this.#describe(job);
  }

  /** Waits for a job's end. @throws what it failed with, as it was. */
  async finished(id: string): Promise<RestoreJob> {
    const job = this.#find(id);
    if (job === undefined) throw new BackupError('RESTORE_NOT_FOUND', `no restore ${id}`);
    await job.done;
    if (job.error !== undefined) throw job.error;
    return this.#describe(job);
  }

  /** Cancels what runs and waits for it. */
  async stop(): Promise<void> {
    for (const { id } of this.#jobs) this.cancel(id);
    await Promise.all(this.#jobs.map(({ done }) => done));
  }

  #find(id: string): Job | undefined {
    return this.#jobs.find((job) => job.id === id);
  }

  /** Never throws: the job carries the failure. */
  async #execute(job: Job): Promise<void> {
    const { logger, wallMs } = this.#options;
    job.startedAtMs = wallMs();
    try {
      await this.#perform(job);
      job.state = job.cancelling.signal.aborted ? 'CANCELLED' : 'COMPLETED';
    } catch (error) {
      const isCancelled = job.cancelling.signal.aborted && error instanceof BackupError && error.code === 'INTERRUPTED';
      job.state = isCancelled ? 'CANCELLED' : 'FAILED';
      job.error = errorOf(error);
      job.failure = failureOf(error);
      if (!isCancelled) logger.error('the restore failed', { restore: job.id, error });
    }
    job.finishedAtMs = wallMs();
    if (job.run !== null) await this.#keepReport(job);
  }

  async #perform(job: Job): Promise<void> {
    const { store, settings, openSink, openWorkers, logger, monotonicMs, wallMs, beforePlan } = this.#options;
    const { signal } = job.cancelling;
    job.state = 'PLANNING';
    await beforePlan(signal);
    const plan = await this.#plan(job.request);
    const sink = openSink(job.request.target);
    try {
      const checked = await preflight(plan, settings, sink, store, wallMs());
      job.plan = summarize(plan, checked);
      if (job.request.dryRun) return;
      if (isBlocked(checked.checks)) {
        const blocks = checked.checks.filter(({ level }) => level === 'block').map(({ message }) => message);
        throw new BackupError('PREFLIGHT_BLOCKED', blocks.join('; '));
      }
      if (signal.aborted) throw new BackupError('INTERRUPTED', 'the restore was cancelled before it began');
      const workers = openWorkers();
      try {
        job.state = 'RUNNING';
        job.run = new RestoreRun({
          plan,
          preflight: checked,
          settings,
          sink,
          store,
          workers,
          logger,
          signal,
          monotonicMs,
        });
        await job.run.run();
      } finally {
        await workers.close();
      }
    } finally {
      await sink.close();
    }
  }

  async #plan(request: RestoreRequest): Promise<RestorePlan> {
    const { store, layout, settings } = this.#options;
    if ((await readIdentity(store, layout)) === undefined) {
      throw new BackupError('BACKUP_NOT_FOUND', `no backup ${layout.backupId} in ${store.description}`);
    }
    const selection = new TopicSelection({ include: request.includeTopics, exclude: request.excludeTopics });
    const state = await readCatalog(store, layout, { topics: (topic) => selection.matches(topic) });
    return planRestore(state, layout.backupId, request, settings);
  }

  async #keepReport(job: Job): Promise<void> {
    const { store, layout, logger } = this.#options;
    const report = Buffer.from(`${toJson(this.#describe(job), 2)}\n`);
    await store.putIfAbsent(layout.restoreReport(job.id), [report]).catch((error: unknown) => {
      logger.warn('the report of a restore could not be kept', { restore: job.id, error });
    });
  }

  #describe(job: Job): RestoreJob {
    const { id, request, state, createdAtMs, startedAtMs, finishedAtMs, plan, run, failure } = job;
    return {
      id,
      state,
      backupId: this.#options.layout.backupId,
      request,
      createdAtMs,
      startedAtMs,
      finishedAtMs,
      progress: run?.progress() ?? null,
      partitions: run?.partitions() ?? [],
      plan,
      failure,
    };
  }
}

function failureOf(error: unknown): RestoreFailure {
  if (!(error instanceof BackupError))
    return { code: 'DEFECT', message: messageOf(error), hint: 'This is a defect; please report it.' };
  return { code: error.code, message: error.message, hint: error.kind.hint };
}

function summarize(plan: RestorePlan, checked: PreflightResult): PlanSummary {
  const { planId, catalogVersion, recoveryTarget } = plan;
  const topics = plan.topics.map((topic): PlannedTopic => {
    const segments = topic.partitions.flatMap((partition) => partition.segments.map(({ segment }) => segment));
    const sum = (of: (segment: (typeof segments)[number]) => number): number =>
      segments.reduce((total, segment) => total + of(segment), 0);
    return {
      topic: topic.topic,
      targetTopic: topic.targetTopic,
      action: checked.existing.has(topic.targetTopic) ? 'use' : 'create',
      partitions: topic.partitions.length,
      segments: segments.length,
      records: sum(({ recordCount }) => recordCount),
      storedBytes: sum(({ storedSizeBytes }) => storedSizeBytes),
      fromMs:
        segments.length === 0
          ? null
          : Math.min(...segments.map(({ minTimestampMs, maxTimestampMs }) => minTimestampMs ?? maxTimestampMs)),
      toMs: segments.length === 0 ? null : Math.max(...segments.map(({ maxTimestampMs }) => maxTimestampMs)),
      gaps: topic.partitions.reduce((total, { gaps }) => total + gaps.length, 0),
    };
  });
  return { planId, catalogVersion, recoveryTarget, topics, checks: checked.checks };
}
