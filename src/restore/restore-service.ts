// Restores as jobs: runs one at a time, remembers the last ones, and knows from the store those of other processes. What the
// command line and the control port both use.

import { randomBytes } from 'node:crypto';
import { BackupError, errorOf, messageOf } from '../model/errors.ts';
import { abandonRestore } from './abandon-restore.ts';
import { BegunRestore } from './begun-restore.ts';
import { assertClusterOf, type RestoreIntent } from './journal/restore-intent.ts';
import { RestoreJournal } from './journal/restore-journal.ts';
import type { RestoreReport } from './journal/restore-report.ts';
import { getPlan, type StoredPlan } from './plan/plan-store.ts';
import { type AttemptContext, RestoreAttempt } from './restore-attempt.ts';
import type {
  AbandonedRestore,
  RestoreFailure,
  RestoreJob,
  RestoreJobs,
  RestoreProgress,
  RestoreRequest,
  RestoreState,
} from './restore-job.ts';

export interface RestoreServiceOptions extends AttemptContext {
  /** Names of the targets in the configuration. */
  readonly targets: readonly string[];
  /** What a restore into any other target is refused with. */
  readonly unknownTarget: (target: string) => Error;
}

const JOBS_KEPT = 100;
const TERMINAL: readonly RestoreState[] = ['COMPLETED', 'FAILED', 'CANCELLED'];

