// A partition of a topic, its text form, and the grammar of topic names (Kafka's org.apache.kafka.common.internals.Topic).

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Most partitions of one topic that a catalog or a manifest is believed: as many as Kafka's own advice gives a whole cluster with
 * ZooKeeper, and few enough to plan a restore of each of them (200,000 take 0.5 GB). A greater number is a damaged one.
 */
export const MOST_PARTITIONS = 200_000;

/** `orders-3`, as Kafka's tools print it. Unique per partition, since the last dash always precedes the number. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** One life of a topic: one made anew under the same name has another id. Unique, since no topic name holds a slash. */
export function incarnationName({ topic, topicId }: { readonly topic: string; readonly topicId: string }): string {
  return `${topic}/${topicId}`;
}

/** Orders by topic name, then by partition number. */
export function comparePartitions(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}

/** Kafka's own rule for topic names: such a name is one path element and can never leave the store's root. */
export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..';
}

/** Topics that brokers keep for themselves; backed up only when named literally. */
export function isInternalTopic(name: string): boolean {
  return name.startsWith('__');
}
