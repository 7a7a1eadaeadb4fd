// The conversation with the probe's JVM: one JSON line out per command, one JSON line back per answer, matched by id.
// When the JVM ends, every command under way fails with the tail of its standard error.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type JvmOptions, javaArguments } from './java-tools.ts';

const STDERR_TAIL_CHARACTERS = 8000;
const READY_ID = 0;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

export class ProbeProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onExit = (): void => void this.#child.kill('SIGKILL');
  #lastId = READY_ID;
  #stderr = '';

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARACTERS);
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.#settle(JSON.parse(line) as Answer));
    child.stdin.on('error', () => {});
    child.once('error', (error) => this.#fail(error.message));
    child.once('close', () => this.#fail('the probe has ended'));
    process.once('exit', this.#onExit);
  }

  /** Starts the JVM and resolves when it takes commands. */
  static async start(bootstrap: string, options: JvmOptions): Promise<ProbeProcess> {
    const args = await javaArguments('ProbeMain', { logLevel: 'warn', ...options });
    const probe = new ProbeProcess(spawn('java', [...args, bootstrap], { stdio: 'pipe', detached: false }));
    await new Promise((resolve, reject) => probe.#waiting.set(READY_ID, { resolve, reject }));
    return probe;
  }

  /** Process id of the JVM. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Runs one command. @throws with the Java exception's class and message */
  call(method: string, params: object): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (!this.#isRunning) return reject(new Error(`${method}: the probe has ended`));
      const rejectNamed = (error: Error): void => reject(new Error(`${method}: ${error.message}`));
      this.#waiting.set(id, { resolve, reject: rejectNamed });
      this.#child.stdin.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  /** Ends the JVM at once; open transactions stay open on the broker. May be called twice. */
  async stop(): Promise<void> {
    process.off('exit', this.#onExit);
    if (!this.#isRunning) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }

  get #isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.result ?? undefined);
    else waiting?.reject(new Error(answer.error));
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${reason}\n${this.#stderr}`));
    this.#waiting.clear();
  }
}
