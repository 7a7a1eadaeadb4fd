import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EffectiveConfig, RestoreSink, TopicOperation, TopicSpec } from '../../../src/kafka/restore-sink.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import type { TopicPartition } from '../../../src/model/topic/topic-partition.ts';
import { partitionName } from '../../../src/model/topic/topic-partition.ts';
import type { PreflightInput } from '../../../src/restore/checks/check-list.ts';
import { isBlocked, preflight, type PreflightResult } from '../../../src/restore/preflight.ts';
import type { RestoreRequest } from '../../../src/restore/restore-job.ts';
import type { RestorePlan } from '../../../src/restore/restore-plan.ts';
import type { RestoreSettings } from '../../../src/restore/restore-settings.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { gap, NOW_MS, partition, plan, seen, stateOf, stored, T0 } from './plan/plan-fixture.ts';

const A0 = partition('a', 0);
const A1 = partition('a', 1);
const SETTINGS = {
  createTopics: true,
  replicationFactor: -1,
  topicConfigs: {},
  compression: 'producer',
} as unknown as RestoreSettings;
/** A broker tells of some entry at least. */
const SOME_DEFAULT: EffectiveConfig = { value: 'producer', isSetOnTopic: false };
const ALL: readonly TopicOperation[] = ['READ', 'WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'];

interface Found {
  readonly ends: readonly bigint[];
  readonly configs?: Readonly<Record<string, string>>;
  readonly operations?: readonly TopicOperation[];
  readonly replicationFactor?: number;
  readonly mayDescribeConfigs?: boolean;
}

