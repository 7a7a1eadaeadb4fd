// Everything that runs for the story, and the order in which it ends. Whatever happens, nothing stays: not on success, not on
// failure, not on Ctrl-C. Processes are ended by the ids that were started here.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { type KafkaBroker, startKafka } from '../../test/support/kafka-broker.ts';
import { KafkaProbe } from '../../test/support/kafka-probe.ts';
import { Sidecar } from './sidecar.ts';

export class Scene {
  readonly directory: string;
  readonly #pids = new Set<number>();
  #broker: KafkaBroker | undefined;
  #probe: KafkaProbe | undefined;
  #sidecar: Sidecar | undefined;
  #starting: Promise<unknown> = Promise.resolve();
  #isClosing = false;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<Scene> {
    return new Scene(await mkdtemp(join(tmpdir(), 'kafka-backup-quickstart-')));
  }

  /** A broker, and a JVM with Kafka's own Java clients beside it. */
  startKafka(): Promise<{ readonly broker: KafkaBroker; readonly java: KafkaProbe }> {
    return this.#start(async () => {
      const broker = await startKafka({ heapMb: 640 });
      this.#broker = broker;
      this.#pids.add(broker.pid);
      const java = await KafkaProbe.start(broker.bootstrap);
      this.#probe = java;
      this.#pids.add(java.pid);
      return { broker, java };
    });
  }

  startSidecar(bootstrap: string): Promise<Sidecar> {
    return this.#start(async () => {
      const sidecar = await Sidecar.start(this.directory, bootstrap, await freePort());
      this.#sidecar = sidecar;
      this.#pids.add(sidecar.pid);
      return sidecar;
    });
  }

  /** Last lines of the agent's log; empty before it was started. */
  agentLogTail(): string {
    return this.#sidecar?.logTail() ?? '';
  }

  /** Ends everything and removes the directory. May be called twice. Resolves with the ids that are still alive. */
  async close(): Promise<readonly number[]> {
    this.#isClosing = true;
    // What is half started can only be ended when it is known.
    await this.#starting.catch(() => {});
    await this.#sidecar?.stop();
    await this.#probe?.stop();
    await this.#broker?.stop();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
    return [...this.#pids, ...ownChildren()].filter(isAlive);
  }

  #start<Started>(start: () => Promise<Started>): Promise<Started> {
    if (this.#isClosing) throw new Error('the story is over');
    const started = start();
    this.#starting = started;
    return started;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Processes that this one is the parent of, where /proc tells (proc(5): the parent is the second field after the name). */
function ownChildren(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && parentOf(name) === process.pid)
      .map(Number);
  } catch {
    return [];
  }
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return -1; // it has ended meanwhile
  }
}
