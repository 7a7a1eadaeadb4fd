import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BatchBuilder } from '../../../src/record/batch-builder.ts';
import { BATCH_HEADER_BYTES } from '../../../src/record/batch-header.ts';
import { lowestTimestampDelta } from '../../../src/record/timestamp-scan.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { encodeSpread } from '../../support/record-batches.ts';

const PAYLOAD = Uint8Array.of(1, 1, 0);

function sectionOf(deltas: readonly number[]): Uint8Array {
  const builder = new BatchBuilder(1024);
  for (const delta of [0, ...deltas]) builder.append(PAYLOAD, 0, PAYLOAD.byteLength, delta);
  return builder.records().slice();
}

describe('the timestamp scan', () => {
  test('finds the lowest delta, whatever the order and size of the deltas', () => {
    const upTo = (max: number) => fc.integer({ min: -max, max });
    const anyDelta = fc.oneof(upTo(70), upTo(9000), fc.integer(), upTo(2 ** 45));
    fc.assert(
      fc.property(fc.array(anyDelta, { maxLength: 60 }), (deltas) => {
        assert.equal(lowestTimestampDelta(sectionOf(deltas), deltas.length + 1), Math.min(0, ...deltas));
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test('refuses lengths that do not fill the batch, and never reads beyond it', () => {
    const section = sectionOf([5, -7, 2 ** 40]);
    for (let size = 0; size < section.byteLength; size += 1) {
      assert.throws(() => lowestTimestampDelta(section.subarray(0, size), 4), BackupError);
    }
    assert.throws(() => lowestTimestampDelta(section, 3), BackupError);
    assert.throws(() => lowestTimestampDelta(section, 5), BackupError);
  });

  test('beyond 2^53 finds no safe integer, unless a lower delta is one', () => {
    const scan = (...deltas: bigint[]) =>
      lowestTimestampDelta(encodeSpread(0n, 0n, deltas).subarray(BATCH_HEADER_BYTES), deltas.length);
    assert.equal(scan(0n, -(2n ** 60n), 7n), -(2 ** 60));
    assert.equal(scan(2n ** 60n, 2n ** 61n), 2 ** 60);
    assert.equal(scan(2n ** 60n, -4n), -4);
  });

  test('of no records is infinite', () => {
    assert.equal(lowestTimestampDelta(new Uint8Array(0), 0), Number.POSITIVE_INFINITY);
  });
});
