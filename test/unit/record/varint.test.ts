import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { varintSize, VarintReader, writeVarint } from '../../../src/record/varint.ts';
import { varint } from '../../support/record-batches.ts';

const SEED = { seed: 20_261_120 };
const CORRUPT = { name: 'BackupError', code: 'BATCH_CORRUPT' };
const BORDERS = [0, 1, 63, 64, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 48 - 1, 2 ** 48, 2 ** 49, 2 ** 52, 2 ** 53 - 1];

function reader(bytes: Uint8Array): VarintReader {
  return new VarintReader(bytes, 0, bytes.byteLength);
}

function written(value: number): Uint8Array {
  const target = new Uint8Array(16);
  return target.subarray(0, writeVarint(target, 0, value));
}

describe('a varint', () => {
  test('is written as the reference writes it, and read back, for every safe integer', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        assert.deepEqual(Buffer.from(written(value)), varint(value));
        assert.equal(varintSize(value), varint(value).byteLength);
        assert.equal(reader(written(value)).readVarlong(), value);
      }),
      { ...SEED, numRuns: 2000 },
    );
  });

  test('is exact at every border up to 2^53 - 1, on both sides of zero', () => {
    for (const border of BORDERS) {
      for (const value of [border, -border, border - 1, -border + 1]) {
        assert.deepEqual(Buffer.from(written(value)), varint(value), `written ${value}`);
        assert.equal(varintSize(value), varint(value).byteLength);
        assert.ok(Object.is(reader(varint(value)).readVarlong(), value === 0 ? 0 : value), `read ${value}`);
      }
    }
  });

  test('of 32 bits is read back for every int32', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const source = reader(varint(value));
        assert.equal(source.readVarint(), value);
        assert.equal(source.position, source.end);
      }),
      { ...SEED, numRuns: 2000 },
    );
  });

  test('beyond 2^53 is rounded to what is no safe integer, and exact as a bigint', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (value) => {
        const source = reader(varint(value));
        assert.equal(source.readVarlong(), Number(value));
        assert.equal(source.position, source.end);
        assert.equal(reader(varint(value)).readBigVarlong(), value);
      }),
      { ...SEED, numRuns: 2000, examples: [[2n ** 53n], [-(2n ** 53n)], [2n ** 53n + 1n], [-(2n ** 63n)], [5n]] },
    );
  });

  test('that never ends is refused after its longest form', () => {
    const endless = new Uint8Array(64).fill(0xff);
    assert.throws(() => reader(endless).readVarint(), CORRUPT);
    assert.throws(() => reader(endless).readVarlong(), CORRUPT);
    const eleven = new Uint8Array(11).fill(0x80, 0, 10);
    assert.throws(() => reader(eleven).readVarlong(), CORRUPT);
  });

  test('cut anywhere is refused', () => {
    for (const value of [300, -70_000, 2 ** 40, 2 ** 53 - 1]) {
      const whole = varint(value);
      for (let length = 0; length < whole.byteLength; length += 1) {
        assert.throws(() => reader(whole.subarray(0, length)).readVarlong(), CORRUPT);
        assert.throws(() => reader(whole.subarray(0, Math.min(length, 4))).readVarint(), CORRUPT);
      }
    }
  });

  test('is not read past the end that was given, though more bytes follow', () => {
    const bytes = Buffer.concat([varint(300), varint(300)]);
    const source = new VarintReader(bytes, 0, 1);
    assert.throws(() => source.readVarint(), CORRUPT);
  });

  test('skips neither backwards nor past the end', () => {
    const source = reader(new Uint8Array(10));
    assert.throws(() => source.skip(-1), CORRUPT);
    assert.throws(() => source.skip(11), CORRUPT);
    assert.throws(() => source.skip(Number.MAX_SAFE_INTEGER), CORRUPT);
    source.skip(10);
    assert.equal(source.position, 10);
  });
});
