import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AgentConfig } from '../../../src/config/agent-config.ts';
import { assembleConfig } from '../../../src/config/assemble-config.ts';
import { type LoadedConfig, loadConfig } from '../../../src/config/load-config.ts';
import { renderNotices, renderProblems } from '../../../src/config/problems.ts';
import { CLUSTER, fillValues, leavesOf, SCHEMA } from '../../../src/config/schema/schema.ts';
import { configFile, configOf, ENOUGH } from './config-files.ts';

const MIB = 1024 * 1024;
const EXAMPLES = fileURLToPath(new URL('../../../config/', import.meta.url));
const FIXTURES = fileURLToPath(new URL('./', import.meta.url));

function loadFile(file: string, env: Readonly<Record<string, string>> = {}): LoadedConfig {
  const result = loadConfig({ file, env });
  assert.equal(result.kind, 'ok', result.kind === 'invalid' ? renderProblems(result.problems) : '');
  return result as LoadedConfig;
}

/** What some examples take from the environment. */
const EXAMPLE_ENV = { S3_ACCESS_KEY: 'AK', S3_SECRET_KEY: 'SK' };

describe('the example files', () => {
  const names = readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'));

  for (const name of names) {
    it(`${name} loads without notices`, () => {
      assert.deepEqual(loadFile(`${EXAMPLES}${name}`, EXAMPLE_ENV).notices, []);
    });
  }

  const templates = [
    ['high-throughput.yaml', 'lz4', 3, 16, 256 * MIB, 120_000],
    ['balanced.yaml', 'zstd', 3, 4, 128 * MIB, 30_000],
    ['low-resource.yaml', 'zstd', 1, 2, 64 * MIB, 60_000],
  ] as const;
  for (const [name, compression, level, partitions, bytes, intervalMs] of templates) {
    it(`${name} has its promised values`, () => {
      const { backup } = loadFile(`${EXAMPLES}${name}`).config;
      assert.equal(backup.compression, compression);
      assert.equal(backup.compressionLevel, level);
      assert.equal(backup.maxConcurrentPartitions, partitions);
      assert.equal(backup.segmentMaxBytes, bytes);
      assert.equal(backup.segmentMaxIntervalMs, intervalMs);
    });
  }
});

describe('files of the peer', () => {
  it('a full backup.yaml starts unchanged and says what each inactive key does instead', () => {
    const { config, notices } = loadFile(`${FIXTURES}peer-backup.yaml`, { KAFKA_PASSWORD: 'p: #{}' });
    assert.equal(config.source?.sasl?.mechanism, 'SCRAM-SHA-256');
    assert.equal(config.source?.sasl?.password, 'p: #{}');
    assert.equal(config.backup.maxConcurrentPartitions, 8);
    assert.equal(config.backup.onMissingTopic, 'wait');
    assert.equal(config.backup.commitIntervalSecs, 0);
    assert.deepEqual([config.backup.fetchMinBytes, config.backup.fetchMaxBytes], [MIB / 2, MIB / 2]);
    assert.deepEqual(config.backup.internalTopics, []);
    assert.deepEqual(config.logging, { level: 'info', format: 'pretty' });
    const keys = notices.map((notice) => notice.key);
    assert.deepEqual(keys, [
      'source.connection.keepalive_interval_secs',
      'source.connection.connections_per_broker',
      'backup.poll_interval_ms',
      'backup.include_offset_headers',
      'backup.source_cluster_id',
      'backup.sync_interval_secs',
      'backup.consumer_group_snapshot',
      'backup.retention',
      'backup.circuit_breaker',
      'offset_storage.backend, offset_storage.db_path, offset_storage.s3_key, offset_storage.sync_interval_secs',
      'metrics.port, metrics.bind_address',
      'metrics.update_interval_ms',
      'logging.file',
    ]);
    assert.match(renderNotices(notices), /resume positions come from the catalog/);
  });

  it('a full restore.yaml starts unchanged, with the topics of target', () => {
    const { config, notices } = loadFile(`${FIXTURES}peer-restore.yaml`);
    assert.deepEqual(config.restore.topics, { include: ['orders', '~payments-.*'], exclude: [] });
    assert.deepEqual(
      [...config.restore.topicMapping],
      [
        ['orders', 'orders_restored'],
        ['payments.eu', 'payments.eu-copy'],
      ],
    );
    assert.equal(config.restore.recoveryTarget.toMs, 1_732_406_400_000);
    assert.equal(config.restore.rateLimitBytesPerSec, MIB);
    assert.deepEqual([config.restore.partitionMapping, config.restore.repartitioning], [new Map(), new Map()]);
    assert.deepEqual(
      notices.map((notice) => notice.key),
      [
        'restore.consumer_group_strategy, restore.consumer_groups',
        'restore.produce_acks',
        'restore.checkpoint_state',
        'restore.checkpoint_interval_secs',
        'restore.offset_report',
        'restore.header_preflight',
        'restore.circuit_breaker',
        'metrics.port',
      ],
    );
  });
});

