import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PRODUCER_CODECS } from '../../../src/model/codec.ts';
import { toJson } from '../../../src/model/json-fields.ts';
import type { FrameEntry, SegmentFooter } from '../../../src/model/segment/segment.ts';
import { readFooter } from '../../../src/segment/segment-reader.ts';
import { decodeFooter, encodeFooter, footerSha256, footerSizeIn } from '../../../src/segment/segment-format.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { IDENTITY, KEY, T0 } from './segment-fixture.ts';

const SEED = { seed: 20_261_120 };
const CORRUPT = { name: 'BackupError', code: 'OBJECT_CORRUPT' };

const anyOffset = fc.bigInt({ min: 0n, max: 2n ** 62n });
const anyTimestamp = fc.oneof(fc.integer({ min: -1, max: 2 ** 41 }), fc.maxSafeInteger());
const anySize = fc.integer({ min: 1, max: 2 ** 27 });

const anyFrames: fc.Arbitrary<FrameEntry[]> = fc
  .array(
    fc.tuple(anySize, anySize, fc.bigInt({ min: 0n, max: 9n }), fc.nat(999), fc.option(anyTimestamp), anyTimestamp),
    { maxLength: 9 },
  )
  .map((parts) => {
    let position = 0;
    let baseOffset = 1000n;
    return parts.map(([storedSizeBytes, rawSizeBytes, span, recordCount, minTimestampMs, maxTimestampMs]) => {
      const lastOffset = baseOffset + span;
      const bounds = { minTimestampMs, maxTimestampMs, sha256: 'cd'.repeat(32) };
      const entry = {
        position,
        storedSizeBytes,
        rawSizeBytes,
        baseOffset,
        lastOffset,
        recordCount,
        batchCount: 1,
        ...bounds,
      };
      position += storedSizeBytes;
      baseOffset = lastOffset + 2n;
      return entry;
    });
  });

const anyFooter: fc.Arbitrary<SegmentFooter> = fc
  .record({
    description: fc.record({
      topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,30}$/),
      topicId: fc.constant(IDENTITY.topicId),
      partition: fc.nat(9999),
      codec: fc.constantFrom('zstd' as const, 'lz4' as const, 'none' as const),
      baseOffset: anyOffset,
      nextOffset: anyOffset,
      recordCount: fc.nat(),
      batchCount: fc.nat(),
      minTimestampMs: fc.option(anyTimestamp),
      maxTimestampMs: anyTimestamp,
      rawSizeBytes: anySize,
      frameCount: fc.nat(99),
      timestampType: fc.constantFrom('CreateTime' as const, 'LogAppendTime' as const, 'mixed' as const),
      leaderEpoch: fc.integer({ min: -1, max: 99 }),
      isTransactional: fc.boolean(),
      decidedOffset: fc.bigInt({ min: -1n, max: 2n ** 62n }),
      maxBatchSizeBytes: fc.nat(),
      maxIndivisibleBatchSizeBytes: fc.nat(),
      capturedAtMs: fc.nat(2 ** 41),
      reachedLogEnd: fc.boolean(),
      timeline: fc.nat(9),
    }),
    leaderEpochs: fc.array(fc.record({ epoch: fc.integer({ min: -1, max: 99 }), baseOffset: anyOffset }), {
      maxLength: 4,
    }),
    transactions: fc.record({
      starts: fc.array(fc.record({ producerId: anyOffset, firstOffset: anyOffset, recordCount: fc.option(fc.nat()) }), {
        maxLength: 4,
      }),
      markers: fc.array(
        fc.record({
          producerId: anyOffset,
          offset: anyOffset,
          timestampMs: anyTimestamp,
          outcome: fc.constantFrom('commit' as const, 'abort' as const),
        }),
        { maxLength: 4 },
      ),
    }),
    producerCodecs: fc.array(fc.record({ baseOffset: anyOffset, codec: fc.constantFrom(...PRODUCER_CODECS) }), {
      maxLength: 4,
    }),
    frames: anyFrames,
  })
  .map((footer) => {
    const bodySizeBytes = footer.frames.reduce((sum, frame) => sum + frame.storedSizeBytes, 0);
    // Makes plain objects of fast-check's, which have no prototype.
    return structuredClone({ ...footer, bodySizeBytes });
  });

