import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { judgeFrame } from '../../../../src/restore/judge/judge-frame.ts';
import {
  encodeBatch,
  encodeMarker,
  encodeSpread,
  sealCrc,
  type TestBatch,
  text,
} from '../../../support/record-batches.ts';
import { judge, T0, taskFor } from './judge-fixture.ts';

function batch(baseOffset: bigint, values: readonly string[], change: Partial<TestBatch> = {}): Buffer {
  const records = values.map((value, index) => ({ timestampMs: T0 + index, key: null, value: text(value) }));
  return encodeBatch({ baseOffset, records, ...change });
}

function values(task: ReturnType<typeof taskFor>): (string | null)[] {
  return judge(task).batches.flatMap(({ records }) => records.map((record) => record.value));
}

/** With all their bits, by batch. */
function exactTimes(task: ReturnType<typeof taskFor>): bigint[][] {
  return judge(task).batches.map(({ records }) =>
    records.map(({ timestamp, timestampMs }) => timestamp ?? BigInt(timestampMs)),
  );
}

describe('a batch that is large and dense', () => {
  const large = batch(40n, ['x'.repeat(300_000), 'y'], {
    producerId: 5n,
    producerEpoch: 1,
    baseSequence: 9,
    transactional: true,
    leaderEpoch: 8,
  });

  test('goes as it is: only base offset, leader epoch and attributes change', () => {
    const { batches } = judge(taskFor([batch(39n, ['before']), large, batch(42n, ['after'])], { decidedBelow: 99n }));
    assert.deepEqual(
      batches.map(({ recordCount }) => recordCount),
      [1, 2, 1],
    );
    const sent = batches[1]!;
    const wanted = Buffer.from(large);
    wanted.writeBigInt64BE(0n, 0);
    wanted.writeInt32BE(-1, 12);
    wanted.writeInt16BE(0, 21);
    assert.ok(wanted.equals(sent.bytes));
    assert.deepEqual(sent.sourceOffsets, [40n, 41n]);
  });

  test('is split when the target does not take as much', () => {
    const { batches } = judge(taskFor([large], { maxBatchBytes: 200_000, decidedBelow: 99n }));
    assert.deepEqual(
      batches.map(({ recordCount }) => recordCount),
      [1, 1],
    );
  });

  test('is split when it holds more records than may go at once', () => {
    const { batches } = judge(taskFor([large], { maxWholeRecords: 1, maxBatchRecords: 1, decidedBelow: 99n }));
    assert.deepEqual(
      batches.map(({ recordCount }) => recordCount),
      [1, 1],
    );
  });

  test('is taken apart when some of its offsets are not asked for', () => {
    for (const [change, kept] of [
      [{ fromOffset: 41n }, 'y'],
      [{ toOffset: 41n }, 'x'.repeat(300_000)],
    ] as const) {
      const { batches } = judge(taskFor([large], { ...change, decidedBelow: 99n }));
      assert.deepEqual(
        batches.flatMap(({ records }) => records.map((record) => record.value)),
        [kept],
      );
    }
  });

  test('keeps its codec without being expanded', () => {
    const records = [{ timestampMs: T0, key: null, value: randomBytes(20_000) }];
    const compressed = encodeBatch({ baseOffset: 0n, codec: 'lz4', records });
    const [sent] = judge(taskFor([compressed])).batches;
    assert.ok(compressed.subarray(23).equals(sent!.bytes.subarray(23)));
  });
});

