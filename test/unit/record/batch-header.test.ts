import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PRODUCER_CODECS } from '../../../src/model/codec.ts';
import {
  codecOf,
  isControl,
  isLogAppendTime,
  isTransactional,
  parseBatchHeader,
  readTimestamp,
  sealBatchCrc,
  splitBatches,
  verifyBatchCrc,
  viewOf,
} from '../../../src/record/batch-header.ts';
import { crc32c, crc32cOf } from '../../../src/record/crc32c.ts';
import { encodeBatch, encodeMarker, sealCrc, slowCrc32c, type TestBatch, text } from '../../support/record-batches.ts';

const SEED = { seed: 20_261_120 };
const CORRUPT = { name: 'BackupError', code: 'BATCH_CORRUPT' };
const T0 = 1_700_000_000_000;

function batch(change: Partial<TestBatch> = {}): Buffer {
  const records = [
    { timestampMs: T0, key: text('k'), value: text('v') },
    { timestampMs: T0 + 7, key: null, value: null },
  ];
  return encodeBatch({ baseOffset: 41n, records, ...change });
}

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = batch();
  change(bytes);
  return sealCrc(bytes);
}

describe('a batch header', () => {
  test('is parsed field by field, wherever it lies', () => {
    const producer = { producerId: 7n, producerEpoch: 3, baseSequence: 9 };
    const bytes = batch({ leaderEpoch: 5, codec: 'lz4', transactional: true, lastOffsetDelta: 4, ...producer });
    const header = parseBatchHeader(viewOf(Buffer.concat([Buffer.alloc(13), bytes, Buffer.alloc(3)])), 13);
    assert.deepEqual(header, {
      position: 13,
      sizeBytes: bytes.byteLength,
      baseOffset: 41n,
      lastOffset: 45n,
      partitionLeaderEpoch: 5,
      crc: bytes.readUInt32BE(17),
      attributes: 0x13,
      lastOffsetDelta: 4,
      baseTimestampMs: T0,
      maxTimestampMs: T0 + 7,
      producerId: 7n,
      recordCount: 2,
    });
  });

  test('tells its codec, and whether it is transactional, control or stamped by the broker', () => {
    for (const codec of PRODUCER_CODECS) assert.equal(codecOf([...splitBatches(batch({ codec }))][0]!), codec);
    const [marker] = splitBatches(encodeMarker({ baseOffset: 0n, producerId: 1n, outcome: 'abort', timestampMs: T0 }));
    const [stamped] = splitBatches(batch({ logAppendTimeMs: T0 + 9 }));
    assert.deepEqual([marker!, stamped!].map(isControl), [true, false]);
    assert.deepEqual([marker!, stamped!].map(isTransactional), [true, false]);
    assert.deepEqual([marker!, stamped!].map(isLogAppendTime), [false, true]);
  });

  test('with a codec that Kafka does not have is refused when the codec is asked for', () => {
    for (const id of [5, 6, 7]) {
      const [header] = splitBatches(changed((bytes) => bytes.writeInt16BE(id, 21)));
      assert.throws(() => codecOf(header!), CORRUPT);
    }
  });

  test('has timestamps rounded as a number of their bigint is', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (timestamp) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64BE(timestamp);
        assert.equal(readTimestamp(viewOf(bytes), 0), Number(timestamp));
      }),
      { ...SEED, numRuns: 5000, examples: [[-1n], [0n], [2n ** 53n + 1n], [-(2n ** 53n) - 1n], [2n ** 63n - 1n]] },
    );
  });

  test('is undefined when the bytes end anywhere before the end of the batch', () => {
    const bytes = batch();
    for (let length = 0; length < bytes.byteLength; length += 1) {
      assert.equal(parseBatchHeader(viewOf(bytes.subarray(0, length)), 0), undefined, `cut at ${length}`);
    }
  });

  test('of another message format is refused', () => {
    for (const magic of [0, 1, 3, -1])
      assert.throws(() => [...splitBatches(changed((bytes) => bytes.writeInt8(magic, 16)))], CORRUPT);
  });

  const contradictions: readonly [string, (bytes: Buffer) => void][] = [
    ['a length below its own header', (bytes) => bytes.writeInt32BE(48, 8)],
    ['a length of zero', (bytes) => bytes.writeInt32BE(0, 8)],
    ['a negative length', (bytes) => bytes.writeInt32BE(-1, 8)],
    ['the smallest length', (bytes) => bytes.writeInt32BE(-(2 ** 31), 8)],
    ['a negative last offset delta', (bytes) => bytes.writeInt32BE(-1, 23)],
    ['a negative record count', (bytes) => bytes.writeInt32BE(-1, 57)],
    ['more records than offsets', (bytes) => bytes.writeInt32BE(3, 57)],
    ['the largest record count', (bytes) => bytes.writeInt32BE(2 ** 31 - 1, 57)],
    ['a negative base offset', (bytes) => bytes.writeBigInt64BE(-1n, 0)],
    ['a last offset beyond 2^63', (bytes) => bytes.writeBigInt64BE(2n ** 63n - 1n, 0)],
  ];
  for (const [what, change] of contradictions) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => [...splitBatches(changed(change))], CORRUPT);
    });
  }

  test('with the largest length counts as a batch that has not come whole', () => {
    assert.deepEqual([...splitBatches(changed((bytes) => bytes.writeInt32BE(2 ** 31 - 1, 8)))], []);
  });

  test('of bytes at random is parsed, awaited or refused, but nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isV2) => {
        if (isV2 && bytes.byteLength > 16) bytes[16] = 2;
        try {
          for (const header of splitBatches(bytes)) assert.ok(header.position + header.sizeBytes <= bytes.byteLength);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'BATCH_CORRUPT');
        }
      }),
      { ...SEED, numRuns: 3000 },
    );
  });
});

