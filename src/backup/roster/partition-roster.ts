// The partitions of a running backup: by identity, by the broker that leads them, and in the order in which they may catch up.
// Only so many catch up at once; a partition that has caught up costs no slot.

import { comparePartitions } from '../../model/topic/topic-partition.ts';
import type { FetchKey } from '../../kafka/partition-log.ts';
import type { FrameMemory } from '../frame/frame-memory.ts';
import type { UploadBudget } from '../upload-budget.ts';
import { keyOf, type TrackedPartition } from './tracked-partition.ts';

export class PartitionRoster {
  readonly #slots: number;
  /** Called with a broker that leads partitions, or that has more to do than before. */
  readonly #onWork: (nodeId: number) => void;
  readonly #partitions = new Map<string, TrackedPartition>();
  readonly #byLeader = new Map<number, Map<string, TrackedPartition>>();

  constructor(slots: number, onWork: (nodeId: number) => void) {
    this.#slots = slots;
    this.#onWork = onWork;
  }

  all(): TrackedPartition[] {
    return [...this.#partitions.values()];
  }

  get(identity: FetchKey): TrackedPartition | undefined {
    return this.#partitions.get(keyOf(identity));
  }

  /** Those that the broker leads, by `topicId/partition`. */
  ledBy(nodeId: number): ReadonlyMap<string, TrackedPartition> {
    return this.#byLeader.get(nodeId) ?? new Map();
  }

  add(partition: TrackedPartition): void {
    this.#partitions.set(partition.key, partition);
    this.lead(partition, partition.leader);
  }

  remove(partition: TrackedPartition): void {
    this.#partitions.delete(partition.key);
    this.#byLeader.get(partition.leader)?.delete(partition.key);
  }

  /** Moves a partition to its leader; -1 while it has none. */
  lead(partition: TrackedPartition, leader: number): void {
    const { key } = partition;
    if (partition.leader !== leader) this.#byLeader.get(partition.leader)?.delete(key);
    partition.leader = leader;
    if (leader < 0) return;
    const led = this.#byLeader.get(leader) ?? new Map<string, TrackedPartition>();
    led.set(key, partition);
    this.#byLeader.set(leader, led);
    this.#onWork(leader);
  }

  /** Lets waiting partitions catch up as far as there are slots: those of the broker `first`, then in the order of their names. */
  grantSlots(first?: number): void {
    const partitions = this.all();
    const waiting = partitions.filter(({ state, leader }) => state === 'waiting' && leader >= 0);
    if (waiting.length === 0) return;
    const busy = partitions.filter(({ state }) => state === 'catching-up').length;
    const isLater = ({ leader }: TrackedPartition): number => Number(leader !== first);
    waiting.sort((a, b) => isLater(a) - isLater(b) || comparePartitions(a.backup.identity, b.backup.identity));
    for (const partition of waiting.slice(0, Math.max(0, this.#slots - busy))) {
      partition.state = partition.isTakenIn ? 'done' : 'catching-up';
      this.#onWork(partition.leader);
    }
  }

  /**
   * Makes room in a memory that is spent: closes the largest open frame, unless frames are on their way already, which will give
   * theirs back. Closing more would only cut the rest into small pieces.
   */
  relieveMemory(memory: FrameMemory): void {
    const backups = this.all().map(({ backup }) => backup);
    const openBytes = backups.reduce((total, { openFrameBytes }) => total + openFrameBytes, 0);
    if (openBytes < memory.lentBytes) return;
    const largest = backups.reduce(
      (most, one) => (one.openFrameBytes > most.openFrameBytes ? one : most),
      backups[0] ?? NO_FRAME,
    );
    largest.closeFrame();
  }

  /** Makes room in a budget that is spent: seals the largest open segments, until a part of all that is held is on its way. */
  relieveUploads(uploads: UploadBudget): void {
    const backups = this.all().map(({ backup }) => backup);
    backups.sort((a, b) => b.heldBytes - a.heldBytes);
    let leavingBytes = uploads.heldBytes - backups.reduce((total, { heldBytes }) => total + heldBytes, 0);
    for (const backup of backups) {
      if (leavingBytes >= uploads.budgetBytes * RELIEVED_SHARE || backup.heldBytes === 0) return;
      leavingBytes += backup.heldBytes;
      backup.seal('memory');
    }
  }
}

/** More at once would seal segments that may still grow, less would let the others wait. */
const RELIEVED_SHARE = 0.25;
const NO_FRAME = { openFrameBytes: 0, closeFrame: (): void => {} };
