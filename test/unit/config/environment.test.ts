import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configFile, configOf, ENOUGH, loaded, placeOf, problemsOf, textOf } from './config-files.ts';

const SASL = `${ENOUGH}target:
  bootstrap_servers: ["a:1"]
  security: {security_protocol: SASL_SSL, sasl_mechanism: PLAIN, sasl_username: u}
`;
const PASSWORD = 'KAFKA_BACKUP__TARGET__SECURITY__SASL_PASSWORD';

describe('variables in the file', () => {
  it('are expanded in values, with defaults, and may stand for numbers, booleans and lists', () => {
    const text = `${ENOUGH.replace('["localhost:9092"]', '${BROKERS}')}backup:
  max_concurrent_partitions: \${PARTITIONS}
  continuous: \${CONTINUOUS:-true}
  segment_max_bytes: \${SIZE:-64}MiB
`;
    const config = configOf(text, { env: { BROKERS: 'a:1,b:2', PARTITIONS: '7' } });
    assert.deepEqual(config.source?.bootstrapServers, ['a:1', 'b:2']);
    assert.equal(config.backup.maxConcurrentPartitions, 7);
    assert.equal(config.backup.continuous, true);
    assert.equal(config.backup.segmentMaxBytes, 64 * 1024 * 1024);
  });

  it('fall back to the default when empty, and stay text behind $${', () => {
    const text = ENOUGH.replace('/data', () => '"/${DIR:-x}/$${DIR}"');
    assert.deepEqual(configOf(text, { env: { DIR: '' } }).storage, {
      kind: 'filesystem',
      path: '/x/${DIR}',
      directIo: true,
    });
  });

  it('are not expanded again, and never change the structure', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
        (secret) => {
          const text = SASL.replace('sasl_username: u', () => 'sasl_username: u, sasl_password: "${SECRET}"');
          const config = configOf(text, { env: { SECRET: secret } });
          assert.equal(config.targets.get('default')?.sasl?.password, secret);
        },
      ),
      { seed: 20_261_123, numRuns: 200 },
    );
  });
});

