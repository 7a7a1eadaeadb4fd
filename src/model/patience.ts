// Waiting out what may pass: a store that is away for an hour, a broker that restarts. Only failures of the way there are waited
// for, never an answer; and never longer than the patience, counted from the first of the failures in a row.

import { BackOff } from './back-off.ts';
import { BackupError, type ErrorCode } from './errors.ts';
import type { Logger } from './logger.ts';
import { unlessAborted } from './unless-aborted.ts';

export interface WaitingOptions {
  /** Who waits, for messages: `the restore`. */
  readonly work: string;
  readonly patienceMs: number;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  /** Whoever asks in the middle of it waits no longer than those who asked before. */
  readonly outage?: Outage;
}

/** Of all that ask the same place: since when it has served none of them. */
export interface Outage {
  sinceMs: number | undefined;
}

export interface Patience extends WaitingOptions {
  readonly signal: AbortSignal;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

const PASSING: ReadonlySet<ErrorCode> = new Set(['STORE_UNAVAILABLE', 'KAFKA_UNREACHABLE', 'KAFKA_REQUEST_FAILED']);
const TOLD_EVERY_MS = 60_000;
const MINUTE_MS = 60_000;

/** @throws what the action failed with once it is no use to wait, INTERRUPTED when the signal aborts. */
export async function patiently<T>(patience: Patience, action: () => Promise<T>): Promise<T> {
  const { work, signal, wait } = patience;
  const backOff = new BackOff();
  const waiting = new Waiting(patience);
  for (;;) {
    if (signal.aborted) throw new BackupError('INTERRUPTED', `${work} was stopped`);
    try {
      const value = await action();
      waiting.served();
      return value;
    } catch (error) {
      if (!mayPass(error)) throw error;
      const end = waiting.failed(error);
      if (end !== undefined) throw end;
      await wait(Math.min(backOff.nextDelayMs(), waiting.restMs), signal);
    }
  }
}

/** True for failures of the way to a store or a cluster. */
export function mayPass(error: unknown): error is BackupError {
  return error instanceof BackupError && PASSING.has(error.code);
}

/** As {@link patiently}, for what nobody misses once the signal aborts: an action that is silent holds nothing up then. */
export function patientlyUnlessAborted<T>(patience: Patience, action: () => Promise<T>): Promise<T> {
  return patiently(patience, async () => {
    const outcome = await unlessAborted(
      action().then((value) => ({ value })),
      patience.signal,
    );
    if (outcome === undefined) throw new BackupError('INTERRUPTED', `${patience.work} was stopped`);
    return outcome.value;
  });
}

/** How long failures in a row may go on. Tells the log of them, once a minute. */
export class Waiting {
  readonly #options: WaitingOptions;
  #sinceMs: number | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  /** Left of the patience, in milliseconds. */
  get restMs(): number {
    const { patienceMs } = this.#options;
    return this.#sinceMs === undefined ? patienceMs : this.#sinceMs + patienceMs - this.#options.monotonicMs();
  }

  /** What to end with when the patience is over, else undefined: try again within {@link restMs}. */
  failed(error: BackupError): BackupError | undefined {
    const { work, patienceMs, logger, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const { outage = { sinceMs: undefined } } = this.#options;
    outage.sinceMs ??= nowMs;
    this.#sinceMs ??= outage.sinceMs;
    const { restMs } = this;
    if (restMs <= 0) return patienceMs > 0 ? givenUp(error, work, nowMs - this.#sinceMs) : error;
    if (nowMs - this.#toldAtMs >= TOLD_EVERY_MS) {
      this.#toldAtMs = nowMs;
      logger.warn(`${work} waits, for another ${spanText(restMs)} at most`, { error });
    }
    return undefined;
  }

  /** It is no longer so. */
  served(): void {
    this.#sinceMs = undefined;
    this.#toldAtMs = Number.NEGATIVE_INFINITY;
    const { outage } = this.#options;
    if (outage !== undefined) outage.sinceMs = undefined;
  }
}

function givenUp(error: BackupError, work: string, waitedMs: number): BackupError {
  const { code, message, context } = error;
  return new BackupError(code, `${message}; ${work} has waited for ${spanText(waitedMs)} and gives up`, {
    context,
    cause: error,
  });
}

/** `7 s`, `31 min`, `2 h`, `1 h 59 min` */
function spanText(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.round(ms / 1000)} s`;
  const minutes = Math.round(ms / MINUTE_MS);
  const rest = minutes % 60;
  if (minutes < 60) return `${minutes} min`;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}
