import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PreflightResult } from '../../../src/restore/preflight.ts';
import type { RestoreRequest } from '../../../src/restore/restore-job.ts';
import type { RestorePlan } from '../../../src/restore/restore-plan.ts';
import { partition, plan, seen, stateOf, stored } from './plan/plan-fixture.ts';
import { A0, A1, assertFinding, check, type Found, findings, PlannedTarget, STATE } from './preflight-fixture.ts';

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
    await assertFinding(target, /warn configuration: a: the backup does not hold .*imported.*topic_configs$/, { made });
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
    await assertFinding(
      there({ ends: [0n] }),
      /block partitions: a has 1 partition\(s\), 2 are needed; add partitions to it, or map/,
    );
    await assertFinding(there({ ends: [0n, 0n, 0n] }), /warn partitions: a has 3 partition\(s\), the source had 2/);
  });

  test('takes as many as are asked for, and blocks on fewer', async () => {
    const made = planFor({ repartitioning: { a: { partitions: 4, partitioning: 'preserve' } } });
    const of = (count: number): PlannedTarget => there({ ends: Array.from({ length: count }, () => 0n) });
    await assertFinding(of(2), /block partitions: a has 2 partition\(s\), 4 are asked for .*; add partitions/, {
      made,
    });
    assert.deepEqual(findings(await check(of(4), { made })), []);
    await assertFinding(of(5), /^warn partitions: a has 5 partition\(s\), 4 are asked for: keys/m, { made });
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
    await assertFinding(
      there({ configs: { 'min.insync.replicas': '2' } }),
      /block replication: a has min.*: lower it on the topic$/,
    );
  });

  test('warns of a configuration that is not the planned one', async () => {
    const held = [stored(A0, 0n, 10n), stored(A1, 0n, 10n)];
    const made = plan(stateOf(seen('a', 2, { configs: { 'cleanup.policy': 'compact', x: '1' } }), ...held));
    const target = there({ configs: { 'cleanup.policy': 'delete' } });
    await assertFinding(target, /warn configuration: a .*: cleanup\.policy=delete \(planned: compact\)$/, { made });
  });
});
