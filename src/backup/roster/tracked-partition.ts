// A partition as the fetch loops and the supervisor share it: the backup of its bytes, who leads it, and where it stands in
// the course of its life. `fetchOffset` runs ahead of the bytes taken in: the next fetch is under way while they are processed.

import type { FetchKey, FetchPosition } from '../../kafka/partition-log.ts';
import { partitionName } from '../../model/topic/topic-partition.ts';
import type { PartitionState, PartitionStatus } from '../progress/backup-status.ts';
import type { PartitionBackup } from '../partition-backup.ts';

/** What tells partitions apart while a backup runs: a topic made anew has another id. */
export function keyOf({ topicId, partition }: FetchKey): string {
  return `${topicId}/${partition}`;
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
  /** High watermark at the start of a one-shot backup: where it ends. */
  readonly endOffset: bigint | undefined;
  committedOffset: bigint;
  /** Behind what was taken in and given up after a failure: unless it is committed later, it is missing. */
  givenUpOffset = 0n;
  failure: string | null = null;
  /** Not fetched before this, by the monotonic clock. */
  notBeforeMs = 0;
  failures = 0;
  /** Arrival of the oldest record that is not committed; kept roughly, for the lag in seconds. */
  uncommittedSinceMs: number | undefined;
  /** Fetch answers without records although there should be some. */
  emptyAnswers = 0;

  constructor(backup: PartitionBackup, leader: number, endOffset: bigint | undefined) {
    this.backup = backup;
    this.key = keyOf(backup.identity);
    this.name = partitionName(backup.identity);
    this.leader = leader;
    this.endOffset = endOffset;
    this.fetchOffset = backup.nextOffset;
    this.fetchEpoch = backup.lastEpoch;
    this.committedOffset = backup.nextOffset;
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

  status(nowMs: number): PartitionStatus {
    const { identity, highWatermark, nextOffset } = this.backup;
    const end = highWatermark < 0n ? this.committedOffset : highWatermark;
    const lagRecords = end > this.committedOffset ? Number(end - this.committedOffset) : 0;
    const since = this.uncommittedSinceMs;
    return {
      ...identity,
      state: this.state,
      committedOffset: this.committedOffset,
      nextOffset,
      highWatermark,
      lagRecords,
      lagSeconds: lagRecords === 0 || since === undefined ? 0 : Math.max(0, (nowMs - since) / 1000),
      failure: this.failure,
    };
  }
}
