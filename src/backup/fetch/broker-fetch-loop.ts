// The fetch loop of one broker: one request covers all partitions that it leads, and the next is under way while the last is
// taken in. What an answer says of a partition is either records, which go to its backup, or an outcome for the supervisor.

import type {
  FetchedPartition,
  FetchLimits,
  FetchPosition,
  FetchResult,
  FetchSession,
  PartitionLog,
} from '../../kafka/partition-log.ts';
import type { RetainedMemory } from '../../model/buffer/retained-memory.ts';
import { BackOff, pause } from '../../model/back-off.ts';
import { unlessAborted } from '../../model/unless-aborted.ts';
import { lastWholeBatch } from '../../record/batch-header.ts';
import { type BrokerAnswer, keyOf, type TrackedPartition } from '../roster/tracked-partition.ts';

/** An answer that is not records; the supervisor treats it. */
export type FetchOutcome = Exclude<FetchedPartition, { kind: 'records' }>;

export interface BrokerFetchLoopOptions {
  readonly nodeId: number;
  readonly log: PartitionLog;
  /** Partitions that this broker leads, by `topicId/partition`, in any state. */
  readonly partitions: () => ReadonlyMap<string, TrackedPartition>;
  readonly limits: FetchLimits;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  readonly onOutcome: (partition: TrackedPartition, outcome: FetchOutcome) => Promise<void>;
  /** Whether a topic's records may lie in remote storage (KIP-405). @throws what the source fails with */
  readonly isTiered: (topic: string) => Promise<boolean>;
  /** Records were taken in, or there was nothing more to take. */
  readonly onProgress: (partition: TrackedPartition) => void;
  /** Before its bytes are taken in: the answer holds all that the partition's log does. */
  readonly onEndInSight: (partition: TrackedPartition) => void;
  /** The partition's bytes could not be taken in. */
  readonly onFailure: (partition: TrackedPartition, error: unknown) => Promise<void>;
  /** The request as a whole failed; it is repeated after a pause. */
  readonly onTrouble: (error: unknown) => void;
  readonly onAnswered: () => void;
  /** Nothing is to be fetched from this broker. */
  readonly onIdle: () => void;
}

/** How long a loop without work sleeps, unless it is woken. */
const IDLE_PAUSE_MS = 200;
/** Answers without records before a partition is asked for alone. */
const EMPTY_ANSWERS_BEFORE_PROBE = 2;

export class BrokerFetchLoop {
  readonly #options: BrokerFetchLoopOptions;
  readonly #stopping = new AbortController();
  readonly #backOff = new BackOff();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  readonly #session: FetchSession;
  /** What the session was told to fetch. */
  readonly #asked = new Map<TrackedPartition, FetchPosition>();
  /** Requests so far. */
  #requests = 0;
  /** Shared with the partitions asked for, which it vouches for. */
  readonly #answer: BrokerAnswer;

  constructor(options: BrokerFetchLoopOptions) {
    this.#options = options;
    // Not 0 for the time: V8 keeps that as a small integer, and to compile what reads the field after it has become a double failed
    // again with each request (measured with 2,000 quiet partitions: 2.7 % of a core instead of 1.2 %).
    this.#answer = { request: 0, atMs: options.wallMs() };
    this.#session = options.log.openSession(options.nodeId);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There may be work now. */
  wake(): void {
    this.#wake.abort();
  }

  /** Resolves when nothing more is taken in. A fetch under way is not waited for: its broker may be the one that hangs. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    let next: Promise<FetchResult> | undefined;
    while (!this.#stopping.signal.aborted) {
      const pending = next ?? this.#send();
      next = undefined;
      if (pending === undefined) {
        await this.#idle();
        continue;
      }
      try {
        const result = await this.#unlessStopped(pending);
        if (result === undefined) return;
        const request = this.#requests;
        const atMs = this.#options.wallMs();
        this.#backOff.reset();
        this.#options.onAnswered();
        this.#lookAhead(result);
        if (!this.#stopping.signal.aborted) next = this.#send();
        await this.#process(result);
        // Only now: until its news were taken, the answer would vouch for what is not known here.
        if (result.isComplete) {
          this.#answer.request = request;
          this.#answer.atMs = atMs;
        }
      } catch (error) {
        this.#options.onTrouble(error);
        await pause(this.#backOff.nextDelayMs(), this.#stopping.signal);
        for (const partition of this.#options.partitions().values()) partition.rewind();
      }
    }
  }

  /** Undefined once the loop is stopped; what is answered later is left aside. */
  async #unlessStopped(pending: Promise<FetchResult>): Promise<FetchResult | undefined> {
    const result = await unlessAborted(pending, this.#stopping.signal);
    if (result !== undefined) return result;
    void pending.then(
      ({ release }) => release(),
      () => {},
    );
    return undefined;
  }

  /** Undefined when nothing is wanted just now. While anybody catches up, answers come at once; otherwise the broker gathers. */
  #send(): Promise<FetchResult> | undefined {
    const isCatchingUp = this.#tellSession();
    if (this.#asked.size === 0) return undefined;
    this.#requests += 1;
    const { limits } = this.#options;
    const result = this.#session.fetch(isCatchingUp ? { ...limits, minBytes: 1 } : limits);
    result.catch(() => {});
    return result;
  }

  /**
   * Tells the session what is wanted otherwise than before. Every fetch looks at every partition, so a quiet one must cost no
   * more than a look. @returns whether anybody catches up.
   */
  #tellSession(): boolean {
    const partitions = this.#options.partitions();
    const nowMs = this.#options.monotonicMs();
    for (const [partition, position] of this.#asked) {
      if (this.#wants(partition, nowMs) && partitions.get(partition.key) === partition) continue;
      this.#asked.delete(partition);
      partition.droppedBy(this.#answer);
      this.#session.drop(position);
    }
    let isCatchingUp = false;
    for (const partition of partitions.values()) {
      if (!this.#wants(partition, nowMs)) continue;
      if (partition.state === 'catching-up') isCatchingUp = true;
      const asked = this.#asked.get(partition);
      if (asked?.nextOffset === partition.fetchOffset && asked.lastEpoch === partition.fetchEpoch) continue;
      const position = partition.position();
      if (asked === undefined) partition.askedOf(this.#answer, this.#requests + 1);
      this.#asked.set(partition, position);
      this.#session.want(position);
    }
    return isCatchingUp;
  }

  /** Not while the loop of its former leader still takes in what that one had answered. */
  #wants(partition: TrackedPartition, nowMs: number): boolean {
    return partition.isWanted(nowMs) && (partition.takenBy === undefined || partition.takenBy === this);
  }

  /**
   * Moves the fetch positions behind the answer, from the lengths of the batches alone, so that the next request can go out. Bytes
   * that are no batches are told of when they are taken in, for that partition alone.
   */
  #lookAhead(result: FetchResult): void {
    const partitions = this.#options.partitions();
    for (const answer of result.partitions) {
      const partition = partitions.get(keyOf(answer));
      if (answer.kind !== 'records' || answer.askedOffset !== partition?.fetchOffset) continue;
      const last = lastWholeBatch(answer.records);
      if (last === undefined) continue;
      partition.fetchOffset = last.lastOffset + 1n;
      partition.fetchEpoch = last.partitionLeaderEpoch;
      if (partition.fetchOffset >= answer.highWatermark) this.#options.onEndInSight(partition);
    }
  }

  async #process(result: FetchResult): Promise<void> {
    const partitions = this.#options.partitions();
    const nowMs = this.#options.monotonicMs();
    try {
      for (const answer of result.partitions) {
        if (this.#stopping.signal.aborted) return;
        const partition = partitions.get(keyOf(answer));
        if (partition === undefined || !partition.isFetching || partition.takenBy !== undefined) continue;
        // The answer to a question that a reset, a truncation or the same failure, asked for twice, has overtaken.
        const isOvertaken = answer.askedOffset !== partition.backup.nextOffset || partition.notBeforeMs > nowMs;
        partition.keepProof();
        if (isOvertaken) {
          this.#lookAway(partition);
          continue;
        }
        partition.takenBy = this;
        await this.#take(partition, answer, result).finally(() => {
          partition.takenBy = undefined;
        });
      }
    } finally {
      result.release();
    }
  }

