import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Check, CheckList } from '../../../src/doctor/check-list.ts';
import { checkSource, type SourceSubject } from '../../../src/doctor/source-checks.ts';
import type { FetchedPartition, PartitionLog, TopicListing } from '../../../src/kafka/partition-log.ts';
import type { TopicOperation } from '../../../src/kafka/restore-sink.ts';
import { BackupError } from '../../../src/model/errors.ts';

const FETCH_BYTES = 1_000_000;
const BUDGET_BYTES = 10_000_000;
const ALL: readonly TopicOperation[] = ['READ', 'WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'];

/** One topic, `orders`, where all is well; each test spoils one answer. */
class FakeSource {
  listing: TopicListing = {
    topics: [
      {
        ...{ topic: 'orders', topicId: 'id', isInternal: false, replicationFactor: 1 },
        partitions: [{ partition: 0, leader: 1, leaderEpoch: 0 }],
      },
    ],
    missing: [],
    denied: [],
  };
  operations: readonly TopicOperation[] | null = ALL;
  maxMessageBytes = 1_000_000;
  fetched: Partial<FetchedPartition> = { kind: 'records', records: new Uint8Array(100) };
  endOffset = 10n;
  failsOnMissingTopic = false;
  deniesConfigs = false;

  subject(): SourceSubject {
    const key = { topicId: 'id', partition: 0, askedOffset: 0n };
    const positions = { highWatermark: 10n, lastStableOffset: 10n, logStartOffset: 0n };
    // What of the contracts the checks use.
    const log = {
      describeTopics: async () => this.listing,
      listOffsets: async (_: unknown, at: string) => new Map([['orders-0', at === 'earliest' ? 0n : this.endOffset]]),
      fetchOnce: async () => ({
        ...{ isComplete: true, retain: () => {}, release: () => {} },
        partitions: [{ ...key, ...positions, ...this.fetched }],
      }),
    } as unknown as PartitionLog;
    return {
      ...{ log, probe: {} as SourceSubject['probe'], topics: { include: ['orders'], exclude: [] } },
      admin: {
        allowedOperations: async () => new Map(this.operations === null ? [] : [['orders', new Set(this.operations)]]),
        describeEffectiveConfigs: async () => {
          if (this.deniesConfigs) throw new BackupError('KAFKA_AUTHORIZATION_FAILED', 'the configuration of orders');
          return new Map([['max.message.bytes', { value: String(this.maxMessageBytes), isSetOnTopic: true }]]);
        },
      },
      ...{ failsOnMissingTopic: this.failsOnMissingTopic, catalog: null, wallMs: () => 0 },
      ...{ maxPartitionFetchBytes: FETCH_BYTES, memoryBudgetBytes: BUDGET_BYTES },
    };
  }
}

async function look(spoil: (source: FakeSource) => void): Promise<readonly Check[]> {
  const source = new FakeSource();
  spoil(source);
  const list = new CheckList();
  await checkSource(source.subject(), list);
  for (const { status, remedy } of list.checks) assert.equal(remedy !== null, status !== 'ok');
  return list.checks;
}

/** `status name: message; remedy` of what is not well. */
function faults(checks: readonly Check[]): string[] {
  return checks
    .filter(({ status }) => status !== 'ok')
    .map(({ status, name, message, remedy }) => `${status} ${name}: ${message}; ${remedy}`);
}

describe('the checks of a source', () => {
  test('are all well where it is', async () => {
    const checks = await look(() => {});
    assert.deepEqual(faults(checks), []);
    assert.deepEqual(
      checks.map(({ name, message }) => `${name}: ${message}`),
      [
        'topics: 1 topic(s) with 1 partition(s)',
        'permissions: DESCRIBE, READ and DESCRIBE_CONFIGS on every topic',
        'fetch: a batch of 100 bytes from orders-0',
        'batch sizes: every batch that the topics allow fits into one fetch',
        'retention: nothing is backed up yet',
      ],
    );
  });

  const cases: readonly (readonly [string, (source: FakeSource) => void, RegExp[]])[] = [
    ['takes batches as large as a fetch', (source) => (source.maxMessageBytes = FETCH_BYTES), []],
    [
      'takes batches larger than a fetch',
      (source) => (source.maxMessageBytes = FETCH_BYTES + 1),
      [
        /^warn batch sizes: max\.message\.bytes above backup\.max_partition_fetch_bytes \(1000000\): orders \(1000001\); /,
      ],
    ],
    [
      'takes batches as large as the memory',
      (source) => (source.maxMessageBytes = BUDGET_BYTES),
      [/^warn batch sizes/],
    ],
    [
      'takes batches larger than the memory',
      (source) => (source.maxMessageBytes = BUDGET_BYTES + 1),
      [
        /^fail batch sizes: max\.message\.bytes above backup\.memory_budget_bytes \(10000000\): orders \(10000001\); Raise backup\.memory_budget_bytes/,
      ],
    ],
    [
      'may not be described',
      (source) => (source.listing = { topics: [], missing: [], denied: ['orders'] }),
      [/^fail topics: 0 topic\(s\) .* may not be described: orders; Grant DESCRIBE/],
    ],
    [
      'may not be read',
      (source) => (source.operations = ['DESCRIBE_CONFIGS']),
      [/^fail permissions: not allowed: READ on orders; Grant/],
    ],
    [
      'hides its configuration',
      (source) => {
        source.operations = ['READ'];
        source.deniesConfigs = true;
      },
      [/^fail permissions: not allowed: DESCRIBE_CONFIGS on orders; Grant/, /^fail batch sizes: the configuration of/],
    ],
    ['does not tell what is allowed', (source) => (source.operations = null), []],
    [
      'is not there',
      (source) => (source.listing = { topics: [], missing: ['orders'], denied: [] }),
      [/^warn topics: .* not there: orders, which a continuous backup waits for; Create them/],
    ],
    [
      'is not there and must be',
      (source) => {
        source.listing = { topics: [], missing: ['orders'], denied: [] };
        source.failsOnMissingTopic = true;
      },
      [/^fail topics: .* not there: orders; Create them/],
    ],
    [
      'refuses a fetch',
      (source) => (source.fetched = { kind: 'denied', kafkaError: 'TOPIC_AUTHORIZATION_FAILED' }),
      [/^fail fetch: orders-0 from offset 0: TOPIC_AUTHORIZATION_FAILED; .*READ/],
    ],
    ['is empty', (source) => (source.endOffset = 0n), []],
  ];
  for (const [what, spoil, wanted] of cases) {
    test(`tell of a topic that ${what}`, async () => {
      const found = faults(await look(spoil));
      assert.equal(found.length, wanted.length, found.join('\n'));
      for (const [index, pattern] of wanted.entries()) assert.match(found[index]!, pattern);
    });
  }
});
