// What tests do to a Kafka and how they judge it, through Kafka's own Java client and tools in one long-lived JVM.
// The probe shares no code with the agent. Commands may run at the same time; a transaction handle takes one at a time.
import type { JvmOptions } from './java-tools.ts';
import { ProbeProcess } from './probe-process.ts';
import type {
  BatchOptions,
  DigestOptions,
  Isolation,
  ListedRecord,
  LogSegmentDump,
  PartitionDigest,
  PlayedScript,
  ProducerScript,
  ProduceResult,
  ProduceSpec,
  RecordToSend,
  TopicDescription,
  TransactionalBatch,
  TransactionOptions,
} from './kafka-probe-types.ts';
import {
  decodeDigest,
  decodeListed,
  encodeBytes,
  encodeRecord,
  type WireDigest,
  type WireListed,
} from './probe-wire.ts';

export type * from './kafka-probe-types.ts';

type Configs = Readonly<Record<string, string | number | boolean>>;

export class KafkaProbe {
  readonly #process: ProbeProcess;

  private constructor(process: ProbeProcess) {
    this.#process = process;
  }

  /** Starts the JVM. It keeps working across restarts of the broker. */
  static async start(bootstrap: string, options: JvmOptions = {}): Promise<KafkaProbe> {
    return new KafkaProbe(await ProbeProcess.start(bootstrap, options));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Ends the JVM at once. Transactions that are open stay open on the broker until they time out. */
  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** Creates a topic (1 partition, 1 replica unless told) and waits for its leaders. @returns the topic id as Kafka prints it */
  async createTopic(
    topic: string,
    options: { partitions?: number; replicationFactor?: number; config?: Configs } = {},
  ): Promise<string> {
    return (await this.#process.call('createTopic', { topic, ...options })) as string;
  }

  /** Returns when the deletion is accepted; the broker may still answer for the topic for a moment. */
  async deleteTopic(topic: string): Promise<void> {
    await this.#process.call('deleteTopic', { topic });
  }

  /** Moves the log start offset of a partition to `beforeOffset`. */
  async deleteRecords(topic: string, partition: number, beforeOffset: bigint): Promise<void> {
    await this.#process.call('deleteRecords', { topic, partition, beforeOffset: String(beforeOffset) });
  }

  /** Sets topic configs; null takes one back to its default. */
  async alterTopicConfig(
    topic: string,
    config: Readonly<Record<string, string | number | boolean | null>>,
  ): Promise<void> {
    await this.#process.call('alterTopicConfig', { topic, config });
  }

  /** Changes what every broker of the cluster has by default; null takes a value back. */
  async alterBrokerConfig(config: Readonly<Record<string, string | number | null>>): Promise<void> {
    await this.#process.call('alterBrokerConfig', { config });
  }

  /** Raises the number of partitions to `total` and waits for their leaders. */
  async addPartitions(topic: string, total: number): Promise<void> {
    await this.#process.call('addPartitions', { topic, total });
  }

  async describeTopic(topic: string): Promise<TopicDescription> {
    return (await this.#process.call('describeTopic', { topic })) as TopicDescription;
  }

  /** Gives a user a password for SCRAM-SHA-256 or SCRAM-SHA-512. */
  async setScramPassword(user: string, password: string, mechanism: string): Promise<void> {
    await this.#process.call('setScramPassword', { user, password, mechanism });
  }

  /** Lets a user do `operations` (Kafka's names, e.g. `READ`) on a topic, which need not exist; the broker must have an authorizer. */
  async allow(user: string, topic: string, operations: readonly string[]): Promise<void> {
    await this.#process.call('allow', { user, topic, operations });
  }

  /** Log start offset of each partition. */
  beginningOffsets(topic: string): Promise<Map<number, bigint>> {
    return this.#offsets({ topic, at: 'earliest' });
  }

  /** High watermark of each partition, or its last stable offset with `read_committed`. */
  endOffsets(topic: string, isolation: Isolation = 'read_uncommitted'): Promise<Map<number, bigint>> {
    return this.#offsets({ topic, at: 'latest', isolation });
  }

  /** Fills a topic with generated order documents and waits for every acknowledgement. */
  async produce(topic: string, spec: ProduceSpec): Promise<ProduceResult> {
    type Wire = Omit<ProduceResult, 'recordsByPartition'> & { recordsByPartition: Record<string, number> };
    const result = (await this.#process.call('produce', { topic, ...spec })) as Wire;
    const counts = Object.entries(result.recordsByPartition).map(([p, count]): [number, number] => [Number(p), count]);
    return { ...result, recordsByPartition: new Map(counts) };
  }

  /**
   * Writes exactly these records. They go out as one record batch unless `oneBatchPerRecord`. Partition -1 leaves it to
   * Kafka's producer to choose.
   * With `transactionalId` they form a transaction of that handle, ended by `outcome` (default commit) or left open.
   * @returns the offset of each record
   */
  async produceRecords(
    topic: string,
    partition: number,
    records: readonly RecordToSend[],
    options: BatchOptions & TransactionOptions & { readonly outcome?: 'commit' | 'abort' | 'open' } = {},
  ): Promise<bigint[]> {
    return this.#send('produceRecords', { topic, partition, records: records.map(encodeRecord), ...options });
  }

  /** Begins a transaction on a named handle, which is opened (and fences its predecessor) if it is new. */
  async txBegin(handle: string, options: BatchOptions & TransactionOptions = {}): Promise<void> {
    await this.#process.call('txBegin', { handle, ...options });
  }

  /** Sends records in the handle's transaction and waits for them. @returns the offset of each record */
  async txSend(
    handle: string,
    topic: string,
    partition: number,
    records: readonly RecordToSend[],
    options: Pick<BatchOptions, 'oneBatchPerRecord'> = {},
  ): Promise<bigint[]> {
    return this.#send('txSend', { handle, topic, partition, records: records.map(encodeRecord), ...options });
  }

  async txCommit(handle: string): Promise<void> {
    await this.#process.call('txEnd', { handle, outcome: 'commit' });
  }

  async txAbort(handle: string): Promise<void> {
    await this.#process.call('txEnd', { handle, outcome: 'abort' });
  }

  /** Closes all handles; open transactions are aborted, or with `abort: false` left hanging. @returns how many */
  async closeOpen(options: { abort?: boolean } = {}): Promise<number> {
    return (await this.#process.call('closeOpen', options)) as number;
  }

  /** Plays a script of many producers; they stay open, with their transactions, until the probe stops. */
  async playScript(topic: string, script: ProducerScript): Promise<PlayedScript> {
    const steps = script.steps.map((step) =>
      'send' in step ? { ...step, records: step.records.map(encodeRecord) } : step,
    );
    type Wire = { readonly offsets: readonly string[]; readonly settledMs: readonly number[] };
    const played = (await this.#process.call('playScript', { topic, ...script, steps })) as Wire;
    return { offsets: played.offsets.map(BigInt), settledMs: played.settledMs };
  }

  /** Judges what a consumer sees: hash and totals of each partition, by partition. */
  async digest(topic: string, options: DigestOptions = {}): Promise<Map<number, PartitionDigest>> {
    const { offsets, ...rest } = options;
    const ranges = Object.entries(offsets ?? {}).map(([partition, { fromOffset = -1n, endOffset = -1n }]) => [
      partition,
      { fromOffset: String(fromOffset), endOffset: String(endOffset) },
    ]);
    const params = { topic, ...rest, offsets: Object.fromEntries(ranges) };
    return decodeDigest((await this.#process.call('digest', params)) as WireDigest);
  }

  /** Lists records in full, 1,000 at most unless told. */
  async records(
    topic: string,
    partition: number,
    limit = 1000,
    options: { isolation?: Isolation; fromOffset?: bigint } = {},
  ): Promise<ListedRecord[]> {
    const fromOffset = String(options.fromOffset ?? -1n);
    const listed = await this.#process.call('records', { topic, partition, limit, ...options, fromOffset });
    return (listed as WireListed[]).map(decodeListed);
  }

  /** Lists every record of every partition, by partition. */
  async listTopic(topic: string, options: { isolation?: Isolation } = {}): Promise<Map<number, ListedRecord[]>> {
    const listed = (await this.#process.call('listTopic', { topic, ...options })) as Record<string, WireListed[]>;
    return new Map(
      Object.entries(listed).map(([partition, records]) => [Number(partition), records.map(decodeListed)]),
    );
  }

  /** The partition that the Java client's default partitioner chooses for each key. */
  async keyPartition(keys: readonly (Uint8Array | string)[], partitions: number): Promise<number[]> {
    return (await this.#process.call('keyPartition', { keys: keys.map(encodeBytes), partitions })) as number[];
  }

  /** Runs Kafka's DumpLogSegments over a file named by its base offset, e.g. `00000000000000000000.log`. */
  async dumpLogSegments(file: string): Promise<LogSegmentDump> {
    type Wire = Omit<LogSegmentDump, 'firstOffset' | 'lastOffset'> &
      Record<'firstOffset' | 'lastOffset', string | null>;
    const dump = (await this.#process.call('dumpLogSegments', { file })) as Wire;
    const offset = (text: string | null): bigint | null => (text === null ? null : BigInt(text));
    return { ...dump, firstOffset: offset(dump.firstOffset), lastOffset: offset(dump.lastOffset) };
  }

  /** From the same report: the batches of transactions, and the markers that end these, in the order of the log. */
  async dumpTransactions(file: string): Promise<TransactionalBatch[]> {
    type Wire = Omit<TransactionalBatch, 'baseOffset' | 'lastOffset'> & Record<'baseOffset' | 'lastOffset', string>;
    const dump = await this.#process.call('dumpLogSegments', { file, transactions: true });
    return (dump as { transactional: Wire[] }).transactional.map(({ baseOffset, lastOffset, ...batch }) => {
      return { ...batch, baseOffset: BigInt(baseOffset), lastOffset: BigInt(lastOffset) };
    });
  }

  async #offsets(params: object): Promise<Map<number, bigint>> {
    const offsets = (await this.#process.call('offsets', params)) as Record<string, string>;
    return new Map(Object.entries(offsets).map(([partition, offset]) => [Number(partition), BigInt(offset)]));
  }

  async #send(method: string, params: object): Promise<bigint[]> {
    return ((await this.#process.call(method, params)) as string[]).map(BigInt);
  }
}
