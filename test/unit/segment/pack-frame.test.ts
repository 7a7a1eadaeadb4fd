import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { FrameExpander, maxStoredSize } from '../../../src/compression/frame-codec.ts';
import { PRODUCER_CODECS, type SegmentCodec } from '../../../src/model/codec.ts';
import { splitBatches, verifyBatchCrc } from '../../../src/record/batch-header.ts';
import { type Expansion, type PackResult, packFrame } from '../../../src/segment/pack-frame.ts';
import {
  encodeBatch,
  encodeMarker,
  encodeSpread,
  readBatch,
  sealCrc,
  shared,
  text,
} from '../../support/record-batches.ts';
import { jsonBatch, T0 } from './segment-fixture.ts';

const CORRUPT = { name: 'BackupError', code: 'BATCH_CORRUPT' };

interface Packed {
  readonly result: PackResult;
  /** The batches as they are stored. */
  readonly raw: Buffer;
}

function pack(
  batches: readonly Uint8Array[],
  expansion: Expansion,
  codec: SegmentCodec = 'zstd',
  outputBytes?: number,
): Packed {
  const raw = new Uint8Array(shared(...batches));
  const output = new SharedArrayBuffer(outputBytes ?? maxStoredSize(raw.byteLength * 50));
  const result = packFrame({ raw, output, codec, level: 3, expansion });
  const stored = new Uint8Array(result.overflow ?? output, 0, result.storedSizeBytes);
  assert.equal(result.sha256, createHash('sha256').update(stored).digest('hex'));
  const expanded = new FrameExpander().expand(codec, stored, new Uint8Array(result.rawSizeBytes), result.rawSizeBytes);
  for (const header of splitBatches(expanded)) verifyBatchCrc(expanded, header);
  return { result, raw: Buffer.from(expanded) };
}

function batchesIn(raw: Uint8Array): Buffer[] {
  return [...splitBatches(raw)].map(({ position, sizeBytes }) =>
    Buffer.from(raw.subarray(position, position + sizeBytes)),
  );
}

const EMPTY = { timestampMs: 0, key: null, value: null };

describe('packing a frame', () => {
  for (const codec of ['zstd', 'lz4', 'none'] as const) {
    test(`keeps the broker's bytes as they came, with codec ${codec}`, () => {
      const batches = PRODUCER_CODECS.map((producer, index) =>
        jsonBatch(BigInt(index * 100), 50, { codec: producer, lastOffsetDelta: 60 }),
      );
      const { result, raw } = pack(batches, 'never', codec);
      assert.ok(Buffer.concat(batches).equals(raw));
      assert.equal(result.isExpanded, false);
      assert.deepEqual(
        result.facts.producerCodecs.map((run) => run.codec),
        PRODUCER_CODECS,
      );
    });
  }

  test('expands every batch on demand: only codec bits, length and CRC change', () => {
    const batches = PRODUCER_CODECS.map((codec, index) =>
      jsonBatch(BigInt(index * 100), 50, {
        codec,
        leaderEpoch: 4,
        producerId: 9n,
        producerEpoch: 1,
        baseSequence: 77,
        transactional: true,
      }),
    );
    const { result, raw } = pack(batches, 'always');
    assert.equal(result.isExpanded, true);
    assert.equal(result.rawSizeBytes, raw.byteLength);
    batchesIn(raw).forEach((stored, index) => {
      const source = batches[index]!;
      assert.equal(stored.readInt16BE(21), source.readInt16BE(21) & ~7);
      assert.deepEqual(stored.subarray(0, 8), source.subarray(0, 8));
      assert.deepEqual(stored.subarray(12, 17), source.subarray(12, 17));
      assert.deepEqual(stored.subarray(23, 61), source.subarray(23, 61));
      assert.deepEqual(readBatch(stored), readBatch(source));
    });
    assert.deepEqual(
      result.facts.producerCodecs.map(({ baseOffset, codec }) => [baseOffset, codec]),
      [
        [0n, 'none'],
        [100n, 'gzip'],
        [200n, 'snappy'],
        [300n, 'lz4'],
        [400n, 'zstd'],
      ],
    );
    assert.equal(result.facts.maxBatchSizeBytes, Math.max(...batches.map((batch) => batch.byteLength)));
  });

  test('that measures expands where that saves a fifth, and only there', () => {
    const worthwhile = Array.from({ length: 40 }, (_, index) => jsonBatch(BigInt(index * 50), 50, { codec: 'gzip' }));
    assert.equal(pack(worthwhile, 'measure').result.isExpanded, true);
    const already = [jsonBatch(0n, 2000, { codec: 'zstd' })];
    const { result, raw } = pack(already, 'measure');
    assert.equal(result.isExpanded, false);
    assert.ok(already[0]!.equals(raw));
    assert.equal(result.facts.minTimestampMs, null);
  });

  test('without producer compression has nothing to expand', () => {
    const batch = jsonBatch(0n, 20);
    for (const expansion of ['never', 'always', 'measure'] as const) {
      const { result, raw } = pack([batch], expansion);
      assert.equal(result.isExpanded, false);
      assert.ok(batch.equals(raw));
    }
  });

  test('uses memory of its own when the output is too small', () => {
    const batch = jsonBatch(0n, 500);
    for (const codec of ['zstd', 'lz4', 'none'] as const) {
      const { result, raw } = pack([batch], 'never', codec, 64);
      assert.ok(result.overflow !== null);
      assert.ok(batch.equals(raw));
    }
  });

  test('stores a frame as it came when expanding it would take too much memory', () => {
    const value = Buffer.alloc(24 * 1024 * 1024);
    const bombs = [0n, 1n, 2n].map((baseOffset) =>
      encodeBatch({ baseOffset, codec: 'zstd', records: [{ timestampMs: T0, key: null, value }] }),
    );
    const { result, raw } = pack(bombs, 'always');
    assert.equal(result.isExpanded, false);
    assert.ok(Buffer.concat(bombs).equals(raw));
  });

  test('refuses a batch whose CRC is wrong', () => {
    const batch = jsonBatch(0n, 5);
    batch[80]! ^= 1;
    assert.throws(() => pack([jsonBatch(5n, 1), batch], 'never'), CORRUPT);
  });

  test('keeps records that do not decode exactly as they came', () => {
    const batch = jsonBatch(0n, 50, { codec: 'gzip' });
    batch.fill(0, 70, 90);
    const sealed = sealCrc(batch);
    const { result } = pack([sealed], 'always');
    assert.equal(result.isExpanded, false);
    assert.equal(result.rawSizeBytes, sealed.byteLength);
  });

  test('ends the process rather than store half a batch', () => {
    const batch = jsonBatch(0n, 5);
    assert.throws(() => pack([batch, batch.subarray(0, 40)], 'never'), /invariant broken/);
    assert.throws(() => pack([], 'never'), /invariant broken/);
  });
});

