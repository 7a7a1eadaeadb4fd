import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { RequestIssue } from '../../../src/control/error-body.ts';
import { ask, type ControlFixture, NOW_MS, startControl } from './control-fixture.ts';

describe('the body of a restore', () => {
  let control: ControlFixture;
  before(async () => {
    control = await startControl();
  });
  after(() => control.stop());
  beforeEach(() => {
    control.restores.jobs.length = 0;
  });

  const texts: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ['no JSON', 'restore everything', /not JSON/],
    ['half of JSON', '{"dry_run":', /not JSON/],
    ['JSON and a rest', '{} {}', /not JSON/],
    ['NaN', '{"point_in_time":NaN}', /not JSON/],
    ['a comment', '{/* */}', /not JSON/],
    ['blank', '  ', /empty/],
    ['a byte order mark', '\ufeff{}', /not JSON/],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /not UTF-8/],
    ['UTF-16', Buffer.from('{}', 'utf16le'), /not JSON/],
    ['a key twice', '{"dry_run":true,"dry_run":false}', /key twice/],
    ['a key twice, once escaped', '{"dry_run":true,"dry\\u005frun":false}', /key twice/],
    ['__proto__', '{"__proto__":{"dry_run":true}}', /__proto__/],
    ['__proto__ below', '{"topic_mapping":{"__proto__":"x"}}', /__proto__/],
    ['an escaped __proto__', '{"\\u005f_proto__":{}}', /__proto__/],
    ['constructor.prototype', '{"constructor":{"prototype":{"x":1}}}', /body\/constructor: is not known/],
    ['10,000 levels', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, /nested deeper/],
    ['10,000 objects deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, /nested deeper/],
    ['a list', '[]', /body: must be object/],
    ['null', 'null', /body: must be object/],
    ['a string', '"latest"', /body: must be object/],
    ['a number', '1', /body: must be object/],
  ];
  for (const [what, body, message] of texts) {
    test(`${what} is 400`, async () => {
      const { status, json } = await ask(control, 'POST', '/v1/restores', body);
      assert.equal(status, 400);
      assert.equal(json['error_code'], 400);
      assert.equal(json['code'], 'USAGE_INVALID');
      assert.match(String(json['message']), message);
      assert.equal(control.restores.jobs.length, 0);
    });
  }

  const bodies: readonly (readonly [string, unknown, string])[] = [
    ['an unknown field', { pitr: 1 }, 'body/pitr'],
    ['a URL as target', { target: 'kafka://evil.com:9092', bootstrap_servers: 'evil.com' }, 'body/bootstrap_servers'],
    ['1e999', '{"point_in_time":1e999}', 'body/point_in_time'],
    ['2^63 as a number', { point_in_time: 2 ** 63 }, 'body/point_in_time'],
    ['2^63 as text', { point_in_time: '9223372036854775808' }, 'body/point_in_time'],
    ['a negative instant', { point_in_time: -1 }, 'body/point_in_time'],
    ['a fraction of a millisecond', { point_in_time: 1.5 }, 'body/point_in_time'],
    ['an instant without a zone', { point_in_time: '2026-11-20T03:00:00' }, 'body/point_in_time'],
    ['30 February', { point_in_time: '2026-02-30T03:00:00Z' }, 'body/point_in_time'],
    ['an instant in words', { point_in_time: 'yesterday' }, 'body/point_in_time'],
    ['a null instant', { point_in_time: null }, 'body/point_in_time'],
    ['the future', { point_in_time: NOW_MS + 1 }, 'body/point_in_time'],
    ['a window from the future', { time_window_start: '2026-11-20T12:00:00.001Z' }, 'body/time_window_start'],
    ['a window the wrong way round', { point_in_time: 1000, time_window_start: 1001 }, 'body/point_in_time'],
    ['topics as text', { topics: 'orders' }, 'body/topics'],
    ['no topics at all', { topics: [] }, 'body/topics'],
    ['topics that are numbers', { topics: [1] }, 'body/topics/0'],
    ['unknown topic fields', { topics: { only: ['a'] } }, 'body/topics/only'],
    ['a topic with a slash', { topics: ['../etc'] }, 'body/topics/0'],
    ['a topic with a NUL', { topics: { include: ['ok', 'a\0b'] } }, 'body/topics/include/1'],
    ['a lone surrogate', '{"topics":["\\ud800"]}', 'body/topics/0'],
    ['an empty topic', { topics: { exclude: [''] } }, 'body/topics/exclude/0'],
    ['a topic called ..', { topics: ['..'] }, 'body/topics/0'],
    ['a topic of 250 letters', { topics: ['x'.repeat(250)] }, 'body/topics/0'],
    ['a regular expression', { topics: ['~(a+)+$'] }, 'body/topics/0'],
    ['an internal topic onto itself', { topics: ['__consumer_offsets'] }, 'body/topics'],
    ['a mapping that is a list', { topic_mapping: ['a'] }, 'body/topic_mapping'],
    ['a mapping to a number', { topic_mapping: { a: 1 } }, 'body/topic_mapping/a'],
    ['a mapping to no topic name', { topic_mapping: { a: 'b/c' } }, 'body/topic_mapping/a'],
    ['a mapping from no topic name', { topic_mapping: { 'a b': 'c' } }, 'body/topic_mapping/a b'],
    ['a mapping to an internal topic', { topic_mapping: { a: '__consumer_offsets' } }, 'body/topic_mapping'],
    ['two topics mapped to one', { topic_mapping: { a: 'c', b: 'c' } }, 'body/topic_mapping'],
    ['a mapping onto a topic restored too', { topics: ['a', 'b'], topic_mapping: { a: 'b' } }, 'body/topics'],
    ['an empty target', { target: '' }, 'body/target'],
    ['a null topic list', { topics: null }, 'body/topics'],
    ['partitions in words', { source_partitions: ['all'] }, 'body/source_partitions/0'],
    ['half a partition', { source_partitions: [0.5] }, 'body/source_partitions/0'],
    ['offsets of no topic', { offsets: { '../a': { 0: { from: 1 } } } }, 'body/offsets/../a'],
    ['offsets of no partition', { offsets: { a: { x: { from: 1 } } } }, 'body/offsets/a/x'],
    ['an offset that JSON rounds', { offsets: { a: { 0: { to: 2 ** 53 } } } }, 'body/offsets/a/0/to'],
    ['an offset below 0', { offsets: { a: { 0: { to: -1 } } } }, 'body/offsets/a/0/to'],
    ['offsets with a misspelt end', { offsets: { a: { 0: { until: 1 } } } }, 'body/offsets/a/0/until'],
    ['offsets the wrong way round', { offsets: { a: { 0: { from: 2, to: 1 } } } }, 'body/offsets'],
    ['a rule that is no expression', { topic_mapping: { '~(': 'a' } }, 'body/topic_mapping/~('],
    ['a rule that takes forever', { topic_mapping: { '~(a+)+b': 'a' } }, 'body/topic_mapping/~(a+)+b'],
    ['a filter that takes forever', { filter: { key: '(a|a)*b' } }, 'body/filter/key'],
    ['a filter that is misspelt', { filter: { keys: 'a' } }, 'body/filter/keys'],
    ['a filter that is text', { filter: 'a' }, 'body/filter'],
    ['a header value without a header', { filter: { header_value: 'a' } }, 'body/filter/header_value'],
    ['repartitioning without a number', { repartitioning: { a: { strategy: 'murmur2' } } }, 'body/repartitioning/a'],
    ['an unknown way of partitioning', { repartitioning: { a: { strategy: 'x' } } }, 'body/repartitioning/a/strategy'],
    ['a partition that is mapped to text', { partition_mapping: { 0: 'x' } }, 'body/partition_mapping/0'],
    ['a cut that is not known', { cut: 'here' }, 'body/cut'],
    ['version 0', { catalog_version: 0 }, 'body/catalog_version'],
    [
      'a topic target in the future',
      { topic_targets: { a: { time_window_end: NOW_MS + 1 } } },
      'body/topic_targets/a/time_window_end',
    ],
    ['a window from the future', { time_window_start: NOW_MS + 1 }, 'body/time_window_start'],
    ['a point in the future', { point_in_time: NOW_MS + 1 }, 'body/point_in_time'],
    ['both names of the end', { point_in_time: 1, time_window_end: 1 }, 'body/time_window_end'],
    ['a setting of the agent', { produce_timeout_ms: 1000 }, 'body/produce_timeout_ms'],
    ['how long the agent waits', { outage_timeout_ms: 1000 }, 'body/outage_timeout_ms'],
    ['an isolation that is not known', { isolation: 'serializable' }, 'body/isolation'],
    ['a rate of nothing', { rate_limit_bytes_per_sec: 0 }, 'body/rate_limit_bytes_per_sec'],
    ['a configuration that is a list', { topic_configs: { a: ['x'] } }, 'body/topic_configs/a'],
    ['a key of the configuration that does nothing', { purge_topics: true }, 'body/purge_topics'],
    ['a dry run in words', { dry_run: 'yes' }, 'body/dry_run'],
    ['a dry run as a number', { dry_run: 1 }, 'body/dry_run'],
  ];
  for (const [what, body, path] of bodies) {
    test(`${what} is 400 at ${path.replaceAll('\0', '')}`, async () => {
      const { status, json } = await ask(control, 'POST', '/v1/restores', body);
      assert.equal(status, 400, JSON.stringify(json));
      const errors = json['errors'] as readonly RequestIssue[];
      assert.ok(
        errors.some((issue) => issue.path === path && issue.message !== ''),
        JSON.stringify(errors),
      );
      assert.equal(control.restores.jobs.length, 0);
    });
  }

  test('all faults are told at once, in the list and in the message', async () => {
    const body = { point_in_time: 'x', time_window_start: 'y', topics: ['a b'], topic_mapping: { a: '/' } };
    const { json } = await ask(control, 'POST', '/v1/restores', body);
    const errors = json['errors'] as readonly RequestIssue[];
    assert.equal(errors.length, 4);
    assert.equal(String(json['message']).split('\n').length, 4);
  });

  for (const [what, body, message] of [
    [
      'topics that are text',
      { topics: 'orders' },
      /list of names, such as \["orders"\], or .* \{"include": \["orders"/,
    ],
    ['no topics', { topics: null }, /list of names, such as \["orders"\]/],
    [
      'topics with their new names',
      { topics: { orders: 'restored' } },
      /"topic_mapping": \{"orders": "orders-restored"\}/,
    ],
    ['a filter that is text', { filter: 'x' }, /an object, with key, header, header_value/],
  ] as const) {
    test(`${what} are told how they are written`, async () => {
      const { json } = await ask(control, 'POST', '/v1/restores', body);
      assert.match(String(json['message']), message);
    });
  }

  test('a list of topics is the same as topics to include', async () => {
    const two = [{ topics: ['orders', 'pay*'] }, { topics: { include: ['orders', 'pay*'] } }];
    const requests = [];
    for (const body of two) {
      assert.equal((await ask(control, 'POST', '/v1/restores', body)).status, 202);
      requests.push(control.restores.jobs.pop()!.request);
    }
    assert.deepEqual(requests[0]!.includeTopics, ['orders', 'pay*']);
    assert.deepEqual(requests[1], requests[0]);
  });

  test('of very many faults twenty are told', async () => {
    const body = { topics: Array.from({ length: 900 }, (_, index) => `bad topic ${index}`) };
    const { json } = await ask(control, 'POST', '/v1/restores', body);
    assert.equal((json['errors'] as readonly RequestIssue[]).length, 20);
  });

  test('a target that the configuration does not name is 403', async () => {
    const { status, json } = await ask(control, 'POST', '/v1/restores', { target: 'elsewhere' });
    assert.equal(status, 403);
    assert.equal(json['code'], 'FORBIDDEN');
  });

  test('64 KiB are taken, one byte more is 413', async () => {
    const padded = (size: number): string => `{}${' '.repeat(size - 2)}`;
    assert.equal((await ask(control, 'POST', '/v1/restores', padded(65_536))).status, 202);
    const { status, json } = await ask(control, 'POST', '/v1/restores', padded(65_537));
    assert.equal(status, 413);
    assert.equal(json['error_code'], 413);
  });

  test('other content types, or none, are refused', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/xml',
      '',
    ]) {
      const { status, json } = await ask(control, 'POST', '/v1/restores', '{}', { 'content-type': type });
      assert.equal(status, 415, type);
      assert.equal(json['error_code'], 415);
    }
  });

  test('no body is 400, with and without a content type', async () => {
    assert.equal((await ask(control, 'POST', '/v1/restores')).status, 400);
    assert.equal((await ask(control, 'POST', '/v1/restores', '')).status, 400);
  });

  test('JSON with a charset is taken', async () => {
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    assert.equal((await ask(control, 'POST', '/v1/restores', {}, headers)).status, 202);
  });

  test('a topic called constructor is an ordinary topic', async () => {
    const body = { topics: ['constructor', 'a'], topic_mapping: { constructor: 'prototype' } };
    assert.equal((await ask(control, 'POST', '/v1/restores', body)).status, 202);
    const { topicMapping } = control.restores.jobs[0]!.request;
    assert.equal(topicMapping['constructor'], 'prototype');
    assert.deepEqual(Object.keys(topicMapping), ['constructor']);
  });

  test('topics may swap names, and an excluded one collides with nobody', async () => {
    const swap = { topics: ['a', 'b'], topic_mapping: { a: 'b', b: 'a' } };
    assert.equal((await ask(control, 'POST', '/v1/restores', swap)).status, 202);
    control.restores.jobs.length = 0;
    const excluded = { topics: { include: ['a', 'b'], exclude: ['b'] }, topic_mapping: { a: 'b' } };
    assert.equal((await ask(control, 'POST', '/v1/restores', excluded)).status, 202);
  });
});
