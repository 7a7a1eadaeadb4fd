import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonBody } from '../../../src/control/json-body.ts';
import { parseInstant } from '../../../src/control/restore-request.ts';

test('instants are RFC 3339 with a zone, or epoch milliseconds', () => {
  const instants: readonly (readonly [string | number, number | null])[] = [
    ['2026-11-20T03:00:00Z', 1_795_143_600_000],
    ['2026-11-20t03:00:00z', 1_795_143_600_000],
    ['2026-11-20 04:00:00+01:00', 1_795_143_600_000],
    ['2026-11-20T03:00:00.123999Z', 1_795_143_600_123],
    ['2024-02-29T00:00:00Z', 1_709_164_800_000],
    ['2026-02-29T00:00:00Z', null],
    ['2026-00-10T00:00:00Z', null],
    ['2026-11-20T25:00:00Z', null],
    ['2026-11-20', null],
    ['1969-12-31T23:59:59Z', null],
    ['+002026-11-20T03:00:00Z', null],
    [0, 0],
    [Number.MAX_SAFE_INTEGER + 1, null],
  ];
  for (const [given, expected] of instants) assert.equal(parseInstant(given), expected, String(given));
});

test('any instant that a Date prints is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (instantMs) => {
      assert.equal(parseInstant(new Date(instantMs).toISOString()), instantMs);
    }),
  );
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
