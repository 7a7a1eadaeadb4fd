// The state of a backup as the fold of its catalog's actions: per incarnation of a topic, what is stored, what is missing, and
// from where to go on. Segments and gaps tile the offsets of a timeline from the partition's start on; a truncation begins the next
// timeline at the offset where the source's log was cut, and what the old one holds beyond it is kept but no longer current.

import type { Gap, PartitionIdentity, SegmentSummary } from '../model/segment/segment.ts';
import { CatalogFold, Incarnation, PartitionHead } from './catalog-head.ts';
import type { CatalogAction, TopicObservation, Truncation } from './commit.ts';

/** A segment and the part of it, `[fromOffset, toOffset)`, that belongs to the newest timeline. */
export interface CurrentSegment {
  readonly segment: SegmentSummary;
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
}

export class PartitionHistory extends PartitionHead {
  readonly gaps: Gap[] = [];
  readonly truncations: Truncation[] = [];
  #segments: SegmentSummary[] = [];
  /** Keys of removed segments that `#segments` still holds: taken out together, since each time costs a pass. */
  readonly #removed = new Set<string>();

  /** In the order of their commits. */
  get segments(): readonly SegmentSummary[] {
    if (this.#removed.size > 0) {
      this.#segments = this.#segments.filter(({ key }) => !this.#removed.has(key));
      this.#removed.clear();
    }
    return this.#segments;
  }

  override apply(action: CatalogAction): void {
    super.apply(action);
    switch (action.kind) {
      case 'segment':
        this.#segments.push(action.segment);
        break;
      case 'gap':
        this.gaps.push(action.gap);
        break;
      case 'truncation':
        this.truncations.push(action.truncation);
        break;
      case 'remove':
        this.#removed.add(action.key);
        break;
      case 'start':
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

  /** What is missing in the newest timeline, each as far as it belongs to that. */
  currentGaps(): Gap[] {
    return this.gaps.flatMap((gap) => {
      let { lastOffset } = gap;
      for (const { timeline, endOffset } of this.truncations) {
        if (timeline > gap.timeline && endOffset <= lastOffset) lastOffset = endOffset - 1n;
      }
      return lastOffset < gap.baseOffset ? [] : [{ ...gap, lastOffset }];
    });
  }
}

/** One life of a topic. */
export class IncarnationHistory extends Incarnation<PartitionHistory> {
  /** In order of observation. */
  readonly observations: TopicObservation[] = [];

  protected override make(identity: PartitionIdentity): PartitionHistory {
    return new PartitionHistory(identity);
  }

  override apply(action: CatalogAction): void {
    if (action.kind === 'topic') this.observations.push(action.topic);
    super.apply(action);
  }
}

/** State as of `version`; only the topics that were asked for when it was read. */
export class CatalogState extends CatalogFold<PartitionHistory, IncarnationHistory> {
  /** Of the checkpoint that it was read from; 0 when every commit was read. */
  checkpointVersion = 0;

  protected override make(topic: string, topicId: string): IncarnationHistory {
    return new IncarnationHistory(topic, topicId);
  }
}
