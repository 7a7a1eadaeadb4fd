// A partition of a topic, its text form, and the grammar of topic names (Kafka's org.apache.kafka.common.internals.Topic).

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

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
