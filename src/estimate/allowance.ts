// How long an estimate waits for what passes by itself: a leader that moves, a broker that throttles or starts again. All topics
// share one allowance, so that a cluster that is down for long is told, and not waited for topic by topic.

import { BackOff, pause } from '../model/back-off.ts';
import { BackupError } from '../model/errors.ts';
import { unlessAborted } from '../model/unless-aborted.ts';

/** The time that a cluster takes to find that a broker is gone (9 s unless configured), and to choose other leaders. */
const TOTAL_MS = 30_000;

export interface AllowanceOptions {
  readonly signal: AbortSignal;
  /** Of all waiting together. */
  readonly totalMs?: number;
}

export class Allowance {
  readonly #signal: AbortSignal;
  #leftMs: number;

  constructor({ signal, totalMs = TOTAL_MS }: AllowanceOptions) {
    this.#signal = signal;
    this.#leftMs = totalMs;
  }

  /**
   * What `ask` answers, asked again after failures that may pass.
   * @param refresh asked before each further attempt
   * @throws INTERRUPTED as soon as the signal aborts; what `ask` fails with for good, or when the allowance is used up.
   */
  async answer<T>(ask: () => Promise<T>, refresh: () => Promise<void>): Promise<T> {
    const backOff = new BackOff();
    for (;;) {
      try {
        return await this.#unlessStopped(backOff.attempts === 0 ? ask() : refresh().then(ask));
      } catch (error) {
        const delayMs = backOff.nextDelayMs();
        if (!mayPass(error) || delayMs > this.#leftMs) throw error;
        this.#leftMs -= delayMs;
        await pause(delayMs, this.#signal);
      }
    }
  }

  async #unlessStopped<T>(action: Promise<T>): Promise<T> {
    const answer = await unlessAborted(
      action.then((value) => ({ value })),
      this.#signal,
    );
    if (answer === undefined) throw new BackupError('INTERRUPTED', 'the estimate was stopped');
    return answer.value;
  }
}

function mayPass(error: unknown): boolean {
  return error instanceof BackupError && error.kind.retriable;
}