describe('loading', () => {
  it('fills every default from the table', () => {
    const { backup, restore, control } = configOf(ENOUGH);
    assert.equal(backup.compression, 'zstd');
    assert.equal(backup.segmentMaxBytes, 128 * MIB);
    assert.equal(backup.segmentMaxIntervalMs, 60_000);
    assert.equal(backup.maxConcurrentPartitions, 4);
    assert.equal(backup.frameBytes, 4 * MIB);
    assert.equal(restore.produceBatchSize, 10_000);
    assert.equal(restore.createTopics, true);
    assert.equal(control.listen, null);
    assert.deepEqual(control.allowedHosts, []);
  });

  it('takes the names by which the control port may be called', () => {
    const { control } = configOf(`${ENOUGH}control: {allowed_hosts: [kafka-backup.monitoring.svc, agent]}\n`);
    assert.deepEqual(control.allowedHosts, ['kafka-backup.monitoring.svc', 'agent']);
  });

  it('reads sizes, durations, instants and offsets exactly', () => {
    const config = configOf(`${ENOUGH}backup:
  segment_max_bytes: 64KiB
  segment_max_interval_ms: 5m
  checkpoint_interval_secs: 2000ms
  start_offset:
    specific:
      orders.eu: {0: 9223372036854775807, 1: 5}
restore:
  time_window_start: "2026-11-20T03:00:00+01:00"
`);
    assert.equal(config.backup.segmentMaxBytes, 65_536);
    assert.equal(config.backup.segmentMaxIntervalMs, 300_000);
    assert.equal(config.backup.commitIntervalSecs, 2);
    assert.equal(config.backup.frameBytes, 65_536);
    const start = config.backup.startOffset;
    assert.equal(start.kind === 'specific' && start.offsets.get('orders.eu')?.get(0), 2n ** 63n - 1n);
    assert.equal(config.restore.recoveryTarget.fromMs, Date.UTC(2026, 10, 20, 2));
  });

  it('opens the control port on loopback only for a continuous backup, unless told otherwise', () => {
    const on = { host: '127.0.0.1', port: 8083 };
    assert.deepEqual(configOf(`${ENOUGH}backup: {continuous: true}`).control.listen, on);
    assert.equal(configOf(`${ENOUGH}backup: {continuous: true}\ncontrol: {listen: false}`).control.listen, null);
    assert.deepEqual(configOf(`${ENOUGH}control: {listen: "[::1]:0"}`).control.listen, { host: '::1', port: 0 });
  });

  it('keeps named targets apart, and calls target "default"', () => {
    const { targets } = configOf(`${ENOUGH}target: {bootstrap_servers: ["a:1"]}
targets:
  dr: {bootstrap_servers: ["[::1]:9092", "b:2"], client_id: x}
`);
    assert.deepEqual([...targets.keys()], ['default', 'dr']);
    assert.deepEqual(targets.get('dr')?.bootstrapServers, ['[::1]:9092', 'b:2']);
    assert.equal(targets.get('dr')?.requestTimeoutMs, 30_000);
  });

  it('raises the memory budget to one fetch, and the upload budget to one part, unless they are given', () => {
    assert.equal(configOf(`${ENOUGH}backup: {fetch_max_bytes: 100MiB}`).backup.memoryBudgetBytes, 100 * MIB);
    const inS3 = ENOUGH.replace('filesystem', 's3').replace('path: /data', 'bucket: b\n  part_size_bytes: 1GiB');
    assert.equal(configOf(inS3).backup.uploadBudgetBytes, 1024 * MIB);
  });

  it('takes container_name for container', () => {
    const text = ENOUGH.replace('filesystem', 'azure').replace(
      'path: /data',
      'account_name: acc\n  container_name: ctr',
    );
    const { storage } = configOf(text);
    assert.equal(storage.kind === 'azure' && storage.container, 'ctr');
  });

  it('accepts a byte order mark, CRLF, comments and empty sections', () => {
    const text = `\uFEFF# c\n${ENOUGH}  bucket:\nbackup:\ntarget:\nlogging: ~\n`.replaceAll('\n', '\r\n');
    assert.equal(configOf(text).backupId, 'orders');
  });

  it('freezes the result down to its leaves', () => {
    const config = configOf(ENOUGH);
    const parts: unknown[] = [config, config.backup, config.source, config.source?.bootstrapServers, config.storage];
    for (const part of parts) assert.ok(Object.isFrozen(part));
  });

  it('warns when everybody can read a secret, not when it comes from a variable', () => {
    const target = (password: string) => `${ENOUGH}target:
  bootstrap_servers: ["a:1"]
  security: {security_protocol: SASL_SSL, sasl_mechanism: PLAIN, sasl_username: u, sasl_password: "${password}"}
`;
    const literal = loadConfig({ file: configFile(target('hunter2'), 0o644), env: {} });
    assert.equal(literal.kind, 'ok');
    const warnings = literal.kind === 'ok' ? renderNotices(literal.notices) : '';
    assert.match(warnings, /:10:\d+ .*warning: everybody on this host can read this secret/);
    assert.ok(!warnings.includes('hunter2'));
    const variable = loadConfig({ file: configFile(target('${PW}'), 0o644), env: { PW: 'hunter2' } });
    assert.deepEqual(variable.kind === 'ok' && variable.notices, []);
  });

  it('loads without a file, from the environment alone', () => {
    const env = {
      KAFKA_BACKUP__MODE: 'backup',
      KAFKA_BACKUP__BACKUP_ID: 'one',
      KAFKA_BACKUP__SOURCE__BOOTSTRAP_SERVERS: 'a:9092, b:9092',
      KAFKA_BACKUP__STORAGE__BACKEND: 'memory',
    };
    const result = loadConfig({ file: null, env });
    assert.deepEqual(result.kind === 'ok' && result.config.source?.bootstrapServers, ['a:9092', 'b:9092']);
  });
});