describe('splitting bytes into batches', () => {
  test('gives every whole batch and leaves out a cut tail, wherever it is cut', () => {
    const whole = [batch(), batch({ baseOffset: 43n, codec: 'zstd' })];
    const tail = batch({ baseOffset: 45n });
    const start = whole[0]!.byteLength + whole[1]!.byteLength;
    for (let length = 0; length < tail.byteLength; length += 1) {
      const headers = [...splitBatches(Buffer.concat([...whole, tail.subarray(0, length)]))];
      assert.deepEqual(
        headers.map((header) => header.baseOffset),
        [41n, 43n],
      );
    }
    assert.equal([...splitBatches(Buffer.concat([...whole, tail]))][2]?.position, start);
  });

  test('accepts what the cleaner leaves behind: a batch without records', () => {
    const [header] = splitBatches(batch({ records: [], lastOffsetDelta: 9 }));
    assert.equal(header?.recordCount, 0);
    assert.equal(header?.lastOffset, 50n);
  });
});

describe('the CRC of a batch', () => {
  test('is CRC-32C', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => crc32c(bytes) === slowCrc32c(bytes)),
      SEED,
    );
  });

  test('is the same for a part of more bytes, however long it is and wherever it begins', () => {
    const bytes = Buffer.from(Array.from({ length: 700 }, (_, index) => (index * 7 + (index >> 3)) & 0xff));
    const view = viewOf(bytes.subarray(1));
    for (let length = 0; length < 320; length += 1) {
      for (const from of [0, 1, 5, 300]) {
        assert.equal(crc32cOf(view, from, from + length), slowCrc32c(bytes.subarray(1 + from, 1 + from + length)));
      }
    }
  });

  test('covers every bit but those of base offset and leader epoch', () => {
    const bytes = batch();
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const at = bit >> 3;
      if (at < 8 || (at >= 12 && at < 16)) continue;
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (bit & 7);
      const check = (): number => {
        const headers = [...splitBatches(flipped)];
        for (const header of headers) verifyBatchCrc(flipped, header);
        return headers.length;
      };
      // A length that grew makes it a batch of which the rest is awaited.
      if (at >= 8 && at < 12 && flipped.readInt32BE(8) > bytes.readInt32BE(8)) assert.equal(check(), 0, `bit ${bit}`);
      else assert.throws(check, CORRUPT, `bit ${bit}`);
    }
  });

  test('is right again after a batch was changed and sealed', () => {
    const bytes = batch();
    bytes.writeInt16BE(0x10, 21);
    sealBatchCrc(bytes);
    assert.equal(bytes.readUInt32BE(17), slowCrc32c(bytes.subarray(21)));
    for (const header of splitBatches(bytes)) verifyBatchCrc(bytes, header);
  });

  test('names the offset when it is wrong', () => {
    const bytes = batch();
    bytes[70]! ^= 1;
    const [header] = splitBatches(bytes);
    assert.throws(() => verifyBatchCrc(bytes, header!), { ...CORRUPT, context: { offset: 41n } });
  });
});
