import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { JsonFields, parseJson, sealJson, toJson } from '../../../src/model/json-fields.ts';

const SEED = { seed: 20_261_120 };

function fields(value: unknown): JsonFields {
  return new JsonFields(value, 'commit 7', 'CATALOG_CORRUPT');
}

function refused(action: () => unknown, message: RegExp): void {
  assert.throws(action, { name: 'BackupError', code: 'CATALOG_CORRUPT', message });
}

describe('fields of JSON', () => {
  test('are given as they are when they have the right shape', () => {
    const value = {
      s: 'x',
      n: 5,
      z: 0,
      b: false,
      o: '-12',
      f: { a: 'y' },
      l: [{ a: 'z' }],
      m: { k: 'v' },
      nothing: null,
    };
    const found = fields(value);
    assert.deepEqual(
      [found.string('s'), found.integer('n'), found.integer('z'), found.boolean('b'), found.bigint('o')],
      ['x', 5, 0, false, -12n],
    );
    assert.equal(found.fields('f').string('a'), 'y');
    assert.deepEqual(
      found.list('l').map((one) => one.string('a')),
      ['z'],
    );
    assert.deepEqual(found.strings('m'), { k: 'v' });
    assert.equal(found.choice('s', ['x', 'y']), 'x');
    assert.deepEqual([found.has('s'), found.has('nothing'), found.has('absent')], [true, false, false]);
    assert.deepEqual(
      [found.nullableInteger('n', 0), found.nullableInteger('nothing', 0), found.nullableInteger('absent', 0)],
      [5, null, null],
    );
  });

  test('are named, with the place they stand at, when they have another', () => {
    const found = fields({ f: { a: 1 }, l: [{ a: 1 }, 5], n: -1 });
    refused(() => found.string('absent'), /^commit 7\.absent is not a string$/);
    refused(() => found.fields('f').string('a'), /^commit 7\.f\.a is not a string$/);
    refused(() => found.list('l'), /^commit 7\.l\[1\] is not an object$/);
    refused(() => found.integer('n'), /^commit 7\.n is not an integer >= 0$/);
    assert.equal(found.integer('n', -1), -1);
    assert.equal(found.integer('n', -1, -1), -1);
    refused(() => found.integer('n', -3, -2), /^commit 7\.n is not an integer from -3 to -2$/);
  });

  test('of any JSON at all are given or refused, never anything else', () => {
    const getters: readonly ((found: JsonFields) => unknown)[] = [
      (found) => found.string('a'),
      (found) => found.integer('a'),
      (found) => found.boolean('a'),
      (found) => found.bigint('a'),
      (found) => found.fields('a'),
      (found) => found.list('a'),
      (found) => found.strings('a'),
      (found) => found.choice('a', ['x']),
      (found) => found.nullableInteger('a', 0),
    ];
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ a: fc.jsonValue() })),
        fc.constantFrom(...getters),
        (value, get) => {
          try {
            get(fields(value));
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'CATALOG_CORRUPT');
          }
        },
      ),
      { ...SEED, numRuns: 2000 },
    );
  });

  test('hold 64-bit numbers in decimal digits only', () => {
    for (const o of ['9223372036854775807', '-9223372036854775808', '0'])
      assert.equal(fields({ o }).bigint('o'), BigInt(o));
    for (const o of ['', '-', '1.0', '1e5', '0x10', ' 1', '1 ', '+1', '1'.repeat(20), 5, null]) {
      refused(() => fields({ o }).bigint('o'), /is not an integer in a string/);
    }
  });
});

describe('JSON text', () => {
  test('carries bigints as decimal strings', () => {
    assert.equal(toJson({ a: 2n ** 63n - 1n, b: [1n] }), '{"a":"9223372036854775807","b":["1"]}');
  });

  test('that is none is refused with the code it was read for', () => {
    for (const text of ['', '{', 'undefined', '{"a":1}x', '\0']) {
      assert.throws(() => parseJson(Buffer.from(text), 'footer', 'OBJECT_CORRUPT'), {
        code: 'OBJECT_CORRUPT',
        message: 'footer is not JSON',
      });
    }
    assert.throws(() => parseJson(Buffer.from('[1]'), 'footer', 'OBJECT_CORRUPT'), {
      message: 'footer is not an object',
    });
  });
});

describe('a sealed document', () => {
  const sealed = Buffer.from(sealJson(toJson({ name: 'orders', partitions: 5, nested: { '}': '}' } }, 2)));
  const parse = (bytes: Uint8Array): JsonFields => parseJson(bytes, 'commit 7', 'CATALOG_CORRUPT');

  test('is read, with one space or many, and so is one without a seal', () => {
    assert.equal(parse(sealed).integer('partitions'), 5);
    assert.equal(parse(Buffer.from(sealJson('{"partitions":5}\n'))).integer('partitions'), 5);
    assert.equal(parse(Buffer.from('{"partitions":5}\n')).integer('partitions'), 5);
  });

  test('is refused with any bit of its content or of its seal changed', () => {
    const name = [sealed.indexOf('contentSha256'), sealed.indexOf('contentSha256":') + 'contentSha256'.length] as const;
    for (let position = 0; position < sealed.length - 1; position += 1) {
      // Under another name it is no seal.
      if (position >= name[0] && position < name[1]) continue;
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = Buffer.from(sealed);
        flipped[position]! ^= 1 << bit;
        refused(() => parse(flipped), /commit 7 (was changed after it was written: it does not have|is not JSON)/);
      }
    }
  });

  test('is refused when it is cut short or goes on', () => {
    for (let end = 0; end < sealed.length - 1; end += 1) refused(() => parse(sealed.subarray(0, end)), /is not JSON/);
    refused(() => parse(Buffer.concat([sealed, Buffer.from(' ')])), /was changed after it was written/);
  });
});
