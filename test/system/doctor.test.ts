// The doctor against a real cluster that keeps its rules: it finds what is wrong, each fault at its own step, and leaves nothing.
import assert from 'node:assert/strict';
import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { S3ObjectStore } from '../../src/storage/s3/s3-object-store.ts';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { freePorts } from '../support/free-port.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { startVersitygw, VERSITYGW_KEYS, VERSITYGW_REGION } from '../support/stores/versitygw.ts';
import { changeJson } from '../support/sealed-json.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const USER = 'agent';
const ENV = { PASSWORD: 'correct horse', WRONG: 'battery staple' };

interface Check {
  readonly area: string;
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly remedy: string | null;
}

describe('the doctor', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let authority: CertificateAuthority;
  let files = 0;
  /** Where there is a backup `held` of the topics that the targets of restores lack something for. */
  let held: Readonly<Record<string, unknown>>;

  before(async () => {
    authority = await CertificateAuthority.create();
    const broker = await authority.sign('broker', 'IP:127.0.0.1');
    system = await SystemFixture.start({
      listeners: { SASL: 'SASL_PLAINTEXT', TLS: 'SSL' },
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'listener.name.tls.ssl.keystore.type': 'PEM',
        'listener.name.tls.ssl.keystore.location': broker.keyStore,
        'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${USER}="${ENV.PASSWORD}";`,
      },
    });
    ({ probe } = system);
    for (const topic of ['open', 'listed']) {
      await probe.createTopic(topic);
      await probe.produce(topic, { records: 500 });
    }
    await probe.allow(USER, 'open', ['READ', 'DESCRIBE', 'DESCRIBE_CONFIGS']);
    await probe.allow(USER, 'listed', ['DESCRIBE', 'DESCRIBE_CONFIGS']);
    // Each lacks one thing; READ and WRITE let describe, and ALTER_CONFIGS lets DESCRIBE_CONFIGS.
    for (const topic of ['unlisted', 'unconfigured', 'unwritable', 'opaque', 'fixed']) await probe.createTopic(topic);
    await probe.allow(USER, 'unconfigured', ['READ']);
    await probe.allow(USER, 'unwritable', ['READ', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS']);
    await probe.allow(USER, 'opaque', ['READ', 'WRITE']);
    await probe.allow(USER, 'fixed', ['READ', 'WRITE', 'DESCRIBE_CONFIGS']);
    const path = join(system.workspace.directory, 'held');
    held = { backup_id: 'held', storage: { backend: 'filesystem', path } };
    const topics = ['open', 'unwritable', 'opaque', 'fixed'];
    assertExit(await system.workspace.backup({ backupId: 'held', topics, store: path }), 0);
    await probe.allow(USER, 'own', ['CREATE', 'DESCRIBE', 'WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS']);
  });

  after(async () => {
    await system?.stop();
    await authority?.remove();
  });

  async function doctor(change: Readonly<Record<string, unknown>>, ...args: string[]): Promise<AgentRun> {
    files += 1;
    const { directory, store } = system.workspace;
    const file = join(directory, `doctor-${files}.yaml`);
    const storage = { backend: 'filesystem', path: store };
    await writeFile(file, JSON.stringify({ mode: 'backup', backup_id: 'seen', storage, ...change }));
    return new AgentProcess(['doctor', '-c', file, ...args], { cwd: directory, env: ENV }).exit();
  }

  function source(topics: readonly string[], password = '${PASSWORD}') {
    const security = { security_protocol: 'SASL_PLAINTEXT', sasl_mechanism: 'PLAIN', sasl_username: USER };
    return {
      bootstrap_servers: [system.broker.listeners.SASL ?? ''],
      topics: { include: topics },
      security: { ...security, sasl_password: password },
    };
  }

  function failures({ summary }: AgentRun): Check[] {
    return (summary.checks as unknown as readonly Check[]).filter(({ status }) => status === 'fail');
  }

  it('finds nothing wrong where nothing is, says how it looked, and leaves the store as it was', async () => {
    const plain = { bootstrap_servers: [system.broker.bootstrap], topics: { include: ['open'] } };
    const backup = { max_partition_fetch_bytes: '16MiB' };
    const text = await doctor({ source: plain, backup });
    assertExit(text, 0);
    assert.match(text.stdout, /^ 1\. ok +store: reach and list/m);
    assert.match(text.stdout, /put if absent +a second put of the same key is refused/);
    assert.match(text.stdout, /source: clock +the clock of the cluster's controller agrees with ours/);
    assert.match(text.stdout, /source: fetch +a batch of \d+ bytes from open-0/);
    assert.match(text.stdout, /Result: all \d+ checks are well\n$/);
    const json = await doctor({ source: plain, backup }, '--json');
    assertExit(json, 0);
    assert.deepEqual([json.summary.warnings, json.summary.failures], [0, 0]);
    const left: string[] = [];
    for await (const { key } of new FilesystemObjectStore(system.workspace.store).list('')) left.push(key);
    assert.deepEqual(left, []);
  });

  it('tells credentials that are refused by its exit code, and still checks what does not need them', async () => {
    const run = await doctor({ source: source(['open'], '${WRONG}') }, '--json');
    assertExit(run, 12);
    const [failed, ...others] = failures(run);
    assert.match(`${failed?.name} ${failed?.remedy}`, /^log in .* sasl_password/);
    assert.deepEqual(others, []);
  });

  it('tells when the certificate of a broker ends, and one that nobody trusts', async () => {
    const tls = (ssl_ca_location: string) => ({
      bootstrap_servers: [system.broker.listeners.TLS ?? ''],
      topics: { include: ['open'] },
      security: { security_protocol: 'SSL', ssl_ca_location },
    });
    const run = await doctor({ source: tls(authority.certificate) }, '--json');
    assertExit(run, 0);
    // Those of the tests are for a day.
    const check = (run.summary.checks as unknown as readonly Check[]).find(({ name }) => name.startsWith('TLS '));
    assert.deepEqual([check?.status, check?.remedy], ['warn', "Renew the broker's certificate in time."]);
    assert.match(check?.message ?? '', /^TLSv1\.3, the certificate is valid until \d{4}-\d\d-\d\d$/);
    const stranger = await CertificateAuthority.create();
    const refused = await doctor({ source: tls(stranger.certificate) }, '--json');
    assertExit(refused, 12);
    assert.match(failures(refused)[0]?.message ?? '', /ssl_ca_location/);
    await stranger.remove();
  });

  it('names the permission that a topic lacks', async () => {
    const run = await doctor({ source: source(['open', 'listed']) }, '--json');
    assertExit(run, 1);
    assert.deepEqual(
      failures(run).map(({ name, message }) => [name, message]),
      [
        ['permissions', 'not allowed: READ on listed'],
        ['fetch', 'listed-0 from offset 0: TOPIC_AUTHORIZATION_FAILED'],
      ],
    );
    assert.equal((await doctor({ source: source(['open']) }, '--json')).exitCode, 0);
  });

  it('names what a source lacks to describe a topic and its configuration', async () => {
    const run = await doctor({ source: source(['open', 'unlisted', 'unconfigured']) }, '--json');
    assertExit(run, 1);
    const [topics, permissions, sizes, ...others] = failures(run);
    assert.match(`${topics?.name}: ${topics?.message}`, /^topics: 2 topic.*; may not be described: unlisted$/);
    assert.match(topics?.remedy ?? '', /Grant DESCRIBE/);
    assert.equal(
      `${permissions?.name}: ${permissions?.message}`,
      'permissions: not allowed: DESCRIBE_CONFIGS on unconfigured',
    );
    assert.match(`${sizes?.name}: ${sizes?.message}`, /^batch sizes: .*unconfigured/);
    assert.deepEqual(others, []);
  });

  it('names what a target lacks to be written, and to have its configuration read and set', async () => {
    const include = ['open', 'unwritable', 'opaque', 'fixed'];
    const restore = { topics: { include }, topic_mapping: { open: 'own' } };
    const run = await doctor({ ...held, mode: 'restore', target: source([]), restore }, '--json');
    assertExit(run, 1);
    const [permissions, ...others] = failures(run);
    assert.equal(permissions?.name, 'permissions');
    for (const lacking of [
      'WRITE on unwritable',
      'DESCRIBE_CONFIGS, ALTER_CONFIGS on opaque',
      'ALTER_CONFIGS on fixed',
    ]) {
      assert.ok(permissions.message.includes(lacking), permissions.message);
    }
    assert.doesNotMatch(permissions.message, / on own\b/);
    assert.deepEqual(others, []);
  });

  it('tells an address that nobody listens on from a store that cannot be used', async () => {
    const nobody = `127.0.0.1:${(await freePorts(1))[0]}`;
    const notDirectory = join(system.workspace.directory, 'doctor-1.yaml');
    const run = await doctor(
      {
        source: { bootstrap_servers: [nobody, 'no-such-host.invalid:9092'], topics: { include: ['open'] } },
        storage: { backend: 'filesystem', path: notDirectory },
      },
      '--json',
    );
    assertExit(run, 1);
    assert.deepEqual(
      failures(run).map(({ area, name }) => `${area}: ${name}`),
      ['store: reach and list', `source: TCP ${nobody}`, 'source: resolve no-such-host.invalid:9092'],
    );
  });

  it('tries a store by the means of its kind, and tells keys that it refuses', async () => {
    const gateway = await startVersitygw();
    try {
      await gateway.createBucket('backups');
      const storage = {
        ...{ backend: 's3', bucket: 'backups', endpoint: gateway.endpoint, region: VERSITYGW_REGION, allow_http: true },
        ...{ access_key: VERSITYGW_KEYS.accessKey, secret_key: VERSITYGW_KEYS.secretKey, part_size_bytes: '5MiB' },
      };
      const change = { source: source(['open']), storage };
      const run = await doctor(change, '--json');
      assertExit(run, 0);
      const names = (run.summary.checks as unknown as readonly Check[]).map(({ name }) => name);
      for (const name of ['put if absent in parts', 'read in parts', 'give up an upload']) {
        assert.ok(names.includes(name), names.join());
      }
      const left = [];
      for await (const { key } of new S3ObjectStore(gateway.settings({ bucket: 'backups' })).list('')) left.push(key);
      assert.deepEqual(left, []);
      const refused = await doctor({ ...change, storage: { ...storage, secret_key: 'wrong' } }, '--json');
      assertExit(refused, 12);
      assert.deepEqual(
        failures(refused).map(({ name }) => name),
        ['reach and list'],
      );
    } finally {
      await gateway.server.stop();
    }
  });

  it('asks a target whether it would create and take what a restore writes', async () => {
    const restore = (topic: string) => ({
      ...{ ...held, mode: 'restore', target: source([]) },
      restore: { topics: { include: ['open'] }, topic_mapping: { open: topic } },
    });
    const good = await doctor(restore('own'), '--json');
    assert.deepEqual(failures(good), []);
    assert.equal(good.exitCode, 0);
    const bad = await doctor(restore('forbidden'), '--json');
    assertExit(bad, 1);
    assert.deepEqual(
      failures(bad).map(({ area, name }) => `${area}: ${name}`),
      ['target default: create'],
    );
    await assert.rejects(probe.describeTopic('own'), 'nothing was created');
  });

  it('fails where what is to be restored is not there: the backup, a topic of it, a version', async () => {
    const found = async (change: object, topics: readonly string[]): Promise<[number | null, string[]]> => {
      const restore = { topics: { include: topics }, topic_mapping: { open: 'own' } };
      const run = await doctor({ ...held, mode: 'restore', target: source([]), restore, ...change }, '--json');
      const inStore = failures(run).filter(({ area }) => area === 'store');
      return [run.exitCode, inStore.map(({ name, message, remedy }) => `${name}: ${message}; ${remedy}`)];
    };
    assert.deepEqual(await found({}, ['open']), [0, []]);
    assert.deepEqual(await found({}, []), [0, []]);
    const [mistyped, absent] = await found({ backup_id: 'hold' }, ['open']);
    assert.deepEqual([mistyped, absent.length], [1, 1]);
    assert.match(absent[0] ?? '', /^catalog: there is no backup hold in .*; kafka-backup list/);
    const [missing, topic] = await found({}, ['open', 'opne']);
    assert.deepEqual([missing, topic.length], [1, 1]);
    assert.match(
      topic[0] ?? '',
      /^topics to restore: not in the backup: opne; .* holds fixed, opaque, open, unwritable;/,
    );
    const [nothing, pattern] = await found({}, ['zzz*']);
    assert.deepEqual([nothing, pattern.length], [1, 1]);
    assert.match(pattern[0] ?? '', /^topics to restore: no topic of the backup is meant/);
    const restore = { topics: { include: ['open'] }, topic_mapping: { open: 'own' }, catalog_version: 99 };
    const [early, version] = await found({ restore }, []);
    assert.deepEqual([early, version.length], [1, 1]);
    assert.match(version[0] ?? '', /^topics to restore: .* no catalog version 99/);
  });

  it('fails where the backup is of another cluster, or has lost its identity', async () => {
    const plain = { bootstrap_servers: [system.broker.bootstrap], topics: { include: ['open'] } };
    assertExit(await doctor({ ...held, source: plain }, '--json'), 0);
    const path = join(system.workspace.directory, 'foreign');
    await cp(join(system.workspace.directory, 'held'), path, { recursive: true });
    const file = join(path, 'held', 'backup.json');
    const changed = changeJson(await readFile(file), (identity) => ({ ...identity, clusterId: 'AnotherCluster' }));
    await writeFile(file, changed);
    const foreign = { ...held, storage: { backend: 'filesystem', path }, source: plain };
    const run = await doctor(foreign, '--json');
    assertExit(run, 1);
    const [failed, ...others] = failures(run);
    assert.deepEqual([`${failed?.area}: ${failed?.name}`, others], ['source: cluster', []]);
    assert.match(`${failed?.message}; ${failed?.remedy}`, /is of cluster AnotherCluster; .*another backup_id/);
    await rm(file);
    const lost = await doctor(foreign, '--json');
    assertExit(lost, 1);
    assert.deepEqual(
      failures(lost).map(({ area, name }) => `${area}: ${name}`),
      ['store: catalog'],
    );
  });

  it('leaves no directory behind at a path that was not there', async () => {
    const { directory } = system.workspace;
    const plain = { bootstrap_servers: [system.broker.bootstrap], topics: { include: ['open'] } };
    const path = join(directory, 'mistyped', 'deeply');
    assertExit(await doctor({ source: plain, storage: { backend: 'filesystem', path } }), 0);
    await assert.rejects(stat(join(directory, 'mistyped')), { code: 'ENOENT' });
    assert.ok((await stat(directory)).isDirectory());
  });

  it('names the security protocol where TLS is spoken to a listener in plain text', async () => {
    const security = { security_protocol: 'SSL' };
    const plain = { bootstrap_servers: [system.broker.bootstrap], topics: { include: ['open'] }, security };
    const run = await doctor({ source: plain }, '--json');
    assertExit(run, 1);
    const [failed, ...others] = failures(run);
    assert.deepEqual(others, []);
    assert.match(`${failed?.name}; ${failed?.remedy}`, /^TLS .*; .*security_protocol/);
  });

  it('warns of a backup that falls behind retention, and of records that it has lost', async () => {
    const plain = { bootstrap_servers: [system.broker.bootstrap], topics: { include: ['aging'] } };
    const HOUR_MS = 3_600_000;
    await probe.createTopic('aging', { config: { 'retention.ms': String(4 * HOUR_MS) } });
    await probe.produce('aging', { records: 100, startTimestampMs: Date.now() - 3.5 * HOUR_MS });
    assertExit(await system.workspace.backup({ backupId: 'seen', topics: ['aging'] }), 0);
    const retention = async (): Promise<Check | undefined> => {
      const run = await doctor({ source: plain }, '--json');
      return (run.summary.checks as unknown as readonly Check[]).find(({ name }) => name === 'retention');
    };
    assert.equal((await retention())?.status, 'ok');
    await probe.produce('aging', { records: 10, startTimestampMs: Date.now() - 3 * HOUR_MS });
    await probe.produce('aging', { records: 10, startTimestampMs: Date.now() });
    assert.equal((await retention())?.status, 'warn');
    await probe.deleteRecords('aging', 0, 105n);
    const lost = await retention();
    assert.deepEqual([lost?.status, lost?.message], ['fail', 'deleted before they were backed up: records of aging-0']);
  });
});
