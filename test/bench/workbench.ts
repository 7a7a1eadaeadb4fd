// What all scenarios share: one broker, one probe, one store, the filled topics, a scratch directory on the broker's disk.
// A topic is filled, and a backup to restore from is made, when a scenario first asks for it, and stays until the end.
// Everything is gone after `close`.
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import { type Codec, KafkaProbe } from '../support/kafka-probe.ts';
import { type BenchStore, FILESYSTEM, S3BenchStore, type StoreKind } from './bench-store.ts';
import { settle } from './measure.ts';

const HEAP_MB = 1024;

/** Timers as operators have them, in place of the harness's short ones: they would cost CPU during measurements. */
const BROKER_PROPERTIES = {
  'log.retention.check.interval.ms': 300_000,
  'log.cleaner.backoff.ms': 15_000,
  'broker.session.timeout.ms': 9000,
  'broker.heartbeat.interval.ms': 2000,
};

/** Of the first record; each record's is a millisecond after that of the one before. */
const START_TIMESTAMP_MS = 1_700_000_000_000;

/**
 * A broker that has just started compiles its code while it serves, on the cores of the program that it serves: 0.1 to 0.3
 * CPU-seconds of a run at first, measured, and less for whoever asks for less often. Brokers that are backed up have run for
 * days, so Kafka's own consumer makes this one answer some 90,000 small fetches, and a few large ones, before anything is measured.
 */
const WARM_UP_FETCH_BYTES = [...Array<number>(8).fill(64 * 1024), 1024 * 1024, 8 * 1024 * 1024];

interface TopicSpec {
  readonly partitions: number;
  readonly codec: Codec;
  /** Times the records of the other topics; 1 unless given. */
  readonly scale?: number;
  /** Of the producer: at 0 each record is a batch. */
  readonly batchSize?: number;
  /** Of each value; about 0.7 KB unless given. */
  readonly valueBytes?: number;
}

const TOPICS = {
  orders: { partitions: 4, codec: 'none' },
  'orders-lz4': { partitions: 4, codec: 'lz4' },
  'orders-one': { partitions: 1, codec: 'none' },
  'orders-64': { partitions: 64, codec: 'none' },
  /** 2 GB with the default number of records. */
  'orders-large': { partitions: 4, codec: 'none', scale: 3 },
  'orders-singles': { partitions: 4, codec: 'none', batchSize: 0 },
  /** As many bytes in the log as `orders` has: four times the batches. */
  'orders-singles-100': { partitions: 4, codec: 'none', scale: 4, batchSize: 0, valueBytes: 100 },
} satisfies Record<string, TopicSpec>;

/** JSON documents of about 0.7 KB unless a topic says otherwise: what every program is given to back up. */
export type TopicName = keyof typeof TOPICS;

/** A topic that has been filled. */
export interface FilledTopic {
  readonly name: TopicName;
  readonly partitions: number;
  readonly records: number;
  /** Of its first record; the timestamps of the others follow, one a millisecond. */
  readonly startTimestampMs: number;
  /** Bytes of its record batches in the broker's log, as producers compressed them. */
  readonly logBytes: number;
  /** Bytes of all values: the same for every codec. */
  readonly valueBytes: number;
}

export class Workbench {
  readonly broker: KafkaBroker;
  readonly probe: KafkaProbe;
  /** Where backups are written unless a scenario says otherwise. */
  readonly store: BenchStore;
  readonly #records: number;
  readonly #scratch: string;
  readonly #say: (text: string) => void;
  readonly #topics = new Map<TopicName, Promise<FilledTopic>>();
  readonly #kept = new Map<string, Promise<string>>();
  #directories = 0;
  #newTopics = 0;
  #isWarm = false;
  readonly #onExit = (): void => rmSync(this.#scratch, { recursive: true, force: true });

  private constructor(parts: WorkbenchParts, { records, say }: WorkbenchOptions) {
    this.broker = parts.broker;
    this.probe = parts.probe;
    this.store = parts.store;
    this.#scratch = parts.scratch;
    this.#records = records;
    this.#say = say;
    process.once('exit', this.#onExit);
  }

  static async open(options: WorkbenchOptions): Promise<Workbench> {
    const broker = await startKafka({ profile: 'bench', heapMb: HEAP_MB, properties: BROKER_PROPERTIES });
    try {
      const probe = await KafkaProbe.start(broker.bootstrap, { profile: 'bench', heapMb: HEAP_MB });
      const store = options.store === 's3' ? await S3BenchStore.start() : FILESYSTEM;
      const scratch = await mkdtemp(join(tmpdir(), 'kafka-backup-bench-'));
      return new Workbench({ broker, probe, store, scratch }, options);
    } catch (error) {
      await broker.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.probe.stop();
    await this.broker.stop();
    await this.store.stop();
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

  /** Makes something in a directory that stays until the end, the first time that it is asked for by this name. */
  kept(name: string, make: (directory: string) => Promise<string>): Promise<string> {
    let making = this.#kept.get(name);
    if (making === undefined) {
      making = this.directory(name).then(make);
      this.#kept.set(name, making);
    }
    return making;
  }

  newTopicName(prefix: string): string {
    this.#newTopics += 1;
    return `${prefix}-${this.#newTopics}`;
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
    const { partitions, codec, scale = 1, batchSize, valueBytes: sizeOfEach }: TopicSpec = TOPICS[name];
    const records = Math.round(this.#records * scale);
    this.#say(`filling ${name}: ${records} records, ${partitions} partition(s), producer codec ${codec}`);
    await this.createTopic(name, { partitions });
    const startTimestampMs = START_TIMESTAMP_MS;
    const { valueBytes } = await this.probe.produce(name, {
      ...{ records, codec, startTimestampMs, timestampStepMs: 1 },
      ...(batchSize === undefined ? {} : { batchSize }),
      ...(sizeOfEach === undefined ? {} : { valueBytes: sizeOfEach }),
    });
    if (!this.#isWarm) await this.#warmUp(name);
    await settle();
    const sizes = await Promise.all((await this.#logFiles(name)).map((file) => stat(file)));
    const logBytes = sizes.reduce((total, { size }) => total + size, 0);
    return { name, partitions, records, startTimestampMs, valueBytes, logBytes };
  }

  async #warmUp(topic: TopicName): Promise<void> {
    this.#isWarm = true;
    this.#say(`warming the broker up with reads of ${topic}`);
    for (const fetchBytes of WARM_UP_FETCH_BYTES) await this.probe.digest(topic, { fetchBytes });
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

interface WorkbenchParts {
  readonly broker: KafkaBroker;
  readonly probe: KafkaProbe;
  readonly store: BenchStore;
  readonly scratch: string;
}

export interface WorkbenchOptions {
  /** Of each topic, over all its partitions; of a few a multiple or a part. */
  readonly records: number;
  readonly store: StoreKind;
  /** Takes what is being done, for people who wait. */
  readonly say: (text: string) => void;
}
