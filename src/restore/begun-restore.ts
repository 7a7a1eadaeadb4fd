// A restore that is written down in the store, as one attempt brings it to its end: the attempt takes the restore over from the one
// before, fills the target, puts the topics' own configuration on, and reports. What may pass is waited out.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { RestoreSink, WritePermit } from '../kafka/restore-sink.ts';
import { BackupError, invariant } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { AttemptWatch } from './journal/attempts/attempt-watch.ts';
import { NO_ATTEMPT, RestoreAttempts } from './journal/attempts/restore-attempts.ts';
import type { RestoreIntent } from './journal/restore-intent.ts';
import { RestoreJournal } from './journal/restore-journal.ts';
import type { RestoreReport } from './journal/restore-report.ts';
import { TopicFillings } from './journal/topic-fillings.ts';
import type { RestorePlan } from './restore-plan.ts';
import type { Patience } from '../model/patience.ts';
import { unlessAborted } from '../model/unless-aborted.ts';
import { PatientStore } from '../storage/patient-store.ts';
import { PatientTarget } from './run/patience/patient-target.ts';
import { RestoreRun, type RunLimits } from './run/restore-run.ts';
import { verifyIdentities } from './run/verify-target.ts';

/** A store that has gone silent does not hold up the end of a restore for longer. */
const LONGEST_KEEP_MS = 5000;
/** Not even for the first failure. */
export const NO_PATIENCE_MS = -1;

/** Told of what restores do, for the log and for metrics. */
export interface RestoreObserver {
  /** Records that the target has just acknowledged; not those that it was found to hold. */
  readonly acknowledged: (records: number) => void;
  /** A restore has failed; one that was cancelled has not. Whoever waits for its end is told the same. */
  readonly failed: (restoreId: string, error: Error) => void;
}

export interface RunContext {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly settings: RunLimits;
  /** How long a running restore waits for a store or a target that is away. */
  readonly patienceMs: number;
  /** Opened for an attempt and closed after it: between restores no thread is kept. */
  readonly openWorkers: () => WorkerPool;
  readonly observer: RestoreObserver;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  /** Resolves after so long, or at once when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** While the restore is this attempt's. */
interface Hold extends ReturnType<BegunRestore['patient']> {
  readonly attempt: number;
  readonly permit: WritePermit;
  /** Ends whatever waits for the store or the target. */
  readonly stop: () => void;
}

export class BegunRestore {
  readonly intent: RestoreIntent;
  run: RestoreRun | null = null;
  readonly #context: RunContext;
  readonly #signal: AbortSignal;
  /** Undefined until this attempt has taken the restore over. */
  #attempt: number | undefined;

  constructor(context: RunContext, intent: RestoreIntent, signal: AbortSignal) {
    this.#context = context;
    this.intent = intent;
    this.#signal = signal;
  }

  /** The store and what is kept in it, as they are used once a restore has begun. */
  patient(signal: AbortSignal = this.#signal, patienceMs = this.#context.patienceMs) {
    const { store, layout, logger, monotonicMs, wait } = this.#context;
    const { id } = this.intent;
    const patience: Patience = { work: 'the restore', patienceMs, signal, logger, monotonicMs, wait };
    const patientStore = new PatientStore(store, layout.identity, patience);
    return {
      store: patientStore,
      journal: new RestoreJournal(patientStore, layout, id),
      attempts: new RestoreAttempts(patientStore, layout, id),
      fillings: new TopicFillings(patientStore, layout),
      patience,
    };
  }

  /**
   * Brings every record there that is not, and reports. `plan` may be null when the journal says that they all are.
   * @throws FENCED when another process takes over, or fills one of the topics, PREFLIGHT_BLOCKED when the restore was abandoned;
   * and as {@link RestoreRun.run}.
   */
  async complete(plan: RestorePlan | null, sink: RestoreSink, onRunning: () => void): Promise<RestoreReport> {
    const { attempts } = this.patient();
    const { monotonicMs, wallMs, wait } = this.#context;
    const attempt = await attempts.begin(wallMs());
    this.#attempt = attempt;
    const watch = new AttemptWatch({
      attempts: this.patient(new AbortController().signal, NO_PATIENCE_MS).attempts,
      attempt,
      monotonicMs,
      wallMs,
      wait,
      progress: () => this.run?.mark() ?? NO_ATTEMPT,
    });
    const stopping = new AbortController();
    const held = this.patient(AbortSignal.any([this.#signal, watch.signal, stopping.signal]));
    const hold: Hold = {
      ...held,
      attempt,
      permit: () => watch.permit(held.attempts),
      stop: () => stopping.abort(),
    };
    return watch.during(async () => {
      // Looked for behind the takeover: whoever had the restore before puts either first and then looks whether it still has it.
      const [ended, verified] = await Promise.all([hold.journal.endedAs(), hold.journal.verified()]);
      if (ended === 'abandoned') throw abandoned(this.intent.id);
      return this.#finish(verified ?? (await this.#fill(plan, sink, hold, onRunning)), sink, hold);
    });
  }

  /** Keeps what an attempt that did not complete has to say. @throws as every put, or when that takes too long. */
  async keepEnded(description: unknown): Promise<void> {
    if (this.#attempt === undefined) return;
    const { attempts } = this.patient(new AbortController().signal, NO_PATIENCE_MS);
    const keeping = attempts.putEnded(this.#attempt, description).then(() => true);
    const isKept = await unlessAborted(keeping, AbortSignal.timeout(LONGEST_KEEP_MS));
    if (isKept === undefined) throw new BackupError('STORE_UNAVAILABLE', 'the store does not answer');
  }

  async #fill(plan: RestorePlan | null, sink: RestoreSink, hold: Hold, onRunning: () => void): Promise<RestoreReport> {
    invariant(plan !== null, 'a restore without a plan was not verified');
    const { settings, openWorkers, observer, logger, wallMs } = this.#context;
    const workers = openWorkers();
    try {
      this.run = new RestoreRun({
        plan,
        intent: this.intent,
        limits: settings,
        sink,
        workers,
        onAcknowledged: observer.acknowledged,
        logger,
        wallMs,
        ...hold,
      });
      onRunning();
      return await this.run.run();
    } finally {
      await workers.close();
    }
  }

  /**
   * Every record is there. Killed in here, a restore does it again; the report says that it was done.
   * @throws TARGET_CHANGED when a topic is gone by now, or another one has its name: whose configuration it has is not ours to say.
   */
  async #finish(
    report: RestoreReport,
    sink: RestoreSink,
    { attempts, attempt, journal, patience }: Hold,
  ): Promise<RestoreReport> {
    await attempts.assertNewest(attempt);
    const target = new PatientTarget(sink, patience);
    const producers = await journal.producers();
    invariant(producers !== undefined, 'a restore was verified and nobody had written to its topics');
    await verifyIdentities(producers, target);
    for (const { topic, finalConfigs } of this.intent.topics) await target.alterConfigs(topic, finalConfigs);
    this.#context.logger.info('the restored topics have their own configuration', {
      topics: this.intent.topics.map(({ topic }) => topic),
    });
    await journal.putReport(report);
    return report;
  }
}

/** For whoever wants to carry such a restore on. */
export function abandoned(id: string): BackupError {
  return new BackupError('PREFLIGHT_BLOCKED', `restore ${id} was abandoned and is never carried on; begin it anew`);
}