describe('the schema', () => {
  it('has defaults that pass their own formats', () => {
    assert.doesNotThrow(() =>
      fillValues(
        SCHEMA,
        new Map([
          ['mode', 'backup'],
          ['backup_id', 'x'],
          ['storage.backend', 'memory'],
        ]),
      ),
    );
  });

  it('has no key that does what it says and yet reaches nobody', () => {
    const read = new Set<string>();
    const watched = (value: unknown, path: string): unknown => {
      if (typeof value !== 'object' || value === null || value instanceof Map || Array.isArray(value)) return value;
      return new Proxy(value, {
        get(target, key) {
          const below = path === '' ? String(key) : `${path}.${String(key)}`;
          read.add(below);
          return watched(Reflect.get(target, key), below);
        },
      });
    };
    const required = [
      ['mode', 'backup'],
      ['backup_id', 'x'],
      ['storage.backend', 'filesystem'],
      ['storage.path', '/x'],
    ] as const;
    const secured = ['source', 'target'].flatMap(
      (at) =>
        [
          [`${at}.security.security_protocol`, 'SASL_SSL'],
          ...['sasl_mechanism', 'sasl_username', 'sasl_password'].map((key) => [
            `${at}.security.${key}`,
            key === 'sasl_mechanism' ? 'PLAIN' : 'x',
          ]),
        ] as [string, string][],
    );
    const internal = [['backup.include_internal_topics', true]] as const;
    const values = fillValues(SCHEMA, new Map<string, unknown>([...required, ...secured, ...internal]));
    const built: AgentConfig = assembleConfig({
      values: watched(values, '') as typeof values,
      targets: new Map(),
      has: () => true,
      nowMs: 0,
    });
    assert.equal(built.mode, 'backup');
    const unread = [...leavesOf(SCHEMA)].filter(([path, leaf]) => {
      const elsewhere = leaf.status !== undefined || path.endsWith('sasl_password_file');
      return !elsewhere && (leaf.backends ?? ['filesystem']).includes('filesystem') && !read.has(path);
    });
    assert.deepEqual(
      unread.map(([path]) => path),
      [],
    );
  });

  it('describes the same cluster for source, target and targets', () => {
    const keys = (prefix: string) =>
      [...leavesOf(SCHEMA).keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(7));
    assert.deepEqual(keys('source.'), keys('target.'));
    assert.deepEqual(keys('source.'), [...leavesOf(CLUSTER).keys()]);
  });
});
