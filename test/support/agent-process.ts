// The agent as its users run it: one process per command, a configuration file, signals, an exit code, one JSON document on
// stdout. Nothing of its source is called. What is still running when the test ends is killed by its pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './cache.ts';

/** The program unbuilt. */
export const SOURCE_MAIN = join(projectRoot, 'src', 'main.ts');
/** The program built, which run-tests.ts has the system tests use: it is what users get, and starts at half the cost. */
export const BUILT_MAIN = join(projectRoot, 'dist', 'main.js');
/** Names the program to start where a test does not care; the source unless it is set. */
export const MAIN_VARIABLE = 'KAFKA_BACKUP_TESTED_MAIN';

const OUTPUT_TAIL_CHARACTERS = 400_000;
const EXIT_TIMEOUT_MS = 120_000;
const POLL_MS = 20;

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object whose fields are looked at one by one. */
export type JsonObject = { readonly [key: string]: Json };

/** How a process ended. */
export interface AgentRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The document on stdout; empty when there is none. */
  readonly summary: JsonObject;
  /** The last `exit_error` on stderr. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
  readonly elapsedMs: number;
}

export interface AgentOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another Node than the one that runs the tests. */
  readonly node?: string;
  /** {@link SOURCE_MAIN} or {@link BUILT_MAIN}, where it matters. */
  readonly main?: string;
  /** Another user than the test's, which only root may choose. */
  readonly uid?: number;
  /** A command line that runs the agent as `"$@"`, e.g. `ulimit -f 100; exec "$@"`. */
  readonly shell?: string;
}

export class AgentProcess {
  /** Resolves when the process has ended and its output is read. */
  readonly ended: Promise<AgentRun>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  /** `args` without the program. */
  constructor(args: readonly string[], { cwd, env = {}, node = process.execPath, main, shell, uid }: AgentOptions) {
    const command = [node, main ?? process.env[MAIN_VARIABLE] ?? SOURCE_MAIN, ...args];
    const [program = '', ...rest] = shell === undefined ? command : ['bash', '-c', shell, 'bash', ...command];
    const startedAt = performance.now();
    const child = spawn(program, rest, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid }),
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-OUTPUT_TAIL_CHARACTERS);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-OUTPUT_TAIL_CHARACTERS);
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode, signal) => {
        const elapsedMs = performance.now() - startedAt;
        resolve({ exitCode, signal, elapsedMs, ...readOutput(this.#stdout, this.#stderr) });
      });
    });
  }

  /** @throws when the process could not be started */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the agent was not started');
    return pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it has said so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** False when the process was gone already. */
  signal(signal: NodeJS.Signals): boolean {
    return this.isRunning && this.#child.kill(signal);
  }

  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<AgentRun> {
    this.signal('SIGTERM');
    return this.exit();
  }

  /** Waits for the end; a process that does not come to it is killed and reported. */
  async exit(timeoutMs: number = EXIT_TIMEOUT_MS): Promise<AgentRun> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.signal('SIGKILL');
    }, timeoutMs);
    const run = await this.ended;
    clearTimeout(timer);
    if (isLate) throw new Error(`the agent did not end within ${timeoutMs} ms\n${run.stderr}`);
    return run;
  }

  /** Waits until its stderr holds `pattern`. @throws when it ends before, or the time is up */
  async says(pattern: RegExp, timeoutMs: number = EXIT_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!pattern.test(this.#stderr)) {
      if (!this.isRunning || Date.now() > deadline) throw new Error(`the agent never said ${pattern}\n${this.#stderr}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function readOutput(stdout: string, stderr: string): Pick<AgentRun, 'stdout' | 'stderr' | 'summary' | 'failure'> {
  const failures = stderr
    .split('\n')
    .map(parseObject)
    .filter((line) => line?.message_type === 'exit_error');
  const last = failures.at(-1);
  const failure = last === undefined ? undefined : { code: String(last.error), message: String(last.message) };
  return { stdout, stderr, summary: parseObject(stdout) ?? {}, failure };
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
