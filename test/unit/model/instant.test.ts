import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseInstant } from '../../../src/model/instant.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');

/** Epoch milliseconds, or the sentence that refuses the text. */
function parsed(text: string, timeZone: string | null = null): number | string {
  const result = parseInstant(text, { nowMs: NOW_MS, timeZone });
  return result.kind === 'instant' ? result.epochMs : result.message;
}

describe('an instant', () => {
  test('is RFC 3339 with a zone, epoch milliseconds or an age', () => {
    const instants: readonly (readonly [string, number])[] = [
      ['2026-11-20T03:00:00Z', 1_795_143_600_000],
      ['2026-11-20t03:00:00z', 1_795_143_600_000],
      ['2026-11-20 04:00:00+01:00', 1_795_143_600_000],
      ['2026-11-19 21:30-05:30', 1_795_143_600_000],
      ['2026-11-20T03:00Z', 1_795_143_600_000],
      ['2026-11-20T03:00:00.123999Z', 1_795_143_600_123],
      ['2024-02-29T00:00:00Z', 1_709_164_800_000],
      ['0', 0],
      ['1795143600000', 1_795_143_600_000],
      ['-2h', NOW_MS - 7_200_000],
      ['-30m', NOW_MS - 1_800_000],
      ['-7d', NOW_MS - 604_800_000],
      ['-90s', NOW_MS - 90_000],
    ];
    for (const [text, expected] of instants) assert.equal(parsed(text), expected, text);
  });

  test('is nothing else', () => {
    const texts = [
      ...[
        '',
        'noon',
        'yesterday',
        '2026-11-20',
        '2026-02-29T00:00:00Z',
        '2026-00-10T00:00:00Z',
        '2026-11-20T25:00:00Z',
      ],
      ...[
        '2026-11-20T03:00:00+25:00',
        '+002026-11-20T03:00:00Z',
        '2h',
        '-2w',
        '- 2h',
        '1.5',
        '-1',
        '99999999999999999',
      ],
      ...['2026-11-20T03:00.5Z', '2026-11-20T03:00:60Z', ' 0', '0x10', '1e3', '2026-11-20T03:00:00Z '],
    ];
    for (const text of texts) assert.match(String(parsed(text, 'UTC')), /is not an instant; write/, text);
  });

  test('in seconds is refused with both instants that it may be', () => {
    const remedy = /write 1795143600000 for 2026-11-20T03:00:00\.000Z, or 1970-01-21T18:39:03\.600Z if that is meant/;
    assert.match(String(parsed('1795143600')), remedy);
    assert.equal(parsed('1970-01-21T18:39:03.600Z'), 1_795_143_600);
    assert.deepEqual([parsed('999999999'), parsed('10000000000')], [999_999_999, 10_000_000_000]);
  });

  test('that a Date prints is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (instantMs) => {
        assert.equal(parsed(new Date(instantMs).toISOString()), instantMs);
      }),
    );
  });
});

describe('a local time', () => {
  test('needs a zone', () => {
    assert.match(String(parsed('2026-11-20 03:00')), /has no time zone/);
    assert.match(String(parsed('2026-11-20 03:00', 'Europe/Atlantis')), /"Europe\/Atlantis" is not a time zone/);
  });

  test('is that of the named zone on that day', () => {
    assert.equal(parsed('2026-11-20 03:00', 'Europe/Berlin'), Date.parse('2026-11-20T02:00:00Z'));
    assert.equal(parsed('2026-07-20 03:00', 'Europe/Berlin'), Date.parse('2026-07-20T01:00:00Z'));
    assert.equal(parsed('2026-11-20T03:00:00.250', 'Asia/Kathmandu'), Date.parse('2026-11-19T21:15:00.250Z'));
    assert.equal(parsed('2026-11-20 03:00', 'America/St_Johns'), Date.parse('2026-11-20T06:30:00Z'));
    assert.equal(parsed('2026-11-20 03:00', 'UTC'), Date.parse('2026-11-20T03:00:00Z'));
  });

  test('leaves a zone that is written out alone', () => {
    assert.equal(parsed('2026-11-20T03:00:00Z', 'Asia/Tokyo'), Date.parse('2026-11-20T03:00:00Z'));
  });

  test('that clocks jump over is refused, and its neighbours are not', () => {
    assert.match(String(parsed('2026-03-29 02:30', 'Europe/Berlin')), /does not exist in Europe\/Berlin/);
    assert.equal(parsed('2026-03-29 01:59:59', 'Europe/Berlin'), Date.parse('2026-03-29T00:59:59Z'));
    assert.equal(parsed('2026-03-29 03:00', 'Europe/Berlin'), Date.parse('2026-03-29T01:00:00Z'));
    // Samoa left out a whole day when it crossed the date line.
    assert.match(String(parsed('2011-12-30 12:00', 'Pacific/Apia')), /does not exist/);
  });

  test('that clocks show twice is refused with both instants, and its neighbours are not', () => {
    const message = String(parsed('2026-10-25 02:30', 'Europe/Berlin'));
    assert.match(message, /happened twice/);
    assert.match(message, /2026-10-25T00:30:00\.000Z or 2026-10-25T01:30:00\.000Z/);
    assert.equal(parsed('2026-10-25 01:59:59', 'Europe/Berlin'), Date.parse('2026-10-24T23:59:59Z'));
    assert.equal(parsed('2026-10-25 03:00', 'Europe/Berlin'), Date.parse('2026-10-25T02:00:00Z'));
    // Half an hour only.
    assert.match(String(parsed('2026-04-05 01:45', 'Australia/Lord_Howe')), /happened twice/);
  });

  test('is what a clock in that zone shows at the instant it resolves to', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'Australia/Lord_Howe', 'UTC'];
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 4_102_444_800 }), (zone, seconds) => {
        const wall = new Date(seconds * 1000).toISOString().slice(0, 19);
        const epochMs = parsed(wall, zone);
        if (typeof epochMs === 'string') return;
        const shown = new Date(epochMs).toLocaleString('sv-SE', { timeZone: zone });
        assert.equal(shown, wall.replace('T', ' '));
      }),
    );
  });
});
