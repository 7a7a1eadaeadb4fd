// A partition as the fetch loops and the supervisor share it: the backup of its bytes, who leads it, and where it stands in
// the course of its life. `fetchOffset` runs ahead of the bytes taken in: the next fetch is under way while they are processed.

import type { FetchKey, FetchPosition } from '../../kafka/partition-log.ts';
import { heldToMs } from '../../model/segment/held-times.ts';
import type { SegmentSummary } from '../../model/segment/segment.ts';
import { partitionName } from '../../model/topic/topic-partition.ts';
import type { PartitionState, PartitionStatus } from '../progress/backup-status.ts';
import type { PartitionBackup } from '../partition-backup.ts';

/** The last answer of one broker that spoke for all that it had been asked. */
export interface BrokerAnswer {
  /** Number of the request that it answers; 0 before the first. */
  request: number;
  /** When it came, by the wall clock. */
  atMs: number;
}

/** What tells partitions apart while a backup runs: a topic made anew has another id. */
export function keyOf({ topicId, partition }: FetchKey): string {
  return `${topicId}/${partition}`;
}

export interface TrackedPartitionOptions {
  readonly backup: PartitionBackup;
  readonly leader: number;
  /** High watermark at the start of a one-shot backup. */
  readonly endOffset: bigint | undefined;
  /** Behind what the catalog has of it. */
  readonly committedOffset: bigint;
  /** The newest instant that the catalog proves to be held whole; null without a segment. */
  readonly heldToMs: number | null;
  /** Now, by the wall clock. */
  readonly foundAtMs: number;
}

export class TrackedPartition {
  readonly backup: PartitionBackup;
  readonly key: string;
  readonly name: string;
  state: PartitionState = 'waiting';
  leader: number;
  /** Next offset to ask for. */
  fetchOffset: bigint;
  fetchEpoch: number;
  /** High watermark at the start of a one-shot backup: where it ends. Lower once the log was cut below it. */
  endOffset: bigint | undefined;
  committedOffset: bigint;
  /** Behind what was taken in and given up after a failure: unless it is committed later, it is missing. */
  givenUpOffset = 0n;
  failure: string | null = null;
  /** Not fetched before this, by the monotonic clock. */
  notBeforeMs = 0;
  failures = 0;
  /** Who is taking in an answer just now: a partition that moves to another leader is not taken in twice. */
  takenBy: object | undefined;
  /** Fetch answers without records although there should be some. */
  emptyAnswers = 0;
  readonly #foundAtMs: number;
  /** What this run has proved so far of {@link wholeAtMs}. */
  #provedAtMs: number | null = null;
  /** What the newest segment shows, not a former one: timestamps may lie in the future. */
  #heldToMs: number | null;
  /** The broker whose session holds the partition, and the first of its requests that asked for it as it is asked for now. */
  #asked: { readonly answer: BrokerAnswer; readonly since: number } | undefined;

  constructor({ backup, leader, endOffset, committedOffset, heldToMs, foundAtMs }: TrackedPartitionOptions) {
    this.backup = backup;
    this.key = keyOf(backup.identity);
    this.name = partitionName(backup.identity);
    this.leader = leader;
    this.endOffset = endOffset;
    this.#foundAtMs = foundAtMs;
    this.#heldToMs = heldToMs;
    if (backup.highWatermark === backup.nextOffset) this.#provedAtMs = foundAtMs;
    this.fetchOffset = backup.nextOffset;
    this.fetchEpoch = backup.lastEpoch;
    this.committedOffset = committedOffset;
  }

  get isFetching(): boolean {
    return this.state === 'catching-up' || this.state === 'tailing';
  }

  /** True when it is to be fetched now: a one-shot backup asks no further than its end. */
  isWanted(nowMs: number): boolean {
    if (!this.isFetching || this.notBeforeMs > nowMs) return false;
    return this.endOffset === undefined || this.fetchOffset < this.endOffset;
  }

  /** What is to be asked for next. */
  position(): FetchPosition {
    return { ...this.backup.identity, nextOffset: this.fetchOffset, lastEpoch: this.fetchEpoch };
  }

  /** True when nothing more will become of it in this run. */
  get isOver(): boolean {
    if (this.state === 'done') return this.isTakenIn && this.backup.failure === undefined;
    return this.state === 'failed' || this.state === 'fenced';
  }

  get isTakenIn(): boolean {
    return this.endOffset !== undefined && this.backup.nextOffset >= this.endOffset;
  }

  /** Goes back to asking for what comes after the bytes taken in; what was done and lost some of it is so no more. */
  rewind(): void {
    this.fetchOffset = this.backup.nextOffset;
    this.fetchEpoch = this.backup.lastEpoch;
    if (this.state === 'done' && !this.isTakenIn) this.state = 'waiting';
  }

  /** The broker is asked for it from request `since` on; what it answers to earlier ones says nothing of it. */
  askedOf(answer: BrokerAnswer, since: number): void {
    this.keepProof();
    this.#asked = { answer, since };
  }

  /** It is fetched no more from the broker that answers so. */
  droppedBy(answer: BrokerAnswer): void {
    if (this.#asked?.answer !== answer) return;
    this.keepProof();
    this.#asked = undefined;
  }

  /** Keeps what the answers so far prove: what comes next may say that the log has grown. */
  keepProof(): void {
    this.#provedAtMs = this.#proof();
  }

  /** The segment is in the catalog. */
  committed(segment: SegmentSummary): void {
    const { nextOffset, reachedLogEnd, capturedAtMs } = segment;
    this.committedOffset = nextOffset;
    this.#heldToMs = heldToMs(segment);
    if (reachedLogEnd) this.#provedAtMs = Math.max(capturedAtMs, this.#provedAtMs ?? capturedAtMs);
  }

  /**
   * Newest instant at which all that the log held is known to be committed, by the wall clock: the last answer of the broker that
   * is asked for it while nothing is missing, else the last one before that, or what the newest segment shows. Null without any.
   * Looked at when somebody asks, so that a quiet partition costs nothing meanwhile.
   */
  get wholeAtMs(): number | null {
    const provedMs = this.#proof();
    if (provedMs === null || this.#heldToMs === null) return provedMs ?? this.#heldToMs;
    return Math.max(provedMs, this.#heldToMs);
  }

  #proof(): number | null {
    const { highWatermark } = this.backup;
    const isWhole = this.failures === 0 && highWatermark >= 0n && this.#reachedOffset >= highWatermark;
    if (!isWhole || this.#asked === undefined || this.#asked.answer.request < this.#asked.since)
      return this.#provedAtMs;
    return Math.max(this.#asked.answer.atMs, this.#provedAtMs ?? 0);
  }

  status(nowMs: number): PartitionStatus {
    const { identity, highWatermark, nextOffset } = this.backup;
    const lagRecords = Math.max(0, Number(highWatermark - this.#reachedOffset));
    return {
      ...identity,
      state: this.state,
      committedOffset: this.committedOffset,
      nextOffset,
      highWatermark,
      lagRecords,
      lagSeconds: lagRecords === 0 ? 0 : Math.max(0, (nowMs - this.#behindSinceMs()) / 1000),
      failure: this.failure,
    };
  }

  get #reachedOffset(): bigint {
    return this.backup.reachedFrom(this.committedOffset);
  }

  /** No record that is not committed is known to be older. Of a partition that never was, its first batch tells, once it is read. */
  #behindSinceMs(): number {
    const { firstTimestampMs } = this.backup;
    return this.wholeAtMs ?? Math.min(this.#foundAtMs, firstTimestampMs ?? this.#foundAtMs);
  }
}