/** A target with these topics; what else it is asked for would fail. */
class PlannedTarget implements Partial<RestoreSink> {
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

const STATE = stateOf(seen('a', 2, { replicationFactor: 1 }), stored(A0, 0n, 10n), stored(A1, 0n, 10n));

interface Asked {
  readonly made?: RestorePlan;
  readonly settings?: Partial<RestoreSettings>;
  readonly change?: Partial<PreflightInput>;
  readonly store?: MemoryObjectStore;
}

async function check(target: PlannedTarget, { made = plan(STATE), settings, change, store }: Asked = {}) {
  return preflight({
    plan: made,
    settings: { ...SETTINGS, ...settings },
    sink: target as unknown as RestoreSink,
    store: store ?? (await storeOf(made)),
    nowMs: NOW_MS,
    isOwn: false,
    fillerOf: async () => undefined,
    ...change,
  });
}

/** A store with the objects of a plan. */
async function storeOf(made: RestorePlan, except = ''): Promise<MemoryObjectStore> {
  const store = new MemoryObjectStore();
  for (const { lanes } of made.topics) {
    for (const { segment } of lanes.flatMap(({ sources }) => sources.flatMap(({ segments }) => segments))) {
      if (segment.key !== except) await store.putIfAbsent(segment.key, [Buffer.alloc(segment.storedSizeBytes)]);
    }
  }
  return store;
}

/** `level name: message` of everything but what is well. */
function findings({ checks }: PreflightResult): string[] {
  return checks.filter(({ level }) => level !== 'ok').map(({ level, name, message }) => `${level} ${name}: ${message}`);
}

async function assertFinding(target: PlannedTarget, expected: RegExp, asked: Asked = {}): Promise<void> {
  const result = await check(target, asked);
  assert.match(findings(result).join('\n'), expected);
  assert.equal(isBlocked(result.checks), /block/.test(expected.source), findings(result).join('\n'));
}

const planFor = (request: Partial<RestoreRequest>): RestorePlan => plan(STATE, request);

describe('the preflight of a topic that is not there', () => {
  test('finds nothing to object to, and asks the target about both of its configurations', async () => {
    const configs = { 'cleanup.policy': 'compact', 'retention.ms': '-1' };
    const held = [stored(A0, 0n, 10n), stored(A1, 0n, 10n)];
    const made = plan(stateOf(seen('a', 2, { replicationFactor: 1, configs }), ...held));
    const target = new PlannedTarget();
    const result = await check(target, { made });
    assert.deepEqual(findings(result), []);
    assert.deepEqual(
      target.validated.map((spec) => spec.configs['cleanup.policy']),
      ['compact', 'delete'],
    );
    assert.equal(result.target.topics.length, 0);
  });

  test('blocks on what the target refuses, in its words', async () => {
    await assertFinding(
      new PlannedTarget({ refusal: 'INVALID_CONFIG: no' }),
      /block topic: .*INVALID_CONFIG: no; .*topic_configs/,
    );
  });

  test('blocks when topics are not to be created', async () => {
    await assertFinding(new PlannedTarget(), /block topic: a does not exist; .*create_topics/, {
      settings: { createTopics: false },
    });
  });

  test('warns when the backup knows no configuration of the topic, and blocks where one is required', async () => {
    const made = plan(stateOf(seen('a', 1, { replicationFactor: 1, configs: null }), stored(A0, 0n, 10n)));
    const target = new PlannedTarget();
    await assertFinding(target, /warn configuration: a: the backup could not read .*topic_configs$/, { made });
    const settings = { requireTopicConfigs: true };
    await assertFinding(target, /block configuration: a: .*require_topic_configs: false$/, { made, settings });
    const there = new PlannedTarget({ topics: { a: { ends: [0n] } } });
    assert.deepEqual(findings(await check(there, { made, settings })), []);
  });

  test('warns of configurations for topics that are not written to', async () => {
    const settings = { topicConfigs: { '*': {}, a: {}, b: {} } };
    await assertFinding(new PlannedTarget(), /warn configuration: .*topic_configs names b, which/, { settings });
  });

  test('warns of mappings that fit nothing: what they mean is restored under its own name', async () => {
    const made = plan(STATE, {
      topicMapping: { A: 'copy' },
      mappingRules: [
        { kind: 'prefix', from: 'prod.', to: 'x.' },
        { kind: 'regex', pattern: 'a', name: 'b' },
      ],
      partitionMapping: { 0: 5, 7: 0 },
    });
    await assertFinding(
      new PlannedTarget(),
      /^warn mapping: nothing that is restored fits topic_mapping: A, topic_mapping: prefix prod\., partition_mapping: 7: /m,
      { made },
    );
  });

  test('warns of fewer replicas, and blocks when they are too few for a record', async () => {
    const made = plan(stateOf(seen('a', 1, { configs: { 'min.insync.replicas': '2' } }), stored(A0, 0n, 10n)));
    await assertFinding(
      new PlannedTarget(),
      /warn replication: a had 3 replicas and gets 1[^]*block replication: .*min\.insync\.replicas=2/,
      { made },
    );
  });

  test('blocks on names that Kafka does not take', async () => {
    const two = stateOf(seen('a', 1, { replicationFactor: 1 }), seen('b', 1, { letter: 'B', replicationFactor: 1 }));
    const names: readonly (readonly [RestorePlan, RegExp])[] = [
      [
        planFor({ mappingRules: [{ kind: 'prefix', from: '', to: 'x'.repeat(250) }] }),
        /block topic name: .*not a name/,
      ],
      [planFor({ topicMapping: { a: '__consumer_offsets' } }), /block topic name: .*belongs to Kafka/],
      [plan(two, { topicMapping: { a: 'x.y', b: 'x_y' } }), /block topic name: Kafka takes x\.y and x_y for one name/],
    ];
    for (const [made, expected] of names) await assertFinding(new PlannedTarget(), expected, { made });
  });

  test('blocks when it could be created and not be written to', async () => {
    await assertFinding(
      new PlannedTarget({ operations: ['READ'] }),
      /block permission: a: .* lacks WRITE, DESCRIBE_CONFIGS/,
    );
  });

  test('blocks when it may not even be looked at', async () => {
    await assertFinding(new PlannedTarget({ denied: ['a'] }), /block permission: a: the principal lacks DESCRIBE/);
  });
});

describe('the list of a preflight', () => {
  const TOPIC_CHECKS = ['permission', 'partitions', 'batch size', 'timestamps', 'retention'];
  const namesOf = ({ checks }: PreflightResult): string[] => checks.map(({ level, name }) => `${level} ${name}`);

  test('says of everything that was looked at that it is well, once for all topics', async () => {
    const B0 = partition('b', 0, 'B');
    const two = plan(
      stateOf(
        ...[seen('a', 1, { replicationFactor: 1 }), seen('b', 1, { replicationFactor: 1, letter: 'B' })],
        ...[stored(A0, 0n, 10n), stored(B0, 0n, 10n)],
      ),
    );
    const target = new PlannedTarget({ topics: { b: { ends: [0n] } } });
    const result = await check(target, { made: two });
    assert.deepEqual(namesOf(result), [
      ...['ok target', 'ok topic', 'ok topic'],
      ...TOPIC_CHECKS.map((name) => `ok ${name}`),
      ...['ok codecs', 'ok objects'],
    ]);
    const silent = result.checks.filter(({ name }) => TOPIC_CHECKS.includes(name));
    for (const { message } of silent) assert.match(message, / \(2 topic\(s\)\)$/);
  });

  test('does not say that it is well where the target did not tell, or was not asked', async () => {
    const refused = await check(new PlannedTarget({ refusal: 'INVALID_CONFIG: no' }));
    assert.deepEqual(namesOf(refused).slice(2, 7), [
      ...['ok permission', 'ok partitions', 'warn batch size', 'ok timestamps', 'warn retention'],
    ]);
    const denied = await check(new PlannedTarget({ denied: ['a'] }));
    assert.deepEqual(namesOf(denied), [
      ...['ok target', 'block permission'],
      ...TOPIC_CHECKS.slice(1).map((name) => `warn ${name}`),
      ...['ok codecs', 'ok objects'],
    ]);
    const [, , partitions] = denied.checks;
    assert.equal(partitions?.message.startsWith('not looked at for 1 of 1 topic(s)'), true, partitions?.message);
  });
});

describe('the preflight of a topic that is there', () => {
  const there = (found: Partial<Found> = {}): PlannedTarget =>
    new PlannedTarget({ topics: { a: { ends: [0n, 0n], ...found } } });

  test('takes an empty one, and remembers it', async () => {
    const result = await check(there());
    assert.deepEqual(findings(result), []);
    assert.deepEqual(result.target, {
      clusterId: 'target',
      topics: [{ topic: 'a', topicId: 'id-a', endOffsets: [0n, 0n], configs: {} }],
    });
  });

  test('blocks on records, unless they are appended to or its own', async () => {
    const filled = there({ ends: [0n, 5n] });
    await assertFinding(
      filled,
      /block topic: a is not empty \(1 of 2 partitions hold records\); .*into_existing: append/,
    );
    const fillerOf = async (): Promise<string> => 'rst_9';
    await assertFinding(filled, /block topic: .*restore --resume rst_9/, { change: { fillerOf } });
    const appending = await check(filled, { made: planFor({ intoExisting: 'append' }) });
    assert.deepEqual(findings(appending), []);
    assert.deepEqual(findings(await check(filled, { change: { isOwn: true } })), []);
  });

  test('blocks on too few partitions, warns of more', async () => {
    await assertFinding(there({ ends: [0n] }), /block partitions: a has 1 partition\(s\), 2 are needed/);
    await assertFinding(there({ ends: [0n, 0n, 0n] }), /warn partitions: a has 3 partition\(s\), the source had 2/);
  });

  test('takes exactly as many partitions as records are spread over by key', async () => {
    const made = planFor({ repartitioning: { a: { partitions: 3, partitioning: 'by-key' } } });
    await assertFinding(there({ ends: [0n, 0n] }), /block partitions: .*by key over 3.*repartition to 2/, { made });
    assert.deepEqual(findings(await check(there({ ends: [0n, 0n, 0n] }), { made })), []);
  });

  test('blocks on lacking permissions, naming them', async () => {
    await assertFinding(
      there({ operations: ['READ', 'DESCRIBE_CONFIGS'] }),
      /block permission: a: .* lacks WRITE, ALTER_CONFIGS/,
    );
    await assertFinding(
      there({ operations: ['WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'] }),
      /warn permission: a: without READ/,
    );
    await assertFinding(there({ mayDescribeConfigs: false }), /block permission: a: TOPIC_AUTHORIZATION_FAILED/);
  });

  test('blocks on append time, and on replicas that no record could satisfy', async () => {
    const appendTime = there({ configs: { 'message.timestamp.type': 'LogAppendTime' } });
    await assertFinding(appendTime, /block timestamps: a has .*allow_log_append_time/);
    assert.deepEqual(findings(await check(appendTime, { settings: { allowLogAppendTime: true } })), []);
    await assertFinding(there({ configs: { 'min.insync.replicas': '2' } }), /block replication: a would have min/);
  });

  test('warns of a configuration that is not the planned one', async () => {
    const held = [stored(A0, 0n, 10n), stored(A1, 0n, 10n)];
    const made = plan(stateOf(seen('a', 2, { configs: { 'cleanup.policy': 'compact', x: '1' } }), ...held));
    const target = there({ configs: { 'cleanup.policy': 'delete' } });
    await assertFinding(target, /warn configuration: a .*: cleanup\.policy=delete \(planned: compact\)$/, { made });
  });
});

describe('the preflight of the records', () => {
  const OLD: Partial<SegmentSummary> = { minTimestampMs: T0, maxTimestampMs: T0 + 1000 };
  const made = plan(
    stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      stored(A0, 0n, 10n, OLD),
      stored(A0, 10n, 30n, { minTimestampMs: NOW_MS - 50, maxTimestampMs: NOW_MS }),
    ),
  );

  test('warns with numbers of what the target will delete, be it by its default', async () => {
    const target = new PlannedTarget({ defaults: { 'retention.ms': '100000', 'cleanup.policy': 'delete' } });
    await assertFinding(
      target,
      /warn retention: a keeps records for 100000 ms .* at least 10 of about 30, .* the oldest is of 2023-11-14/,
      { made },
    );
    await assertFinding(
      new PlannedTarget({ defaults: { 'retention.bytes': '1999' } }),
      /warn retention: a keeps 1999 bytes .* about 2000.*restore\.topic_configs: \{a: \{retention\.bytes: "-1"\}\} keeps them/,
      { made },
    );
    const there = new PlannedTarget({ topics: { a: { ends: [0n, 0n] } }, defaults: { 'retention.ms': '100000' } });
    await assertFinding(
      there,
      /warn retention: .*the topic exists and keeps its own configuration: set retention\.ms=-1 on it/,
      { made },
    );
  });

  test('does not warn where nothing is deleted', async () => {
    const kept: readonly Readonly<Record<string, string>>[] = [
      { 'retention.ms': '-1' },
      { 'retention.ms': '100000', 'cleanup.policy': 'compact' },
      { 'retention.ms': String(NOW_MS) },
      { 'retention.bytes': '2000' },
    ];
    for (const defaults of kept) assert.deepEqual(findings(await check(new PlannedTarget({ defaults }), { made })), []);
  });

  test('warns of gaps, and of a backup that had not caught up', async () => {
    const behind = plan(
      stateOf(
        seen('a', 1, { replicationFactor: 1 }),
        gap(A0, 0n, 4n),
        stored(A0, 5n, 10n, { ...OLD, capturedAtMs: T0 + 2000, reachedLogEnd: false }),
      ),
      { recoveryTarget: { cut: 'timestamp', toMs: T0 + 5000 } },
    );
    await assertFinding(
      new PlannedTarget(),
      /warn coverage: nothing of these .*\nwarn gap: a-0: offsets 0\.\.4 were never backed up \(retention\)\nwarn coverage: a-0: .* at offset 10/,
      { made: behind },
    );
  });

  test('warns of a target past all that was captured, once for all topics', async () => {
    const B0 = partition('b', 0, 'B');
    const both = stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      seen('b', 1, { replicationFactor: 1, letter: 'B' }),
      stored(A0, 0n, 10n, { ...OLD, capturedAtMs: T0 + 3000 }),
      stored(B0, 0n, 10n, { ...OLD, capturedAtMs: T0 + 2000 }),
    );
    const until = (toMs: number) => plan(both, { recoveryTarget: { cut: 'timestamp', toMs: T0 + toMs } });
    const result = await check(new PlannedTarget(), { made: until(4000) });
    assert.match(
      findings(result).join('\n'),
      /^warn coverage: nothing of these topics was captured after 2023-.*\(version 7/,
    );
    assert.equal(findings(result).length, 1);
    assert.deepEqual(findings(await check(new PlannedTarget(), { made: until(3000) })), []);
  });

  test('warns of partitions of which the backup knows nothing, and of another life of the topic in the window', async () => {
    const again = partition('a', 0, 'C');
    const two = stateOf(
      seen('a', 1, { replicationFactor: 1 }),
      stored(A0, 0n, 10n, OLD),
      seen('a', 3, { replicationFactor: 1, letter: 'C', observedAtMs: T0 + 1500 }),
      stored(again, 0n, 10n, { minTimestampMs: T0 + 1600, maxTimestampMs: T0 + 1700, capturedAtMs: T0 + 5000 }),
    );
    const made = plan(two, { recoveryTarget: { cut: 'timestamp', fromMs: T0 + 500, toMs: T0 + 2000 } });
    await assertFinding(
      new PlannedTarget(),
      /warn coverage: a: the backup holds nothing of partition\(s\) 1, 2: .*\nwarn coverage: a: the topic was made anew, .* records of 2023-\S+ to 2023-/,
      { made },
    );
  });

  test('warns of a topic of which nothing would be restored', async () => {
    const empty = plan(stateOf(seen('a', 1, { replicationFactor: 1 }), stored(A0, 0n, 10n, OLD)), {
      recoveryTarget: { cut: 'timestamp', toMs: T0 - 1 },
    });
    await assertFinding(
      new PlannedTarget(),
      /warn coverage: a: the backup holds no record inside the recovery target/,
      { made: empty },
    );
  });

  test('warns of batches that the target does not take whole', async () => {
    const target = new PlannedTarget({ defaults: { 'max.message.bytes': '899' } });
    await assertFinding(target, /warn batch size: .*has 900 bytes, a takes 899/, { made });
    assert.deepEqual((await check(target, { made })).batchLimits.get('a'), { maxMessageBytes: 899, brokerCodec: null });
    for (const [type, brokerCodec] of [
      ['producer', null],
      ['uncompressed', 'none'],
      ['lz4', 'lz4'],
    ] as const) {
      const typed = new PlannedTarget({ defaults: { 'max.message.bytes': '899', 'compression.type': type } });
      assert.deepEqual((await check(typed, { made })).batchLimits.get('a'), { maxMessageBytes: 899, brokerCodec });
    }
    const roomy = new PlannedTarget({ defaults: { 'max.message.bytes': '950' } });
    assert.deepEqual(findings(await check(roomy, { made })), []);
    const shaped = { ...made, includeOriginalOffsetHeader: true };
    await assertFinding(roomy, /warn batch size: .*has 988 bytes with the headers that are added, a takes 950/, {
      made: shaped,
    });
  });

  test('blocks on objects that are missing or short, and names them', async () => {
    const { key } = made.topics[0]!.lanes[0]!.sources[0]!.segments[0]!.segment;
    const missing = await storeOf(made, key);
    await assertFinding(new PlannedTarget(), /block objects: 1 of 2 .*data\/a\/.* is missing/, {
      made,
      store: missing,
    });
    const open = { isTransactional: true, decidedOffset: 5n };
    const segments = [
      stored(A0, 0n, 10n, open),
      stored(A0, 10n, 20n, { ...open, decidedOffset: 15n }),
      stored(A0, 20n, 30n),
    ];
    const deciding = plan(stateOf(seen('a', 1, { replicationFactor: 1 }), ...segments), {
      offsets: [{ topic: 'a', partition: 0, fromOffset: null, toOffset: 10n }],
    });
    await assertFinding(new PlannedTarget(), /block objects: 1 of 2 .*data\/a\/.*\/0{18}10-\S+ is missing/, {
      made: deciding,
    });
    await missing.putIfAbsent(key, [Buffer.alloc(3)]);
    await assertFinding(new PlannedTarget(), /block objects: 1 of 2 .* has 3 bytes instead of 500/, {
      made,
      store: missing,
    });
  });
});