interface Job {
  /** As it was submitted; one that turns out to carry an earlier restore on is known by that one's id too. */
  readonly submittedId: string;
  readonly request: RestoreRequest;
  readonly createdAtMs: number;
  readonly cancelling: AbortController;
  readonly attempt: RestoreAttempt;
  state: RestoreState;
  startedAtMs: number | null;
  finishedAtMs: number | null;
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
    return this.#submit(request, { resume: null, agreed: null });
  }

  async submitPlan(planId: string): Promise<RestoreJob> {
    const { store, layout } = this.#options;
    const agreed = await getPlan(store, layout, planId);
    return this.#submit(agreed.request, { resume: null, agreed });
  }

  async resume(id: string): Promise<RestoreJob> {
    const resume = await this.#intent(this.#idOf(id));
    return this.#submit(resume.request, { resume, agreed: null });
  }

  async abandon(id: string): Promise<AbandonedRestore> {
    const { openSink, wallMs } = this.#options;
    const job = this.#find(id);
    const intent = await this.#intent(this.#idOf(id));
    this.#assertTarget(intent.request.target);
    if (job !== undefined && !TERMINAL.includes(job.state)) {
      throw new BackupError('RESTORE_CONFLICT', `restore ${intent.id} is ${job.state}`);
    }
    const sink = openSink(intent.request.target);
    try {
      await sink.connect();
      assertClusterOf(intent, sink);
      const begun = new BegunRestore(this.#options, intent, new AbortController().signal);
      return await abandonRestore(begun, sink, wallMs);
    } finally {
      await sink.close();
    }
  }

  list(): readonly RestoreJob[] {
    const described = this.#jobs.map((job) => this.#describe(job));
    return described.filter((job, index) => described.findIndex(({ id }) => id === job.id) === index);
  }

  get(id: string): RestoreJob | undefined {
    const job = this.#find(id);
    return job && this.#describe(job);
  }

  /** As the store keeps it. */
  report(id: string): Promise<RestoreReport | undefined> {
    return this.#journal(this.#idOf(id)).report();
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
    for (const { submittedId, attempt, state, request } of this.#jobs) {
      if (!TERMINAL.includes(state) && !request.dryRun) {
        const remedy = `carry it on with restore --resume ${attempt.id}, or give it up with restore --abandon ${attempt.id}`;
        this.#options.logger.warn(`a restore is stopped before its end: ${remedy}`, { restore: attempt.id });
      }
      this.cancel(submittedId);
    }
    await Promise.all(this.#jobs.map(({ done }) => done));
  }

  #submit(
    request: RestoreRequest,
    start: { readonly resume: RestoreIntent | null; readonly agreed: StoredPlan | null },
  ): RestoreJob {
    this.#assertTarget(request.target);
    const active = this.#jobs.find(({ state }) => !TERMINAL.includes(state));
    if (active !== undefined) {
      throw new BackupError('RESTORE_CONFLICT', `restore ${active.attempt.id} is ${active.state}`);
    }
    const job = this.#newJob(request, this.#options.wallMs(), start);
    this.#jobs.unshift(job);
    this.#jobs.length = Math.min(this.#jobs.length, JOBS_KEPT);
    job.done = this.#execute(job);
    return this.#describe(job);
  }

  #newJob(
    request: RestoreRequest,
    nowMs: number,
    start: { readonly resume: RestoreIntent | null; readonly agreed: StoredPlan | null },
  ): Job {
    // Ids are in the order of their time.
    const id = start.resume?.id ?? `rst_${nowMs.toString(36)}${randomBytes(4).toString('hex')}`;
    const cancelling = new AbortController();
    const onRunning = (): void => {
      if (job.state === 'PLANNING') job.state = 'RUNNING';
    };
    const settings = { ...this.#options.settings, ...request.settings };
    const attempt = new RestoreAttempt(
      { ...this.#options, settings },
      { id, request, ...start, signal: cancelling.signal, onRunning },
    );
    const job: Job = {
      submittedId: id,
      request,
      createdAtMs: start.resume?.createdAtMs ?? nowMs,
      cancelling,
      attempt,
      state: 'QUEUED',
      startedAtMs: null,
      finishedAtMs: null,
      failure: null,
      error: undefined,
      done: Promise.resolve(),
    };
    return job;
  }

  /** The newest that has the id: a restore that was resumed is its last attempt. */
  #find(id: string): Job | undefined {
    const meant = this.#idOf(id);
    return this.#jobs.find(({ attempt }) => attempt.id === meant);
  }

  /** Of the restore that a job was given this id for, and that may have gone on with an earlier one. */
  #idOf(id: string): string {
    return this.#jobs.find(({ submittedId }) => submittedId === id)?.attempt.id ?? id;
  }

  async #intent(id: string): Promise<RestoreIntent> {
    const intent = await this.#journal(id).intent();
    if (intent === undefined) throw new BackupError('RESTORE_NOT_FOUND', `no restore ${id} has begun`);
    return intent;
  }

  #assertTarget(target: string): void {
    const { targets, unknownTarget } = this.#options;
    if (!targets.includes(target)) throw unknownTarget(target);
  }

  #journal(id: string): RestoreJournal {
    return new RestoreJournal(this.#options.store, this.#options.layout, id);
  }

  /** Never throws: the job carries the failure. */
  async #execute(job: Job): Promise<void> {
    const { observer, wallMs } = this.#options;
    const { attempt, cancelling } = job;
    job.startedAtMs = wallMs();
    job.state = 'PLANNING';
    try {
      await attempt.perform();
      // A cancel that came too late has nothing left to cancel.
      job.state = attempt.report === null && cancelling.signal.aborted ? 'CANCELLED' : 'COMPLETED';
    } catch (error) {
      const isCancelled = cancelling.signal.aborted && error instanceof BackupError && error.code === 'INTERRUPTED';
      job.state = isCancelled ? 'CANCELLED' : 'FAILED';
      job.error = errorOf(error);
      if (!isCancelled) {
        job.failure = failureOf(error);
        observer.failed(attempt.id, job.error);
      }
    }
    job.finishedAtMs = wallMs();
    if (job.state !== 'COMPLETED') await this.#keepAttempt(job);
  }

  async #keepAttempt(job: Job): Promise<void> {
    const { attempt } = job;
    await attempt.keepEnded(this.#describe(job)).catch((error: unknown) => {
      this.#options.logger.warn('the report of a restore could not be kept', { restore: attempt.id, error });
    });
  }

  #describe(job: Job): RestoreJob {
    const { attempt, request, state, createdAtMs, startedAtMs, finishedAtMs, failure } = job;
    const { id, run, plan, report, remarks, isWhole } = attempt;
    const done = run === null && report !== null ? report : null;
    return {
      id,
      state,
      backupId: this.#options.layout.backupId,
      request,
      createdAtMs,
      startedAtMs,
      finishedAtMs,
      progress: done === null ? (run?.progress() ?? null) : progressOf(done),
      partitions: done === null ? (run?.partitions() ?? []) : done.sources,
      plan,
      report,
      remarks,
      isWhole,
      failure,
    };
  }
}

/** Of a restore that was found to be done. */
function progressOf({ sources, lastAttempt }: RestoreReport): RestoreProgress {
  const sum = (of: (source: (typeof sources)[number]) => number): number =>
    sources.reduce((total, source) => total + of(source), 0);
  const { bytesRead, bytesSent } = lastAttempt;
  return {
    recordsRestored: sum(({ recordsRestored }) => recordsRestored),
    recordsTotal: sum(({ recordsPlanned }) => recordsPlanned),
    bytesRead,
    bytesTotal: bytesRead,
    rawBytes: bytesSent,
    partitionsDone: sources.length,
    partitionsTotal: sources.length,
  };
}

function failureOf(error: unknown): RestoreFailure {
  if (!(error instanceof BackupError))
    return { code: 'DEFECT', message: messageOf(error), hint: 'This is a defect; please report it.' };
  return { code: error.code, message: error.message, hint: error.kind.hint };
}
