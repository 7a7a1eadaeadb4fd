import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { configOf, ENOUGH, placeOf, problemsOf } from './config-files.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');

function restoreOf(text: string) {
  return configOf(`${ENOUGH}restore:\n${text}`, { nowMs: NOW_MS }).restore;
}

describe('the restore section', () => {
  it('resolves instants with the zone and the clock', () => {
    const restore = restoreOf(`
  time_zone: Europe/Berlin
  time_window_start: 2026-11-19 03:00
  time_window_end: -2h
  cut: log
  topic_targets:
    orders: {time_window_end: latest, cut: timestamp}
    payments: {time_window_start: 1795100400000, time_window_end: "2026-11-20T10:00:00Z"}
`);
    assert.deepEqual(restore.recoveryTarget, {
      fromMs: Date.parse('2026-11-19T02:00:00Z'),
      toMs: NOW_MS - 7_200_000,
      cut: 'log',
    });
    assert.deepEqual(
      [...restore.topicTargets],
      [
        ['orders', { toMs: null, cut: 'timestamp' }],
        ['payments', { fromMs: 1_795_100_400_000, toMs: Date.parse('2026-11-20T10:00:00Z') }],
      ],
    );
    assert.equal(restore.timeZone, 'Europe/Berlin');
  });

  it('tells names, prefixes and regular expressions of a mapping apart, in their order', () => {
    const restore = restoreOf(`
  topic_mapping:
    "~(.*)-v(\\\\d+)": "$1.v$2"
    orders: orders-copy
    "prefix:prod.": "test."
    "prefix:": all-
`);
    assert.deepEqual([...restore.topicMapping], [['orders', 'orders-copy']]);
    assert.deepEqual(restore.mappingRules, [
      { kind: 'regex', pattern: '(.*)-v(\\d+)', name: '$1.v$2' },
      { kind: 'prefix', from: 'prod.', to: 'test.' },
      { kind: 'prefix', from: '', to: 'all-' },
    ]);
  });

  it('reads offsets, partitions, configurations and the filter', () => {
    const restore = restoreOf(`
  offsets:
    orders: {0: {to: 9223372036854775807}, 3: {from: 5, to: 5}}
  partition_mapping: {0: 2}
  repartitioning:
    a: {strategy: murmur2, target_partitions: 3}
    b: {target_partitions: 4}
    c: {strategy: automatic, target_partitions: 5}
    d: {strategy: preserve, target_partitions: 6}
  topic_configs:
    "*": {retention.ms: -1, cleanup.policy: "compact,delete"}
    orders: {unclean.leader.election.enable: true, retention.ms: null}
  filter: {key: "^eu-", header: type, header_value: order}
  into_existing: append
  include_original_offset_header: true
  catalog_version: 17
`);
    assert.deepEqual(restore.offsets, [
      { topic: 'orders', partition: 0, fromOffset: null, toOffset: 2n ** 63n - 1n },
      { topic: 'orders', partition: 3, fromOffset: 5n, toOffset: 5n },
    ]);
    assert.deepEqual([...restore.partitionMapping], [[0, 2]]);
    assert.deepEqual(Object.fromEntries(restore.repartitioning), {
      a: { partitions: 3, partitioning: 'by-key' },
      b: { partitions: 4, partitioning: 'by-key' },
      c: { partitions: 5, partitioning: 'by-key' },
      d: { partitions: 6, partitioning: 'preserve' },
    });
    assert.deepEqual(Object.fromEntries(restore.topicConfigs.get('*')!), {
      'retention.ms': '-1',
      'cleanup.policy': 'compact,delete',
    });
    assert.deepEqual(Object.fromEntries(restore.topicConfigs.get('orders')!), {
      'unclean.leader.election.enable': 'true',
      'retention.ms': null,
    });
    assert.deepEqual(restore.filter, { keyRegex: '^eu-', header: { name: 'type', valueRegex: 'order' } });
    assert.deepEqual(
      [restore.intoExisting, restore.includeOriginalOffsetHeader, restore.catalogVersion],
      ['append', true, 17],
    );
  });

  it('asks for everything when nothing is said', () => {
    const restore = restoreOf('  dry_run: false\n');
    assert.deepEqual(restore.recoveryTarget, { cut: 'timestamp' });
    assert.deepEqual(
      [restore.filter, restore.timeZone, restore.catalogVersion, restore.offsets],
      [null, null, null, []],
    );
    assert.deepEqual([restore.topicTargets.size, restore.mappingRules.length], [0, 0]);
  });

  const faults: readonly (readonly [string, string, string, string, string])[] = [
    ['an unknown zone', '{time_zone: Europe/Atlantis}', '8:22', 'time_zone', 'is not a time zone'],
    [
      'a time that clocks skip',
      '{time_zone: Europe/Berlin, time_window_end: 2026-03-29 02:30}',
      '8:54',
      'time_window_end',
      'does not exist in Europe/Berlin',
    ],
    ['no instant', '{time_window_start: noon}', '8:30', 'time_window_start', 'is not an instant. Write 2026'],
    [
      'a local time of one topic',
      '{topic_targets: {a: {time_window_end: 2026-03-29 02:30}}}',
      '8:48',
      'topic_targets',
      'has no time zone',
    ],
    [
      'a window that begins in the future',
      '{time_window_start: 2026-11-20T12:00:00.001Z}',
      '8:30',
      'time_window_start',
      '2026-11-20T12:00:00.001Z lies in the future; it is 2026-11-20T12:00:00.000Z.',
    ],
    [
      'a window that ends in the future, in its time zone',
      '{time_zone: Europe/Berlin, time_window_end: 2026-11-20 13:01}',
      '8:54',
      'time_window_end',
      '2026-11-20T12:01:00.000Z lies in the future',
    ],
    [
      'a window that begins before the time of records',
      '{time_window_start: -90000d}',
      '8:30',
      'time_window_start',
      'lies before 1970',
    ],
    [
      'an end in the future for one topic',
      '{topic_targets: {b: {time_window_end: 5}, a: {cut: log, time_window_end: 2099-01-01T00:00:00Z}}}',
      '8:83',
      'topic_targets',
      'lies in the future',
    ],
    ['an unknown key of one topic', '{topic_targets: {a: {to: 5}}}', '8:31', 'topic_targets', '"to" is not a key here'],
    [
      'an unknown cut of one topic',
      '{topic_targets: {a: {cut: both}}}',
      '8:36',
      'topic_targets',
      'Use timestamp or log',
    ],
    [
      'an inverted window of one topic',
      '{time_window_start: 9, topic_targets: {a: {time_window_end: 5}}}',
      '8:48',
      'topic_targets',
      'the window of "a" ends before it starts',
    ],
    [
      'a mapping rule that does not compile',
      '{topic_mapping: {"~(": a}}',
      '8:27',
      'topic_mapping',
      'is not a regular expression',
    ],
    [
      'a rule to no name',
      '{topic_mapping: {"~a": "b c"}}',
      '8:33',
      'topic_mapping',
      'is not a topic name, or part of one',
    ],
    [
      'a prefix with a slash',
      '{topic_mapping: {"prefix:a/": b}}',
      '8:27',
      'topic_mapping',
      'is not the beginning of topic names',
    ],
    ['offsets of no number', '{offsets: {a: {0: 5}}}', '8:28', 'offsets', 'this must be a section with from, to'],
    ['offsets of no partition', '{offsets: {a: {x: {to: 5}}}}', '8:25', 'offsets', '"x" is not a partition number'],
    ['negative offsets', '{offsets: {a: {0: {to: -5}}}}', '8:33', 'offsets', 'is not an offset'],
    ['inverted offsets', '{offsets: {a: {0: {from: 6, to: 5}}}}', '8:20', 'offsets', '"a/0" end before they start'],
    [
      'repartitioning without a number',
      '{repartitioning: {a: {strategy: murmur2}}}',
      '8:31',
      'repartitioning',
      'target_partitions is needed',
    ],
    [
      'an unknown strategy',
      '{repartitioning: {a: {strategy: x, target_partitions: 1}}}',
      '8:42',
      'repartitioning',
      'Use murmur2',
    ],
    ['no partitions', '{repartitioning: {a: {target_partitions: 0}}}', '8:51', 'repartitioning', 'Use 1 to 100000'],
    [
      'a configuration that is a list',
      '{topic_configs: {a: {x: [1]}}}',
      '8:34',
      'topic_configs',
      'is not a single value',
    ],
    ['a filter that does not compile', '{filter: {key: "("}}', '8:25', 'filter.key', 'is not a regular expression'],
    [
      'a header value without a header',
      '{filter: {header_value: x}}',
      '8:34',
      'filter.header_value',
      'no header whose value',
    ],
  ];
  for (const [what, text, place, key, message] of faults) {
    it(`refuses ${what}`, () => {
      const problems = problemsOf(`${ENOUGH}restore: ${text}\n`, { nowMs: NOW_MS });
      assert.equal(problems.length, 1, JSON.stringify(problems));
      const [problem] = problems;
      assert.equal(placeOf(problem!), place);
      assert.equal(problem!.key, `restore.${key}`);
      assert.ok(`${problem!.message} ${problem!.suggestion ?? ''}`.includes(message), JSON.stringify(problem));
    });
  }
});
