// Finds what there is to back up: the topics that the selection means, their incarnations and partitions, and what the catalog
// should know of them. Asked again while the backup runs, it finds new topics, new partitions and topics made anew.

import type { CatalogHead } from '../../catalog/catalog-head.ts';
import type { CatalogAction } from '../../catalog/commit.ts';
import type { PartitionLog, TopicListing } from '../../kafka/partition-log.ts';
import { BackupError } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { PartitionIdentity } from '../../model/segment/segment.ts';
import type { TopicConfigs, TopicDescription } from '../../model/topic/topic-description.ts';
import { incarnationName, isTopicName } from '../../model/topic/topic-partition.ts';
import { TopicSelection, type TopicPatterns } from '../../model/topic/topic-selection.ts';

export interface FoundPartition extends PartitionIdentity {
  readonly leader: number;
}

export interface FoundTopics {
  readonly topics: readonly TopicDescription[];
  readonly partitions: readonly FoundPartition[];
  /** Topics named literally that do not exist. */
  readonly missing: readonly string[];
  readonly denied: readonly string[];
  readonly configs: ReadonlyMap<string, TopicConfigs>;
}

export interface Discovery extends FoundTopics {
  /** Observations that differ from the catalog's last. */
  readonly observations: readonly CatalogAction[];
}

export class TopicDiscovery {
  readonly #log: PartitionLog;
  readonly #selection: TopicSelection;
  readonly #logger: Logger;
  readonly #wallMs: () => number;
  /** Last observation sent to the catalog, as text, by topic/topicId. */
  readonly #observed = new Map<string, string>();
  /** Configuration as last read, by topic/topicId: it stands while it cannot be read again. */
  readonly #configs = new Map<string, TopicConfigs>();
  /** Incarnations of which it was said that their configuration cannot be read. */
  readonly #unread = new Set<string>();

  constructor(log: PartitionLog, patterns: TopicPatterns, logger: Logger, wallMs: () => number) {
    this.#log = log;
    this.#selection = new TopicSelection(patterns);
    this.#logger = logger;
    this.#wallMs = wallMs;
  }

  /** What the catalog has observed already. */
  remember(state: CatalogHead): void {
    for (const incarnation of state.incarnations) {
      if (incarnation.observation === undefined) continue;
      const { partitions, replicationFactor, configs } = incarnation.observation;
      const name = incarnationName(incarnation);
      this.#observed.set(name, fingerprint(partitions, replicationFactor, configs));
      if (configs !== null) this.#configs.set(name, configs);
    }
  }

  /** @throws KAFKA_UNREACHABLE and other connection codes; KAFKA_AUTHORIZATION_FAILED when nothing but denied topics is meant. */
  async find(): Promise<FoundTopics> {
    const listing = await this.#describe();
    const names = new Set(listing.topics.map(({ topic }) => topic));
    const denied = listing.denied.filter((topic) => this.#selection.matches(topic));
    const missing = this.#selection.literals.filter((topic) => !names.has(topic) && !denied.includes(topic));
    const topics = listing.topics.filter(({ topic }) => this.#selection.matches(topic) && this.#isUsable(topic));
    if (topics.length === 0 && denied.length > 0) {
      throw deniedTopic(denied);
    }
    const configs = await this.#log.describeTopicConfigs(topics.map(({ topic }) => topic));
    return { topics, partitions: topics.flatMap(partitionsOf), missing, denied, configs };
  }

  /** What was found, with what the catalog does not know of it yet; told once. */
  observe(found: FoundTopics): Discovery {
    const { topics, configs } = found;
    const observations = topics.flatMap((topic) => this.#observe(topic, this.#configsOf(topic, configs)));
    return { ...found, observations };
  }

  /** A broker lists no topics that may not be described; of those that are named it says why they are not there. */
  async #describe(): Promise<TopicListing> {
    const { literals, isLiteral } = this.#selection;
    if (isLiteral) return this.#log.describeTopics(literals);
    const listing = await this.#log.describeTopics(null);
    const listed = new Set(listing.topics.map(({ topic }) => topic));
    const unlisted = literals.filter((topic) => !listed.has(topic));
    if (unlisted.length === 0) return listing;
    const named = await this.#log.describeTopics(unlisted);
    return { ...named, topics: [...listing.topics, ...named.topics] };
  }

  #isUsable(topic: string): boolean {
    if (isTopicName(topic)) return true;
    this.#logger.warn('the broker names a topic against its own rules; it is left out', { topic });
    return false;
  }

  /** As read now, else as last known; null when it was never read. */
  #configsOf(description: TopicDescription, read: ReadonlyMap<string, TopicConfigs>): TopicConfigs | null {
    const name = incarnationName(description);
    const configs = read.get(description.topic);
    if (configs !== undefined) {
      this.#configs.set(name, configs);
      this.#unread.delete(name);
      return configs;
    }
    if (!this.#unread.has(name)) {
      this.#unread.add(name);
      const { topic } = description;
      this.#logger.warn('the configuration of a topic cannot be read; what is known of it stands meanwhile', { topic });
    }
    return this.#configs.get(name) ?? null;
  }

  #observe(description: TopicDescription, configs: TopicConfigs | null): CatalogAction[] {
    const { topic, topicId, replicationFactor } = description;
    const partitions = description.partitions.length;
    const text = fingerprint(partitions, replicationFactor, configs);
    const name = incarnationName(description);
    if (this.#observed.get(name) === text) return [];
    this.#observed.set(name, text);
    const observedAtMs = this.#wallMs();
    return [
      {
        kind: 'topic',
        topic: { topic, topicId, partitions, replicationFactor, configs, observedAtMs },
      },
    ];
  }
}

export function deniedTopic(topics: readonly string[]): BackupError {
  return new BackupError('KAFKA_AUTHORIZATION_FAILED', `describe ${topics.join(', ')}: TOPIC_AUTHORIZATION_FAILED`);
}

function partitionsOf({ topic, topicId, partitions }: TopicDescription): FoundPartition[] {
  return partitions.map(({ partition, leader }) => ({ topic, topicId, partition, leader }));
}

function fingerprint(partitions: number, replicationFactor: number, configs: TopicConfigs | null): string {
  const sorted = configs === null ? null : Object.entries(configs).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([partitions, replicationFactor, sorted]);
}
