// The fetch loop of one broker: one request covers all partitions that it leads, and the next is under way while the last is
// taken in. What an answer says of a partition is either records, which go to its backup, or an outcome for the supervisor.

import type {
  FetchedPartition,
  FetchLimits,
  FetchPosition,
  FetchResult,
  PartitionLog,
} from '../kafka/partition-log.ts';
import { BackOff, pause } from '../model/back-off.ts';
import { type RecordBatchHeader, splitBatches } from '../record/batch-header.ts';
import { keyOf } from './partition-roster.ts';
import type { TrackedPartition } from './tracked-partition.ts';

/** An answer that is not records; the supervisor treats it. */
export type FetchOutcome = Exclude<FetchedPartition, { kind: 'records' }>;

export interface BrokerFetchLoopOptions {
  readonly nodeId: number;
  readonly log: PartitionLog;
  /** Partitions that this broker leads, by `topicId/partition`, in any state. */
  readonly partitions: () => ReadonlyMap<string, TrackedPartition>;
  readonly limits: FetchLimits;
  readonly monotonicMs: () => number;
  readonly onOutcome: (partition: TrackedPartition, outcome: FetchOutcome) => Promise<void>;
  /** Records were taken in, or there was nothing more to take. */
  readonly onProgress: (partition: TrackedPartition) => void;
  /** The partition's bytes could not be taken in. */
  readonly onFailure: (partition: TrackedPartition, error: unknown) => Promise<void>;
  /** The request as a whole failed; it is repeated after a pause. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovered: () => void;
}

/** How long a loop without work sleeps, unless it is woken. */
const IDLE_PAUSE_MS = 200;
/** Answers without records before a partition is asked for alone. */
const EMPTY_ANSWERS_BEFORE_PROBE = 2;

interface PendingFetch {
  readonly result: Promise<FetchResult>;
  /** What was asked for, by key. */
  readonly asked: ReadonlyMap<string, bigint>;
}

export class BrokerFetchLoop {
  readonly #options: BrokerFetchLoopOptions;
  readonly #stopping = new AbortController();
  readonly #backOff = new BackOff();
  #wake = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: BrokerFetchLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There may be work now. */
  wake(): void {
    this.#wake.abort();
  }

  /** Resolves when the fetch under way has been answered and left aside. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const session = { current: this.#options.log.openSession(this.#options.nodeId) };
    const send = (): PendingFetch | undefined => {
      const wanted = this.#wanted();
      if (wanted.length === 0) return undefined;
      const result = session.current.fetch(wanted, this.#limitsFor(wanted));
      result.catch(() => {});
      return { result, asked: new Map(wanted.map((position) => [keyOf(position), position.nextOffset])) };
    };
    let pending: PendingFetch | undefined;
    while (!this.#stopping.signal.aborted) {
      pending ??= send();
      if (pending === undefined) {
        await this.#idle();
        continue;
      }
      try {
        const { asked } = pending;
        const result = await pending.result;
        this.#backOff.reset();
        this.#options.onRecovered();
        this.#lookAhead(result, asked);
        pending = this.#stopping.signal.aborted ? undefined : send();
        await this.#process(result, asked);
      } catch (error) {
        pending = undefined;
        this.#options.onTrouble(error);
        await pause(this.#backOff.nextDelayMs(), this.#stopping.signal);
        for (const partition of this.#options.partitions().values()) partition.rewind();
      }
    }
  }

  #wanted(): FetchPosition[] {
    const nowMs = this.#options.monotonicMs();
    const wanted: FetchPosition[] = [];
    for (const partition of this.#options.partitions().values()) {
      if (!partition.isFetching || partition.isAskedFor || partition.notBeforeMs > nowMs) continue;
      const { topic, topicId, partition: index } = partition.backup.identity;
      wanted.push({
        topic,
        topicId,
        partition: index,
        nextOffset: partition.fetchOffset,
        lastEpoch: partition.fetchEpoch,
      });
    }
    return wanted;
  }

  /** While anybody catches up, answers come at once; otherwise the broker gathers. */
  #limitsFor(wanted: readonly FetchPosition[]): FetchLimits {
    const partitions = this.#options.partitions();
    const isCatchingUp = wanted.some((position) => partitions.get(keyOf(position))?.state === 'catching-up');
    return isCatchingUp ? { ...this.#options.limits, minBytes: 1 } : this.#options.limits;
  }

