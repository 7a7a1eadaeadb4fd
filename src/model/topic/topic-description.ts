// A topic as a cluster describes it at one moment.

export interface TopicDescription {
  readonly topic: string;
  /** Kafka's base64url form of the topic's UUID. */
  readonly topicId: string;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionLeader[];
  readonly replicationFactor: number;
}

export interface PartitionLeader {
  readonly partition: number;
  /** Node id of the leader; -1 while there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
}

/** Entries of a topic's configuration by name: those set on the topic itself, unless told otherwise. */
export type TopicConfigs = Readonly<Record<string, string>>;
