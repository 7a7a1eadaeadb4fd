import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonBody } from '../../../src/control/json-body.ts';
import {
  type ParsedRestoreRequest,
  parseRestoreRequest,
  type RestoreRequestBody,
} from '../../../src/control/restore-request.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');

function parsed(body: RestoreRequestBody): ParsedRestoreRequest {
  return parseRestoreRequest(body, { defaultTarget: 'default', nowMs: NOW_MS });
}

test('instants are those of the command line, numbers being epoch milliseconds', () => {
  const instants: readonly (readonly [RestoreRequestBody, number])[] = [
    [{ point_in_time: '2026-11-20T03:00:00Z' }, 1_795_143_600_000],
    [{ point_in_time: 1_795_143_600_000 }, 1_795_143_600_000],
    [{ point_in_time: '2026-11-20 04:00', time_zone: 'Europe/Berlin' }, 1_795_143_600_000],
    [{ point_in_time: '-9h' }, 1_795_143_600_000],
  ];
  for (const [body, expected] of instants) {
    const result = parsed(body);
    assert.equal(result.kind === 'request' && result.request.recoveryTarget.toMs, expected, JSON.stringify(body));
  }
});

test('what an instant lacks is told at its place', () => {
  const bodies: readonly (readonly [RestoreRequestBody, string, RegExp])[] = [
    [{ point_in_time: '2026-11-20 04:00' }, 'body/point_in_time', /no time zone/],
    [{ point_in_time: '2026-03-29 02:30', time_zone: 'Europe/Berlin' }, 'body/point_in_time', /does not exist/],
    [{ time_window_start: '1969-12-31T23:59:59Z' }, 'body/time_window_start', /before 1970/],
    [{ time_zone: 'Mars/Olympus' }, 'body/time_zone', /not a time zone/],
  ];
  for (const [body, path, message] of bodies) {
    const result = parsed(body);
    assert.ok(result.kind === 'invalid', JSON.stringify(body));
    assert.equal(result.issues[0]!.path, path);
    assert.match(result.issues[0]!.message, message);
  }
});

test('cut and catalog version are taken over, and left to their defaults', () => {
  const result = parsed({ cut: 'log', catalog_version: 3 });
  assert.ok(result.kind === 'request');
  assert.deepEqual([result.request.recoveryTarget, result.request.catalogVersion], [{ cut: 'log' }, 3]);
  const plain = parsed({});
  assert.ok(plain.kind === 'request');
  assert.deepEqual([plain.request.recoveryTarget, plain.request.catalogVersion], [{ cut: 'timestamp' }, null]);
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
