// A user who may not do everything: what is allowed goes on, what is not is named with its remedy, and no run that left
// something out says that it was complete.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AgentRun } from '../support/agent-process.ts';
import { assertExit, committedOffset } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const RECORDS = 1000;
const READER = 'reader';
const WRITER = 'writer';
const ENV = { PASSWORD: 'correct horse' };
const REMEDY = /A backup needs DESCRIBE, READ and DESCRIBE_CONFIGS/;
const DENIED = 'TOPIC_AUTHORIZATION_FAILED';
const EAGER = { continuous: true, segment_max_interval_ms: 300, checkpoint_interval_secs: 1 };

describe('with access control', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    const users = [READER, WRITER].map((user) => `user_${user}="${ENV.PASSWORD}"`).join(' ');
    system = await SystemFixture.start({
      listeners: { SASL: 'SASL_PLAINTEXT' },
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
      },
    });
    ({ probe } = system);
    for (const topic of ['open', 'listed', 'hidden']) {
      await probe.createTopic(topic);
      await probe.produce(topic, { records: RECORDS });
    }
    await probe.allow(READER, 'open', ['READ', 'DESCRIBE', 'DESCRIBE_CONFIGS']);
    await probe.allow(READER, 'listed', ['DESCRIBE', 'DESCRIBE_CONFIGS']);
    const operations = ['CREATE', 'DESCRIBE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'];
    await probe.allow(WRITER, 'own', [...operations, 'WRITE']);
    await probe.allow(WRITER, 'unwritable', operations);
  });

  after(() => system?.stop());

  function login(user: string): Readonly<Record<string, unknown>> {
    const security = { security_protocol: 'SASL_PLAINTEXT', sasl_mechanism: 'PLAIN' };
    return { security: { ...security, sasl_username: user, sasl_password: '${PASSWORD}' } };
  }

  function backupSpec(backupId: string, topics: readonly string[]) {
    const bootstrap = system.broker.listeners.SASL ?? '';
    return { backupId, topics, bootstrap, source: login(READER), run: { env: ENV } };
  }

  function shortfalls({ summary }: AgentRun): string {
    return (summary.shortfalls as readonly string[]).join('\n');
  }

  for (const [included, name] of [
    [['open', 'hidden'], 'hidden'],
    [['open*', 'hidden'], 'hidden'],
    [['open', 'listed'], 'listed'],
  ] as const) {
    it(`a backup of ${included.join(' and ')} holds the one topic and says that it may not read the other`, async () => {
      const spec = backupSpec(`once-${included.join('-').replace('*', 's')}`, included);
      const run = await system.workspace.backup(spec);
      assertExit(run, 3);
      assert.match(shortfalls(run), new RegExp(`^${name}.*: .*${DENIED}$`));
      assert.match(run.stderr, REMEDY);
      assert.ok(run.elapsedMs < 30_000, `it took ${run.elapsedMs} ms`);
      const state = await system.workspace.catalog(spec.backupId);
      assert.equal(committedOffset(state, 'open'), BigInt(RECORDS));
      assert.equal(committedOffset(state, name), 0n);
    });
  }

  it('a backup of nothing but a topic that may not be described ends with the code of authentication', async () => {
    const run = await system.workspace.backup(backupSpec('nothing', ['hidden']));
    assertExit(run, 12);
    assert.equal(run.failure?.code, 'KAFKA_AUTHORIZATION_FAILED');
    assert.match(run.failure?.message ?? '', new RegExp(`hidden: ${DENIED}`));
    assert.match(run.stderr, REMEDY);
  });

  it('a continuous backup follows what it may read, takes up the rest once it may, and says what is still denied', async () => {
    const spec = backupSpec('followed', ['open', 'listed', 'hidden']);
    const agent = await system.workspace.startBackup({
      ...spec,
      backup: { ...EAGER, topic_refresh_interval_secs: 1 },
    });
    await agent.says(/hidden[^\n]*A backup needs/);
    await agent.says(/listed-0: TOPIC_AUTHORIZATION_FAILED[^\n]*A backup needs/);
    await system.workspace.catalogUntil('followed', (state) => committedOffset(state, 'open') === BigInt(RECORDS));
    const first = await agent.stop();
    assertExit(first, 3);
    assert.equal(shortfalls(first), `listed-0: fetch listed-0: ${DENIED}\nhidden: ${DENIED}`);
    const second = await system.workspace.startBackup({ ...spec, backup: EAGER });
    await second.says(/listed-0: TOPIC_AUTHORIZATION_FAILED/);
    await probe.allow(READER, 'listed', ['READ']);
    await system.workspace.catalogUntil('followed', (state) => committedOffset(state, 'listed') === BigInt(RECORDS));
    const last = await second.stop();
    assertExit(last, 3);
    assert.equal(shortfalls(last), `hidden: ${DENIED}`);
  });

  it('a restore writes where it may, and is blocked where it may not', async () => {
    const { workspace, broker } = system;
    assertExit(await workspace.backup({ backupId: 'whole', topics: ['open'] }), 0);
    const restoreTo = (target: string) =>
      workspace.restore({
        backupId: 'whole',
        topics: { open: target },
        bootstrap: broker.listeners.SASL ?? '',
        target: login(WRITER),
        run: { env: ENV },
      });
    assertExit(await restoreTo('own'), 0);
    assert.equal(await assertSameRecords({ probe, topic: 'open' }, { probe, topic: 'own' }), RECORDS);
    const blocked = await restoreTo('hidden');
    assertExit(blocked, 4);
    assert.equal(blocked.failure?.code, 'PREFLIGHT_BLOCKED');
    assert.match(blocked.failure?.message ?? '', /hidden: the principal /);
    assert.equal((await probe.endOffsets('hidden')).get(0), BigInt(RECORDS));
    const absent = await restoreTo('nowhere');
    assertExit(absent, 4);
    assert.match(absent.failure?.message ?? '', /nowhere: the principal /);
    await assert.rejects(probe.describeTopic('nowhere'), /UnknownTopicOrPartition/);
    const unwritable = await restoreTo('unwritable');
    assertExit(unwritable, 4);
    assert.match(unwritable.failure?.message ?? '', /unwritable: the principal lacks WRITE on the topic/);
    await assert.rejects(probe.describeTopic('unwritable'), /UnknownTopicOrPartition/);
  });
});
