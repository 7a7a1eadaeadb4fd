// Files that are not understood at all, or not as a whole: YAML itself, and how the file is stored.

import assert from 'node:assert/strict';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '../../../src/config/load-config.ts';
import { configFile, ENOUGH, load, placeOf, problemsOf, textOf } from './config-files.ts';

/** Name, what is added to a sufficient file in line 8, place, text. Exactly this problem must be reported. */
type Case = readonly [name: string, text: string, place: string, says: string];

const WHOLE_FILES: readonly Case[] = [
  ['a list', '- mode: backup\n', '1:1', 'must hold keys such as "mode: backup", not a list'],
  ['plain text', 'backup\n', '1:1', 'must hold keys'],
  ['a YAML 1.1 directive', `%YAML 1.1\n---\n${ENOUGH}`, '1:1', 'Remove the %YAML line'],
  ['an unknown directive', `%FOO x\n---\n${ENOUGH}`, '1:1', 'directive is not accepted'],
  ['bad indentation', '  mode: backup\n backup_id: x\n', '2:2', 'not valid YAML'],
  ['endless nesting', `a: ${'['.repeat(10_000)}`, '1:', 'not valid YAML: the nesting is too deep'],
  ['nesting that YAML bears', `backup: ${'{a: '.repeat(30)}1${'}'.repeat(30)}`, '1:', 'the nesting is too deep'],
];

const ADDED_LINES: readonly Case[] = [
  ['a second document', '---\nmode: restore\n', '8:1', 'a second document starts here'],
  ['trailing text behind the end marker', '...\nrest\n', '9:1', 'a second document starts here'],
  ['tabs', 'backup:\n\tcompression: lz4\n', '9:1', 'tabs cannot indent. Use spaces.'],
  [
    'an unclosed quote',
    'backup:\n  compression: "lz4\n',
    '10:1',
    'not valid YAML: a quote, comma, colon or bracket is missing',
  ],
  ['an unclosed bracket', 'backup: {compression: lz4\n', '9:1', 'not valid YAML'],
  ['two keys in one line', 'logging: level: info\n', '8:10', 'two keys on this line'],
  ['a value that starts with @', 'logging: {level: @info}\n', '8:18', 'Put quotes around the value'],
  [
    'a duplicate key',
    'backup:\n  compression: lz4\n  compression: zstd\n',
    '10:3',
    '"compression" is here twice, first in line 9',
  ],
  ['a duplicate section', 'storage: {backend: memory}\n', '8:1', '"storage" is here twice, first in line 5'],
  ['an alias', 'logging: {level: &a info}\nbackup: {compression: *a}\n', '9:23', 'aliases (*name) are not accepted'],
  [
    'an alias bomb',
    `restore:\n  topics:\n    include: &a [x]\n    exclude: &b [${'*a,'.repeat(9)}*a]\n`,
    '11:18',
    'aliases (*name) are not accepted',
  ],
  ['an unknown tag', 'logging: {level: !level info}\n', '8:25', 'tags (!name) are not accepted'],
  ['a function tag', 'logging: {level: !!js/function "x"}\n', '8:32', 'tags (!name) are not accepted'],
  ['a binary tag', 'logging: {level: !!binary aW5mbw==}\n', '8:27', 'tags (!name) are not accepted'],
  ['a key that is a list', 'logging: {? [a] : 1}\n', '8:13', 'a key must be a plain word'],
  ['a variable inside brackets', 'source2: [${A}]\n', '8:12', 'a variable needs quotes: "${NAME}"'],
];

function check(name: string, text: string, place: string, says: string): void {
  it(`refuses ${name}`, () => {
    const problems = problemsOf(text);
    const [first] = problems;
    assert.ok(first !== undefined);
    const found = placeOf(first);
    assert.ok(place.endsWith(':') ? found.startsWith(place) : found === place, `at ${found}`);
    assert.ok(textOf(first).includes(says), textOf(first));
    assert.ok(
      problems.every((problem) => problem.message === first.message),
      problems.map(textOf).join('\n'),
    );
  });
}

describe('a file as a whole', () => {
  for (const each of WHOLE_FILES) check(...each);
  for (const [name, lines, place, says] of ADDED_LINES) check(name, ENOUGH + lines, place, says);

  it('an empty one lacks everything, and says where to begin', () => {
    assert.deepEqual(
      problemsOf('').map((problem) => `${placeOf(problem)} ${problem.key}: ${problem.message}`),
      [
        '1:1 mode: this key is needed.',
        '1:1 backup_id: this key is needed.',
        '1:1 storage.backend: this key is needed.',
      ],
    );
  });

  it('is refused when missing, a directory, too large, binary or not UTF-8', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-dir-'));
    const saysOf = (file: string) => {
      const result = loadConfig({ file, env: {} });
      return result.kind === 'invalid' ? result.problems.map(textOf).join() : 'accepted';
    };
    assert.match(saysOf('/nowhere/backup.yaml'), /no such file\. Check the path/);
    assert.match(saysOf(directory), /this is a directory/);
    assert.match(saysOf(configFile(`#${'x'.repeat(1024 * 1024)}`)), /larger than 1048576 bytes/);
    assert.match(saysOf(configFile(`${ENOUGH}\0`)), /NUL bytes/);
    assert.match(saysOf(configFile(Buffer.from([0x6d, 0xff, 0xfe]))), /not UTF-8/);
    rmdirSync(directory);
  });

  it('is refused without delay when it holds sixty thousand keys', () => {
    const started = performance.now();
    const problems = problemsOf(Array.from({ length: 60_000 }, (_, index) => `k${index}: 1`).join('\n'));
    assert.ok(problems.length > 50_000);
    assert.ok(performance.now() - started < 20_000);
  });

  it('never throws, whatever bytes it holds', () => {
    const fragments = ENOUGH.split(/(?<=[\n :])/).concat([
      '${X}',
      '${X:-',
      '{',
      '[',
      '*a',
      '&a ',
      '!!x ',
      '\t',
      '"',
      '- ',
      '__proto__: ',
      '~',
      '---\n',
    ]);
    const soup = fc.array(fc.oneof(fc.constantFrom(...fragments), fc.string())).map((parts) => parts.join(''));
    fc.assert(
      fc.property(soup, (text) => {
        load(text);
      }),
      { seed: 20_261_123, numRuns: 1500 },
    );
  });
});
