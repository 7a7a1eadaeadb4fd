import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BatchCursor } from '../../../src/record/batch-cursor.ts';
import { type RecordBatchHeader, splitBatches } from '../../../src/record/batch-header.ts';
import { encodeBatch, encodeMarker, sealCrc, type TestBatch, text } from '../../support/record-batches.ts';

const SEED = { seed: 20_261_123 };
const CORRUPT = { name: 'BackupError', code: 'BATCH_CORRUPT' };
const T0 = 1_700_000_000_000;
/** What a batch has before its records, and where its lengths, offsets, times, counts and magic lie. */
const HEADER_BYTES = 61;

function batch(baseOffset: bigint, change: Partial<TestBatch> = {}): Buffer {
  return encodeBatch({ baseOffset, records: [{ timestampMs: T0, key: text('k'), value: text('v') }], ...change });
}

/** All that the cursor tells, batch by batch, as plain objects. */
function walk(bytes: Uint8Array): { readonly headers: RecordBatchHeader[]; readonly cursor: BatchCursor } {
  const cursor = new BatchCursor(bytes);
  const headers: RecordBatchHeader[] = [];
  while (cursor.next()) {
    const { position, sizeBytes, baseOffset, lastOffset, partitionLeaderEpoch, crc, attributes } = cursor;
    const { lastOffsetDelta, baseTimestampMs, maxTimestampMs, producerId, recordCount } = cursor;
    const first = { position, sizeBytes, baseOffset, lastOffset, partitionLeaderEpoch, crc, attributes };
    headers.push({ ...first, lastOffsetDelta, baseTimestampMs, maxTimestampMs, producerId, recordCount });
    assert.equal(cursor.end, position + sizeBytes);
    assert.equal(cursor.offsetAt(cursor.distance), baseOffset);
    assert.equal(cursor.distanceOf(baseOffset), cursor.distance);
  }
  assert.equal(cursor.next(), false);
  return { headers, cursor };
}

function outcomeOf(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return { code: (error as { code?: string }).code, message: (error as Error).message };
  }
}

const anyBatch = fc
  .record({
    gap: fc.nat(1000),
    holes: fc.nat(9),
    leaderEpoch: fc.nat(9),
    logAppendTimeMs: fc.option(fc.constant(T0 + 5), { nil: undefined }),
    transactional: fc.boolean(),
    records: fc.array(
      fc.record({ timestampMs: fc.maxSafeInteger(), key: fc.constant(null), value: fc.constant(null) }),
      {
        maxLength: 3,
      },
    ),
  })
  .filter(({ records }) => records.every((one) => Number.isSafeInteger(one.timestampMs - records[0]!.timestampMs)));

describe('a batch cursor', () => {
  test('tells of every batch what its parsed header says, wherever the offsets begin and the bytes end', () => {
    const anyFirst = fc.oneof(fc.bigInt(0n, 2n ** 40n), fc.bigInt(2n ** 63n - 60_000n, 2n ** 63n - 50_000n));
    fc.assert(
      fc.property(anyFirst, fc.array(anyBatch, { maxLength: 6 }), fc.nat(70), (first, batches, cut) => {
        let offset = first;
        const parts = batches.map(({ gap, holes, logAppendTimeMs, ...rest }) => {
          const lastOffsetDelta = rest.records.length + holes;
          const stamped = logAppendTimeMs === undefined ? {} : { logAppendTimeMs };
          const bytes = encodeBatch({ baseOffset: offset, lastOffsetDelta, producerId: 7n, ...stamped, ...rest });
          offset += BigInt(lastOffsetDelta + 1 + gap);
          return bytes;
        });
        const whole = Buffer.concat(parts);
        const bytes = Buffer.concat([Buffer.alloc(3), whole.subarray(0, Math.max(0, whole.byteLength - cut))]).subarray(
          3,
        );
        const { headers, cursor } = walk(bytes);
        assert.deepEqual(headers, [...splitBatches(bytes)]);
        assert.equal(cursor.firstOffset, headers[0]?.baseOffset ?? cursor.firstOffset);
        assert.equal(
          cursor.end,
          headers.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
        );
      }),
      { ...SEED, numRuns: 1000 },
    );
  });

  test('refuses what the parser refuses, with its words, whichever byte of a header is wrong', () => {
    const bytes = Buffer.concat([batch(41n), batch(42n), batch(43n)]);
    const second = bytes.byteLength / 3;
    fc.assert(
      fc.property(fc.nat(HEADER_BYTES - 1), fc.nat(255), fc.boolean(), (at, value, isFirst) => {
        const changed = Buffer.from(bytes);
        changed[(isFirst ? 0 : second) + at] = value;
        const expected = outcomeOf(() => [...splitBatches(changed)]);
        const found = outcomeOf(() => walk(changed).headers);
        const isTooFar = !Array.isArray(found) && /2\^53/.test((found as { message: string }).message);
        if (!isTooFar) assert.deepEqual(found, expected);
      }),
      { ...SEED, numRuns: 3000 },
    );
  });

  test('reads offsets before the first as negative distances, and refuses those too far for a number', () => {
    const { headers, cursor } = walk(Buffer.concat([batch(2n ** 33n), batch(5n)]));
    assert.equal(headers.length, 2);
    assert.equal(cursor.distance, 5 - 2 ** 33);
    assert.throws(() => walk(Buffer.concat([batch(0n), batch(2n ** 53n)])), CORRUPT);
    assert.throws(() => walk(Buffer.concat([batch(2n ** 62n), batch(0n)])), CORRUPT);
  });

  test('finds a flipped bit anywhere under the CRC, in batches of every size', () => {
    for (const size of [0, 1, 2, 3, 4, 7, 8, 9, 63, 64, 150, 255, 256, 257, 348, 349, 350, 351, 352, 900]) {
      const value = Buffer.alloc(size, 0xa5);
      const bytes = batch(41n, { records: [{ timestampMs: T0, key: null, value }] });
      const cursor = new BatchCursor(bytes);
      assert.ok(cursor.next());
      cursor.verifyCrc();
      for (const at of [17, 20, 21, 60, 61, bytes.byteLength - 1]) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= 0x10;
        const broken = new BatchCursor(flipped);
        if (outcomeOf(() => broken.next()) !== true) continue;
        assert.throws(() => broken.verifyCrc(), { ...CORRUPT, context: { offset: 41n } }, `byte ${at} of ${size}`);
      }
    }
  });

  test('stands on batches without records and on control batches like on others', () => {
    const marker = encodeMarker({ baseOffset: 9n, producerId: 1n, outcome: 'abort', timestampMs: T0 });
    const emptied = sealCrc(batch(3n, { records: [], lastOffsetDelta: 5 }));
    const { headers } = walk(Buffer.concat([emptied, marker]));
    assert.deepEqual(
      headers.map(({ recordCount, lastOffset }) => [recordCount, lastOffset]),
      [
        [0, 8n],
        [1, 9n],
      ],
    );
  });
});