  /** Moves the fetch positions behind the answer, from the batch headers alone, so that the next request can go out. */
  #lookAhead(result: FetchResult, asked: ReadonlyMap<string, bigint>): void {
    const partitions = this.#options.partitions();
    for (const answer of result.partitions) {
      const partition = partitions.get(keyOf(answer));
      if (partition === undefined || asked.get(keyOf(answer)) !== partition.fetchOffset || answer.kind !== 'records')
        continue;
      const last = lastWholeBatch(answer.records);
      if (last === undefined) continue;
      partition.fetchOffset = last.lastOffset + 1n;
      partition.fetchEpoch = last.partitionLeaderEpoch;
    }
  }

  async #process(result: FetchResult, asked: ReadonlyMap<string, bigint>): Promise<void> {
    const partitions = this.#options.partitions();
    try {
      for (const answer of result.partitions) {
        const partition = partitions.get(keyOf(answer));
        if (partition === undefined || !partition.isFetching) continue;
        // The answer to a question that a reset or a truncation has overtaken.
        if (asked.get(keyOf(answer)) !== partition.backup.nextOffset) {
          partition.rewind();
          continue;
        }
        await this.#take(partition, answer);
      }
    } finally {
      result.release();
    }
  }

  async #take(partition: TrackedPartition, answer: FetchedPartition): Promise<void> {
    if (answer.kind !== 'records') {
      await this.#options.onOutcome(partition, answer);
      partition.rewind();
      return;
    }
    try {
      if (answer.records.byteLength > 0) {
        partition.emptyAnswers = 0;
        partition.uncommittedSinceMs ??= this.#options.monotonicMs();
        await partition.backup.append(answer.records, answer, partition.endOffset);
      } else {
        partition.backup.observe(answer);
        if (answer.highWatermark > partition.backup.nextOffset) await this.#probeHole(partition);
      }
      if (partition.backup.failure !== undefined) throw partition.backup.failure;
      this.#options.onProgress(partition);
    } catch (error) {
      await this.#options.onFailure(partition, error);
      partition.rewind();
    }
  }

  /**
   * An empty answer below the high watermark: either the answer had no room, or compaction has removed every batch up to the
   * end. Asked for alone, a broker answers at least one batch when there is one.
   */
  async #probeHole(partition: TrackedPartition): Promise<void> {
    partition.emptyAnswers += 1;
    if (partition.emptyAnswers < EMPTY_ANSWERS_BEFORE_PROBE) return;
    const { log, nodeId, limits } = this.#options;
    const { topic, topicId, partition: index } = partition.backup.identity;
    const position = { topic, topicId, partition: index, nextOffset: partition.backup.nextOffset, lastEpoch: -1 };
    const result = await log.fetchOnce(nodeId, [position], { ...limits, minBytes: 0, maxWaitMs: 0 });
    const [answer] = result.partitions;
    if (answer?.kind === 'records' && answer.records.byteLength === 0 && answer.highWatermark > position.nextOffset) {
      partition.backup.skipTo(answer.highWatermark);
      partition.rewind();
    }
    result.release();
    partition.emptyAnswers = 0;
  }

  async #idle(): Promise<void> {
    await pause(IDLE_PAUSE_MS, this.#wake.signal);
    if (!this.#stopping.signal.aborted) this.#wake = new AbortController();
  }
}

/** Undefined also where the bytes are no batches: taking them in will say so, for that partition alone. */
function lastWholeBatch(records: Uint8Array): RecordBatchHeader | undefined {
  let last: RecordBatchHeader | undefined;
  try {
    for (const header of splitBatches(records)) last = header;
  } catch {
    return undefined;
  }
  return last;
}
