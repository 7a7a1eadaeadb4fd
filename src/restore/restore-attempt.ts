// One attempt at a restore, from the request to the report: plans, checks, writes down what it is about to do, and does it; or
// carries on what an earlier attempt has left. What it holds at any time is for whoever watches.

import { readCatalog } from '../catalog/catalog-reader.ts';
import { assertNeverFounded, readIdentity } from '../catalog/backup-identity.ts';
import type { RestoreSink } from '../kafka/restore-sink.ts';
import { BackupError } from '../model/errors.ts';
import { mayPass } from '../model/patience.ts';
import { TopicSelection } from '../model/topic/topic-selection.ts';
import { unlessAborted } from '../model/unless-aborted.ts';
import { readFooter } from '../segment/segment-reader.ts';
import { abandoned, BegunRestore, type RunContext } from './begun-restore.ts';
import type { PreflightInput } from './checks/check-list.ts';
import {
  completeCheck,
  deletedText,
  differingSettings,
  repeatedCheck,
  unfinishedCheck,
  withCheck,
} from './checks/earlier-checks.ts';
import { deletedOf, findEarlier } from './journal/find-earlier.ts';
import { type LeftConfigs, leftConfigs } from './journal/left-configs.ts';
import { makeIntent } from './journal/make-intent.ts';
import { assertClusterOf, isOfCluster, type RestoreIntent } from './journal/restore-intent.ts';
import { newestRestores } from './journal/restore-journal.ts';
import type { RestoreReport } from './journal/restore-report.ts';
import { TopicFillings } from './journal/topic-fillings.ts';
import { forecastDrops } from './plan/forecast/forecast-drops.ts';
import { summarizePlan } from './plan/forecast/plan-summary.ts';
import { planRestore } from './plan/plan-restore.ts';
import { assertSamePlan, putPlan, type StoredPlan } from './plan/plan-store.ts';
import { isBlocked, preflight, type PreflightResult } from './preflight.ts';
import type { PlanSummary, RestoreRequest } from './restore-job.ts';
import { planIdOf, type RestorePlan } from './restore-plan.ts';
import type { RestoreSettings } from './restore-settings.ts';
import type { RestoreRun } from './run/restore-run.ts';