const SMALL: SegmentFooter = fc.sample(anyFooter, { seed: 7, numRuns: 30 }).find(({ frames }) => frames.length === 2)!;

/** A footer whose JSON is what `change` makes of it. */
function tampered(change: (json: Record<string, unknown>) => unknown): Buffer {
  const json = JSON.parse(toJson({ formatVersion: 1, ...SMALL })) as Record<string, unknown>;
  return framed(Buffer.from(JSON.stringify(change(json) ?? json)));
}

function framed(payload: Buffer): Buffer {
  const lengths = [0x184d2a5e, payload.byteLength + 12, payload.byteLength].map((value) => {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(value);
    return word;
  });
  return Buffer.concat([lengths[0]!, lengths[1]!, payload, lengths[2]!, Buffer.from('KBAGENT1')]);
}

describe('a footer', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(anyFooter, (footer) => {
        const bytes = encodeFooter(footer);
        assert.deepEqual(decodeFooter(bytes, KEY), footer);
        assert.equal(footerSizeIn(Buffer.concat([Buffer.alloc(5, 9), bytes]), KEY), bytes.byteLength);
      }),
      { ...SEED, numRuns: 200 },
    );
  });

  test('that is large is compressed, and still a skippable frame for zstd and lz4', () => {
    const frames: FrameEntry[] = [];
    for (let index = 0; index < 2000; index += 1) {
      frames.push({
        ...SMALL.frames[0]!,
        position: index,
        storedSizeBytes: 1,
        baseOffset: BigInt(index),
        lastOffset: BigInt(index),
      });
    }
    const footer = { ...SMALL, bodySizeBytes: 2000, frames };
    const bytes = encodeFooter(footer);
    assert.ok(bytes.byteLength < 64 * 1024, `${bytes.byteLength}`);
    assert.deepEqual(decodeFooter(bytes, KEY), footer);
    const hello = { zstd: ['-cq'], lz4: ['-cq'] } as const;
    for (const [command, args] of Object.entries(hello)) {
      const body = spawnSync(command, args, { input: 'hello' }).stdout;
      const { stdout, status } = spawnSync(command, ['-dc'], { input: Buffer.concat([body, bytes]) });
      assert.deepEqual([status, stdout.toString()], [0, 'hello']);
    }
  });

  test('cut at any length is refused', () => {
    const bytes = encodeFooter(SMALL);
    for (let length = 0; length < bytes.byteLength; length += 1) {
      assert.throws(() => decodeFooter(bytes.subarray(0, length), KEY), CORRUPT, `first ${length}`);
      assert.throws(() => decodeFooter(bytes.subarray(bytes.byteLength - length), KEY), CORRUPT, `last ${length}`);
    }
  });

  test('with any bit flipped is refused by the hash that the catalog has of it', async () => {
    const bytes = encodeFooter(SMALL);
    const summary = {
      ...SMALL.description,
      key: KEY,
      storedSizeBytes: bytes.byteLength,
      footerSizeBytes: bytes.byteLength,
      footerSha256: footerSha256(bytes),
    };
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const store = new MemoryObjectStore();
      await store.putIfAbsent(KEY, [flipped]);
      await assert.rejects(readFooter(store, summary), CORRUPT, `bit ${bit}`);
    }
  });

  test('with any bit flipped is read or refused without the hash too, and the bits of its frame are always refused', () => {
    const bytes = encodeFooter(SMALL);
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const at = bit >> 3;
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (bit & 7);
      try {
        decodeFooter(flipped, KEY);
        assert.ok(at >= 8 && at < bytes.byteLength - 12, `bit ${bit}`);
      } catch (error) {
        assert.match(
          (error as { code?: string }).code ?? String(error),
          /^(OBJECT_CORRUPT|FORMAT_TOO_NEW)$/,
          `bit ${bit}`,
        );
      }
    }
  });

  test('of a later format is refused as too new', () => {
    assert.throws(
      () =>
        decodeFooter(
          tampered((json) => ({ ...json, formatVersion: 2 })),
          KEY,
        ),
      { code: 'FORMAT_TOO_NEW' },
    );
  });

  test('with fields that a later version may add is read', () => {
    assert.deepEqual(
      decodeFooter(
        tampered((json) => ({ ...json, later: { x: 1 } })),
        KEY,
      ),
      SMALL,
    );
  });

  const frame = (change: Record<string, unknown>) => (json: Record<string, unknown>) => {
    const frames = json['frames'] as Record<string, unknown>[];
    frames[1] = { ...frames[1], ...change };
  };
  const description = (change: Record<string, unknown>) => (json: Record<string, unknown>) => {
    json['description'] = { ...(json['description'] as Record<string, unknown>), ...change };
  };
  const hostile: Readonly<Record<string, (json: Record<string, unknown>) => unknown>> = {
    'an array': () => [],
    'a string': () => 'footer',
    null: () => 'null',
    'no format version': (json) => ({ ...json, formatVersion: undefined }),
    'format version 0': (json) => ({ ...json, formatVersion: 0 }),
    'a format version in words': (json) => ({ ...json, formatVersion: '1' }),
    'no description': (json) => ({ ...json, description: undefined }),
    'no frames': (json) => ({ ...json, frames: undefined }),
    'frames in an object': (json) => ({ ...json, frames: {} }),
    'a frame that is null': (json) => ({ ...json, frames: [null] }),
    'fewer frames than its body': (json) => ({ ...json, frames: [] }),
    'a body of another size': (json) => ({ ...json, bodySizeBytes: Number(json['bodySizeBytes']) + 1 }),
    'a frame outside the body': frame({ position: 2 ** 40 }),
    'a frame before the body': frame({ position: -1 }),
    'a frame over its neighbour': frame({ position: 0 }),
    'a frame of no bytes': frame({ storedSizeBytes: 0 }),
    'a frame of negative size': frame({ storedSizeBytes: -5 }),
    'a frame of half a byte': frame({ storedSizeBytes: 1.5 }),
    'a frame that expands to a petabyte': frame({ rawSizeBytes: 2 ** 50 }),
    'a frame whose offsets go backwards': frame({ lastOffset: '0' }),
    'a frame at its neighbour\u2019s offsets': frame({ baseOffset: '1000' }),
    'an offset as a number': frame({ baseOffset: 1 }),
    'an offset that is no number': frame({ baseOffset: '0x10' }),
    'an offset of 20 digits': frame({ lastOffset: '99999999999999999999' }),
    'a hash that is a number': frame({ sha256: 1 }),
    'a timestamp beyond 2^53': frame({ maxTimestampMs: 2 ** 60 }),
    'an unknown codec': description({ codec: 'brotli' }),
    'a codec of its prototype': description({ codec: 'constructor' }),
    'an unknown timestamp type': description({ timestampType: 'EventTime' }),
    'a partition of -1': description({ partition: -1 }),
    'truth in words': description({ isTransactional: 'yes' }),
    'markers that are missing': (json) => ({ ...json, transactions: { starts: [] } }),
    'a marker of unknown outcome': (json) => ({
      ...json,
      transactions: { starts: [], markers: [{ producerId: '1', offset: '1', timestampMs: T0, outcome: 'maybe' }] },
    }),
    'a producer codec that Kafka has not': (json) => ({
      ...json,
      producerCodecs: [{ baseOffset: '0', codec: 'brotli' }],
    }),
  };
  for (const [what, change] of Object.entries(hostile)) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => decodeFooter(tampered(change), KEY), CORRUPT);
    });
  }

  test('of bytes that only look like a zstd frame is refused', () => {
    assert.throws(() => decodeFooter(framed(Buffer.from('28b52ffd00000000000000', 'hex')), KEY), CORRUPT);
    assert.throws(() => decodeFooter(framed(Buffer.alloc(0)), KEY), CORRUPT);
    assert.throws(() => decodeFooter(framed(Buffer.from('{"a":')), KEY), CORRUPT);
  });

  test('is not looked for in a tail without one', () => {
    for (const tail of [Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(64), Buffer.from('KBAGENT1')]) {
      assert.throws(() => footerSizeIn(tail, KEY), CORRUPT);
    }
  });
});
