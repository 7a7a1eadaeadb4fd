// What a writer needs of a catalog: where each partition goes on, and little else. The segments of ten thousand partitions
// and a year are gigabytes of summaries; their head is a few megabytes, which the index of every checkpoint holds, so that a
// start reads neither. The readers' CatalogState is made of the same parts and keeps the segments beside them.

import { addRequests } from '../model/request-counts.ts';
import { heldSinceMs, heldToMs } from '../model/segment/held-times.ts';
import type { PartitionIdentity } from '../model/segment/segment.ts';
import { incarnationName } from '../model/topic/topic-partition.ts';
import { type CatalogAction, type Commit, incarnationOf, partitionOf, type TopicObservation } from './commit.ts';

/** From where a backup goes on. */
export interface ResumePosition {
  readonly nextOffset: bigint;
  readonly leaderEpoch: number;
  readonly timeline: number;
}

/** What a head knows of a partition. */
export interface PartitionPosition {
  /** Undefined while nothing was committed, not even where it begins. */
  readonly resume: ResumePosition | undefined;
  /** First instant that can be restored; null without segments, and once one was removed: then it is not known here. */
  readonly earliestMs: number | null;
  /** When the newest segment was captured; null without segments. */
  readonly capturedAtMs: number | null;
  /** The newest instant that the newest segment proves to be held whole; null without segments. */
  readonly heldToMs: number | null;
}

const NO_POSITION: PartitionPosition = { resume: undefined, earliestMs: null, capturedAtMs: null, heldToMs: null };

export class PartitionHead {
  readonly identity: PartitionIdentity;
  #position: PartitionPosition;

  constructor(identity: PartitionIdentity, position?: PartitionPosition) {
    this.identity = identity;
    this.#position = position ?? NO_POSITION;
  }

  get position(): PartitionPosition {
    return this.#position;
  }

  get resume(): ResumePosition | undefined {
    return this.#position.resume;
  }

  /**
   * True when the action continues this history without a hole; false when another writer was there before. A writer that lost a
   * segment must not go on behind it.
   */
  admits(action: CatalogAction): boolean {
    const nextOffset = this.resume?.nextOffset;
    const timeline = this.resume?.timeline ?? 0;
    const continues = (baseOffset: bigint): boolean => nextOffset === undefined || baseOffset === nextOffset;
    switch (action.kind) {
      case 'segment':
        return continues(action.segment.baseOffset) && action.segment.timeline === timeline;
      case 'gap':
        return continues(action.gap.baseOffset) && action.gap.timeline === timeline;
      case 'truncation':
        return action.truncation.timeline === timeline + 1;
      case 'start':
      case 'remove':
      case 'topic':
      case 'note':
        return true;
    }
  }

  apply(action: CatalogAction): void {
    const before = this.#position;
    switch (action.kind) {
      case 'start': {
        const { offset: nextOffset } = action.start;
        // Of several writers that found the partition the first decides: the others' segments must continue it as all do.
        this.#position = { ...before, resume: before.resume ?? { nextOffset, leaderEpoch: -1, timeline: 0 } };
        break;
      }
      case 'segment': {
        const { nextOffset, leaderEpoch, timeline, capturedAtMs } = action.segment;
        const earliestMs = before.capturedAtMs === null ? heldSinceMs(action.segment) : before.earliestMs;
        const resume = { nextOffset, leaderEpoch, timeline };
        this.#position = { resume, earliestMs, capturedAtMs, heldToMs: heldToMs(action.segment) };
        break;
      }
      case 'gap': {
        const nextOffset = action.gap.lastOffset + 1n;
        this.#position = { ...before, resume: { leaderEpoch: -1, timeline: 0, ...before.resume, nextOffset } };
        break;
      }
      case 'truncation': {
        const { endOffset, timeline } = action.truncation;
        this.#position = { ...before, resume: { nextOffset: endOffset, leaderEpoch: -1, timeline } };
        break;
      }
      case 'remove':
        this.#position = { ...before, earliestMs: null };
        break;
      case 'topic':
      case 'note':
        break;
    }
  }
}

/** One life of a topic, by its partitions. */
export abstract class Incarnation<Partition extends PartitionHead> {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions = new Map<number, Partition>();

  constructor(topic: string, topicId: string) {
    this.topic = topic;
    this.topicId = topicId;
  }

  protected abstract make(identity: PartitionIdentity): Partition;

  partition(partition: number): Partition {
    const known = this.partitions.get(partition);
    if (known !== undefined) return known;
    const made = this.make({ topic: this.topic, topicId: this.topicId, partition });
    this.partitions.set(partition, made);
    return made;
  }

  apply(action: CatalogAction): void {
    const identity = partitionOf(action);
    if (identity !== undefined) this.partition(identity.partition).apply(action);
  }
}

export class IncarnationHead extends Incarnation<PartitionHead> {
  /** The newest one. */
  observation: TopicObservation | undefined;

  protected override make(identity: PartitionIdentity): PartitionHead {
    return new PartitionHead(identity);
  }

  override apply(action: CatalogAction): void {
    if (action.kind === 'topic') this.observation = action.topic;
    super.apply(action);
  }
}

/** The fold of a catalog's actions as of `version`. */
export abstract class CatalogFold<Partition extends PartitionHead, Life extends Incarnation<Partition>> {
  version = 0;
  sha256 = '';
  committedAtMs: number | null = null;
  /** What all commits so far say was asked of the store, whatever topics were wanted. */
  readonly requests = new Map<string, number>();
  readonly #incarnations = new Map<string, Life>();

  protected abstract make(topic: string, topicId: string): Life;

  /** In order of their first action. */
  get incarnations(): readonly Life[] {
    return [...this.#incarnations.values()];
  }

  incarnation(topic: string, topicId: string): Life {
    const key = incarnationName({ topic, topicId });
    const known = this.#incarnations.get(key);
    if (known !== undefined) return known;
    const made = this.make(topic, topicId);
    this.#incarnations.set(key, made);
    return made;
  }

  /** The partition that the action concerns. */
  historyOf(action: CatalogAction): Partition | undefined {
    const identity = partitionOf(action);
    return identity && this.incarnation(identity.topic, identity.topicId).partition(identity.partition);
  }

  /** Takes over the commit's actions; of topics that are not wanted, only that there are such. */
  apply(commit: Commit, sha256: string, isWanted: (topic: string) => boolean = () => true): void {
    for (const action of commit.actions) {
      const identity = incarnationOf(action);
      if (identity === undefined) continue;
      if (isWanted(identity.topic)) this.applyAction(action);
      else this.incarnation(identity.topic, identity.topicId);
    }
    addRequests(this.requests, commit.requests);
    this.version = commit.version;
    this.sha256 = sha256;
    this.committedAtMs = commit.committedAtMs;
  }

  applyAction(action: CatalogAction): void {
    const identity = incarnationOf(action);
    if (identity !== undefined) this.incarnation(identity.topic, identity.topicId).apply(action);
  }
}

export class CatalogHead extends CatalogFold<PartitionHead, IncarnationHead> {
  protected override make(topic: string, topicId: string): IncarnationHead {
    return new IncarnationHead(topic, topicId);
  }
}
