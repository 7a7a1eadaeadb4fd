// The agent of the story: the real command in its own process, with a configuration file, a token and a store in one directory.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cacheRoot } from '../../test/support/cache.ts';
import { ControlClient } from './control-client.ts';

export const BACKUP_ID = 'demo';
const MAIN = resolve(import.meta.dirname, '..', '..', 'src', 'main.ts');
const STOP_TIMEOUT_MS = 30_000;
const LOG_TAIL_LINES = 30;

/** Source and target are the same cluster here; a restore goes to topics of other names. */
function configText(bootstrap: string, port: number, directory: string): string {
  return `mode: backup
backup_id: ${BACKUP_ID}
source:
  bootstrap_servers: ["${bootstrap}"]
  topics:
    include: [orders, payments]
target:
  bootstrap_servers: ["${bootstrap}"]
storage:
  backend: filesystem
  path: ${join(directory, 'store')}
backup:
  continuous: true
  segment_max_interval_ms: 1s # small objects, so that the story is short; 60s is the default
  sync_interval_secs: 1
control:
  listen: 127.0.0.1:${port}
  token_file: ${join(directory, 'token')}
`;
}

export class Sidecar {
  readonly configFile: string;
  readonly tokenFile: string;
  readonly storeDirectory: string;
  /** Of the control port. */
  readonly origin: string;
  readonly control: ControlClient;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #onExit = (): void => void this.#child.kill('SIGKILL');
  #stdout = '';

  private constructor(directory: string, port: number, token: string) {
    this.configFile = join(directory, 'backup.yaml');
    this.tokenFile = join(directory, 'token');
    this.storeDirectory = join(directory, 'store');
    this.origin = `http://127.0.0.1:${port}`;
    this.control = new ControlClient(this.origin, token);
    this.#logFile = join(directory, 'agent.log');
    const log = openSync(this.#logFile, 'a');
    const args = [MAIN, 'backup', '--config', this.configFile];
    // Node keeps compiled code in the directory for temporary files unless told where.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(cacheRoot, 'node-compile-cache') };
    this.#child = spawn(process.execPath, args, { cwd: directory, env, stdio: ['ignore', 'pipe', log] });
    closeSync(log);
    this.#child.once('error', () => {});
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    process.once('exit', this.#onExit);
  }

  /** Writes the files and starts the process. */
  static async start(directory: string, bootstrap: string, port: number): Promise<Sidecar> {
    const token = randomBytes(24).toString('base64url');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'token'), `${token}\n`, { mode: 0o600 });
    await writeFile(join(directory, 'backup.yaml'), configText(bootstrap, port, directory));
    return new Sidecar(directory, port, token);
  }

  /** -1 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Last lines of its log. */
  logTail(): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  }

  /** SIGTERM, as a supervisor sends it; SIGKILL when it does not end. Resolves with exit code and summary. */
  async stop(): Promise<{ readonly exitCode: number | null; readonly summary: string }> {
    if (this.isRunning) {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGTERM');
      const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await closed;
      clearTimeout(force);
    }
    process.off('exit', this.#onExit);
    return { exitCode: this.#child.exitCode, summary: this.#stdout.trimEnd() };
  }
}
