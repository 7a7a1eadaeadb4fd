// What all scenarios share: one broker, one probe, the filled topics, a scratch directory on the broker's disk.
// A topic is filled when a scenario first asks for it and stays until the end. Everything is gone after `close`.
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import { type Codec, KafkaProbe } from '../support/kafka-probe.ts';
import { settle } from './measure.ts';

const HEAP_MB = 1024;

/** Timers as operators have them, in place of the harness's short ones: they would cost CPU during measurements. */
const BROKER_PROPERTIES = {
  'log.retention.check.interval.ms': 300_000,
  'log.cleaner.backoff.ms': 15_000,
  'broker.session.timeout.ms': 9000,
  'broker.heartbeat.interval.ms': 2000,
};

interface TopicSpec {
  readonly partitions: number;
  readonly codec: Codec;
}

const TOPICS = {
  orders: { partitions: 4, codec: 'none' },
  'orders-lz4': { partitions: 4, codec: 'lz4' },
  'orders-one': { partitions: 1, codec: 'none' },
  'orders-64': { partitions: 64, codec: 'none' },
} satisfies Record<string, TopicSpec>;

/** JSON documents of about 0.7 KB: what every program is given to back up. */
export type TopicName = keyof typeof TOPICS;

/** A topic that has been filled. */
export interface FilledTopic {
  readonly name: TopicName;
  readonly partitions: number;
  /** Bytes of its record batches in the broker's log, as producers compressed them. */
  readonly logBytes: number;
  /** Bytes of all values: the same for every codec. */
  readonly valueBytes: number;
}

export class Workbench {
  readonly broker: KafkaBroker;
  readonly probe: KafkaProbe;
  readonly records: number;
  readonly #scratch: string;
  readonly #say: (text: string) => void;
  readonly #topics = new Map<TopicName, Promise<FilledTopic>>();
  #directories = 0;
  readonly #onExit = (): void => rmSync(this.#scratch, { recursive: true, force: true });

  private constructor(broker: KafkaBroker, probe: KafkaProbe, scratch: string, options: WorkbenchOptions) {
    this.broker = broker;
    this.probe = probe;
    this.records = options.records;
    this.#scratch = scratch;
    this.#say = options.say;
    process.once('exit', this.#onExit);
  }

  static async open(options: WorkbenchOptions): Promise<Workbench> {
    const broker = await startKafka({ profile: 'bench', heapMb: HEAP_MB, properties: BROKER_PROPERTIES });
    try {
      const probe = await KafkaProbe.start(broker.bootstrap, { profile: 'bench', heapMb: HEAP_MB });
      const scratch = await mkdtemp(join(tmpdir(), 'kafka-backup-bench-'));
      return new Workbench(broker, probe, scratch, options);
    } catch (error) {
      await broker.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.probe.stop();
    await this.broker.stop();
    process.off('exit', this.#onExit);
    await rm(this.#scratch, { recursive: true, force: true });
  }

  /** A new empty directory. Remove it when done with. */
  async directory(name: string): Promise<string> {
    this.#directories += 1;
    const path = join(this.#scratch, `${this.#directories}-${name.replaceAll(/[^A-Za-z0-9]+/g, '-')}`);
    await mkdir(path);
    return path;
  }

  /** Fills a topic the first time that it is asked for. */
  topic(name: TopicName): Promise<FilledTopic> {
    let filling = this.#topics.get(name);
    if (filling === undefined) {
      filling = this.#fill(name);
      this.#topics.set(name, filling);
    }
    return filling;
  }

  /** Writes the record batches of a topic, partition after partition, into one file. @returns its size */
  async copyLog(name: TopicName, target: string): Promise<number> {
    for (const file of await this.#logFiles(name)) {
      await pipeline(createReadStream(file), createWriteStream(target, { flags: 'a' }));
    }
    return (await stat(target)).size;
  }

  /**
   * Creates a topic and waits until each partition answers. Metadata names a leader before that leader knows of it, and
   * a producer that is refused its first batch but not its second can never get the first one in again.
   */
  async createTopic(name: string, options: Parameters<KafkaProbe['createTopic']>[1]): Promise<void> {
    await this.probe.createTopic(name, options);
    await this.probe.endOffsets(name);
  }

  async #fill(name: TopicName): Promise<FilledTopic> {
    const { partitions, codec } = TOPICS[name];
    this.#say(`filling ${name}: ${this.records} records, ${partitions} partition(s), producer codec ${codec}`);
    await this.createTopic(name, { partitions });
    const { valueBytes } = await this.probe.produce(name, { records: this.records, codec });
    await settle();
    const sizes = await Promise.all((await this.#logFiles(name)).map((file) => stat(file)));
    return { name, partitions, valueBytes, logBytes: sizes.reduce((total, { size }) => total + size, 0) };
  }

  async #logFiles(name: TopicName): Promise<string[]> {
    const files: string[] = [];
    for (let partition = 0; partition < TOPICS[name].partitions; partition++) {
      const directory = join(this.broker.logDir, `${name}-${partition}`);
      const names = (await readdir(directory)).filter((file) => file.endsWith('.log')).sort();
      files.push(...names.map((file) => join(directory, file)));
    }
    return files;
  }
}

export interface WorkbenchOptions {
  /** Of each topic, over all its partitions. */
  readonly records: number;
  /** Takes what is being done, for people who wait. */
  readonly say: (text: string) => void;
}
