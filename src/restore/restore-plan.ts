// What a restore will do: topics, lanes, and the stored segments of each. Made by plan/plan-restore.ts from the catalog alone,
// printed before anything is done, and carried out as it is. The id of a plan is the hash of all that decides the result, the
// state of the target included.

import { createHash } from 'node:crypto';
import type { CurrentSegment } from '../catalog/catalog-state.ts';
import type { TopicObservation } from '../catalog/commit.ts';
import { toJson } from '../model/json-fields.ts';
import type { RecordFilter } from '../model/restore/record-filter.ts';
import type { Isolation, PartitionTarget, RecoveryTarget } from '../model/restore/recovery-target.ts';
import type { FrameEntry, Gap, PartitionIdentity, SegmentFooter } from '../model/segment/segment.ts';
import type { TopicConfigs } from '../model/topic/topic-description.ts';

export interface RestorePlan {
  /** Hash of all that decides what is restored, the target's state apart: see {@link planIdOf}. */
  readonly contentHash: string;
  /** The same in words, by what each is about: tells two plans apart. */
  readonly facts: Readonly<Record<string, string>>;
  readonly backupId: string;
  readonly catalogVersion: number;
  /** When the newest of what that version holds of the topics asked for was captured; null for nothing. */
  readonly newestCaptureMs: number | null;
  /** What the request maps and the plan does not hold, each with its key. */
  readonly unusedMappings: readonly string[];
  readonly recoveryTarget: RecoveryTarget;
  readonly isolation: Isolation;
  readonly filter: RecordFilter | null;
  readonly includeOriginalOffsetHeader: boolean;
  readonly intoExisting: 'refuse' | 'append';
  readonly topics: readonly TopicRestorePlan[];
}

export interface TopicRestorePlan {
  readonly topic: string;
  readonly topicId: string;
  readonly targetTopic: string;
  readonly recoveryTarget: RecoveryTarget;
  /** What the target topic must have at least; with `by-key` lanes, exactly. */
  readonly targetPartitions: number;
  /** Those, where repartitioning asks for them: then one that exists must have them too. */
  readonly askedPartitions: number | null;
  /** What the topic gets as its own configuration when it is created: what it had, with the overrides asked for. */
  readonly configs: TopicConfigs;
  /** The topic as it was at the recovery target; its configuration is null when it was never read up to then. */
  readonly observation: TopicObservation;
  /** Other lives of the topic with records inside the window: they are not restored. */
  readonly otherLives: readonly OtherLife[];
  /** Another life that may be the one meant; null where there is no doubt. */
  readonly doubt: LifeDoubt | null;
  readonly lanes: readonly RestoreLane[];
}

/** What the backup holds of another life of a topic inside a window, and the timestamps of its records, both inclusive. */
export interface OtherLife {
  readonly topicId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The recovery target lies between the last time that one life of a topic was seen and the first time that the next one was. */
export interface LifeDoubt {
  readonly otherTopicId: string;
  /** Of the older life. */
  readonly lastSeenMs: number;
  /** Of the newer one. */
  readonly firstSeenMs: number;
  /** Since it holds records from between the two, up to the target. */
  readonly isNewerTaken: boolean;
}

/**
 * The unit of work: sources read one after the other, each record to one of the targets. No two lanes share a target.
 * Preserving, a lane has one source and one target; by key, a topic has one lane with all its sources, in order of partition,
 * and all target partitions from 0 on.
 */
export interface RestoreLane {
  readonly targetTopic: string;
  readonly sources: readonly PartitionRestorePlan[];
  /** Partitions of the target topic. */
  readonly targets: readonly number[];
  readonly partitioning: 'preserve' | 'by-key';
}

export interface PartitionRestorePlan {
  readonly source: PartitionIdentity;
  readonly recoveryTarget: PartitionTarget;
  /** Those that can hold wanted records, in offset order, each with the offsets that are wanted of it. */
  readonly segments: readonly CurrentSegment[];
  /** All current segments with transaction facts, whole: a marker decides records of segments before it. */
  readonly transactionalSegments: readonly CurrentSegment[];
  /** Below this a transactional batch without a marker was committed. */
  readonly decidedBelow: bigint;
  /** With `cut: log`: the offset at or before which the log is cut; null when no segment proves that it is. */
  readonly cutBelow: bigint | null;
  /** With `cut: log`: parts of segments before the wanted offsets in which it may be cut, in offset order. They are not restored. */
  readonly cutBefore: readonly CurrentSegment[];
  /** All of the newest timeline: nothing is decided across one. */
  readonly gaps: readonly Gap[];
  /** False when the backup knows neither a segment nor a gap of the partition: it was empty, or never captured. */
  readonly isKnown: boolean;
  /** The part of the gaps in which wanted records may have been. */
  readonly missing: readonly MissingOffsets[];
  /** What the source may have had at the recovery target and its log has lost since: it is not restored. Null for nothing. */
  readonly lostSince: LostOffsets | null;
}

/** Offsets of older timelines that the backup holds and the newest timeline does not, both inclusive. */
export interface LostOffsets {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  /** When the first loss of them was found. */
  readonly detectedAtMs: number;
}

/** Source offsets that the backup does not hold. Both ends inclusive. */
export interface MissingOffsets {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly reason: Gap['reason'];
}

/** The target as a plan found it. */
export interface TargetState {
  readonly clusterId: string;
  /** Those of the plan's target topics that existed, by name, and the log ends of their partitions from 0 on. */
  readonly topics: readonly {
    readonly topic: string;
    readonly topicId: string;
    readonly endOffsets: readonly bigint[];
    /** What is set on the topic itself, in the order of the names. */
    readonly configs: TopicConfigs;
  }[];
}

/** Of the plan and the target as it was when the plan was made: equal ids mean an equal result. */
export function planIdOf(plan: RestorePlan, target: TargetState): string {
  return createHash('sha256')
    .update(toJson([plan.contentHash, target]))
    .digest('hex')
    .slice(0, 12);
}

/** Every source partition of a topic, whatever the lanes. */
export function sourcesOf(topic: TopicRestorePlan): readonly PartitionRestorePlan[] {
  return topic.lanes.flatMap(({ sources }) => sources);
}

/** Those frames of a selected segment that can hold wanted records; the others are never read. */
export function framesToRead(
  { frames }: SegmentFooter,
  { fromOffset, toOffset }: CurrentSegment,
  target: RecoveryTarget,
): FrameEntry[] {
  return frames.filter((frame) => {
    const isInRange = frame.lastOffset >= fromOffset && frame.baseOffset < toOffset;
    return isInRange && canHoldWanted(frame, target);
  });
}

/** False only where the timestamps prove that no record is wanted. */
export function canHoldWanted(
  { minTimestampMs, maxTimestampMs }: { readonly minTimestampMs: number | null; readonly maxTimestampMs: number },
  { fromMs, toMs, cut }: RecoveryTarget,
): boolean {
  if (fromMs !== undefined && maxTimestampMs < fromMs) return false;
  // A prefix ends at the first record past the target, which has to be looked for in the order of the log.
  if (cut === 'log') return true;
  return toMs === undefined || minTimestampMs === null || minTimestampMs <= toMs;
}
