// A store server of a test: one child process on a free loopback port, with its data in a fresh temporary directory. It keeps
// address and data over `kill9` and `restart`; `stop` is final, and it ends with the process that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { get as tlsGet } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const LOG_TAIL_CHARACTERS = 4000;

/** Small parts, and no long patience, so that tests of large objects and of trouble are quick. */
export const QUICK_REQUESTS = {
  partSizeBytes: 1024 * 1024,
  maxPartsInFlight: 4,
  maxConcurrentRequests: 16,
  requestTimeoutMs: 20_000,
  retryTimeoutMs: 5000,
  proxy: null,
  caPath: null,
};

export interface StoreServerOptions {
  /** For messages. */
  readonly name: string;
  readonly program: string;
  /** Arguments, once port and data directory are known. */
  readonly args: (port: number, directory: string) => readonly string[];
  /** Speaks HTTP over TLS only. */
  readonly isTls?: boolean;
}

export class StoreServer {
  readonly port: number;
  readonly #options: StoreServerOptions;
  readonly #directory: string;
  #child: ChildProcess | undefined;
  #log = '';
  readonly #onExit = (): void => {
    this.#child?.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  };

  private constructor(options: StoreServerOptions, port: number, directory: string) {
    this.#options = options;
    this.port = port;
    this.#directory = directory;
    process.once('exit', this.#onExit);
  }

  /** Starts a server and resolves when it answers HTTP. @throws with the tail of its output when it does not */
  static async start(options: StoreServerOptions): Promise<StoreServer> {
    const directory = await mkdtemp(join(tmpdir(), `kafka-backup-${options.name}-`));
    const server = new StoreServer(options, await freePort(), directory);
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** SIGKILL; resolves when the process is gone. Follow with `restart`. */
  kill9(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM: for a server that keeps what it was given only when it ends in good order. Follow with `restart`. */
  shutDown(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** SIGSTOP: connections stay, and nothing answers. Follow with `restart`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Starts again on the same port and data. */
  async restart(): Promise<void> {
    await this.kill9();
    const { name, program, args, isTls = false } = this.#options;
    const child = spawn(program, args(this.port, this.#directory), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_TAIL_CHARACTERS);
      });
    }
    child.once('error', () => {});
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    for (const deadline = Date.now() + START_TIMEOUT_MS; !(await answersHttp(this.port, isTls)); await sleep(POLL_MS)) {
      if (this.#child === child && Date.now() < deadline) continue;
      throw new Error(`${name} did not start on ${this.address}\n${this.#log}`);
    }
  }

  /** Ends the server and deletes its data. May be called twice. */
  async stop(): Promise<void> {
    await this.kill9();
    process.off('exit', this.#onExit);
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

function answersHttp(port: number, isTls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, agent: false, rejectUnauthorized: false };
    const request = (isTls ? tlsGet : get)(options, (response) => {
      response.resume();
      resolve(true);
    });
    request.once('error', () => resolve(false));
  });
}