export interface AttemptContext extends RunContext {
  readonly settings: RestoreSettings;
  /** Opens the target of that name; the attempt closes it. */
  readonly openSink: (target: string) => RestoreSink;
  /** Commits what a running backup holds, so that a restore sees it. */
  readonly beforePlan: (signal: AbortSignal) => Promise<void>;
}

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
  report: RestoreReport | null = null;
  /** What the plan does not say and whoever asked should know. */
  readonly remarks: string[] = [];
  /** False of a restore that was complete, and whose target has lost records since. */
  isWhole = true;
  readonly #context: AttemptContext;
  readonly #options: AttemptOptions;
  #begun: BegunRestore | null = null;

  constructor(context: AttemptContext, options: AttemptOptions) {
    this.#context = context;
    this.#options = options;
    this.id = options.id;
  }

  get run(): RestoreRun | null {
    return this.#begun?.run ?? null;
  }

  /**
   * A dry run ends with the plan.
   * @throws PREFLIGHT_BLOCKED, TARGET_CHANGED, FENCED, INTERRUPTED, and what reading, planning and producing fail with.
   */
  async perform(): Promise<void> {
    const { openSink, beforePlan } = this.#context;
    const { request, resume, signal } = this.#options;
    await beforePlan(signal);
    await this.#assertBackup();
    const sink = openSink(request.target);
    try {
      await unlessAborted(sink.connect(), signal);
      this.#assertNotCancelled();
      if (resume !== null) await this.#carryOn(resume, sink);
      else await this.#begin(sink);
    } finally {
      await sink.close();
    }
  }

  /** Keeps what an attempt that did not complete has to say, once it had begun. @throws as every put. */
  async keepEnded(description: unknown): Promise<void> {
    await this.#begun?.keepEnded(description);
  }

  async #begin(sink: RestoreSink): Promise<void> {
    const { store, layout, settings, wallMs } = this.#context;
    const { request, agreed } = this.#options;
    const known = await newestRestores(store, layout, (error, restore) => {
      const message = 'an earlier restore is left out of account: its documents are damaged';
      this.#context.logger.warn(message, { restore, error });
    });
    const earlier = await findEarlier(known, request, sink, agreed?.planId);
    if (earlier.kind === 'unfinished') return this.#carryOn(earlier.restore.intent, sink);
    const plan = await this.#plan(request, settings);
    const isDone =
      earlier.kind === 'complete' && planIdOf(plan, earlier.restore.intent.target) === earlier.report.planId;
    if (isDone && !request.dryRun) return this.#isDoneAlready(earlier.report, earlier.deleted);
    const unfinished = known.filter(({ intent, isComplete }) => !isComplete && isOfCluster(intent, sink));
    const left: LeftConfigs = (topic, present) => leftConfigs(topic, present, unfinished);
    const found = await this.#preflight(plan, settings, sink, { isOwn: isDone, resumed: null, leftConfigs: left });
    const isRepeatable = isDone || agreed !== null || request.intoExisting === 'refuse';
    const repeated = isRepeatable ? undefined : repeatedCheck(earlier, found.planId);
    const checked = isDone
      ? withCheck(found, earlier.report.planId, completeCheck(earlier))
      : withCheck(found, found.planId, repeated);
    this.plan = await this.#summarize(plan, checked);
    if (agreed !== null) assertSamePlan(agreed, plan, checked);
    if (request.dryRun || repeated !== undefined) await this.#keepPlan(request, plan, checked);
    if (request.dryRun) return;
    this.#assertUnblocked(checked);
    const intent = await makeIntent({
      id: this.id,
      request,
      plan,
      checked,
      settings,
      sink,
      leftConfigs: left,
      nowMs: wallMs(),
    });
    await this.#complete(this.#open(intent), plan, sink);
  }

  /** Killed just before it could say so, or asked for twice: the backup gives the same plan, and nobody has touched the target. */
  #isDoneAlready(report: RestoreReport, deleted: readonly string[]): void {
    this.id = report.id;
    this.isWhole = deleted.length === 0;
    if (this.isWhole) this.#remark(`restore ${report.id} was complete already: nothing was sent`);
    else this.#remark(deletedText(report, deleted));
    this.report = report;
  }

  /**
   * A dry run shows what would be carried on, and takes nothing over.
   * @throws PREFLIGHT_BLOCKED when this version, or this backup, no longer makes the plan that was begun.
   */
  async #carryOn(intent: RestoreIntent, sink: RestoreSink): Promise<void> {
    const { settings, logger } = this.#context;
    const { dryRun } = this.#options.request;
    const { id, catalogVersion, planId } = intent;
    if (!dryRun) this.id = id;
    assertClusterOf(intent, sink);
    const begun = this.#open(intent);
    const { journal } = begun.patient();
    const ended = await journal.endedAs();
    if (ended === 'withdrawn') {
      throw new BackupError('FENCED', `restore ${id} gave way to another one and has written nothing; begin it anew`);
    }
    if (ended === 'abandoned') throw abandoned(id);
    const report = await journal.report();
    if (report !== undefined) return this.#isDoneAlready(report, await deletedOf(report, sink));
    if (!dryRun) logger.info('an unfinished restore is carried on', { restore: id });
    const differing = differingSettings(intent, settings);
    if (differing.length > 0)
      this.#remark(
        `restore ${id} is carried on as it was begun: other values of ${differing.join(', ')} do not apply to it`,
      );
    if (!dryRun && (await journal.verified()) !== undefined) return this.#complete(begun, null, sink);
    const plan = await this.#plan(intent.request, intent.settings, { catalogVersion, nowMs: intent.createdAtMs });
    const found = planIdOf(plan, intent.target);
    if (found !== planId) {
      throw new BackupError(
        'PREFLIGHT_BLOCKED',
        `restore ${id} was begun with plan ${planId}; version ${catalogVersion} of the backup gives plan ${found} now`,
      );
    }
    const { isolation, replicationFactor, topicConfigs } = intent.settings;
    const recorded = { ...settings, isolation, replicationFactor, topicConfigs };
    const ownConfigs = new Map(intent.topics.map(({ topic, finalConfigs }) => [topic, finalConfigs]));
    const left: LeftConfigs = async (topic) => ownConfigs.get(topic) ?? {};
    const now = await this.#preflight(plan, recorded, sink, { isOwn: true, resumed: intent, leftConfigs: left });
    const checked = withCheck(now, planId, unfinishedCheck(intent));
    this.plan = await this.#summarize(plan, checked);
    if (dryRun) return this.#keepPlan(intent.request, plan, checked);
    this.#assertUnblocked(checked);
    await this.#complete(begun, plan, sink);
  }

  /** Whoever may only read the store is shown the plan all the same. */
  async #keepPlan(request: RestoreRequest, plan: RestorePlan, checked: PreflightResult): Promise<void> {
    const { store, layout } = this.#context;
    try {
      await putPlan(store, layout, request, { plan, checked });
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      this.#remark(
        `plan ${checked.planId} cannot be carried out by its id, since it could not be kept: ${error.message}`,
      );
    }
  }

  #remark(text: string): void {
    this.remarks.push(text);
    this.#context.logger.warn(text);
  }

  #open(intent: RestoreIntent): BegunRestore {
    return new BegunRestore(this.#context, intent, this.#options.signal);
  }

  async #complete(begun: BegunRestore, plan: RestorePlan | null, sink: RestoreSink): Promise<void> {
    const { onRunning } = this.#options;
    this.#assertNotCancelled();
    await begun.patient().journal.putIntent(begun.intent);
    this.#begun = begun;
    try {
      this.report = await begun.complete(plan, sink, onRunning);
    } catch (error) {
      throw withId(error, this.id);
    }
  }

  #assertNotCancelled(): void {
    if (!this.#options.signal.aborted) return;
    throw new BackupError('INTERRUPTED', 'the restore was cancelled before it began');
  }

  #preflight(
    plan: RestorePlan,
    settings: RestoreSettings,
    sink: RestoreSink,
    before: Pick<PreflightInput, 'isOwn' | 'resumed' | 'leftConfigs'>,
  ): Promise<PreflightResult> {
    const { store, layout, wallMs } = this.#context;
    const fillings = new TopicFillings(store, layout);
    return preflight({
      plan,
      settings,
      sink,
      store,
      nowMs: wallMs(),
      ...before,
      fillerOf: (topicId) => fillings.fillerOf(topicId),
    });
  }

  async #summarize(plan: RestorePlan, checked: PreflightResult): Promise<PlanSummary> {
    const { store } = this.#context;
    const drops = await forecastDrops(plan, (segment) => readFooter(store, segment), this.#options.signal);
    return summarizePlan(plan, checked, drops);
  }

  async #assertBackup(): Promise<void> {
    const { store, layout } = this.#context;
    if ((await readIdentity(store, layout)) !== undefined) return;
    await assertNeverFounded(store, layout);
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

/** What may end in giving the restore up, or in carrying it on, names it. */
function withId(error: unknown, id: string): unknown {
  if (!(error instanceof BackupError)) return error;
  const { code, message, context } = error;
  if (!mayPass(error) && code !== 'TARGET_CHANGED') return error;
  const remedy = mayPass(error)
    ? `run it again to carry the restore on, or restore --resume ${id}`
    : `to give the restore up: restore --abandon ${id}`;
  return new BackupError(code, `${message}; ${remedy}`, {
    context,
    cause: error,
  });
}
