// Entry of the worker threads: names the tasks they know. Nobody imports it; the pool is given its URL. It loads only what the
// tasks need, since every thread pays for it.

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WorkerAnswer } from './compression/worker-pool.ts';
import { BackupError } from './model/errors.ts';
import { forgetNativeGarbage, nativeGarbageBytes } from './model/buffer/native-garbage.ts';

type CollectGarbage = (options: { type: 'minor' }) => void;

let gc: CollectGarbage | undefined;

/** The outputs of a few frames. */
const TOLERATED_BYTES = 2 * 1024 * 1024;

type Runner = (task: never) => unknown;

/** By the names that the tasks are defined with. */
const TASKS: Readonly<Record<string, () => Promise<Runner>>> = {
  'pack-frame': async () => (await import('./segment/pack-frame.ts')).packFrame,
  'judge-frame': async () => (await import('./restore/judge/judge-frame.ts')).judgeFrame,
  'find-cut': async () => (await import('./restore/judge/find-cut.ts')).findCut,
  'hash-frame': async () => (await import('./segment/verify-frame.ts')).hashFrame,
  'verify-frame': async () => (await import('./segment/verify-frame.ts')).verifyFrame,
};
const loaded = new Map<string, Runner>();

async function load(name: string): Promise<Runner> {
  const runner = loaded.get(name) ?? (await TASKS[name]?.());
  if (runner === undefined) throw new Error(`no such task: ${name}`);
  loaded.set(name, runner);
  return runner;
}

export default async function run(message: { readonly name: string; readonly task: never }): Promise<WorkerAnswer> {
  const task = await load(message.name);
  try {
    return { kind: 'result', result: task(message.task) };
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    return { kind: 'failure', code: error.code, message: error.message };
  } finally {
    if (nativeGarbageBytes() > TOLERATED_BYTES) await releaseNativeBuffers();
  }
}

/**
 * Codecs without a reusable output leave native buffers to the garbage collector, which does not feel their weight, and their
 * memory is freed only in a turn of the event loop, which a busy worker never takes: measured 1,030 MB in a run that needs
 * 330 MB. A young collection takes about a millisecond here.
 */
async function releaseNativeBuffers(): Promise<void> {
  gc ??= exposeGc();
  gc({ type: 'minor' });
  await setImmediate();
  forgetNativeGarbage();
}

/** V8's own gc function: the flag reveals it in contexts made afterwards. */
function exposeGc(): CollectGarbage {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as CollectGarbage;
}
