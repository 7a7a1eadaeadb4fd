import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PRODUCER_CODECS } from '../../../src/model/codec.ts';
import { BatchBuilder } from '../../../src/record/batch-builder.ts';
import { BATCH_HEADER_BYTES, codecOf, sealBatchCrc, splitBatches } from '../../../src/record/batch-header.ts';
import { compressRecords } from '../../../src/record/producer-compression.ts';
import { RecordCursor } from '../../../src/record/record-cursor.ts';
import { encodeBatch, encodePayload, readBatch, type TestRecord } from '../../support/record-batches.ts';

const SEED = { seed: 20_261_120 };

const anyBytes = fc.option(fc.uint8Array({ maxLength: 200 }));
const anyRecord: fc.Arbitrary<TestRecord> = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: 1_600_000_000_000, max: 1_800_000_000_000 }), fc.maxSafeInteger()),
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(fc.record({ key: fc.uint8Array({ maxLength: 9 }), value: anyBytes }), { maxLength: 3 }),
});

/** Moves every record of `batch` into the builder, with timestamps of its own. */
function moveInto(builder: BatchBuilder, batch: Uint8Array, timestamps: readonly number[]): void {
  const section = batch.subarray(BATCH_HEADER_BYTES);
  const cursor = new RecordCursor(section, timestamps.length);
  for (const timestampMs of timestamps) {
    assert.ok(cursor.next());
    const before = builder.sizeBytes;
    const bound = builder.sizeWith(cursor.end - cursor.payloadPosition);
    builder.append(section, cursor.payloadPosition, cursor.end, timestampMs);
    assert.ok(builder.sizeBytes > before && builder.sizeBytes <= bound, 'sizeWith is an upper bound');
  }
}

/** A source batch with holes, whose own timestamps do not matter. */
function sourceOf(records: readonly TestRecord[]): Buffer {
  return encodeBatch({
    baseOffset: 500n,
    records: records.map((one, index) => ({ ...one, timestampMs: 5, offsetDelta: index * 7 })),
  });
}

describe('a batch builder', () => {
  test('gives out the records that were put in, dense, with the highest timestamp', () => {
    fc.assert(
      fc.property(
        fc.array(anyRecord, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 4000 }),
        (records, capacity) => {
          const timestamps = records.map((one) => one.timestampMs);
          fc.pre(timestamps.every((one) => Number.isSafeInteger(one - timestamps[0]!)));
          const builder = new BatchBuilder(capacity);
          moveInto(builder, sourceOf(records), timestamps);
          const batch = Buffer.from(builder.finish());
          assert.equal(builder.sizeBytes, batch.byteLength);
          sealBatchCrc(batch);
          const [header] = splitBatches(batch);
          assert.equal(header?.recordCount, records.length);
          assert.equal(header?.lastOffsetDelta, records.length - 1);
          assert.equal(header?.baseOffset, 0n);
          assert.equal(header?.attributes, 0);
          assert.equal(header?.partitionLeaderEpoch, -1);
          assert.equal(header?.maxTimestampMs, Math.max(...timestamps));
          const wanted = readBatch(sourceOf(records)).map((one, index) => ({
            ...one,
            offset: BigInt(index),
            timestampMs: timestamps[index],
          }));
          assert.deepEqual(readBatch(batch), wanted);
        },
      ),
      { ...SEED, numRuns: 500 },
    );
  });

  test('holds timestamps that no number holds with their like only, to the last bit', () => {
    const payload = encodePayload({ key: null, value: null });
    const builder = new BatchBuilder(16);
    const first = 1_700_000_000_123_456_789n;
    const timestamps = [first, first + 2n ** 53n - 1n, first - 1n];
    for (const timestamp of timestamps) {
      assert.ok(builder.spansExactly(timestamp));
      builder.appendExactly(payload, 0, payload.byteLength, timestamp);
    }
    const others = [first + 2n ** 53n, first - 2n ** 53n, -first];
    assert.ok(others.every((one) => !builder.spansExactly(one)));
    assert.ok([0, 5, Number(first)].every((one) => !builder.spans(one)));
    const batch = Buffer.from(builder.finish());
    assert.deepEqual(
      readBatch(batch).map(({ timestamp }) => timestamp),
      timestamps,
    );
    assert.deepEqual([batch.readBigInt64BE(27), batch.readBigInt64BE(35)], [first, timestamps[1]]);
    builder.reset();
    builder.append(payload, 0, payload.byteLength, 5);
    assert.ok(builder.spans(6) && !builder.spansExactly(first));
    assert.equal(readBatch(builder.finish())[0]?.timestampMs, 5);
  });

  test('leaves producer id, epoch, sequence and CRC to the sender', () => {
    const builder = new BatchBuilder(100);
    moveInto(builder, sourceOf([{ timestampMs: 0, key: null, value: null }]), [1]);
    const batch = Buffer.from(builder.finish());
    assert.equal(batch.readUInt32BE(17), 0);
    assert.deepEqual(batch.subarray(43, 57), Buffer.alloc(14));
  });

  test('is empty again after a reset, and keeps nothing of the batch before', () => {
    const builder = new BatchBuilder(10);
    moveInto(builder, sourceOf([{ timestampMs: 0, key: null, value: Buffer.alloc(500, 1) }]), [9_000]);
    builder.reset();
    assert.deepEqual([builder.recordCount, builder.sizeBytes], [0, BATCH_HEADER_BYTES]);
    moveInto(builder, sourceOf([{ timestampMs: 0, key: null, value: Buffer.from('x') }]), [7]);
    const [only, ...others] = readBatch(builder.finish());
    assert.deepEqual([only?.timestampMs, only?.value, others.length], [7, 'x', 0]);
  });

  test('writes the header of a compressed batch for every codec', () => {
    for (const codec of PRODUCER_CODECS) {
      const builder = new BatchBuilder(1000);
      moveInto(builder, sourceOf([{ timestampMs: 0, key: null, value: Buffer.alloc(300, 65) }]), [12]);
      const records = compressRecords(codec, builder.records());
      const batch = Buffer.alloc(BATCH_HEADER_BYTES + records.byteLength, 0xff);
      batch.set(records, BATCH_HEADER_BYTES);
      builder.writeHeader(batch, codec);
      assert.equal(codecOf([...splitBatches(batch)][0]!), codec);
      assert.deepEqual(
        readBatch(batch).map((one) => [one.timestampMs, one.value?.length]),
        [[12, 300]],
      );
    }
  });

  test('leaves the holes that it is told of, for a log that is stored', () => {
    const builder = new BatchBuilder(16);
    const batch = sourceOf([0, 1, 2].map((index) => ({ timestampMs: index, key: null, value: Buffer.from([index]) })));
    const section = batch.subarray(BATCH_HEADER_BYTES);
    const cursor = new RecordCursor(section, 3);
    for (const hole of [0, 3, 40]) {
      assert.ok(cursor.next());
      builder.skipOffsets(hole);
      builder.append(section, cursor.payloadPosition, cursor.end, 5);
    }
    const made = Buffer.from(builder.finish());
    sealBatchCrc(made);
    assert.deepEqual(
      readBatch(made).map(({ offset }) => offset),
      [0n, 4n, 45n],
    );
    const [header = assert.fail()] = splitBatches(made);
    assert.deepEqual([header.recordCount, header.lastOffsetDelta], [3, 45]);
    builder.reset();
    builder.append(section, cursor.payloadPosition, cursor.end, 5);
    assert.deepEqual(
      readBatch(Buffer.from(builder.finish())).map(({ offset }) => offset),
      [0n],
    );
  });
});
