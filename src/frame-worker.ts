// Entry of the worker threads: names the tasks they know. Nobody imports it; the pool is given its URL. It loads only what the
// tasks need, since every thread pays for it.

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WorkerAnswer } from './compression/worker-pool.ts';
import { BackupError } from './model/errors.ts';
import { forgetNativeGarbage, nativeGarbageBytes } from './model/native-garbage.ts';
import { JUDGE_FRAME, judgeFrame } from './restore/judge-frame.ts';
import { PACK_FRAME, packFrame } from './segment/pack-frame.ts';
import { VERIFY_FRAME, verifyFrame } from './segment/verify-frame.ts';

// V8's own gc function: the flag reveals it in contexts made afterwards.
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (options: { type: 'minor' }) => void;

/** The outputs of a few frames. */
const TOLERATED_BYTES = 2 * 1024 * 1024;

type Runner = (task: never) => unknown;

const TASKS: ReadonlyMap<string, Runner> = new Map<string, Runner>([
  [PACK_FRAME.name, packFrame],
  [JUDGE_FRAME.name, judgeFrame],
  [VERIFY_FRAME.name, verifyFrame],
]);

export default async function run(message: { readonly name: string; readonly task: never }): Promise<WorkerAnswer> {
  const task = TASKS.get(message.name);
  try {
    if (task === undefined) throw new Error(`no such task: ${message.name}`);
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
  gc({ type: 'minor' });
  await setImmediate();
  forgetNativeGarbage();
}
