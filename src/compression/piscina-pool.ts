// The worker threads on Piscina. Apart from the contract, which the threads themselves load: they need no Piscina of their own.

import { Piscina } from 'piscina';
import type { TaskKind, WorkerAnswer, WorkerPool } from './worker-pool.ts';

export interface PiscinaPoolOptions {
  /** The worker entry: default export `(message: {name, task}) => WorkerAnswer`. */
  readonly entry: URL;
  readonly threads: number;
  /** Threads that stay when there is nothing to do; the others come when they are needed and go after a while. */
  readonly keptThreads: number;
  /** Makes the error of a failure answer. */
  readonly toError: (code: string, message: string) => Error;
}

/** More would only wait: every task holds one of a bounded number of buffers. */
const MAX_QUEUED_TASKS = 1024;
const IDLE_TIMEOUT_MS = 30_000;

export class PiscinaPool implements WorkerPool {
  readonly threads: number;
  readonly #piscina: Piscina;
  readonly #toError: (code: string, message: string) => Error;

  constructor({ entry, threads, keptThreads, toError }: PiscinaPoolOptions) {
    this.threads = threads;
    this.#toError = toError;
    this.#piscina = new Piscina({
      filename: entry.href,
      minThreads: Math.min(keptThreads, threads),
      maxThreads: threads,
      idleTimeout: IDLE_TIMEOUT_MS,
      maxQueue: MAX_QUEUED_TASKS,
      concurrentTasksPerWorker: 1,
      // A worker's garbage is its small objects only; a small young generation keeps its memory small.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
  }

  async run<Task, Result>(kind: TaskKind<Task, Result>, task: Task): Promise<Result> {
    const answer = (await this.#piscina.run({ name: kind.name, task })) as WorkerAnswer;
    if (answer.kind === 'failure') throw this.#toError(answer.code, answer.message);
    return answer.result as Result;
  }

  usage(): { readonly queued: number; readonly utilization: number } {
    const { queueSize, completed, duration, histogram } = this.#piscina;
    // Piscina's own figure takes the mean, which is in milliseconds, for microseconds: it is a thousandth of what it says.
    const busyMs = completed === 0 ? 0 : completed * histogram.runTime.mean;
    return { queued: queueSize, utilization: busyMs / (duration * this.threads) };
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}
