// Which source partition goes to which target partition: each to its own number, to the one that the mapping says, or by key over a
// new number of partitions. Two sources never share a target, except by key, where one lane reads them one after the other.

import type { TopicObservation } from '../../catalog/commit.ts';
import { BackupError } from '../../model/errors.ts';
import type { RestoreRequest } from '../restore-job.ts';
import type { RestoreLane } from '../restore-plan.ts';
import type { PlannedSources } from './plan-sources.ts';

export interface PlannedLanes {
  readonly lanes: readonly RestoreLane[];
  readonly targetPartitions: number;
  readonly askedPartitions: number | null;
}

/** @throws USAGE_INVALID for a mapping with two sources on one target, or with fewer partitions than it needs. */
export function planLanes(
  sources: PlannedSources,
  observation: TopicObservation,
  targetTopic: string,
  request: RestoreRequest,
): PlannedLanes {
  const wanted = Object.hasOwn(request.repartitioning, targetTopic) ? request.repartitioning[targetTopic] : undefined;
  if (wanted?.partitioning === 'by-key') {
    if (Object.keys(request.partitionMapping).length > 0) {
      throw invalid(
        `${targetTopic} is repartitioned by key, so partition_mapping cannot choose its partitions; keep one of the two`,
      );
    }
    const targets = [...Array.from({ length: wanted.partitions }).keys()];
    return {
      lanes: [{ targetTopic, sources, targets, partitioning: 'by-key' }],
      targetPartitions: wanted.partitions,
      askedPartitions: wanted.partitions,
    };
  }
  const lanes = sources.map((source): RestoreLane => {
    const targets = [targetPartitionOf(source.source.partition, request.partitionMapping)];
    return { targetTopic, sources: [source], targets, partitioning: 'preserve' };
  });
  assertDistinctTargets(lanes, targetTopic);
  const needed = 1 + lanes.reduce((highest, { targets }) => Math.max(highest, ...targets), -1);
  if (wanted !== undefined && wanted.partitions < needed) {
    throw invalid(
      `repartitioning gives ${targetTopic} ${wanted.partitions} partition(s) and its records need ${needed}; use strategy murmur2, or partition_mapping`,
    );
  }
  const askedPartitions = wanted?.partitions ?? null;
  return { lanes, targetPartitions: askedPartitions ?? Math.max(observation.partitions, needed), askedPartitions };
}

function targetPartitionOf(partition: number, mapping: RestoreRequest['partitionMapping']): number {
  return mapping[String(partition)] ?? partition;
}

function assertDistinctTargets(lanes: readonly RestoreLane[], targetTopic: string): void {
  const sourceOf = new Map<number, number>();
  for (const { sources, targets } of lanes) {
    const [source, target] = [sources[0]?.source.partition ?? -1, targets[0] ?? -1];
    const other = sourceOf.get(target);
    if (other !== undefined) {
      throw invalid(
        `partition_mapping sends partitions ${other} and ${source} to ${targetTopic}/${target}; only repartitioning by key joins partitions`,
      );
    }
    sourceOf.set(target, source);
  }
}

function invalid(message: string): BackupError {
  return new BackupError('USAGE_INVALID', message);
}
