// Values that a key does not take.

import { describe, it } from 'node:test';
import { type BadCase, checkOne, ENOUGH, refuses } from './config-files.ts';

const VALUES: readonly BadCase[] = [
  [
    'MB',
    'backup: {segment_max_bytes: 12MB}\n',
    '8:29',
    'backup.segment_max_bytes',
    '"12MB" is not a size. Use 12MiB, 12KiB, 1GiB or a number of bytes.',
  ],
  [
    'a size of 0',
    'backup: {segment_max_bytes: 0}\n',
    '8:29',
    'backup.segment_max_bytes',
    '0 is out of range. Use 1KiB to 16GiB.',
  ],
  ['a negative size', 'backup: {segment_max_bytes: -1}\n', '8:29', 'backup.segment_max_bytes', 'out of range'],
  ['a gigantic size', 'backup: {segment_max_bytes: 1000000000TiB}\n', '8:29', 'backup.segment_max_bytes', 'too large'],
  [
    'a fraction of a size',
    'backup: {segment_max_bytes: 1.5GiB}\n',
    '8:29',
    'backup.segment_max_bytes',
    'is not a size',
  ],
  ['an exponent', 'backup: {segment_max_bytes: 1e6}\n', '8:29', 'backup.segment_max_bytes', '1e6 is not a size'],
  ['infinity', 'backup: {segment_max_bytes: .inf}\n', '8:29', 'backup.segment_max_bytes', 'is not a size'],
  [
    'a duration in unknown units',
    'backup: {segment_max_interval_ms: 30sec}\n',
    '8:35',
    'backup.segment_max_interval_ms',
    'is not a duration. Use 500ms, 30s, 5m',
  ],
  [
    'a duration that is not exact',
    'backup: {sync_interval_secs: 1500ms}\n',
    '8:30',
    'backup.sync_interval_secs',
    'not a whole number of this key',
  ],
  [
    'sexagesimal',
    'backup: {segment_max_interval_ms: 1:30}\n',
    '8:35',
    'backup.segment_max_interval_ms',
    'is not a duration',
  ],
  [
    'a leading zero',
    'backup: {compression_level: 010}\n',
    '8:29',
    'backup.compression_level',
    '010 has a leading zero. Write 10.',
  ],
  [
    'hexadecimal',
    'backup: {compression_level: 0x3}\n',
    '8:29',
    'backup.compression_level',
    '0x3 is not a whole number',
  ],
  ['a quoted number', 'backup: {compression_level: "3"}\n', '8:29', 'backup.compression_level', 'Remove the quotes'],
  [
    'a level out of range',
    'backup: {compression_level: 23}\n',
    '8:29',
    'backup.compression_level',
    '23 is out of range. Use 1 to 22.',
  ],
  [
    'a number beyond 2^53',
    'backup: {segment_max_records: 9007199254740993}\n',
    '8:31',
    'backup.segment_max_records',
    'too large',
  ],
  ['yes', 'backup: {continuous: yes}\n', '8:22', 'backup.continuous', '"yes" is not true or false. Use true.'],
  ['a quoted boolean', 'backup: {continuous: "false"}\n', '8:22', 'backup.continuous', 'Use false without quotes.'],
  ['1 for true', 'backup: {continuous: 1}\n', '8:22', 'backup.continuous', 'Use true.'],
  [
    'an unknown codec',
    'backup: {compression: gzip}\n',
    '8:23',
    'backup.compression',
    '"gzip" is not accepted here. Use zstd, lz4 or none.',
  ],
  [
    'a number for text',
    'target: {bootstrap_servers: ["a:1"], client_id: 1.10}\n',
    '8:49',
    'target.client_id',
    '1.10 is not text. Put quotes around it.',
  ],
  [
    'empty text',
    'target: {bootstrap_servers: ["a:1"], client_id: ""}\n',
    '8:49',
    'target.client_id',
    'the text is empty',
  ],
  [
    'text for a list',
    'target: {bootstrap_servers: "a:1"}\n',
    '8:29',
    'target.bootstrap_servers',
    'must be a list, not "a:1". Write it as ["a:1"].',
  ],
  [
    'no broker',
    'target: {bootstrap_servers: []}\n',
    '8:29',
    'target.bootstrap_servers',
    'at least one broker is needed',
  ],
  [
    'a hole in a list',
    'target:\n  bootstrap_servers:\n    - a:1\n    -\n',
    '11:6',
    'target.bootstrap_servers',
    'this entry of the list is empty',
  ],
  [
    'a broker without port',
    'target: {bootstrap_servers: ["a:1", "b"]}\n',
    '8:37',
    'target.bootstrap_servers',
    '"b" is not host:port',
  ],
  [
    'a broker with port 0',
    'target: {bootstrap_servers: ["a:0"]}\n',
    '8:30',
    'target.bootstrap_servers',
    'Ports go from 1 to 65535',
  ],
  [
    'a broker with port 65536',
    'target: {bootstrap_servers: ["[::1]:65536"]}\n',
    '8:30',
    'target.bootstrap_servers',
    'has the port 65536',
  ],
  [
    'a broker as a URL',
    'target: {bootstrap_servers: ["kafka://a:1"]}\n',
    '8:30',
    'target.bootstrap_servers',
    'is a URL. Use host:port alone',
  ],
  [
    'a bare IPv6 address',
    'target: {bootstrap_servers: ["::1:9092"]}\n',
    '8:30',
    'target.bootstrap_servers',
    'is not host:port',
  ],
  [
    'a bad regular expression',
    'restore: {topics: {include: ["~(a"]}}\n',
    '8:30',
    'restore.topics.include',
    'is not a regular expression: Unterminated group',
  ],
  [
    'flags of another dialect',
    'restore: {topics: {include: ["~(?i)a"]}}\n',
    '8:30',
    'restore.topics.include',
    '(?i:...)',
  ],
  [
    'a topic with a slash',
    'restore: {topics: {exclude: ["a/b"]}}\n',
    '8:30',
    'restore.topics.exclude',
    'is not a topic name or glob',
  ],
  [
    'a local time',
    'restore: {time_window_end: "2026-11-20 03:00"}\n',
    '8:28',
    'restore.time_window_end',
    'has no time zone; end it with Z or +01:00, or name one. Set restore.time_zone, such as Europe/Berlin.',
  ],
  [
    'a day that is not',
    'restore: {time_window_end: "2026-13-20T03:00:00Z"}\n',
    '8:28',
    'restore.time_window_end',
    'is not an instant',
  ],
  [
    'a negative offset',
    'backup: {start_offset: {specific: {a: {0: -1}}}}\n',
    '8:43',
    'backup.start_offset',
    '-1 is not an offset',
  ],
  [
    'an offset beyond 2^63',
    'backup: {start_offset: {specific: {a: {0: 9223372036854775808}}}}\n',
    '8:43',
    'backup.start_offset',
    'is not an offset',
  ],
  [
    'a partition that is no number',
    'backup: {start_offset: {specific: {a: {x: 1}}}}\n',
    '8:40',
    'backup.start_offset',
    '"x" is not a partition number',
  ],
  [
    'an unknown start',
    'backup: {start_offset: newest}\n',
    '8:24',
    'backup.start_offset',
    'Use earliest, latest or specific',
  ],
  [
    'a mapping to no topic name',
    'restore: {topic_mapping: {a: "../b"}}\n',
    '8:30',
    'restore.topic_mapping',
    'is not a topic name',
  ],
  [
    'a negative partition',
    'restore: {source_partitions: [0, -1]}\n',
    '8:34',
    'restore.source_partitions',
    'out of range',
  ],
  ['a listener without port', 'control: {listen: localhost}\n', '8:19', 'control.listen', 'is not host:port'],
  [
    'an unknown mechanism',
    'target: {bootstrap_servers: ["a:1"], security: {sasl_mechanism: scram}}\n',
    '8:65',
    'target.security.sasl_mechanism',
    'Use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512',
  ],
];

describe('a wrong value', () => {
  refuses(VALUES);

  const ids = ['..', 'a..b', '../x', '/abs', 'a/b', 'a\\b', '%2e', '.hidden', 'C:', 'a b', ' ', 'é', 'x'.repeat(129)];
  for (const id of ids) {
    it(`refuses the backup id ${JSON.stringify(id.slice(0, 20))}`, () => {
      checkOne(
        ENOUGH.replace('orders', () => JSON.stringify(id)),
        '2:12',
        'backup_id',
        '',
      );
    });
  }
});