describe('small neighbours', () => {
  test('are merged into one batch, and what stays behind leaves no hole', () => {
    const batches = [batch(10n, ['a', 'b']), batch(20n, ['c'], { lastOffsetDelta: 5 }), batch(30n, ['d'])];
    const { batches: sent } = judge(taskFor(batches));
    assert.equal(sent.length, 1);
    assert.deepEqual(
      sent[0]!.records.map(({ offset, value }) => [offset, value]),
      [
        [0n, 'a'],
        [1n, 'b'],
        [2n, 'c'],
        [3n, 'd'],
      ],
    );
    assert.deepEqual(sent[0]!.sourceOffsets, [10n, 11n, 20n, 30n]);
  });

  test('of different codecs stay apart', () => {
    const batches = [batch(0n, ['a'], { codec: 'gzip' }), batch(1n, ['b'], { codec: 'gzip' }), batch(2n, ['c'])];
    assert.deepEqual(
      judge(taskFor(batches)).batches.map(({ codec, recordCount }) => [codec, recordCount]),
      [
        ['gzip', 2],
        ['none', 1],
      ],
    );
  });

  test('that were stored expanded get their producer\u2019s codec back', () => {
    const batches = [batch(0n, ['a'], { codec: 'snappy' }), batch(1n, ['b']), batch(2n, ['c'], { codec: 'zstd' })];
    const task = taskFor(batches, {}, { codec: 'zstd', isExpanded: true });
    assert.deepEqual(
      judge(task).batches.map(({ codec }) => codec),
      ['snappy', 'none', 'zstd'],
    );
    assert.deepEqual(
      judge({ ...task, compression: 'lz4' }).batches.map(({ codec }) => codec),
      ['lz4'],
    );
  });
});

