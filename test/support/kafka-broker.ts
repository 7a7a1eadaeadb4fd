// A real Kafka broker for one test: KRaft, one JVM, free loopback ports, data in a fresh temporary directory. It holds no state after `stop`, and it ends by itself when the process that started it is gone.
// Retention is unlimited unless a topic says otherwise, so that records with old timestamps stay.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from './free-port.ts';
import { type JvmProfile, javaArguments } from './java-tools.ts';
import { type BrokerPorts, brokerProperties, CONTROLLER_ID } from './kafka-broker-properties.ts';
import { waitUntilServing } from './kafka-readiness.ts';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const START_ATTEMPTS = 3;
const ANSWER_TIMEOUT_MS = 10_000;
const ANSWER_POLL_MS = 5;
const LOG_TAIL_LINES = 40;

export interface KafkaOptions {
  /** `bench` runs the JVM with its full compiler and default collector. Default `test`. */
  readonly profile?: JvmProfile;
  /** Maximum heap in MiB. Default 512. */
  readonly heapMb?: number;
  /** Broker settings that win over the harness's own. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** Further listeners, name to security protocol, e.g. `{ SASL: 'SASL_PLAINTEXT' }`; the plain one always exists. */
  readonly listeners?: Readonly<Record<string, string>>;
  /** Makes this broker a member of that one's cluster, under a node id of its own. Stop it before that one. */
  readonly joins?: { readonly broker: KafkaBroker; readonly nodeId: number };
}

/** A running broker. Its address and data survive `kill9` and `restart`; `stop` is final. */
export interface KafkaBroker {
  /** `127.0.0.1:PORT` of the plain-text listener; the same over the broker's life. */
  readonly bootstrap: string;
  /** Addresses of the further listeners by name. */
  readonly listeners: Readonly<Record<string, string>>;
  /** Process id of the present JVM. @throws when the broker is down */
  readonly pid: number;
  /** Directory that holds the partition directories (`TOPIC-PARTITION`). */
  readonly logDir: string;
  readonly clusterId: string;
  /** 1 for a broker that stands alone. */
  readonly nodeId: number;
  /** Port of the cluster's controller. */
  readonly controllerPort: number;
  /** Last lines of the broker's log. */
  logTail(lines?: number): string;
  /** Fetch requests that it has answered since it started, whosever they were. */
  fetchRequests(): Promise<number>;
  /** Ends the broker at once and deletes its data. May be called twice. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. Follow with `restart`. */
  kill9(): Promise<void>;
  /** Stops in good order (unless already down), starts on the same data and port, resolves when it serves again. */
  restart(properties?: KafkaOptions['properties']): Promise<void>;
}

/** Starts a broker and resolves when it answers Kafka requests. @throws with the tail of its log if it does not */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaBroker> {
  for (let attempt = 1; ; attempt++) {
    const broker = await BrokerProcess.create(options);
    try {
      await broker.start();
      return broker;
    } catch (error) {
      const portTaken = /BindException|Address already in use/.test(String(error));
      await broker.stop();
      if (!portTaken || attempt === START_ATTEMPTS) throw error;
    }
  }
}

class BrokerProcess implements KafkaBroker {
  readonly bootstrap: string;
  readonly listeners: Readonly<Record<string, string>>;
  readonly logDir: string;
  readonly clusterId: string;
  readonly nodeId: number;
  readonly controllerPort: number;
  readonly #directory: string;
  readonly #ports: BrokerPorts;
  #options: KafkaOptions;
  #child: ChildProcess | undefined;
  readonly #onExit = (): void => {
    this.#child?.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  };

  private constructor(options: KafkaOptions, directory: string, ports: BrokerPorts) {
    this.#options = options;
    this.#directory = directory;
    this.#ports = ports;
    this.clusterId = options.joins?.broker.clusterId ?? newClusterId();
    this.nodeId = options.joins?.nodeId ?? CONTROLLER_ID;
    this.controllerPort = ports.controller;
    this.logDir = join(directory, 'data');
    this.bootstrap = `127.0.0.1:${ports.plain}`;
    const addresses = Object.entries(ports.further).map(([name, { port }]) => [name, `127.0.0.1:${port}`]);
    this.listeners = Object.fromEntries(addresses);
    process.once('exit', this.#onExit);
  }

  static async create(options: KafkaOptions): Promise<BrokerProcess> {
    const names = Object.entries(options.listeners ?? {});
    const [plain = 0, ownController = 0, ...rest] = await freePorts(2 + names.length);
    const further = names.map(([name, protocol], index) => [name, { port: rest[index] ?? 0, protocol }]);
    const controller = options.joins?.broker.controllerPort ?? ownController;
    const directory = await mkdtemp(join(tmpdir(), 'kafka-backup-broker-'));
    return new BrokerProcess(options, directory, { plain, controller, further: Object.fromEntries(further) });
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`broker ${this.bootstrap} is down`);
    return pid;
  }

  async start(): Promise<void> {
    const propertiesFile = join(this.#directory, 'server.properties');
    const overrides = this.#options.properties ?? {};
    await writeFile(propertiesFile, brokerProperties(this.nodeId, this.#ports, this.logDir, overrides));
    const jvm = await javaArguments('BrokerMain', this.#options);
    const log = openSync(this.#logFile, 'a');
    const args = [...jvm, this.clusterId, propertiesFile, this.logDir, this.#directory];
    const child = spawn('java', args, { stdio: ['pipe', log, log], detached: false, cwd: this.#directory });
    closeSync(log);
    child.once('error', () => {});
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.#child = child;
    try {
      await waitUntilServing(this.bootstrap, START_TIMEOUT_MS, () => this.#child === child);
    } catch (error) {
      throw new Error(`broker ${this.bootstrap} did not start: ${String(error)}\n${this.logTail()}`, { cause: error });
    }
  }

  async fetchRequests(): Promise<number> {
    const file = join(this.#directory, `fetch-requests-${randomBytes(4).toString('hex')}`);
    this.#child?.stdin?.write(`${file}\n`);
    const deadline = Date.now() + ANSWER_TIMEOUT_MS;
    while (!existsSync(file)) {
      if (Date.now() > deadline) throw new Error(`broker ${this.bootstrap} did not count its requests`);
      await sleep(ANSWER_POLL_MS);
    }
    return Number(readFileSync(file, 'utf8'));
  }

  logTail(lines: number = LOG_TAIL_LINES): string {
    try {
      return readFileSync(this.#logFile, 'utf8').split('\n').slice(-lines).join('\n');
    } catch {
      return '(no log)';
    }
  }

  async stop(): Promise<void> {
    await this.kill9();
    process.off('exit', this.#onExit);
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(properties: KafkaOptions['properties'] = {}): Promise<void> {
    await this.#end('SIGTERM');
    this.#options = { ...this.#options, properties: { ...this.#options.properties, ...properties } };
    await this.start();
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(force);
  }

  get #logFile(): string {
    return join(this.#directory, 'broker.log');
  }
}

/** A random cluster id; Kafka's argument parser would take a leading hyphen for an option. */
function newClusterId(): string {
  return randomBytes(16).toString('base64url').replace(/^-/, 'A');
}
