// From where each newly found partition begins: the catalog's position where there is one, else what the configuration says.
// Before anything is fetched, the broker is asked whether its log still agrees with what the catalog holds.

import type { ResumePosition } from '../../catalog/catalog-head.ts';
import type { FetchedPartition, PartitionLog } from '../../kafka/partition-log.ts';
import type { TopicDescription } from '../../model/topic/topic-description.ts';
import { partitionName, type TopicPartition } from '../../model/topic/topic-partition.ts';
import type { StartOffset } from '../backup-settings.ts';
import type { FoundPartition } from './topic-discovery.ts';

export interface StartPosition {
  readonly partition: FoundPartition;
  readonly resume: ResumePosition;
  readonly isResumed: boolean;
  /** High watermark just now, and the last stable offset a moment before; undefined while the partition has no leader. */
  readonly log: { readonly highWatermark: bigint; readonly lastStableOffset: bigint } | undefined;
}

/** What is known of partitions beside the source. */
export interface KnownPositions {
  /** Undefined where nothing of the partition was ever backed up. */
  readonly resumeOf: (partition: FoundPartition) => ResumePosition | undefined;
  /** Where it begins then. */
  readonly startOf: (partition: FoundPartition) => StartOffset;
}

/** Partitions without a leader and without a position are left out: they are found again later. */
export async function startPositions(
  log: PartitionLog,
  found: readonly FoundPartition[],
  { resumeOf, startOf }: KnownPositions,
): Promise<StartPosition[]> {
  const resumes = new Map(found.map((partition) => [partition, resumeOf(partition)]));
  const fresh = found.filter((partition) => resumes.get(partition) === undefined);
  // Answered in this order: whatever is stable by the first answer was decided below the watermark of the second.
  const [stable, latest, earliest] = await Promise.all([
    log.listOffsets(found, 'stable'),
    log.listOffsets(found, 'latest'),
    log.listOffsets(fresh, 'earliest'),
  ]);
  return found.flatMap((partition): StartPosition[] => {
    const name = partitionName(partition);
    const highWatermark = latest.get(name);
    const positions =
      highWatermark === undefined ? undefined : { highWatermark, lastStableOffset: stable.get(name) ?? 0n };
    const resume = resumes.get(partition);
    if (resume !== undefined) return [{ partition, resume, isResumed: true, log: positions }];
    const first = earliest.get(name);
    if (first === undefined || highWatermark === undefined) return [];
    const nextOffset = firstOffset(startOf(partition), partition, first, highWatermark);
    return [{ partition, resume: { nextOffset, leaderEpoch: -1, timeline: 0 }, isResumed: false, log: positions }];
  });
}

/** What is wanted, or the end of the log that is nearest to it: it is committed as a place in this log. */
function firstOffset(start: StartOffset, partition: TopicPartition, earliest: bigint, latest: bigint): bigint {
  if (start.kind === 'latest') return latest;
  const wanted = start.kind === 'specific' ? start.offsets.get(partition.topic)?.get(partition.partition) : undefined;
  if (wanted === undefined || wanted < earliest) return earliest;
  return wanted < latest ? wanted : latest;
}

/** Of a start by offsets: a topic that was not found, or partitions of it. */
export interface UnmetStart {
  readonly topic: string;
  /** Null: the whole topic. */
  readonly partitions: readonly number[] | null;
}

/** What a start names and the source does not have. */
export function unmetStarts(start: StartOffset, topics: readonly TopicDescription[]): readonly UnmetStart[] {
  if (start.kind !== 'specific') return [];
  const known = new Map(topics.map(({ topic, partitions }) => [topic, partitions.map(({ partition }) => partition)]));
  return [...start.offsets].flatMap(([topic, offsets]): UnmetStart[] => {
    const there = known.get(topic);
    if (there === undefined) return [{ topic, partitions: null }];
    const partitions = [...offsets.keys()].filter((partition) => !there.includes(partition));
    return partitions.length === 0 ? [] : [{ topic, partitions }];
  });
}

/** What the leaders say of resumed positions when asked once: truncated logs and offsets that are gone show here. */
export async function checkPositions(
  log: PartitionLog,
  positions: readonly StartPosition[],
): Promise<FetchedPartition[]> {
  const outcomes: FetchedPartition[] = [];
  const resumed = positions.filter(({ isResumed, partition }) => isResumed && partition.leader >= 0);
  for (const [leader, led] of Map.groupBy(resumed, ({ partition }) => partition.leader)) {
    const asked = led.map(({ partition, resume }) => ({
      topic: partition.topic,
      topicId: partition.topicId,
      partition: partition.partition,
      nextOffset: resume.nextOffset,
      lastEpoch: resume.leaderEpoch,
    }));
    const result = await log.fetchOnce(leader, asked, { maxWaitMs: 0, minBytes: 0, maxBytes: 1, maxPartitionBytes: 1 });
    outcomes.push(...result.partitions.filter((outcome) => outcome.kind !== 'records'));
    result.release();
  }
  return outcomes;
}
