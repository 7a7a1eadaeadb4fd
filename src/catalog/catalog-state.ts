// The state of a backup as the fold of its catalog's actions: per incarnation of a topic, what is stored, what is missing, and
// from where to go on. Segments and gaps tile the offsets of a timeline; a truncation begins the next timeline at the offset
// where the source's log was cut, and what the old one holds beyond it is kept but no longer current.

import type { Gap, PartitionIdentity, SegmentSummary } from '../model/segment.ts';
import {
  type CatalogAction,
  type Commit,
  incarnationOf,
  partitionOf,
  type TopicObservation,
  type Truncation,
} from './commit.ts';

/** From where a backup goes on. */
export interface ResumePosition {
  readonly nextOffset: bigint;
  readonly leaderEpoch: number;
  readonly timeline: number;
}

/** A segment and the part of it, `[fromOffset, toOffset)`, that belongs to the newest timeline. */
export interface CurrentSegment {
  readonly segment: SegmentSummary;
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
}

export class PartitionHistory {
  readonly identity: PartitionIdentity;
  readonly segments: SegmentSummary[] = [];
  readonly gaps: Gap[] = [];
  readonly truncations: Truncation[] = [];
  #resume: ResumePosition | undefined;

  constructor(identity: PartitionIdentity, resume?: ResumePosition) {
    this.identity = identity;
    this.#resume = resume;
  }

  /** Undefined while nothing was committed. */
  get resume(): ResumePosition | undefined {
    return this.#resume;
  }

  /**
   * True when the action continues this history without a hole; false when another writer was there before. A writer that lost a
   * segment must not go on behind it.
   */
  admits(action: CatalogAction): boolean {
    const nextOffset = this.#resume?.nextOffset;
    const timeline = this.#resume?.timeline ?? 0;
    const continues = (baseOffset: bigint): boolean => nextOffset === undefined || baseOffset === nextOffset;
    switch (action.kind) {
      case 'segment':
        return continues(action.segment.baseOffset) && action.segment.timeline === timeline;
      case 'gap':
        return continues(action.gap.baseOffset) && action.gap.timeline === timeline;
      case 'truncation':
        return action.truncation.timeline === timeline + 1;
      case 'remove':
      case 'topic':
      case 'note':
        return true;
    }
  }

  apply(action: CatalogAction): void {
    switch (action.kind) {
      case 'segment': {
        const { nextOffset, leaderEpoch, timeline } = action.segment;
        this.segments.push(action.segment);
        this.#resume = { nextOffset, leaderEpoch, timeline };
        break;
      }
      case 'gap':
        this.gaps.push(action.gap);
        this.#resume = { leaderEpoch: -1, timeline: 0, ...this.#resume, nextOffset: action.gap.lastOffset + 1n };
        break;
      case 'truncation': {
        const { endOffset, timeline } = action.truncation;
        this.truncations.push(action.truncation);
        this.#resume = { nextOffset: endOffset, leaderEpoch: -1, timeline };
        break;
      }
      case 'remove': {
        const index = this.segments.findIndex((segment) => segment.key === action.key);
        if (index >= 0) this.segments.splice(index, 1);
        break;
      }
      case 'topic':
      case 'note':
        break;
    }
  }

  /** What the newest timeline is made of, in offset order. */
  currentSegments(): CurrentSegment[] {
    const current: CurrentSegment[] = [];
    for (const segment of this.segments) {
      let toOffset = segment.nextOffset;
      for (const { timeline, endOffset } of this.truncations) {
        if (timeline > segment.timeline && endOffset < toOffset) toOffset = endOffset;
      }
      if (toOffset > segment.baseOffset) current.push({ segment, fromOffset: segment.baseOffset, toOffset });
    }
    return current.sort((a, b) => (a.fromOffset < b.fromOffset ? -1 : 1));
  }
}

/** One life of a topic. */
export class IncarnationHistory {
  readonly topic: string;
  readonly topicId: string;
  /** In order of observation. */
  readonly observations: TopicObservation[] = [];
  readonly partitions = new Map<number, PartitionHistory>();

  constructor(topic: string, topicId: string) {
    this.topic = topic;
    this.topicId = topicId;
  }

  partition(partition: number): PartitionHistory {
    const known = this.partitions.get(partition);
    if (known !== undefined) return known;
    const made = new PartitionHistory({ topic: this.topic, topicId: this.topicId, partition });
    this.partitions.set(partition, made);
    return made;
  }

  apply(action: CatalogAction): void {
    if (action.kind === 'topic') this.observations.push(action.topic);
    const identity = partitionOf(action);
    if (identity !== undefined) this.partition(identity.partition).apply(action);
  }
}

/** State as of `version`; only the topics that were asked for when it was read. */
export class CatalogState {
  version = 0;
  sha256 = '';
  committedAtMs: number | null = null;
  /** Of the checkpoint that it was read from; 0 when every commit was read. */
  checkpointVersion = 0;
  readonly #incarnations = new Map<string, IncarnationHistory>();

  /** In order of their first action. */
  get incarnations(): readonly IncarnationHistory[] {
    return [...this.#incarnations.values()];
  }

  incarnation(topic: string, topicId: string): IncarnationHistory {
    const key = `${topic}/${topicId}`;
    const known = this.#incarnations.get(key);
    if (known !== undefined) return known;
    const made = new IncarnationHistory(topic, topicId);
    this.#incarnations.set(key, made);
    return made;
  }

  /** Of the partition that the action concerns. */
  historyOf(action: CatalogAction): PartitionHistory | undefined {
    const identity = partitionOf(action);
    return identity && this.incarnation(identity.topic, identity.topicId).partition(identity.partition);
  }

  apply(commit: Commit, sha256: string): void {
    for (const action of commit.actions) this.applyAction(action);
    this.version = commit.version;
    this.sha256 = sha256;
    this.committedAtMs = commit.committedAtMs;
  }

  applyAction(action: CatalogAction): void {
    const identity = incarnationOf(action);
    if (identity !== undefined) this.incarnation(identity.topic, identity.topicId).apply(action);
  }
}
