import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Format } from '../../../src/config/formats/format.ts';
import { BYTES, COUNT, DURATION_MS, DURATION_SECS } from '../../../src/config/formats/number-formats.ts';
import { textNode } from '../../../src/config/input/source-node.ts';

const SEED = { seed: 20_261_123 };

function parsed(format: Format<number>, text: string): number | undefined {
  return format.parse(textNode(text, { kind: 'default' }), {}, () => undefined);
}

describe('numbers with units', () => {
  for (const format of [COUNT, BYTES, DURATION_MS, DURATION_SECS]) {
    it(`${format.name} reads back what it shows`, () => {
      fc.assert(
        fc.property(fc.maxSafeNat(), (value) => {
          assert.equal(parsed(format, format.show(value)), value);
        }),
        SEED,
      );
    });

    it(`${format.name} reads exact whole numbers or nothing`, () => {
      const texts = fc
        .tuple(fc.constantFrom('', '-', '+', '0', '1', '9007199254740993', '1.5'), fc.string())
        .map((parts) => parts.join(''));
      fc.assert(
        fc.property(texts, (text) => {
          const value = parsed(format, text);
          assert.ok(value === undefined || Number.isSafeInteger(value), text);
        }),
        SEED,
      );
    });
  }

  it('shows the largest unit that divides exactly', () => {
    assert.deepEqual([BYTES.show(134_217_728), BYTES.show(1000), BYTES.show(0)], ['128MiB', '1000', '0']);
    assert.deepEqual(
      [DURATION_MS.show(1500), DURATION_MS.show(60_000), DURATION_SECS.show(30)],
      ['1500ms', '1m', '30s'],
    );
  });

  it('takes milliseconds for seconds only when they are whole seconds', () => {
    assert.deepEqual([parsed(DURATION_SECS, '2000ms'), parsed(DURATION_SECS, '1500ms')], [2, undefined]);
  });
});
