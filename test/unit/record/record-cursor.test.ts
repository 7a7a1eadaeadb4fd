import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BATCH_HEADER_BYTES, splitBatches } from '../../../src/record/batch-header.ts';
import { type DecodedRecord, RecordCursor, timestampsOf } from '../../../src/record/record-cursor.ts';
import {
  encodePayload,
  encodeRecord,
  encodeSpread,
  type TestRecord,
  text,
  varint,
} from '../../support/record-batches.ts';

const SEED = { seed: 20_261_120 };
const CORRUPT = { name: 'BackupError', code: 'BATCH_CORRUPT' };

const anyBytes = fc.uint8Array({ maxLength: 40 });
const anyHeader = fc.record({ key: anyBytes, value: fc.option(anyBytes) });
const anyRecord: fc.Arbitrary<TestRecord> = fc.record({
  timestampMs: fc.integer({ min: -(2 ** 40), max: 2 ** 42 }),
  key: fc.option(anyBytes),
  value: fc.option(fc.uint8Array({ maxLength: 300 })),
  headers: fc.array(anyHeader, { maxLength: 4 }),
});

function walk(bytes: Uint8Array, count: number): DecodedRecord[] {
  const cursor = new RecordCursor(bytes, count);
  const records: DecodedRecord[] = [];
  while (cursor.next()) records.push(cursor.decode());
  return records;
}

/** One record whose payload is given byte by byte. */
function record(payload: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from([0, 0, 0]), payload]);
  return Buffer.concat([varint(body.byteLength), body]);
}

