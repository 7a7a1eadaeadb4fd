// CONTRACT of the worker threads. Bytes go to and fro in shared memory (SharedArrayBuffer):
// a task names the buffers it reads and writes, and their owner does not touch them until the task has ended. So nothing large
// is copied between threads or left to the garbage collector. Admission is bounded by the buffers that a task needs.

/** A kind of task, with the types of its input and result; made with {@link defineTask}. */
export interface TaskKind<Task, Result> {
  readonly name: string;
  /** Never set: carries the types. */
  readonly types?: { readonly task: Task; readonly result: Result };
}

export function defineTask<Task, Result>(name: string): TaskKind<Task, Result> {
  return { name };
}

export interface WorkerPool {
  readonly threads: number;
  /** Runs in a worker thread. Errors with a code arrive as BackupError. */
  run<Task, Result>(kind: TaskKind<Task, Result>, task: Task): Promise<Result>;
  /** Tasks that wait for a thread, and the share of the time since the pool began that its threads were busy, from 0 to 1. */
  usage(): { readonly queued: number; readonly utilization: number };
  close(): Promise<void>;
}

/** What a worker answers: errors are values, since an error loses its class on the way between threads. */
export type WorkerAnswer =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'failure'; readonly code: string; readonly message: string };