describe('timestamps', () => {
  test('of broker time become the records\u2019 own', () => {
    const { batches } = judge(taskFor([batch(0n, ['a', 'b'], { logAppendTimeMs: T0 + 500 })]));
    assert.deepEqual(
      batches[0]!.records.map((record) => record.timestampMs),
      [T0 + 500, T0 + 500],
    );
    assert.equal(batches[0]!.bytes.readInt16BE(21), 0);
  });

  test('at both ends of the window are in it', () => {
    const window = { fromMs: T0 + 1, toMs: T0 + 2 };
    assert.deepEqual(values(taskFor([batch(0n, ['0', '1', '2', '3'])], window)), ['1', '2']);
    assert.deepEqual(values(taskFor([batch(0n, ['0'])], { fromMs: T0, toMs: T0 })), ['0']);
  });

  test('before 1970 and at -1 are kept as they are', () => {
    const records = [-1, -86_400_000, 0].map((timestampMs) => ({ timestampMs, key: null, value: text('v') }));
    const { batches } = judge(taskFor([encodeBatch({ baseOffset: 0n, records })]));
    assert.deepEqual(
      batches[0]!.records.map((record) => record.timestampMs),
      [-1, -86_400_000, 0],
    );
  });

  /** One record that its producer stamped with nanoseconds: more than a number holds exactly. */
  function nanoseconds(change: Partial<TestBatch> = {}): Buffer {
    const bytes = batch(5n, ['n'], change);
    for (const at of [27, 35]) bytes.writeBigInt64BE(1_700_000_000_123_456_789n, at);
    return sealCrc(bytes);
  }

  test('of nanoseconds are restored to the last digit, though the batch is small', () => {
    for (const isExpanded of [false, true]) {
      const task = taskFor(
        [batch(4n, ['m']), nanoseconds({ codec: 'gzip' }), batch(6n, ['m'])],
        {},
        { codec: 'lz4', isExpanded },
      );
      const { batches } = judge(task);
      assert.equal(batches.length, 3);
      assert.equal(batches[1]!.bytes.readBigInt64BE(35), 1_700_000_000_123_456_789n);
      assert.equal(batches[1]!.bytes.readBigInt64BE(27), 1_700_000_000_123_456_789n);
    }
  });

  test('of nanoseconds are past any window, and keep every digit where a batch is written anew', () => {
    assert.deepEqual(values(taskFor([nanoseconds(), batch(6n, ['m'])], { toMs: T0 + 9 })), ['m']);
    const anew = [
      taskFor([nanoseconds({ lastOffsetDelta: 1 })]),
      taskFor([nanoseconds()], { fromMs: T0 }),
      taskFor([nanoseconds()], { compression: 'lz4' }),
      taskFor([nanoseconds({ logAppendTimeMs: T0 })]),
    ];
    for (const task of anew) assert.deepEqual(exactTimes(task), [[1_700_000_000_123_456_789n]]);
  });

  test('of nanoseconds are in batches of their own, together where a number tells them apart', () => {
    const at = (baseOffset: bigint, timestamp: bigint): Buffer => encodeSpread(baseOffset, timestamp, [0n]);
    const [first, last] = [1_700_000_000_123_456_789n, 2n ** 63n - 1n];
    const sent = [at(5n, first), at(6n, first + 1n), at(7n, first - 2n ** 52n), at(8n, last), at(9n, -last)];
    assert.deepEqual(exactTimes(taskFor([batch(4n, ['m']), ...sent, batch(10n, ['m'])])), [
      [BigInt(T0)],
      [first, first + 1n, first - 2n ** 52n],
      [last],
      [-last],
      [BigInt(T0)],
    ]);
  });

  test('of nanoseconds among milliseconds are restored as they are, and cut by their place in time', () => {
    const [ns, later] = [1_700_000_000_123_456_789n, BigInt(T0 + 1000)];
    for (const first of [BigInt(T0), ns]) {
      const mixed = encodeSpread(3n, first, [0n, ns - first, later - first]);
      assert.deepEqual(exactTimes(taskFor([mixed])).flat(), [first, ns, later]);
      assert.deepEqual(
        exactTimes(taskFor([mixed], { toMs: T0 + 1000 })).flat(),
        first === ns ? [later] : [first, later],
      );
      assert.deepEqual(
        exactTimes(taskFor([mixed], { fromMs: T0 + 1000 })),
        first === ns ? [[ns, ns], [later]] : [[ns], [later]],
      );
      assert.deepEqual(exactTimes(taskFor([mixed], { toMs: T0 + 999 })).flat(), first === ns ? [] : [first]);
      assert.deepEqual(exactTimes(taskFor([mixed], { fromOffset: 4n, toOffset: 5n })), [[ns]]);
    }
  });

  test('of nanoseconds are told exactly in the header for them, whichever partition the key chooses', () => {
    const records = ['a', 'b', 'c', 'd'].map((key, index) => {
      return { timestampMs: 0, timestamp: 1_700_000_000_123_456_789n + BigInt(index), key: text(key), value: null };
    });
    const shape = { partitions: 3, unkeyedTarget: 0, provenance: { sourcePartition: 7 }, filter: null };
    const { batches } = judge(taskFor([encodeBatch({ baseOffset: 0n, records })], { shape }));
    const told = batches.flatMap((sent) => sent.records.map(({ timestamp, headers }) => [timestamp, headers[1]![1]]));
    assert.equal(told.length, 4);
    for (const [timestamp, header] of told) {
      assert.equal(Buffer.from(header as string, 'latin1').readBigInt64LE(), timestamp);
    }
  });

  test('whose distance overflows 64 bits come out as Kafka’s own sum gives them', () => {
    const records = [-(2n ** 62n), 2n ** 63n - 1n, -(2n ** 63n)].map((timestamp) => {
      return { timestampMs: 0, timestamp, key: null, value: null };
    });
    const wide = encodeBatch({ baseOffset: 0n, records });
    assert.deepEqual(
      exactTimes(taskFor([wide])),
      records.map(({ timestamp }) => [timestamp]),
    );
    assert.deepEqual(exactTimes(taskFor([wide], { fromMs: 0 })), [[2n ** 63n - 1n]]);
    assert.deepEqual(exactTimes(taskFor([wide], { toMs: 0 })), [[-(2n ** 62n)], [-(2n ** 63n)]]);
  });
});

