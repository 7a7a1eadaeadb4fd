// Keys that contradict each other, and what is not part of this version.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BadCase, checkOne, ENOUGH, problemsOf, refuses } from './config-files.ts';

const UNAVAILABLE: readonly BadCase[] = [
  [
    'OAUTHBEARER',
    'target: {bootstrap_servers: ["a:1"], security: {sasl_mechanism: OAUTHBEARER}}\n',
    '8:65',
    'target.security.sasl_mechanism',
    'OAUTHBEARER is not supported yet',
  ],
  [
    'Kerberos',
    'target: {bootstrap_servers: ["a:1"], security: {sasl_mechanism: GSSAPI}}\n',
    '8:65',
    'target.security.sasl_mechanism',
    'Kerberos (GSSAPI) is not supported',
  ],
  [
    'assignment by shard',
    'backup: {assignment: {shard: 1/3}}\n',
    '8:22',
    'backup.assignment',
    'assignment shard is not available in this version. Use all.',
  ],
  ['purging', 'restore: {purge_topics: true}\n', '8:25', 'restore.purge_topics', 'a restore never deletes records'],
  [
    'moving consumer groups',
    'restore: {reset_consumer_offsets: true}\n',
    '8:35',
    'restore.reset_consumer_offsets',
    'not available in this version',
  ],
  [
    'moving every consumer group',
    'restore: {auto_consumer_groups: true}\n',
    '8:33',
    'restore.auto_consumer_groups',
    'not available in this version',
  ],
];

