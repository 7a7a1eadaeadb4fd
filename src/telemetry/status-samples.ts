// What the gauges say at the moment of a scrape, computed from the snapshots that the flows offer. Pure. The number of label
// sets is bounded here: many partitions become one value per topic, and topics beyond the limit become one topic.

import type { BackupStatus, PartitionState } from '../backup/progress/backup-status.ts';
import type { RestoreState } from '../restore/restore-job.ts';

/** Topics that get a label of their own. The name that stands for the rest is no name that a topic is given. */
export const MAX_TOPIC_LABELS = 200;
export const OTHER_TOPICS = '__other__';
export const ALL_PARTITIONS = 'all';

export const PARTITION_STATES: readonly PartitionState[] = [
  'waiting',
  'catching-up',
  'tailing',
  'done',
  'failed',
  'fenced',
];

export const RESTORE_STATES: readonly RestoreState[] = [
  'QUEUED',
  'PLANNING',
  'RUNNING',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
];

export interface LagSample {
  readonly topic: string;
  /** A partition number, or {@link ALL_PARTITIONS}. */
  readonly partition: string;
  readonly lagRecords: number;
  readonly lagSeconds: number;
}

/**
 * Lag per partition while there are at most `maxPartitionLabels` of them; above that every topic gets one sample with the sum
 * of the records and the highest age. Partitions that were not fetched yet have no lag to tell, and are left out.
 */
export function lagSamples(status: BackupStatus, maxPartitionLabels: number): readonly LagSample[] {
  const known = status.partitions.filter((partition) => partition.highWatermark >= 0n);
  if (known.length <= maxPartitionLabels) {
    return known.map(({ topic, partition, lagRecords, lagSeconds }) => {
      return { topic, partition: String(partition), lagRecords, lagSeconds };
    });
  }
  const topics = new TopicLabels();
  const sums = new Map<string, LagSample>();
  for (const { topic, lagRecords, lagSeconds } of known) {
    const label = topics.labelOf(topic);
    const sum = sums.get(label) ?? { topic: label, partition: ALL_PARTITIONS, lagRecords: 0, lagSeconds: 0 };
    sums.set(label, {
      ...sum,
      lagRecords: sum.lagRecords + lagRecords,
      lagSeconds: Math.max(sum.lagSeconds, lagSeconds),
    });
  }
  return [...sums.values()];
}

/** Partitions per state, every state present. */
export function stateCounts(status: BackupStatus): ReadonlyMap<PartitionState, number> {
  const counts = new Map(PARTITION_STATES.map((state) => [state, 0]));
  for (const { state } of status.partitions) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

/** Gives the first {@link MAX_TOPIC_LABELS} topics their own name as label, and all later ones {@link OTHER_TOPICS}. */
export class TopicLabels {
  readonly #known = new Set<string>();

  labelOf(topic: string): string {
    if (this.#known.has(topic)) return topic;
    if (this.#known.size >= MAX_TOPIC_LABELS) return OTHER_TOPICS;
    this.#known.add(topic);
    return topic;
  }
}
