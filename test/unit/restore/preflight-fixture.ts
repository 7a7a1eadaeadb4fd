// A target that answers what a preflight asks, and the preflight held against it.

import assert from 'node:assert/strict';
import type { EffectiveConfig, RestoreSink, TopicOperation, TopicSpec } from '../../../src/kafka/restore-sink.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { TopicPartition } from '../../../src/model/topic/topic-partition.ts';
import { partitionName } from '../../../src/model/topic/topic-partition.ts';
import type { PreflightInput } from '../../../src/restore/checks/check-list.ts';
import { isBlocked, preflight, type PreflightResult } from '../../../src/restore/preflight.ts';
import type { RestorePlan } from '../../../src/restore/restore-plan.ts';
import type { RestoreSettings } from '../../../src/restore/restore-settings.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { NOW_MS, partition, plan, seen, stateOf, stored } from './plan/plan-fixture.ts';

export const A0 = partition('a', 0);
export const A1 = partition('a', 1);
export const SETTINGS = {
  createTopics: true,
  replicationFactor: -1,
  topicConfigs: {},
  compression: 'producer',
} as unknown as RestoreSettings;
/** A broker tells of some entry at least. */
const SOME_DEFAULT: EffectiveConfig = { value: 'producer', isSetOnTopic: false };
const ALL: readonly TopicOperation[] = ['READ', 'WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'];

export interface Found {
  readonly ends: readonly bigint[];
  readonly configs?: Readonly<Record<string, string>>;
  readonly operations?: readonly TopicOperation[];
  readonly replicationFactor?: number;
  readonly mayDescribeConfigs?: boolean;
}

/** A target with these topics; what else it is asked for would fail. */
export class PlannedTarget implements Partial<RestoreSink> {
  readonly clusterId = 'target';
  readonly brokerCount = 1;
  readonly validated: TopicSpec[] = [];
  readonly topics: Readonly<Record<string, Found>>;
  readonly denied: readonly string[];
  readonly refusal: string | null;
  readonly defaults: Readonly<Record<string, string>>;
  /** On topics that are not there. */
  readonly operations: readonly TopicOperation[];

  constructor({
    topics = {},
    denied = [],
    refusal = null,
    defaults = {},
    operations = ALL,
  }: Partial<Pick<PlannedTarget, 'topics' | 'denied' | 'refusal' | 'defaults' | 'operations'>> = {}) {
    this.operations = operations;
    this.topics = topics;
    this.denied = denied;
    this.refusal = refusal;
    this.defaults = defaults;
  }

  async connect(): Promise<void> {}

  async describeTopics(names: readonly string[]) {
    const there = names.filter((name) => Object.hasOwn(this.topics, name));
    const topics = there.map((topic) => ({
      topic,
      topicId: `id-${topic}`,
      isInternal: false,
      partitions: this.topics[topic]!.ends.map((_, number) => ({ partition: number, leader: 1, leaderEpoch: 0 })),
      replicationFactor: this.topics[topic]!.replicationFactor ?? 1,
    }));
    return { topics, missing: [], denied: this.denied };
  }

  async describeEffectiveConfigs(topic: string): Promise<ReadonlyMap<string, EffectiveConfig>> {
    const { configs = {}, mayDescribeConfigs = true } = this.topics[topic]!;
    if (!mayDescribeConfigs) throw new BackupError('KAFKA_AUTHORIZATION_FAILED', 'TOPIC_AUTHORIZATION_FAILED');
    return effective({ ...this.defaults, ...configs });
  }

  async listOffsets(partitions: readonly TopicPartition[], at: 'earliest' | 'latest') {
    const end = (one: TopicPartition): bigint => this.topics[one.topic]!.ends[one.partition]!;
    return new Map(partitions.map((one) => [partitionName(one), at === 'earliest' ? 0n : end(one)]));
  }

  async allowedOperations(topics: readonly string[]) {
    return new Map(topics.map((topic) => [topic, new Set(this.topics[topic]?.operations ?? this.operations)]));
  }

  async validateTopic(spec: TopicSpec) {
    this.validated.push(spec);
    if (this.refusal !== null) return { kind: 'refused', reason: this.refusal } as const;
    return { kind: 'accepted', configs: effective({ ...this.defaults, ...spec.configs }) } as const;
  }
}

function effective(configs: Readonly<Record<string, string>>): ReadonlyMap<string, EffectiveConfig> {
  const own = Object.entries(configs).map(([name, value]) => [name, { value, isSetOnTopic: true }] as const);
  return new Map([['compression.type', SOME_DEFAULT], ...own]);
}

export const STATE = stateOf(seen('a', 2, { replicationFactor: 1 }), stored(A0, 0n, 10n), stored(A1, 0n, 10n));

interface Asked {
  readonly made?: RestorePlan;
  readonly settings?: Partial<RestoreSettings>;
  readonly change?: Partial<PreflightInput>;
  readonly store?: MemoryObjectStore;
}

export async function check(target: PlannedTarget, { made = plan(STATE), settings, change, store }: Asked = {}) {
  return preflight({
    plan: made,
    settings: { ...SETTINGS, ...settings },
    sink: target as unknown as RestoreSink,
    store: store ?? (await storeOf(made)),
    nowMs: NOW_MS,
    isOwn: false,
    resumed: null,
    leftConfigs: async () => ({}),
    fillerOf: async () => undefined,
    ...change,
  });
}

/** A store with the objects of a plan. */
export async function storeOf(made: RestorePlan, except = ''): Promise<MemoryObjectStore> {
  const store = new MemoryObjectStore();
  for (const { lanes } of made.topics) {
    for (const { segment } of lanes.flatMap(({ sources }) => sources.flatMap(({ segments }) => segments))) {
      if (segment.key !== except) await store.putIfAbsent(segment.key, [Buffer.alloc(segment.storedSizeBytes)]);
    }
  }
  return store;
}

/** `level name: message` of everything but what is well. */
export function findings({ checks }: PreflightResult): string[] {
  return checks.filter(({ level }) => level !== 'ok').map(({ level, name, message }) => `${level} ${name}: ${message}`);
}

export async function assertFinding(target: PlannedTarget, expected: RegExp, asked: Asked = {}): Promise<void> {
  const result = await check(target, asked);
  assert.match(findings(result).join('\n'), expected);
  assert.equal(isBlocked(result.checks), /block/.test(expected.source), findings(result).join('\n'));
}
