import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PRODUCER_CODECS } from '../../../src/model/codec.ts';
import { splitBatches, verifyBatchCrc } from '../../../src/record/batch-header.ts';
import { recordFault } from '../../../src/segment/record-fault.ts';
import {
  encodeBatch,
  encodeSpread,
  sealCrc,
  type TestBatch,
  type TestRecord,
  text,
} from '../../support/record-batches.ts';

const T0 = 1_700_000_000_000;
const records = (...ages: readonly number[]): TestRecord[] =>
  ages.map((age) => ({ timestampMs: T0 + age, key: text('k'), value: text('v'.repeat(40)) }));

/** The fault of a batch after `edit` changed its bytes and its CRC was made right again. */
function faultOf(batch: Partial<TestBatch>, edit: (bytes: Buffer) => void = () => {}): string | undefined {
  const bytes = encodeBatch({ baseOffset: 50n, records: records(5, 0, 9), ...batch });
  edit(bytes);
  sealCrc(bytes);
  const [header = assert.fail()] = splitBatches(bytes);
  verifyBatchCrc(bytes, header);
  return recordFault(bytes, header);
}

describe('the records of a batch', () => {
  for (const codec of PRODUCER_CODECS) {
    test(`are held against what the batch says of them (${codec})`, () => {
      assert.equal(faultOf({ codec }), undefined);
      assert.match(
        faultOf({ codec }, (bytes) => bytes.writeInt32BE(2, 57)) ?? '',
        /batch at offset 50 .* more bytes than its records/,
      );
      assert.match(
        faultOf({ codec, lastOffsetDelta: 9 }, (bytes) => bytes.writeInt32BE(4, 57)) ?? '',
        /batch at offset 50/,
      );
      assert.match(
        faultOf({ codec }, (bytes) => bytes.writeBigInt64BE(BigInt(T0 + 8), 35)) ?? '',
        /record 52 has timestamp 1700000000009, above the highest/,
      );
      const disorder = records(1, 2).map((record, index) => ({ ...record, offsetDelta: 3 - index }));
      assert.match(
        faultOf({ codec, records: disorder, lastOffsetDelta: 3 }) ?? '',
        /is 2 behind it, after one that is 3/,
      );
      const beyond = records(1, 2).map((record, index) => ({ ...record, offsetDelta: index * 7 }));
      assert.match(faultOf({ codec, records: beyond, lastOffsetDelta: 6 }) ?? '', /is 7 behind it.* its last is 6/);
    });
  }

  test('may have holes, a delete horizon, the broker\u2019s own time, or be none', () => {
    const holes = records(0, 1).map((record, index) => ({ ...record, offsetDelta: 2 + index * 5 }));
    assert.equal(faultOf({ records: holes, lastOffsetDelta: 20 }), undefined);
    assert.equal(faultOf({ deleteHorizonMs: T0 + 86_400_000 }), undefined);
    assert.equal(faultOf({ logAppendTimeMs: T0 - 500 }), undefined);
    assert.equal(faultOf({ records: [], lastOffsetDelta: 4 }), undefined);
  });

  test('may lie further apart than a number reaches, and are held against the highest all the same', () => {
    const bytes = encodeSpread(50n, -(2n ** 53n - 1n), [0n, 2n ** 53n + 3n, -(2n ** 60n)]);
    const [header = assert.fail()] = splitBatches(bytes);
    assert.equal(header.maxTimestampMs, 4);
    assert.equal(recordFault(bytes, header), undefined);
    assert.match(recordFault(bytes, { ...header, maxTimestampMs: 3 }) ?? '', /record 51 has timestamp 4, above/);
  });

  test('that do not decompress are a fault, though the CRC fits', () => {
    assert.match(
      faultOf({ codec: 'zstd' }, (bytes) => bytes.fill(0xff, 62, 70)) ?? '',
      /the CRC that it carries, but records compressed with zstd do not decode/,
    );
  });
});
