// Waiting out what may pass: a store that is away for a minute, a broker that restarts. Only failures of the way there are waited
// for, never an answer; and never longer than the patience, counted from the first of the failures in a row.

import { BackOff } from './back-off.ts';
import { BackupError, type ErrorCode } from './errors.ts';
import type { Logger } from './logger.ts';

export interface Patience {
  /** Who waits, for messages: `the restore`. */
  readonly work: string;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

const PASSING: ReadonlySet<ErrorCode> = new Set(['STORE_UNAVAILABLE', 'KAFKA_UNREACHABLE', 'KAFKA_REQUEST_FAILED']);

/** @throws what the action failed with once it is no use to wait, INTERRUPTED when the signal aborts. */
export async function patiently<T>(patience: Patience, action: () => Promise<T>): Promise<T> {
  const { work, patienceMs, signal, logger, monotonicMs, wait } = patience;
  const backOff = new BackOff();
  let troubleSinceMs: number | undefined;
  for (;;) {
    if (signal.aborted) throw new BackupError('INTERRUPTED', `${work} was stopped`);
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof BackupError) || !PASSING.has(error.code)) throw error;
      troubleSinceMs ??= monotonicMs();
      if (monotonicMs() - troubleSinceMs > patienceMs) throw error;
      logger.warn(`${work} waits`, { attempt: backOff.attempts + 1, error });
      await wait(backOff.nextDelayMs(), signal);
    }
  }
}