describe('a record cursor', () => {
  test('gives every record as it was written: position, deltas, key, value and headers in order', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 12 }), (records) => {
        const parts = records.map((one, index) => encodeRecord(one, index * 3, one.timestampMs));
        const bytes = Buffer.concat(parts);
        const cursor = new RecordCursor(bytes, records.length);
        let start = 0;
        records.forEach((one, index) => {
          assert.ok(cursor.next());
          assert.equal(cursor.start, start);
          start += parts[index]!.byteLength;
          assert.equal(cursor.end, start);
          assert.equal(cursor.timestampDelta, one.timestampMs);
          assert.equal(cursor.offsetDelta, index * 3);
          assert.deepEqual(bytes.subarray(cursor.payloadPosition, cursor.end), encodePayload(one));
          const { key, value, headers } = cursor.decode();
          assert.deepEqual({ key, value, headers }, plain(one));
          assert.deepEqual(cursor.key(), key);
          const { position, headersPosition, count } = cursor.headerSection();
          const withoutHeaders = encodePayload({ key, value });
          assert.equal(position - cursor.payloadPosition, withoutHeaders.byteLength - 1);
          assert.deepEqual([headersPosition - position, count], [1, headers.length]);
        });
        assert.equal(cursor.next(), false);
        assert.equal(cursor.next(), false);
      }),
      { ...SEED, numRuns: 500 },
    );
  });

  test('goes from batch to batch, each a part of some bytes, and stays within it', () => {
    const one = (value: string): TestRecord => ({ timestampMs: 0, key: null, value: text(value) });
    const parts = ['a', 'bb', 'ccc'].map((value, index) => encodeRecord(one(value), index, 0));
    const bytes = Buffer.concat(parts);
    const cursor = new RecordCursor();
    assert.equal(cursor.next(), false);
    const ends = parts.map((_, index) => Buffer.concat(parts.slice(0, index + 1)).byteLength);
    for (const [index, value] of ['a', 'bb', 'ccc'].entries()) {
      cursor.enter(bytes, ends[index - 1] ?? 0, ends[index]!, 1);
      assert.ok(cursor.next());
      assert.deepEqual(Buffer.from(cursor.decode().value!).toString(), value);
      assert.equal(cursor.next(), false);
    }
    cursor.enter(bytes, 0, ends[1]!, 1);
    assert.ok(cursor.next());
    assert.throws(() => cursor.next(), CORRUPT);
    cursor.enter(bytes, 0, ends[0]! - 1, 1);
    assert.throws(() => cursor.next(), CORRUPT);
  });

  test('tells null from empty, for key, value and header value', () => {
    const empty = new Uint8Array(0);
    const records: TestRecord[] = [
      { timestampMs: 0, key: null, value: empty },
      { timestampMs: 0, key: empty, value: null },
      {
        timestampMs: 0,
        key: null,
        value: null,
        headers: [
          { key: empty, value: null },
          { key: empty, value: empty },
        ],
      },
    ];
    const bytes = Buffer.concat(records.map((one, index) => encodeRecord(one, index, 0)));
    assert.deepEqual(walk(bytes, 3).map(sizes), [
      [null, 0, []],
      [0, null, []],
      [
        null,
        null,
        [
          [0, null],
          [0, 0],
        ],
      ],
    ]);
  });

  test('keeps duplicate headers, their order, and keys that are not UTF-8', () => {
    const headers = [
      { key: text('h'), value: text('1') },
      { key: Buffer.from([0xff, 0xfe]), value: text('x') },
      { key: text('h'), value: text('2') },
    ];
    const [decoded] = walk(encodeRecord({ timestampMs: 0, key: null, value: null, headers }, 0, 0), 1);
    assert.deepEqual(
      decoded!.headers.map(({ key, value }) => [Buffer.from(key), Buffer.from(value!)]),
      [
        [Buffer.from('h'), Buffer.from('1')],
        [Buffer.from([0xff, 0xfe]), Buffer.from('x')],
        [Buffer.from('h'), Buffer.from('2')],
      ],
    );
  });

  test('reads any negative length of a key or value as null, as Kafka does', () => {
    assert.deepEqual(walk(record(Buffer.concat([varint(-5), varint(-1), varint(0)])), 1), [
      { key: null, value: null, headers: [] },
    ]);
  });

  test('gives each timestamp exactly, as a number only where one holds it', () => {
    const int64 = fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.bigInt(-(2n ** 54n), 2n ** 54n));
    const pair = fc.tuple(int64, int64);
    fc.assert(
      fc.property(pair, ([base, delta]) => {
        // Kafka adds them with 64 bits.
        const timestamp = BigInt.asIntN(64, base + delta);
        const bytes = encodeSpread(0n, base, [delta]);
        const [header = assert.fail()] = splitBatches(bytes);
        const cursor = new RecordCursor(bytes.subarray(BATCH_HEADER_BYTES), 1);
        assert.ok(cursor.next());
        assert.equal(cursor.exactTimestampFrom(base), timestamp);
        const given = timestampsOf(bytes, header)(cursor);
        assert.equal(BigInt(given), timestamp);
        assert.equal(typeof given, Number.isSafeInteger(Number(timestamp)) ? 'number' : 'bigint');
        if (Number.isSafeInteger(header.baseTimestampMs))
          assert.equal(cursor.timestampFrom(header.baseTimestampMs), Number(timestamp));
      }),
      { ...SEED, numRuns: 1000, examples: [[[-(2n ** 53n - 1n), -4n]], [[-(2n ** 53n - 1n), 2n ** 53n + 2n]]] },
    );
  });

  test('gives numbers beside a timestamp that no number holds, whichever of them comes first', () => {
    const nanoseconds = 1_700_000_000_123_456_789n;
    for (const base of [nanoseconds, 5n]) {
      const bytes = encodeSpread(0n, base, [nanoseconds - base, 5n - base, 6n - base]);
      const [header = assert.fail()] = splitBatches(bytes);
      const cursor = new RecordCursor(bytes.subarray(BATCH_HEADER_BYTES), 3);
      const timestampAt = timestampsOf(bytes, header);
      const given = Array.from({ length: 3 }, () => (cursor.next() ? timestampAt(cursor) : undefined));
      assert.deepEqual(given, [nanoseconds, 5, 6]);
    }
    const appended = encodeSpread(0n, nanoseconds, [0n]);
    appended.writeInt16BE(0x08, 21);
    appended.writeBigInt64BE(7n, 35);
    const [header = assert.fail()] = splitBatches(appended);
    assert.equal(timestampsOf(appended, header)(new RecordCursor(appended.subarray(BATCH_HEADER_BYTES), 1)), 7);
  });

  test('refuses more bytes than the batch has records', () => {
    const bytes = Buffer.concat([
      encodeRecord({ timestampMs: 0, key: null, value: text('v') }, 0, 0),
      Buffer.from([0]),
    ]);
    assert.throws(() => walk(bytes, 1), CORRUPT);
  });

  test('refuses fewer records than the batch says', () => {
    assert.throws(() => walk(encodeRecord({ timestampMs: 0, key: null, value: null }, 0, 0), 2), CORRUPT);
  });

  const hostile: readonly [string, Uint8Array][] = [
    ['an empty section', new Uint8Array(0)],
    ['a length of zero', varint(0)],
    ['a length of zero before other bytes', Buffer.concat([varint(0), Buffer.alloc(20)])],
    ['a negative length', Buffer.concat([varint(-1), Buffer.alloc(20)])],
    ['the smallest length', Buffer.concat([varint(-(2 ** 31)), Buffer.alloc(20)])],
    ['a length past the end', Buffer.concat([varint(21), Buffer.alloc(20)])],
    ['the largest length', Buffer.concat([varint(2 ** 31 - 1), Buffer.alloc(20)])],
    ['a length that ends inside its own fields', Buffer.concat([varint(2), Buffer.alloc(20)])],
    ['a length without end', new Uint8Array(12).fill(0xff)],
    ['a timestamp delta of eleven bytes', record(new Uint8Array(0)).fill(0xff, 2)],
    ['a key past the end', record(Buffer.concat([varint(100), Buffer.alloc(4)]))],
    ['the largest key', record(Buffer.concat([varint(2 ** 31 - 1), Buffer.alloc(4)]))],
    ['a value past the end', record(Buffer.concat([varint(-1), varint(9), Buffer.alloc(4)]))],
    ['a key that takes the value and the headers', record(Buffer.concat([varint(2), varint(-1), varint(0)]))],
    ['2^31 - 1 headers', record(Buffer.concat([varint(-1), varint(-1), varint(2 ** 31 - 1)]))],
    ['a negative header count', record(Buffer.concat([varint(-1), varint(-1), varint(-1)]))],
    ['a null header key', record(Buffer.concat([varint(-1), varint(-1), varint(1), varint(-1), varint(-1)]))],
    ['a header value past the end', record(Buffer.concat([varint(-1), varint(-1), varint(1), varint(0), varint(7)]))],
    ['bytes after its headers', record(Buffer.concat([varint(-1), varint(-1), varint(0), Buffer.from([1, 2])]))],
  ];
  for (const [what, bytes] of hostile) {
    test(`refuses a record with ${what}`, () => {
      assert.throws(() => walk(bytes, 1), CORRUPT);
      // The same record does not get at the bytes of its neighbour either.
      const neighbour = encodeRecord({ timestampMs: 0, key: text('k'), value: text('v') }, 1, 0);
      assert.throws(() => walk(Buffer.concat([bytes, neighbour]), 2), CORRUPT);
    });
  }

  test('cut at any byte refuses', () => {
    const headers = [{ key: text('h'), value: text('v') }];
    const bytes = encodeRecord({ timestampMs: 0, key: text('key'), value: text('value'), headers }, 0, 0);
    for (let length = 0; length < bytes.byteLength; length += 1) {
      assert.throws(() => walk(bytes.subarray(0, length), 1), CORRUPT, `cut at ${length}`);
    }
  });

  test('over bytes at random ends, and never leaves them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(2 ** 31 - 1), (bytes, count) => {
        try {
          walk(bytes, count);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'BATCH_CORRUPT');
        }
      }),
      { ...SEED, numRuns: 5000 },
    );
  });
});

function plain({ key, value, headers = [] }: TestRecord): DecodedRecord {
  const bytes = (one: Uint8Array | null): Uint8Array | null => one && Buffer.from(one);
  return {
    key: bytes(key),
    value: bytes(value),
    headers: headers.map((one) => ({ key: Buffer.from(one.key), value: bytes(one.value) })),
  };
}

function sizes({ key, value, headers }: DecodedRecord): unknown[] {
  const size = (bytes: Uint8Array | null): number | null => bytes && bytes.byteLength;
  return [size(key), size(value), headers.map((header) => [size(header.key), size(header.value)])];
}
