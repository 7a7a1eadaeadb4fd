// How problems are told: all at once, in order, aligned, and without secrets.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderProblems } from '../../../src/config/problems.ts';
import { configFile, ENOUGH, problemsOf } from './config-files.ts';

describe('many mistakes', () => {
  const file = `mode: backup
backup_id: ../x
source:
  bootstrap_servers: ["localhost"]
  security:
    security_protocol: SASL_SSL
    pasword: hunter2
storage: {backend: filesystem, path: /data}
backup:
  segment_max_bytes: 12MB
  start_offset: {specific: {"a b": {x: -1}}}
`;

  it('are all reported, in the order of the file, as aligned lines', () => {
    const lines = renderProblems(problemsOf(file))
      .replaceAll(/^\S*\/\d+\.yaml/gm, 'f.yaml')
      .split('\n');
    assert.deepEqual(
      lines.map((line) =>
        line
          .trimEnd()
          .split(/\s{2,}/)
          .slice(0, 2)
          .join(' '),
      ),
      [
        'f.yaml:2:12 backup_id',
        'f.yaml:4:23 source.bootstrap_servers',
        'f.yaml:7:5 source.security.pasword',
        'f.yaml:10:22 backup.segment_max_bytes',
        'f.yaml:11:29 backup.start_offset',
        'f.yaml:11:37 backup.start_offset',
        'f.yaml:11:40 backup.start_offset',
        '7 errors. Docs: config/REFERENCE.md',
      ],
    );
    const starts = lines.slice(0, -1).map((line) => /^\S+ +\S+ +/.exec(line)?.[0].length);
    assert.equal(new Set(starts).size, 1, lines.join('\n'));
  });
});

describe('a mistake', () => {
  /** Keys of the problems of a sufficient file with these lines instead of its source. */
  const keysOf = (lines: string): string[] => problemsOf(ENOUGH.replace(/source:\n.*\n/, lines)).map(({ key }) => key);
  const spoilt: readonly (readonly [name: string, lines: string, keys: readonly string[]])[] = [
    [
      'that is a key given twice',
      'source: {bootstrap_servers: [a], client_id: x, client_id: y}\n',
      ['source.bootstrap_servers', 'source.client_id'],
    ],
    [
      'that is an alias',
      'source: {bootstrap_servers: [a], client_id: *x}\n',
      ['source.bootstrap_servers', 'source.client_id'],
    ],
    [
      'that is a tag',
      'source: !own {bootstrap_servers: [a], client_id: !own 1}\n',
      ['source', 'source.bootstrap_servers', 'source.client_id'],
    ],
    [
      'that is a key like nothing plain',
      'source: {bootstrap_servers: [a], [b]: c}\n',
      ['source.bootstrap_servers', 'source'],
    ],
    [
      'that resembles a section which is given',
      'sorce: {}\nsource: {bootstrap_servers: [a]}\n',
      ['sorce', 'source.bootstrap_servers'],
    ],
  ];
  for (const [name, lines, keys] of spoilt) {
    it(`${name} hides no other`, () => assert.deepEqual(keysOf(lines), keys));
  }

  it('that resembles a section which is not given stands for it', () => {
    assert.deepEqual(keysOf('sorce: {bootstrap_servers: ["a:1"]}\n'), ['sorce']);
  });
});

describe('secrets', () => {
  const SECRET = 'hunter2hunter2';
  const spots = [
    `sasl_password: [${SECRET}]`,
    `sasl_password: {a: ${SECRET}}`,
    `sasl_password: !!str ${SECRET}`,
    `sasl_password: "${SECRET}`,
    `sasl_password: ${SECRET}: x`,
    `sasl_password: @${SECRET}`,
    `sasl_pasword: ${SECRET}`,
    `${'  '}sasl_password: ${SECRET}\n ${SECRET}`,
    `sasl_mechanism: "\${SECRET}"`,
    `ssl_endpoint_identification: "\${SECRET}"`,
    `sasl_password: "\${SECRET:-\${X}}"`,
    `sasl_password: *${SECRET}`,
    `sasl_password: ${SECRET}\n    sasl_password: ${SECRET}`,
  ];
  for (const spot of spots) {
    it(`do not show in what is said about ${JSON.stringify(spot.replaceAll(SECRET, 'S'))}`, () => {
      const text = `${ENOUGH}target:\n  bootstrap_servers: ["a:1"]\n  security:\n    ${spot}\n`;
      const output = renderProblems(problemsOf(text, { env: { SECRET } }));
      assert.ok(!output.includes(SECRET), output);
    });
  }

  it('do not show from environment variables, their files, or addresses', () => {
    const env = {
      KAFKA_BACKUP__LOGGING__LEVEL: SECRET,
      KAFKA_BACKUP__BACKUP__COMPRESSION_FILE: configFile(SECRET),
      KAFKA_BACKUP__STORAGE__PATH_FILE: SECRET,
    };
    const text = ENOUGH.replace('localhost:9092', `user:${SECRET}@localhost:9092`);
    const output = renderProblems(problemsOf(text, { env }));
    assert.ok(!output.includes(SECRET), output);
    assert.match(output, /\[hidden\]@localhost:9092/);
  });

  it('and control characters cannot steer the terminal', () => {
    const output = renderProblems(problemsOf(`${ENOUGH}"a\\e[31m": 1\nlogging: {level: "\\e]0;x\\a"}\n`));
    assert.match(output, /\\u001b/);
    assert.ok(!output.includes('\u001b'));
  });
});