describe('the environment', () => {
  it('wins over the file, _FILE too, and flags win over both', () => {
    const file = configFile('lz4\n');
    const text = `${ENOUGH}backup: {compression: none}`;
    assert.equal(configOf(text, { env: { KAFKA_BACKUP__BACKUP__COMPRESSION: 'zstd' } }).backup.compression, 'zstd');
    const env = { KAFKA_BACKUP__BACKUP__COMPRESSION_FILE: file };
    assert.equal(configOf(text, { env }).backup.compression, 'lz4');
    const overrides = { 'backup.compression': 'zstd', 'backup.compression_level': 9, 'backup.continuous': true };
    const { backup } = configOf(text, { env, overrides });
    assert.deepEqual([backup.compression, backup.compressionLevel, backup.continuous], ['zstd', 9, true]);
  });

  it('gives a password from a file, without its last line break only', () => {
    const env = { [`${PASSWORD}_FILE`]: configFile(' a\nb \r\n') };
    assert.equal(configOf(SASL, { env }).targets.get('default')?.sasl?.password, ' a\nb ');
  });

  it('wins over a password file named in the configuration file', () => {
    const text = SASL.replace('sasl_username: u', `sasl_username: u, sasl_password_file: ${configFile('one')}`);
    assert.equal(configOf(text).targets.get('default')?.sasl?.password, 'one');
    assert.equal(configOf(text, { env: { [PASSWORD]: 'two' } }).targets.get('default')?.sasl?.password, 'two');
  });

  it('reaches the keys of named targets', () => {
    const text = `${ENOUGH}targets:\n  dr-1: {bootstrap_servers: ["a:1"]}\n`;
    const { targets } = configOf(text, { env: { KAFKA_BACKUP__TARGETS__DR_1__CLIENT_ID: 'me' } });
    assert.equal(targets.get('dr-1')?.clientId, 'me');
  });

  const bad: readonly (readonly [string, Record<string, string>, string, string])[] = [
    [
      'a name that fits no key',
      { KAFKA_BACKUP__BACKUP__COMPRESION: 'zstd' },
      '',
      'belongs to no key. Did you mean KAFKA_BACKUP__BACKUP__COMPRESSION?',
    ],
    ['a map', { KAFKA_BACKUP__RESTORE__TOPIC_MAPPING: '{}' }, '', 'belongs to no key'],
    [
      'a wrong value',
      { KAFKA_BACKUP__BACKUP__CONTINUOUS: 'yes' },
      'backup.continuous',
      'the value is not true or false. Use true.',
    ],
    ['an empty value', { KAFKA_BACKUP__STORAGE__PATH: '' }, 'storage.path', 'the text is empty'],
    ['a missing file', { KAFKA_BACKUP__STORAGE__PATH_FILE: '/nowhere/x' }, 'storage.path', 'there is no such file'],
    ['a directory', { KAFKA_BACKUP__STORAGE__PATH_FILE: '/tmp' }, 'storage.path', 'this is a directory'],
    [
      'a wrong number',
      { KAFKA_BACKUP__BACKUP__COMPRESSION_LEVEL: '1e1' },
      'backup.compression_level',
      'the value is not a whole number',
    ],
  ];
  for (const [name, env, key, says] of bad) {
    it(`refuses ${name}`, () => {
      const problems = problemsOf(ENOUGH, { env });
      assert.equal(problems.length, 1);
      const [problem] = problems;
      assert.ok(problem !== undefined);
      assert.equal(problem.key, key);
      assert.equal(placeOf(problem), `env ${Object.keys(env)[0]}`);
      assert.ok(textOf(problem).includes(says), textOf(problem));
    });
  }

  it('refuses a value and its _FILE together', () => {
    const env = { KAFKA_BACKUP__STORAGE__PATH: '/x', KAFKA_BACKUP__STORAGE__PATH_FILE: configFile('/y') };
    assert.deepEqual(problemsOf(ENOUGH, { env }).map(textOf), [
      'KAFKA_BACKUP__STORAGE__PATH and KAFKA_BACKUP__STORAGE__PATH_FILE are both set. Unset one of them.',
    ]);
  });

  it('refuses unknown flags and wrong ones', () => {
    const problems = problemsOf(ENOUGH, { overrides: { 'backup.nothing': 1, 'backup.compression_level': 99 } });
    assert.deepEqual(
      problems.map((problem) => [placeOf(problem), textOf(problem)]),
      [
        ['flag backup.nothing', 'unknown key.'],
        ['flag backup.compression_level', '99 is out of range. Use 1 to 22.'],
      ],
    );
  });
});

describe('the effective configuration', () => {
  it('shows defaults that follow from other keys as they are in force, and given values as they are given', () => {
    const lines = `backup: {continuous: true, fetch_max_bytes: 64KiB, segment_max_bytes: 1MiB}\n`;
    const s3 = 'backend: s3\n  bucket: b\n  endpoint: https://store:9000\n  part_size_bytes: 1GiB';
    const text = ENOUGH.replace(/backend: filesystem\n {2}path: \/data/, s3) + lines;
    const values = new Map(
      loaded(text)
        .effective()
        .map(({ key, value, origin }) => [key, [value, origin]]),
    );
    const expected = {
      'storage.region': 'us-east-1',
      'storage.path_style': 'true',
      'backup.fetch_min_bytes': '64KiB',
      'backup.memory_budget_bytes': '40MiB',
      'backup.upload_budget_bytes': '1GiB',
      'backup.frame_bytes': '1MiB',
      'control.listen': '127.0.0.1:8083',
    };
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(values.get(key), [value, 'default'], key);
    const restore = loaded(ENOUGH).effective();
    assert.equal(restore.find(({ key }) => key === 'control.listen')?.value, 'false');
  });

  it('names every origin and hides every secret', () => {
    const shown = loaded(SASL, { env: { [PASSWORD]: 'hunter2' } }).effective();
    const of = (key: string) => shown.find((each) => each.key === key);
    assert.match(of('backup_id')?.origin ?? '', /\.yaml:2:12$/);
    assert.deepEqual(of('target.security.sasl_password'), {
      key: 'target.security.sasl_password',
      value: '[hidden]',
      origin: `env ${PASSWORD}`,
    });
    assert.deepEqual(of('backup.segment_max_bytes'), {
      key: 'backup.segment_max_bytes',
      value: '128MiB',
      origin: 'default',
    });
    assert.ok(!JSON.stringify(shown).includes('hunter2'));
  });
});
