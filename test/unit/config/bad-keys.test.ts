// Keys that are not keys, and variables that are not variables.

import { describe } from 'node:test';
import { type BadCase, refuses } from './config-files.ts';

const KEYS: readonly BadCase[] = [
  [
    'a misspelt key',
    'backup:\n  compresion: zstd\n',
    '9:3',
    'backup.compresion',
    'unknown key. Did you mean "compression"?',
  ],
  [
    'a misspelt ending',
    'target:\n  bootstrap_servers: ["a:1"]\n  security: {pasword: x}\n',
    '10:14',
    'target.security.pasword',
    'Did you mean "sasl_password"?',
  ],
  [
    'a key of Kafka',
    'target: {bootstrap.servers: ["a:1"]}\n',
    '8:10',
    'target.bootstrap.servers',
    'Did you mean "bootstrap_servers"?',
  ],
  [
    'camel case',
    'backup: {segmentMaxBytes: 1MiB}\n',
    '8:10',
    'backup.segmentMaxBytes',
    'Did you mean "segment_max_bytes"?',
  ],
  ['a key from another section', 'compression_level: 3\n', '8:1', 'compression_level', 'It belongs under "backup".'],
  [
    'a section at the wrong place',
    'security: {sasl_password: x}\n',
    '8:1',
    'security',
    'It belongs under "source" or "target".',
  ],
  [
    'a secret at the wrong place',
    'target:\n  bootstrap_servers: ["a:1"]\n  sasl_password: x\n',
    '10:3',
    'target.sasl_password',
    'It belongs under "source.security"',
  ],
  ['a key like nothing', 'zebra: 1\n', '8:1', 'zebra', 'unknown key.'],
  ['__proto__', '__proto__: {mode: restore}\n', '8:1', '__proto__', 'unknown key.'],
  ['constructor', 'constructor: {prototype: {x: 1}}\n', '8:1', 'constructor', 'unknown key.'],
  ['toString inside a section', 'backup: {toString: 1}\n', '8:10', 'backup.toString', 'unknown key.'],
  ['a merge key', 'backup: {<<: {compression: lz4}}\n', '8:10', 'backup.<<', 'unknown key.'],
  ['a variable as a key', 'backup: {"${KEY}": 1}\n', '8:10', 'backup.${KEY}', 'unknown key.'],
  ['a value for a section', 'backup: zstd\n', '8:9', 'backup', 'must be a section with keys, not a value'],
  ['a list for a section', 'backup: [zstd]\n', '8:9', 'backup', 'must be a section with keys, not a list'],
  ['a section for a value', 'backup: {compression: {a: 1}}\n', '8:23', 'backup.compression', 'not a section'],
  ['a key without value', 'backup:\n  compression:\n', '9:15', 'backup.compression', 'the key has no value'],
  ['a bad name of a target', 'targets: {a.b: {bootstrap_servers: ["a:1"]}}\n', '8:11', 'targets.a.b', 'is not a name'],
  [
    'a target named default beside target',
    'target: {bootstrap_servers: ["a:1"]}\ntargets: {default: {bootstrap_servers: ["a:1"]}}\n',
    '9:11',
    'targets.default',
    'is the name of the section target',
  ],
];

const VARIABLES: readonly BadCase[] = [
  [
    'an unset variable',
    'logging: {level: "${LEVEL}"}\n',
    '8:18',
    'logging.level',
    'the variable LEVEL is not set. Set it, or write ${LEVEL:-default}.',
  ],
  ['a nested variable', 'logging: {level: "${A:-${B}}"}\n', '8:18', 'logging.level', '"${" does not start a variable'],
  ['an unfinished variable', 'logging: {level: "${A"}\n', '8:18', 'logging.level', '"${" does not start a variable'],
  [
    'a provider of Kafka',
    'logging: {level: "${file:/x:y}"}\n',
    '8:18',
    'logging.level',
    '"${" does not start a variable',
  ],
];

describe('a wrong key', () => refuses(KEYS));

describe('a wrong variable', () => refuses(VARIABLES));