describe('timestamps that no number holds, behind a header that shows none of it', () => {
  const spread = encodeSpread(5n, 0n, [0n, -(2n ** 60n), 7n]);

  test('are in a batch of their own, and the others of the frame are merged', () => {
    const task = taskFor([batch(3n, ['m']), batch(4n, ['m']), spread, batch(8n, ['m']), batch(9n, ['m'])]);
    const { batches } = judge(task);
    assert.deepEqual(
      batches.map(({ recordCount }) => recordCount),
      [3, 1, 3],
    );
    assert.deepEqual(exactTimes(task)[1], [-(2n ** 60n)]);
    assert.deepEqual(
      batches.flatMap(({ sourceOffsets }) => sourceOffsets),
      [3n, 4n, 5n, 6n, 7n, 8n, 9n],
    );
  });

  test('are before any window, and exact where a batch must be written anew', () => {
    const { result } = judge(taskFor([spread], { fromMs: 0 }));
    assert.deepEqual([result.recordCount, result.dropped['outside-window']], [2, 1]);
    assert.deepEqual(exactTimes(taskFor([spread], { toOffset: 7n })), [[0n], [-(2n ** 60n)]]);
  });

  test('do not keep two records in one batch that are further apart than a number reaches', () => {
    const records = [-(2 ** 53 - 1), 10, 11].map((timestampMs) => ({ timestampMs, key: null, value: text('v') }));
    const task = taskFor(records.map((record, index) => encodeBatch({ baseOffset: BigInt(index), records: [record] })));
    const { batches } = judge(task);
    assert.deepEqual(
      batches.map((sent) => sent.records.map(({ timestampMs }) => timestampMs)),
      [[-(2 ** 53 - 1)], [10, 11]],
    );
  });
});

describe('records that are not wanted', () => {
  test('are counted once each, and not at all outside the offsets asked for', () => {
    const marker = encodeMarker({ baseOffset: 4n, producerId: 5n, outcome: 'abort', timestampMs: T0 });
    const aborted = batch(0n, ['a', 'b', 'c', 'd'], { producerId: 5n, transactional: true, codec: 'gzip' });
    const late = batch(5n, ['e', 'f', 'g']);
    const markers = [{ producerId: 5n, offset: 4n, verdict: 'aborted-transaction' as const }];
    const task = taskFor([aborted, marker, late], { markers, fromOffset: 1n, toOffset: 7n, fromMs: T0 + 100 });
    const { result } = judge(task);
    assert.deepEqual(result.dropped, {
      'aborted-transaction': 3,
      'control-batch': 1,
      'outside-window': 2,
      'undecided-transaction': 0,
      'decided-after-target': 0,
      filtered: 0,
    });
  });

  test('of a transaction are judged by the next marker of its producer only', () => {
    const data = (baseOffset: bigint, value: string): Buffer =>
      batch(baseOffset, [value], { producerId: 5n, transactional: true });
    const markers = [
      { producerId: 6n, offset: 1n, verdict: 'aborted-transaction' as const },
      { producerId: 5n, offset: 2n, verdict: 'aborted-transaction' as const },
      { producerId: 5n, offset: 4n, verdict: 'keep' as const },
    ];
    const task = taskFor([data(0n, 'aborted'), data(3n, 'committed'), data(9n, 'open')], { markers });
    assert.deepEqual(values(task), ['committed']);
    assert.deepEqual(values({ ...task, decidedBelow: 10n }), ['committed', 'open']);
    assert.deepEqual(values({ ...task, judgeTransactions: false }), ['aborted', 'committed', 'open']);
  });

  test('are kept behind one that is past the target', () => {
    const records = [0, 9, 3].map((time) => ({ timestampMs: T0 + time, key: null, value: text(`${time}`) }));
    const frame = [encodeBatch({ baseOffset: 0n, records }), batch(3n, ['later'])];
    assert.deepEqual(values(taskFor(frame, { toMs: T0 + 5 })), ['0', '3', 'later']);
  });
});