describe('the facts of a frame', () => {
  test('bound the timestamps of uncompressed batches, whatever their order', () => {
    const records = [5, -900, 700, 0].map((delta) => ({ timestampMs: T0 + delta, key: null, value: text('v') }));
    const { facts } = pack([encodeBatch({ baseOffset: 0n, records }), jsonBatch(4n, 1)], 'never').result;
    assert.deepEqual([facts.minTimestampMs, facts.maxTimestampMs], [T0 - 900, T0 + 700]);
  });

  test('give no lower bound where batches stay compressed, but for single records and broker time', () => {
    const single = jsonBatch(0n, 1, { codec: 'zstd' });
    assert.equal(pack([single], 'never').result.facts.minTimestampMs, T0);
    const stamped = jsonBatch(1n, 9, { codec: 'zstd', logAppendTimeMs: T0 + 50 });
    assert.equal(pack([stamped], 'never').result.facts.minTimestampMs, T0 + 50);
    assert.equal(pack([jsonBatch(1n, 9, { codec: 'zstd' })], 'never').result.facts.minTimestampMs, null);
    assert.equal(pack([jsonBatch(1n, 9, { codec: 'zstd' })], 'always').result.facts.minTimestampMs, T0 + 1);
  });

  test('tell broker time from producer time', () => {
    const both = pack([jsonBatch(0n, 1), jsonBatch(1n, 1, { logAppendTimeMs: T0 })], 'never').result.facts;
    assert.deepEqual([both.hasCreateTime, both.hasLogAppendTime], [true, true]);
    const one = pack([jsonBatch(0n, 1)], 'never').result.facts;
    assert.deepEqual([one.hasCreateTime, one.hasLogAppendTime], [true, false]);
  });

  test('leave a batch that the cleaner emptied out of the bounds', () => {
    const empty = encodeBatch({ baseOffset: 9n, records: [], lastOffsetDelta: 3 });
    const { facts } = pack([empty, jsonBatch(20n, 1)], 'never').result;
    assert.deepEqual([facts.minTimestampMs, facts.maxTimestampMs], [T0 + 20, T0 + 20]);
    assert.equal(pack([empty], 'never').result.facts.minTimestampMs, null);
  });

  test('stay numbers that JSON can carry when a producer stamps nanoseconds', () => {
    const nanoseconds = jsonBatch(0n, 1);
    for (const at of [27, 35]) nanoseconds.writeBigInt64BE(1_700_000_000_000_000_000n, at);
    const mixed = jsonBatch(1n, 2);
    mixed.writeBigInt64BE(2n ** 63n - 1n, 35);
    const [first, far] = [BigInt(T0 + 3), 1_700_000_000_123_456_789n];
    const among = encodeSpread(3n, first, [0n, far - first, 1000n]);
    const before = encodeSpread(3n, far, [0n, first - far, 7n]);
    for (const [batch, lowestMs] of [
      [sealCrc(nanoseconds), T0 + 9],
      [sealCrc(mixed), T0 + 1],
      [among, T0 + 3],
      [before, T0 + 3],
    ] as const) {
      const { facts } = pack([batch, jsonBatch(9n, 1)], 'never').result;
      assert.deepEqual([facts.minTimestampMs, facts.maxTimestampMs], [lowestMs, Number.MAX_SAFE_INTEGER]);
    }
    for (const batch of [nanoseconds, encodeSpread(0n, far, [0n, 1n, -5n])]) {
      const { facts } = pack([batch], 'never').result;
      assert.deepEqual([facts.minTimestampMs, facts.maxTimestampMs], Array(2).fill(Number.MAX_SAFE_INTEGER));
    }
    const kept = encodeBatch({
      baseOffset: 0n,
      codec: 'lz4',
      records: [3, 4].map((time) => ({ ...EMPTY, timestamp: far + BigInt(time) })),
    });
    assert.equal(pack([kept], 'never').result.facts.minTimestampMs, null);
    assert.equal(pack([kept], 'always').result.facts.minTimestampMs, Number.MAX_SAFE_INTEGER);
  });

  test('have no lower bound where the lowest timestamp is below all exact numbers, and the batch stays as it came', () => {
    const lowestOf = (base: bigint, deltas: readonly bigint[]): number | null => {
      const batch = encodeSpread(3n, base, deltas);
      const { result, raw } = pack([batch, jsonBatch(40n, 1)], 'never');
      assert.ok(batch.equals(raw.subarray(0, batch.byteLength)));
      return result.facts.minTimestampMs;
    };
    assert.equal(lowestOf(-(2n ** 53n - 1n), [0n, -4n]), null);
    assert.equal(lowestOf(0n, [0n, -(2n ** 60n)]), null);
    assert.equal(lowestOf(0n, [0n, -(2n ** 53n - 1n)]), -(2 ** 53 - 1));
    assert.equal(lowestOf(-(2n ** 53n - 1n), [0n, 2n ** 53n + 5n]), -(2 ** 53 - 1));
  });

  test('name each start and each end of a transaction, by producer, with the records in between', () => {
    const transactional = (baseOffset: bigint, producerId: bigint): Buffer =>
      jsonBatch(baseOffset, 2, { producerId, transactional: true });
    const marker = (baseOffset: bigint, producerId: bigint, outcome: 'commit' | 'abort'): Buffer =>
      encodeMarker({ baseOffset, producerId, outcome, timestampMs: T0 + Number(baseOffset) });
    const { facts } = pack(
      [
        marker(0n, 8n, 'abort'),
        transactional(1n, 7n),
        transactional(3n, 7n),
        transactional(5n, 8n),
        marker(7n, 7n, 'commit'),
        transactional(8n, 7n),
        jsonBatch(10n, 1),
      ],
      'never',
    ).result;
    assert.deepEqual(facts.transactionStarts, [
      { producerId: 7n, firstOffset: 1n, recordCount: 4 },
      { producerId: 8n, firstOffset: 5n, recordCount: 2 },
      { producerId: 7n, firstOffset: 8n, recordCount: 2 },
    ]);
    assert.deepEqual(facts.transactionMarkers, [
      { producerId: 8n, offset: 0n, timestampMs: T0, outcome: 'abort' },
      { producerId: 7n, offset: 7n, timestampMs: T0 + 7, outcome: 'commit' },
    ]);
    assert.deepEqual(facts.producerCodecs, [{ baseOffset: 1n, codec: 'none' }]);
  });

  test('follow the leader epochs', () => {
    const batches = [1, 1, 4, 4, 2].map((leaderEpoch, index) => jsonBatch(BigInt(index), 1, { leaderEpoch }));
    assert.deepEqual(pack(batches, 'never').result.facts.leaderEpochs, [
      { epoch: 1, baseOffset: 0n },
      { epoch: 4, baseOffset: 2n },
      { epoch: 2, baseOffset: 4n },
    ]);
  });

  test('tell the largest batch that no target can be sent in parts', () => {
    const value = Buffer.alloc(500, 'value');
    const single = (offset: bigint, size: number, codec: 'none' | 'lz4' = 'none') =>
      jsonBatch(offset, 1, { codec, records: [{ timestampMs: T0, key: null, value: value.subarray(0, size) }] });
    const largest = single(1n, 300);
    const batches = [single(0n, 200), largest, single(2n, 500, 'lz4'), jsonBatch(3n, 50)];
    const { facts } = pack(batches, 'always').result;
    assert.equal(facts.maxIndivisibleBatchSizeBytes, largest.byteLength);
    assert.ok(facts.maxBatchSizeBytes > largest.byteLength);
    assert.equal(pack(batches.slice(2), 'always').result.facts.maxIndivisibleBatchSizeBytes, 0);
  });

  test('of very many small batches are gathered too', () => {
    const one = jsonBatch(0n, 1, { records: [{ timestampMs: T0, key: null, value: null }] });
    const { facts } = pack([Buffer.concat(Array<Buffer>(200_000).fill(one))], 'never').result;
    assert.equal(facts.maxBatchSizeBytes, one.byteLength);
  });
});
