import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { requestOf } from '../../../../src/cli/input/restore-flags.ts';
import { loadConfig } from '../../../../src/config/load-config.ts';
import { parseJsonBody } from '../../../../src/control/json-body.ts';
import { configuredRequest, readRestore } from '../../../../src/agent/restore/restore-requests.ts';
import { type ParsedRestoreRequest, parseRestoreRequest } from '../../../../src/control/resources/restore-request.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');

type Body = Readonly<Record<string, unknown>>;

function parsed(body: Body): ParsedRestoreRequest {
  return parseRestoreRequest(body, { read: readRestore, defaultTarget: 'default', nowMs: NOW_MS });
}

test('instants are those of the command line, numbers being epoch milliseconds', () => {
  const instants: readonly (readonly [Body, number])[] = [
    [{ point_in_time: '2026-11-20T03:00:00Z' }, 1_795_143_600_000],
    [{ point_in_time: 1_795_143_600_000 }, 1_795_143_600_000],
    [{ point_in_time: '2026-11-20 04:00', time_zone: 'Europe/Berlin' }, 1_795_143_600_000],
    [{ point_in_time: '-9h' }, 1_795_143_600_000],
  ];
  for (const [body, expected] of instants) {
    const result = parsed(body);
    assert.equal(result.kind === 'request' && result.request.recoveryTarget.toMs, expected, JSON.stringify(body));
  }
});

test('what an instant lacks is told at its place', () => {
  const bodies: readonly (readonly [Body, string, RegExp])[] = [
    [{ point_in_time: '2026-11-20 04:00' }, 'body/point_in_time', /no time zone/],
    [{ point_in_time: '2026-03-29 02:30', time_zone: 'Europe/Berlin' }, 'body/point_in_time', /does not exist/],
    [{ time_window_start: '1969-12-31T23:59:59Z' }, 'body/time_window_start', /before 1970/],
    [{ time_zone: 'Mars/Olympus' }, 'body/time_zone', /not a time zone/],
  ];
  for (const [body, path, message] of bodies) {
    const result = parsed(body);
    assert.ok(result.kind === 'invalid', JSON.stringify(body));
    assert.equal(result.issues[0]!.path, path);
    assert.match(result.issues[0]!.message, message);
  }
});

/** What `restore` of a configuration can say of a restore. */
const EVERYTHING = {
  topics: { include: ['orders', 'pay*', '~^audit-[0-9]+$'], exclude: ['pay-test'] },
  source_partitions: [0, 2],
  time_window_start: '2026-11-20 01:00',
  time_window_end: '-1h',
  time_zone: 'Europe/Berlin',
  cut: 'log',
  topic_targets: {
    orders: { time_window_end: 'latest' },
    payments: { time_window_start: 1_795_143_600_000, cut: 'timestamp' },
  },
  offsets: { orders: { 0: { from: 5, to: 1_000_000_007 }, 2: { from: 7 } } },
  catalog_version: 12,
  filter: { key: '^customer-', header: 'env', header_value: '^prod$' },
  topic_mapping: { orders: 'orders-2', 'prefix:pay': 'restored.pay', '~(audit)-([0-9]+)': '$1.$2' },
  partition_mapping: { 2: 1 },
  repartitioning: { 'orders-2': { strategy: 'preserve', target_partitions: 9 } },
  include_original_offset_header: true,
  into_existing: 'append',
  dry_run: true,
};

test('a body says what a configuration says, with the same keys', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'restore-body-'));
  try {
    const file = join(directory, 'restore.yaml');
    const cluster = { bootstrap_servers: ['localhost:9092'] };
    const storage = { backend: 'filesystem', path: directory };
    const config = { mode: 'restore', backup_id: 'b', target: cluster, storage, restore: EVERYTHING };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const loaded = loadConfig({ file, env: {}, nowMs: NOW_MS });
    assert.ok(loaded.kind === 'ok');
    const { request, topicTargets } = { request: configuredRequest(loaded.config.restore), ...loaded.config.restore };
    const flags = requestOf({ request, topicTargets, timeZone: null }, {}, NOW_MS);
    assert.deepEqual(parsed(EVERYTHING), { kind: 'request', request: flags });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a body says how it is to be done, and what it leaves out is as the agent is configured', () => {
  const result = parsed({
    isolation: 'read_uncommitted',
    rate_limit_bytes_per_sec: '10MiB',
    max_concurrent_partitions: 2,
    topic_configs: { '*': { 'retention.ms': -1, 'cleanup.policy': null } },
  });
  assert.ok(result.kind === 'request');
  assert.deepEqual(result.request.settings, {
    isolation: 'read_uncommitted',
    bytesPerSecond: 10_485_760,
    maxConcurrentPartitions: 2,
    topicConfigs: { '*': { 'retention.ms': '-1', 'cleanup.policy': null } },
  });
});

test('offsets beyond 2^53 are written as text', () => {
  const result = parsed({ offsets: { orders: { 0: { from: '9007199254740993', to: '9223372036854775807' } } } });
  assert.ok(result.kind === 'request');
  const [limits] = result.request.offsets;
  assert.deepEqual([limits!.fromOffset, limits!.toOffset], [9_007_199_254_740_993n, 9_223_372_036_854_775_807n]);
});

test('a misspelt key is told with the one that was meant, and every other fault beside it', () => {
  const result = parsed({
    point_in_tme: 1,
    tpoics: [],
    source_partitons: [1],
    filter: { hedaer: 'x' },
    cut: 'lgo',
    target: 7,
  });
  assert.ok(result.kind === 'invalid');
  const messages = Object.fromEntries(result.issues.map(({ path, message }) => [path, message]));
  assert.match(messages['body/point_in_tme']!, /point_in_time/);
  assert.match(messages['body/tpoics']!, /topics/);
  assert.match(messages['body/source_partitons']!, /source_partitions/);
  assert.match(messages['body/filter/hedaer']!, /header/);
  assert.match(messages['body/cut']!, /timestamp or log/);
  assert.match(messages['body/target']!, /not a name/);
  assert.equal(result.issues.length, 6);
});

test('cut and catalog version are taken over, and left to their defaults', () => {
  const result = parsed({ cut: 'log', catalog_version: 3 });
  assert.ok(result.kind === 'request');
  assert.deepEqual([result.request.recoveryTarget, result.request.catalogVersion], [{ cut: 'log' }, 3]);
  const plain = parsed({});
  assert.ok(plain.kind === 'request');
  assert.deepEqual([plain.request.recoveryTarget, plain.request.catalogVersion], [{ cut: 'timestamp' }, null]);
});

test('whatever JSON holds is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      const parsed = parseJsonBody(Buffer.from(text));
      if (text.includes('"__proto__"')) return;
      assert.deepEqual(parsed, { kind: 'value', value: JSON.parse(text) });
    }),
  );
});

test('no bytes make the parser throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const { kind } = parseJsonBody(bytes);
      assert.ok(kind === 'value' || kind === 'invalid');
    }),
  );
});

test('the same key in different objects is no repetition, nor is a key as a value', () => {
  const text = '{"a":{"a":"a","b":["a",{"a":"\\"a\\":"}]},"b":{"a":1},"c":"b"}';
  assert.deepEqual(parseJsonBody(Buffer.from(text)), { kind: 'value', value: JSON.parse(text) });
});