const SECURITY = 'target:\n  bootstrap_servers: ["a:1"]\n  security:\n';
const CONTRADICTIONS: readonly BadCase[] = [
  [
    'a start of a topic that is left out',
    'backup:\n  start_offset:\n    specific:\n      orders: {0: 5}\n      "__txn": {0: 7}\n',
    '12:7',
    'backup.start_offset',
    'not among the topics that are backed up: "__txn". Correct the name',
  ],
  [
    'continuous and stopping',
    'backup:\n  continuous: true\n  stop_at_current_offsets: true\n',
    '10:28',
    'backup.stop_at_current_offsets',
    'a continuous backup does not stop',
  ],
  [
    'a frame larger than its segment',
    'backup: {segment_max_bytes: 1MiB, frame_bytes: 2MiB}\n',
    '8:48',
    'backup.frame_bytes',
    'cannot be larger than its segment',
  ],
  [
    'a budget below one fetch',
    'backup: {memory_budget_bytes: 3MiB}\n',
    '8:31',
    'backup.memory_budget_bytes',
    'does not hold one fetch',
  ],
  [
    'an upload budget below one part',
    'backup: {upload_budget_bytes: 6MiB}\n',
    '8:31',
    'backup.upload_budget_bytes',
    'does not hold one part',
  ],
  [
    'a minimum fetch above the maximum',
    'backup: {fetch_min_bytes: 17MiB}\n',
    '8:27',
    'backup.fetch_min_bytes',
    'larger than fetch_max_bytes',
  ],
  [
    'a window that ends before it starts',
    'restore: {time_window_start: 2, time_window_end: 1}\n',
    '8:50',
    'restore.time_window_end',
    'ends before it starts',
  ],
  [
    'two topics with one name',
    'restore: {topic_mapping: {a: c, b: c}}\n',
    '8:26',
    'restore.topic_mapping',
    '"a" and "b" would both become "c"',
  ],
  [
    'a mapping to an internal topic',
    'restore: {topic_mapping: {a: __consumer_offsets}}\n',
    '8:26',
    'restore.topic_mapping',
    'is an internal topic',
  ],
  [
    'two selections of topics',
    'restore: {topics: {include: [a]}}\ntarget: {bootstrap_servers: ["a:1"], topics: {include: [b]}}\n',
    '8:11',
    'restore.topics',
    'select different topics',
  ],
  [
    'SASL without mechanism',
    `${SECURITY}    security_protocol: SASL_SSL\n`,
    '11:24',
    'target.security.security_protocol',
    'SASL_SSL also needs sasl_mechanism and sasl_username and sasl_password or sasl_password_file',
  ],
  [
    'a mechanism in plain text',
    `${SECURITY}    sasl_mechanism: PLAIN\n`,
    '11:21',
    'target.security.sasl_mechanism',
    'security_protocol PLAINTEXT does not log in. Use SASL_SSL or SASL_PLAINTEXT.',
  ],
  [
    'a user with SSL',
    `${SECURITY}    security_protocol: SSL\n    sasl_username: u\n`,
    '12:20',
    'target.security.sasl_username',
    'Use SASL_SSL.',
  ],
  [
    'a CA in plain text',
    `${SECURITY}    ssl_ca_location: /x\n`,
    '11:22',
    'target.security.ssl_ca_location',
    'PLAINTEXT does not use TLS. Use SSL.',
  ],
  [
    'a CA file that is not there',
    `${SECURITY}    security_protocol: SSL\n    ssl_ca_location: /nowhere/ca.pem\n`,
    '12:22',
    'target.security.ssl_ca_location',
    'there is no such file',
  ],
  [
    'a certificate without key',
    `${SECURITY}    security_protocol: SSL\n    ssl_certificate_location: ${process.execPath}\n`,
    '12:31',
    'target.security.ssl_certificate_location',
    'Add ssl_key_location',
  ],
  [
    'a key without certificate',
    `${SECURITY}    security_protocol: SSL\n    ssl_key_location: ${process.execPath}\n`,
    '12:23',
    'target.security.ssl_key_location',
    'Add ssl_certificate_location',
  ],
  [
    'a password for no key',
    `${SECURITY}    security_protocol: SSL\n    ssl_key_password: x\n`,
    '12:23',
    'target.security.ssl_key_password',
    'there is no key to open',
  ],
  [
    'a password file that is not there',
    `${SECURITY}    security_protocol: SASL_SSL\n    sasl_mechanism: PLAIN\n    sasl_username: u\n    sasl_password_file: /nowhere/x\n`,
    '14:25',
    'target.security.sasl_password_file',
    'there is no such file',
  ],
  [
    'two passwords',
    `${SECURITY}    security_protocol: SASL_SSL\n    sasl_mechanism: PLAIN\n    sasl_username: u\n    sasl_password: x\n    sasl_password_file: /nowhere/x\n`,
    '15:25',
    'target.security.sasl_password_file',
    'are both given',
  ],
  [
    'a control port open to the network',
    'control: {listen: "0.0.0.0:8083"}\n',
    '8:19',
    'control.listen',
    'Set control.token_file',
  ],
  [
    'a token file that is not there',
    'control: {listen: "0.0.0.0:8083", token_file: /nowhere/token}\n',
    '8:47',
    'control.token_file',
    'there is no such file',
  ],
  [
    'a token file that is a directory',
    'control: {token_file: /tmp}\n',
    '8:23',
    'control.token_file',
    'this is a directory',
  ],
  [
    'an empty list of partitions',
    'restore: {source_partitions: []}\n',
    '8:30',
    'restore.source_partitions',
    'an empty list selects no partition. Remove the key',
  ],
  [
    'an internal topic by glob',
    'backup: {include_internal_topics: true, internal_topics: ["__*"]}\n',
    '8:58',
    'backup.internal_topics',
    '"__*" is not a topic name',
  ],
];

describe('what a later version may do', () => refuses(UNAVAILABLE));

describe('a contradiction', () => {
  refuses(CONTRADICTIONS);

  it('refuses a backend that there is not', () =>
    checkOne(
      ENOUGH.replace('filesystem', 'ftp'),
      '6:12',
      'storage.backend',
      'Use filesystem, memory, s3, azure or gcs.',
    ));

  it('refuses keys of another backend, and a filesystem without path', () => {
    checkOne(`${ENOUGH}  bucket: b\n`, '8:11', 'storage.bucket', 'It belongs to s3 and gcs');
    checkOne(ENOUGH.replace('  path: /data\n', ''), '5:1', 'storage.path', 'needs path');
  });

  it('does not hide others that have nothing to do with it', () => {
    const sizes = 'segment_max_bytes: 1MiB, frame_bytes: 2MiB, fetch_min_bytes: 8MiB, fetch_max_bytes: 4MiB';
    const config = `${ENOUGH}backup: {${sizes}, memory_budget_bytes: 2MiB}\n`;
    assert.deepEqual(
      problemsOf(config)
        .map(({ key }) => key)
        .sort(),
      ['backup.fetch_min_bytes', 'backup.frame_bytes', 'backup.memory_budget_bytes'],
    );
  });

  it('refuses a mode without its cluster', () => {
    checkOne(ENOUGH.replace('mode: backup', 'mode: restore'), '1:1', 'target', 'mode: restore needs target');
  });
});
