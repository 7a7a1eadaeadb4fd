// One attempt at a restore, from the request to the report: plans, checks, writes down what it is about to do, and does it; or
// carries on what an earlier attempt has left. What it holds at any time is for whoever watches.

import { readCatalog } from '../catalog/catalog-reader.ts';
import { readIdentity } from '../catalog/backup-identity.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { RestoreSink } from '../kafka/restore-sink.ts';
import { BackupError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { TopicSelection } from '../model/topic-selection.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { RestoreIntent } from './journal/restore-intent.ts';
import { type KnownRestore, newestRestores, RestoreJournal } from './journal/restore-journal.ts';
import type { RestoreReport } from './journal/restore-report.ts';
import { planRestore } from './plan/plan-restore.ts';
import { assertSamePlan, putPlan, type StoredPlan } from './plan/plan-store.ts';
import { summarizePlan } from './plan/plan-summary.ts';
import { isBlocked, preflight, type PreflightResult } from './preflight.ts';
import type { PlanSummary, RestoreRequest } from './restore-job.ts';
import { planIdOf, type RestorePlan } from './restore-plan.ts';
import type { RestoreSettings } from './restore-settings.ts';
import { findEarlier } from './journal/find-earlier.ts';
import { makeIntent } from './journal/make-intent.ts';
import type { Patience } from './run/patience.ts';
import { PatientStore } from './run/patient-store.ts';
import { PatientTarget } from './run/patient-target.ts';
import { RestoreRun } from './run/restore-run.ts';

export interface AttemptContext {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly settings: RestoreSettings;
  /** Opens the target of that name; the attempt closes it. */
  readonly openSink: (target: string) => RestoreSink;
  /** Opened for an attempt and closed after it: between restores no thread is kept. */
  readonly openWorkers: () => WorkerPool;
  /** Commits what a running backup holds, so that a restore sees it. */
  readonly beforePlan: (signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  /** Resolves after so long, or at once when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** How long a running restore waits for a store or a target that is away. */
const PATIENCE_MS = 600_000;

export interface AttemptOptions {
  /** Of the restore, should it be a new one. */
  readonly id: string;
  readonly request: RestoreRequest;
  /** The restore to carry on; null: whichever the request is. */
  readonly resume: RestoreIntent | null;
  /** The plan that somebody agreed to. */
  readonly agreed: StoredPlan | null;
  readonly signal: AbortSignal;
  /** Told once: planning is over and records are about to move. */
  readonly onRunning: () => void;
}

export class RestoreAttempt {
  /** Of the restore that this attempt turned out to be. */
  id: string;
  plan: PlanSummary | null = null;
  run: RestoreRun | null = null;
  report: RestoreReport | null = null;
  /** True once the restore is written down in the store. */
  hasBegun = false;
  readonly #context: AttemptContext;
  readonly #options: AttemptOptions;

  constructor(context: AttemptContext, options: AttemptOptions) {
    this.#context = context;
    this.#options = options;
    this.id = options.id;
  }

  /**
   * A dry run ends with the plan.
   * @throws PREFLIGHT_BLOCKED, TARGET_CHANGED, INTERRUPTED, and what reading, planning and producing fail with.
   */
  async perform(): Promise<void> {
    const { openSink, beforePlan } = this.#context;
    const { request, resume, signal } = this.#options;
    await beforePlan(signal);
    await this.#assertBackup();
    const sink = openSink(request.target);
    try {
      await sink.connect();
      if (resume !== null) await this.#carryOn(resume, sink);
      else await this.#begin(sink);
    } finally {
      await sink.close();
    }
  }

  async #begin(sink: RestoreSink): Promise<void> {
    const { store, layout, settings, wallMs } = this.#context;
    const { request, agreed } = this.#options;
    const known = await newestRestores(store, layout);
    const earlier = request.dryRun ? undefined : await findEarlier(known, request, sink, agreed?.planId);
    if (earlier?.kind === 'unfinished') return this.#carryOn(earlier.restore.intent, sink);
    const plan = await this.#plan(request, settings);
    if (earlier?.kind === 'complete' && planIdOf(plan, earlier.restore.intent.target) === earlier.report.planId) {
      return this.#isDoneAlready(earlier.report);
    }
    const unfinished = known.filter(({ intent, isComplete }) => !isComplete && isOfCluster(intent, sink));
    const checked = await preflight({
      plan,
      settings,
      sink,
      store,
      nowMs: wallMs(),
      isResuming: false,
      unfinishedRestoreOf: (topic) => unfinishedOf(topic, unfinished),
    });
    this.plan = summarizePlan(plan, checked);
    if (agreed !== null) assertSamePlan(agreed, plan, checked);
    if (request.dryRun) return putPlan(store, layout, request, { plan, checked });
    this.#assertUnblocked(checked);
    const intent = await makeIntent({
      id: this.id,
      request,
      plan,
      checked,
      settings,
      sink,
      unfinished,
      nowMs: wallMs(),
    });
    return this.#run(plan, intent, sink);
  }

  /** Killed just before it could say so, or asked for twice: the backup gives the same plan, and nobody has touched the target. */
  #isDoneAlready(report: RestoreReport): void {
    this.#context.logger.info('this restore is complete already; nothing is left to do', { restore: report.id });
    this.id = report.id;
    this.report = report;
  }

  /** @throws PREFLIGHT_BLOCKED when this version, or this backup, no longer makes the plan that was begun. */
  async #carryOn(intent: RestoreIntent, sink: RestoreSink): Promise<void> {
    const { store, settings, wallMs, logger } = this.#context;
    this.id = intent.id;
    this.hasBegun = true;
    if (!isOfCluster(intent, sink)) {
      throw new BackupError(
        'PREFLIGHT_BLOCKED',
        `restore ${intent.id} was begun into cluster ${intent.target.clusterId}; target ${intent.request.target} is cluster ${sink.clusterId}`,
      );
    }
    const { journal } = this.#patient(intent);
    const report = await journal.report();
    if (report !== undefined) return this.#isDoneAlready(report);
    logger.info('an unfinished restore is carried on', { restore: intent.id });
    const verified = await journal.verified();
    if (verified !== undefined) return this.#finish(verified, intent, sink);
    const { catalogVersion, createdAtMs } = intent;
    const plan = await this.#plan(intent.request, intent.settings, { catalogVersion, nowMs: createdAtMs });
    const planId = planIdOf(plan, intent.target);
    if (planId !== intent.planId) {
      throw new BackupError(
        'PREFLIGHT_BLOCKED',
        `restore ${intent.id} was begun with plan ${intent.planId}; version ${catalogVersion} of the backup gives plan ${planId} now`,
      );
    }
    const { isolation, replicationFactor, topicConfigs } = intent.settings;
    const recorded = { ...settings, isolation, replicationFactor, topicConfigs };
    const unfinishedRestoreOf = (): undefined => undefined;
    const checked = await preflight({
      plan,
      settings: recorded,
      sink,
      store,
      nowMs: wallMs(),
      isResuming: true,
      unfinishedRestoreOf,
    });
    this.plan = summarizePlan(plan, { ...checked, planId });
    this.#assertUnblocked(checked);
    await this.#run(plan, intent, sink);
  }

  async #run(plan: RestorePlan, intent: RestoreIntent, sink: RestoreSink): Promise<void> {
    const { settings, openWorkers, logger, wallMs } = this.#context;
    const { signal, onRunning } = this.#options;
    if (signal.aborted) throw new BackupError('INTERRUPTED', 'the restore was cancelled before it began');
    const { store, journal, patience } = this.#patient(intent);
    await journal.putIntent(intent);
    this.hasBegun = true;
    const workers = openWorkers();
    try {
      this.run = new RestoreRun({
        plan,
        intent,
        limits: settings,
        store,
        journal,
        sink,
        workers,
        logger,
        patience,
        wallMs,
      });
      onRunning();
      await this.#finish(await this.run.run(), intent, sink);
    } finally {
      await workers.close();
    }
  }

  /** Every record is there. Killed in here, a restore does it again; the report says that it was done. */
  async #finish(report: RestoreReport, { topics }: RestoreIntent, sink: RestoreSink): Promise<void> {
    const { journal, patience } = this.#patient(report);
    const target = new PatientTarget(sink, patience);
    for (const { topic, finalConfigs } of topics) await target.alterConfigs(topic, finalConfigs);
    this.#context.logger.info('the restored topics have their own configuration', {
      topics: topics.map(({ topic }) => topic),
    });
    await journal.putReport(report);
    this.report = report;
  }

  /** The store and the journal as they are used once the restore has begun: what may pass is waited out. */
  #patient({ id }: { readonly id: string }) {
    const { store, layout, logger, monotonicMs, wait } = this.#context;
    const { signal } = this.#options;
    const patience: Patience = { patienceMs: PATIENCE_MS, signal, logger, monotonicMs, wait };
    const patientStore = new PatientStore(store, layout.identity, patience);
    return { store: patientStore, journal: new RestoreJournal(patientStore, layout, id), patience };
  }

  async #assertBackup(): Promise<void> {
    const { store, layout } = this.#context;
    if ((await readIdentity(store, layout)) !== undefined) return;
    throw new BackupError('BACKUP_NOT_FOUND', `no backup ${layout.backupId} in ${store.description}`);
  }

  async #plan(
    request: RestoreRequest,
    settings: Pick<RestoreSettings, 'isolation' | 'replicationFactor' | 'topicConfigs'>,
    begun?: { readonly catalogVersion: number; readonly nowMs: number },
  ): Promise<RestorePlan> {
    const { store, layout, wallMs } = this.#context;
    const version = begun?.catalogVersion ?? request.catalogVersion;
    const selection = new TopicSelection({ include: request.includeTopics, exclude: request.excludeTopics });
    const state = await readCatalog(store, layout, {
      topics: (topic) => selection.matches(topic),
      ...(version === null ? {} : { version }),
    });
    return planRestore(state, layout.backupId, request, { ...settings, nowMs: begun?.nowMs ?? wallMs() });
  }

  #assertUnblocked({ checks }: PreflightResult): void {
    if (!isBlocked(checks)) return;
    const blocks = checks.filter(({ level }) => level === 'block').map(({ message }) => message);
    throw new BackupError('PREFLIGHT_BLOCKED', blocks.join('; '));
  }
}

function isOfCluster({ target }: RestoreIntent, sink: RestoreSink): boolean {
  return target.clusterId === sink.clusterId;
}

function unfinishedOf(topic: string, unfinished: readonly KnownRestore[]): string | undefined {
  return unfinished.find(({ intent }) => intent.topics.some((intended) => intended.topic === topic))?.intent.id;
}