  async #take(partition: TrackedPartition, answer: FetchedPartition, memory: RetainedMemory): Promise<void> {
    if (answer.kind !== 'records') {
      await this.#options.onOutcome(partition, answer);
      this.#lookAway(partition);
      return;
    }
    try {
      if (answer.records.byteLength > 0) {
        partition.emptyAnswers = 0;
        await partition.backup.append(answer.records, answer, partition.endOffset, memory);
      } else {
        partition.backup.observe(answer);
        if (answer.highWatermark > partition.backup.nextOffset && !(await this.#skipHole(partition))) return;
      }
      if (partition.backup.failure !== undefined) throw partition.backup.failure;
      this.#options.onProgress(partition);
    } catch (error) {
      await this.#options.onFailure(partition, error);
      this.#lookAway(partition);
    }
  }

  /** What it was asked for says nothing any more: only an answer to a request not yet sent vouches for the partition again. */
  #lookAway(partition: TrackedPartition): void {
    partition.rewind();
    if (this.#asked.has(partition)) partition.askedOf(this.#answer, this.#requests + 1);
  }

  /**
   * An empty answer below the high watermark: either the answer had no room, or compaction has removed every batch up to the
   * end. Asked for alone, a broker answers at least one batch when there is one: but not for a tiered topic, whose remote reads
   * may take longer than the fetch (DelayedRemoteFetch), and which is never compacted. @returns whether there was a hole
   */
  async #skipHole(partition: TrackedPartition): Promise<boolean> {
    partition.emptyAnswers += 1;
    if (partition.emptyAnswers < EMPTY_ANSWERS_BEFORE_PROBE) return false;
    partition.emptyAnswers = 0;
    const { log, nodeId, limits, isTiered, onOutcome } = this.#options;
    const { identity, nextOffset } = partition.backup;
    if (await isTiered(identity.topic)) {
      const kafkaError = 'no records below the high watermark; a read of remote storage takes longer than the fetch';
      await onOutcome(partition, { kind: 'transient', ...identity, askedOffset: nextOffset, kafkaError });
      this.#lookAway(partition);
      return false;
    }
    const position = { ...identity, nextOffset, lastEpoch: -1 };
    const result = await log.fetchOnce(nodeId, [position], { ...limits, minBytes: 0, maxWaitMs: 0 });
    const [answer] = result.partitions;
    result.release();
    if (answer?.kind !== 'records' || answer.records.byteLength > 0 || answer.highWatermark <= nextOffset) return false;
    partition.backup.skipTo(answer.highWatermark);
    this.#lookAway(partition);
    return true;
  }

  async #idle(): Promise<void> {
    const isWaiting = [...this.#options.partitions().values()].some(({ isFetching }) => isFetching);
    if (!isWaiting) this.#options.onIdle();
    await pause(IDLE_PAUSE_MS, this.#wake.signal);
    if (!this.#stopping.signal.aborted) this.#wake = new AbortController();
  }
}
