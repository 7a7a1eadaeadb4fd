// The topics that a configuration means, as the cluster has them now. Both doctor and estimate begin with it.

import type { PartitionLog } from '../kafka/partition-log.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import type { TopicPartition } from '../model/topic/topic-partition.ts';
import { TopicSelection, type TopicPatterns } from '../model/topic/topic-selection.ts';

export interface SelectedTopics {
  readonly topics: readonly TopicDescription[];
  /** Named literally, and not there. */
  readonly missing: readonly string[];
  readonly denied: readonly string[];
}

/** A broker lists no topics that may not be described; of those that are named it says why they are not there. */
export async function selectTopics(log: PartitionLog, patterns: TopicPatterns): Promise<SelectedTopics> {
  const selection = new TopicSelection(patterns);
  const { literals } = selection;
  const listed = selection.isLiteral ? [] : (await log.describeTopics(null)).topics;
  const known = new Set(listed.map(({ topic }) => topic));
  const unlisted = literals.filter((topic) => !known.has(topic));
  const named = unlisted.length === 0 ? { topics: [], denied: [] } : await log.describeTopics(unlisted);
  const topics = [...listed, ...named.topics].filter(({ topic }) => selection.matches(topic));
  const found = new Set(topics.map(({ topic }) => topic));
  const denied = named.denied.filter((topic) => selection.matches(topic));
  const missing = literals.filter((topic) => selection.matches(topic) && !found.has(topic) && !denied.includes(topic));
  return { topics: topics.sort((a, b) => (a.topic < b.topic ? -1 : 1)), missing, denied };
}

export function partitionsOf(topics: readonly TopicDescription[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })));
}