describe('a target\u2019s limit', () => {
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`holds for random data that ${codec} makes larger`, () => {
      const records = Array.from({ length: 40 }, () => ({ timestampMs: T0, key: null, value: randomBytes(2500) }));
      // A record takes 2,509 bytes, and the builder reckons with 13 more: so 19 of them fill the batch to 13 bytes.
      const maxBatchBytes = 61 + 19 * 2509 + 13;
      const { batches } = judge(taskFor([encodeBatch({ baseOffset: 0n, records, codec })], { maxBatchBytes }));
      assert.deepEqual(
        batches.map(({ recordCount }) => recordCount),
        [19, 19, 2],
      );
      for (const { bytes } of batches) assert.ok(bytes.byteLength <= maxBatchBytes, `${bytes.byteLength}`);
      assert.equal(batches[2]!.codec, codec);
    });
  }

  for (const brokerCodec of ['none', 'gzip'] as const) {
    test(`is not kept by a compressed batch that a topic with ${brokerCodec} expands`, () => {
      const records = Array.from({ length: 80 }, (_, index) => ({
        timestampMs: T0,
        key: null,
        value: Buffer.from(randomBytes(250).toString('hex') + 'x'.repeat(index === 0 ? 1 : 500)),
      }));
      const frame = [encodeBatch({ baseOffset: 0n, records, codec: 'zstd' })];
      const maxBatchBytes = 50_000;
      const sizes = (task: ReturnType<typeof taskFor>): number[] =>
        judge(task).batches.map(({ recordCount }) => recordCount);
      assert.ok(frame[0]!.byteLength > 16 * 1024 && frame[0]!.byteLength < maxBatchBytes, `${frame[0]!.byteLength}`);
      assert.deepEqual(sizes(taskFor(frame, { maxBatchBytes })), [80]);
      assert.deepEqual(sizes(taskFor(frame, { maxBatchBytes, brokerCodec: 'zstd' })), [80]);
      assert.deepEqual(sizes(taskFor(frame, { maxBatchBytes, brokerCodec })), [49, 31]);
    });
  }

  test('does not hold back one record that is larger than it', () => {
    const { batches } = judge(taskFor([batch(0n, ['a', 'x'.repeat(5000), 'b'])], { maxBatchBytes: 500 }));
    assert.deepEqual(
      batches.map(({ recordCount }) => recordCount),
      [1, 1, 1],
    );
  });
});

describe('a damaged frame', () => {
  const frame = [batch(0n, ['a']), batch(1n, ['b'])];

  test('with any bit of a record flipped hands on nothing', () => {
    const task = taskFor(frame);
    const bytes = new Uint8Array(task.stored);
    for (let at = 0; at < task.storedSizeBytes; at += 1) {
      const inBatch = at % frame[0]!.byteLength;
      if (inBatch < 8 || (inBatch >= 12 && inBatch < 16)) continue;
      bytes[at]! ^= 4;
      assert.throws(() => judgeFrame(task), /Error/, `byte ${at}`);
      assert.throws(
        () => judgeFrame(task),
        (error: { code?: string }) => /^(BATCH|OBJECT)_CORRUPT$/.test(error.code ?? ''),
        `byte ${at}`,
      );
      bytes[at]! ^= 4;
    }
    assert.equal(judgeFrame(task).recordCount, 2);
  });

  test('that ends in the middle of a batch is refused, not shortened', () => {
    const task = taskFor(frame);
    const shorter = task.rawSizeBytes - 3;
    assert.throws(() => judgeFrame({ ...task, rawSizeBytes: shorter, storedSizeBytes: shorter }), {
      code: 'OBJECT_CORRUPT',
    });
  });

  test('whose records do not add up to its header is refused', () => {
    const lying = batch(0n, ['a', 'b']);
    lying.writeInt32BE(1, 57);
    assert.throws(() => judgeFrame(taskFor([sealCrc(lying)], {}, { codec: 'zstd', isExpanded: false })), {
      code: 'BATCH_CORRUPT',
    });
  });
});
