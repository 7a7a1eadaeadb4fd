// TLS and SASL against a broker that insists on them: what is right works in both directions, and of what is wrong the
// operator is told which part, before anything is written.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRun } from '../support/agent-process.ts';
import { assertExit, committedOffset } from '../support/agent-workspace.ts';
import { type Certificate, CertificateAuthority } from '../support/certificates.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const TOPIC = 'orders';
const RECORDS = 5000;
const USER = 'agent';
const ENV = { RIGHT_PASSWORD: 'correct horse', WRONG_PASSWORD: 'battery staple' };
const LOGIN_MODULES = 'org.apache.kafka.common.security';
/** After which a broker drops who has not logged in again; clients do so 10 s before. */
const SESSION_MS = 12_000;
const REMEDY = {
  login: /sasl_password/,
  listener: /security_protocol fits the listener/,
  places: /places named above/,
};

type Security = Readonly<Record<string, unknown>>;

describe('a cluster that insists on security', { timeout: 180_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let authority: CertificateAuthority;
  let stranger: CertificateAuthority;
  let client: Certificate;
  let runs = 0;

  before(async () => {
    authority = await CertificateAuthority.create();
    stranger = await CertificateAuthority.create();
    client = await authority.sign('backup-agent');
    const broker = await authority.sign('broker', 'IP:127.0.0.1');
    system = await SystemFixture.start({
      listeners: { SASL: 'SASL_SSL', MTLS: 'SSL' },
      properties: {
        ...storesOf('sasl', broker),
        ...storesOf('mtls', broker),
        'listener.name.mtls.ssl.client.auth': 'required',
        'listener.name.sasl.sasl.enabled.mechanisms': 'SCRAM-SHA-512,PLAIN',
        'listener.name.sasl.scram-sha-512.sasl.jaas.config': `${LOGIN_MODULES}.scram.ScramLoginModule required;`,
        'listener.name.sasl.plain.sasl.jaas.config': `${LOGIN_MODULES}.plain.PlainLoginModule required user_${USER}="${ENV.RIGHT_PASSWORD}";`,
        'listener.name.sasl.plain.connections.max.reauth.ms': SESSION_MS,
      },
    });
    ({ probe } = system);
    await probe.setScramPassword(USER, ENV.RIGHT_PASSWORD, 'SCRAM-SHA-512');
    await probe.createTopic(TOPIC, { partitions: 2 });
    await probe.produce(TOPIC, { records: RECORDS, keys: 100 });
  });

  after(async () => {
    await system?.stop();
    await authority?.remove();
    await stranger?.remove();
  });

  /** Properties of a listener with this certificate that trusts whom the authority has signed. */
  function storesOf(listener: string, { keyStore }: Certificate): Readonly<Record<string, string>> {
    const prefix = `listener.name.${listener}.ssl`;
    return {
      [`${prefix}.keystore.type`]: 'PEM',
      [`${prefix}.keystore.location`]: keyStore,
      [`${prefix}.truststore.type`]: 'PEM',
      [`${prefix}.truststore.location`]: authority.certificate,
    };
  }

  function sasl(change: Security = {}): Security {
    return {
      security_protocol: 'SASL_SSL',
      sasl_mechanism: 'SCRAM-SHA-512',
      sasl_username: USER,
      sasl_password: '${RIGHT_PASSWORD}',
      ssl_ca_location: authority.certificate,
      ...change,
    };
  }

  function mutualTls(change: Security = {}): Security {
    return {
      security_protocol: 'SSL',
      ssl_ca_location: authority.certificate,
      ssl_certificate_location: client.certificate,
      ssl_key_location: client.key,
      ...change,
    };
  }

  function address(listener: 'SASL' | 'MTLS', host = '127.0.0.1'): string {
    const listening = system.broker.listeners[listener];
    assert.ok(listening !== undefined);
    return listening.replace('127.0.0.1', host);
  }

  function backup(bootstrap: string, security: Security): Promise<AgentRun> {
    runs += 1;
    const spec = { backupId: `run-${runs}`, topics: [TOPIC], bootstrap, source: { security }, run: { env: ENV } };
    return system.workspace.backup(spec);
  }

  async function assertRoundTrip(bootstrap: string, security: Security): Promise<void> {
    const saved = await backup(bootstrap, security);
    assertExit(saved, 0);
    const target = `${TOPIC}-${runs}`;
    const restored = await system.workspace.restore({
      backupId: `run-${runs}`,
      topics: { [TOPIC]: target },
      bootstrap,
      target: { security },
      run: { env: ENV },
    });
    assertExit(restored, 0);
    assert.equal(await assertSameRecords({ probe, topic: TOPIC }, { probe, topic: target }), RECORDS);
    assert.doesNotMatch(saved.stderr + restored.stderr, /Warning/);
  }

  interface Refusal {
    readonly exitCode: number;
    readonly code: string;
    readonly message: RegExp;
    readonly remedy: RegExp;
  }

  async function assertRefused(bootstrap: string, security: Security, refusal: Refusal): Promise<void> {
    const run = await backup(bootstrap, security);
    assertExit(run, refusal.exitCode);
    assert.equal(run.failure?.code, refusal.code);
    assert.match(run.failure?.message ?? '', refusal.message);
    if (refusal.exitCode !== 2) assert.match(run.failure?.message ?? '', new RegExp(bootstrap));
    assert.match(run.stderr, refusal.remedy);
    assert.doesNotMatch(run.stdout + run.stderr, /battery staple|correct horse/);
    assert.ok(!existsSync(join(system.workspace.store, `run-${runs}`)), 'nothing was written');
  }

  it('is backed up and restored by SCRAM-SHA-512 over TLS', () => assertRoundTrip(address('SASL'), sasl()));

  it('is backed up and restored by client certificates', () => assertRoundTrip(address('MTLS'), mutualTls()));

  it('is followed beyond the end of a login', async () => {
    const plain = sasl({ sasl_mechanism: 'PLAIN' });
    const agent = await system.workspace.startBackup({
      backupId: 'followed',
      topics: [TOPIC],
      bootstrap: address('SASL'),
      source: { security: plain },
      backup: { continuous: true, segment_max_interval_ms: 300, checkpoint_interval_secs: 1 },
      run: { env: ENV },
    });
    const hasAll = (records: number) => (state: Parameters<typeof committedOffset>[0]) =>
      committedOffset(state, TOPIC, 0) + committedOffset(state, TOPIC, 1) === BigInt(records);
    await system.workspace.catalogUntil('followed', hasAll(RECORDS));
    await sleep(SESSION_MS + 1000);
    await probe.produce(TOPIC, { records: 100, firstIndex: RECORDS });
    await system.workspace.catalogUntil('followed', hasAll(RECORDS + 100));
    const run = await agent.stop();
    assertExit(run, 0);
    assert.doesNotMatch(run.stderr, /in trouble/);
    assert.equal(run.summary.errors, 0);
  });

  it('refuses a wrong password', async () => {
    const refusal = { exitCode: 12, code: 'KAFKA_AUTHENTICATION_FAILED', remedy: REMEDY.login };
    for (const sasl_mechanism of ['SCRAM-SHA-512', 'PLAIN']) {
      const security = sasl({ sasl_mechanism, sasl_password: '${WRONG_PASSWORD}' });
      await assertRefused(address('SASL'), security, { ...refusal, message: /authentication failed/ });
    }
  });

  it('refuses a mechanism that it does not offer', () =>
    assertRefused(address('SASL'), sasl({ sasl_mechanism: 'SCRAM-SHA-256' }), {
      exitCode: 12,
      code: 'KAFKA_AUTHENTICATION_FAILED',
      message: /does not support the requested SASL mechanism/,
      remedy: REMEDY.login,
    }));

  it('is refused when its authority is not the one that is trusted', () =>
    assertRefused(address('SASL'), sasl({ ssl_ca_location: stranger.certificate }), {
      exitCode: 12,
      code: 'KAFKA_AUTHENTICATION_FAILED',
      message: /not signed by an authority that is trusted here/,
      remedy: /ssl_ca_location/,
    }));

  it('is refused under a name that its certificate does not hold, unless that is allowed', async () => {
    const bootstrap = address('SASL', 'localhost');
    await assertRefused(bootstrap, sasl(), {
      exitCode: 12,
      code: 'KAFKA_AUTHENTICATION_FAILED',
      message: /certificate is for another host.*localhost/,
      remedy: /bootstrap_servers/,
    });
    assertExit(await backup(bootstrap, sasl({ ssl_endpoint_identification: false })), 0);
  });

  it('refuses a client without its certificate, or with that of a stranger', async () => {
    const refusal = {
      exitCode: 12,
      code: 'KAFKA_AUTHENTICATION_FAILED',
      message: /the broker refuses our certificate/,
      remedy: /ssl_certificate_location/,
    };
    const foreign = await stranger.sign('backup-agent');
    const none = { security_protocol: 'SSL', ssl_ca_location: authority.certificate };
    await assertRefused(address('MTLS'), none, refusal);
    const theirs = { ssl_certificate_location: foreign.certificate, ssl_key_location: foreign.key };
    await assertRefused(address('MTLS'), mutualTls(theirs), refusal);
  });

  it('is not spoken to in plain text, nor a plain listener in TLS', async () => {
    await assertRefused(
      address('SASL'),
      { security_protocol: 'PLAINTEXT' },
      { exitCode: 1, code: 'KAFKA_NOT_KAFKA', message: /the listener speaks TLS/, remedy: REMEDY.listener },
    );
    await assertRefused(system.broker.bootstrap, mutualTls(), {
      exitCode: 1,
      code: 'KAFKA_UNREACHABLE',
      message: /before secure TLS connection was established/,
      remedy: REMEDY.listener,
    });
  });

  it('is not asked with files that are no certificates or do not belong together', async () => {
    const empty = join(system.workspace.directory, 'empty.pem');
    await writeFile(empty, 'no certificate\n');
    const refusal = { exitCode: 2, code: 'CONFIG_INVALID', remedy: REMEDY.places };
    const other = await authority.sign('other');
    await assertRefused(address('SASL'), sasl({ ssl_ca_location: empty }), { ...refusal, message: /empty\.pem/ });
    const security = mutualTls({ ssl_key_location: other.key });
    await assertRefused(address('MTLS'), security, { ...refusal, message: /ssl_key_location.*key values mismatch/ });
  });
});
