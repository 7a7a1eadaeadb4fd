import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stampBatch } from '../../../../src/record/producer-fields.ts';
import { foreignTail, isSameBatch } from '../../../../src/restore/run/log-tail.ts';
import { encodeBatch, type TestBatch, text } from '../../../support/record-batches.ts';

const IDENTITY = { producerId: 7n, producerEpoch: 0 };

function batch(change: Partial<TestBatch> = {}): Buffer {
  const records = ['a', 'b', 'c'].map((value, index) => ({
    timestampMs: 1_700_000_000_000 + index * 1000,
    key: text(value),
    value: index === 1 ? null : text(value.repeat(50)),
    headers: [{ key: text('h'), value: text('v') }],
  }));
  return encodeBatch({ baseOffset: 100n, producerId: 7n, producerEpoch: 0, baseSequence: 90, records, ...change });
}

describe('the last batch of a target partition', () => {
  const expected = { identity: IDENTITY, startOffset: 10n, endOffset: 103n };

  test('is ours when producer, sequence and place agree', () => {
    assert.equal(foreignTail(batch(), expected), undefined);
  });

  test('is somebody else’s with another producer id, or with none', () => {
    assert.match(foreignTail(batch({ producerId: 8n }), expected) ?? '', /producer 8 at offset 100/);
    assert.match(foreignTail(batch({ producerId: -1n }), expected) ?? '', /another producer at offset 100/);
  });

  test('gives away records that others wrote before it: its sequence is too low for its place', () => {
    assert.match(foreignTail(batch({ baseSequence: 89 }), expected) ?? '', /sequence 89/);
    assert.match(foreignTail(batch(), { ...expected, startOffset: 9n }) ?? '', /does not belong there/);
    assert.match(foreignTail(batch(), { ...expected, startOffset: 101n }) ?? '', /does not belong there/);
  });

  test('must reach the end of the log', () => {
    assert.match(foreignTail(batch(), { ...expected, endOffset: 104n }) ?? '', /does not belong there/);
  });

  test('may have a sequence that has wrapped', () => {
    const startOffset = 100n - 2n ** 31n - 5n;
    assert.equal(foreignTail(batch({ baseSequence: 5 }), { ...expected, startOffset }), undefined);
    assert.match(foreignTail(batch({ baseSequence: 6 }), { ...expected, startOffset }) ?? '', /sequence 6/);
  });
});

describe('a batch that was planned and one that was found', () => {
  test('are the same when a broker has compressed it anew', () => {
    const planned = Uint8Array.from(batch());
    stampBatch(planned, IDENTITY, 90);
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      assert.ok(isSameBatch(planned, batch({ codec, leaderEpoch: 5, baseOffset: 4000n })), codec);
    }
  });

  test('differ by one nanosecond, which no number tells apart', () => {
    const at = (timestamp: bigint, codec: 'none' | 'lz4'): Buffer =>
      batch({ codec, records: [{ timestampMs: 0, timestamp, key: null, value: null }] });
    const planned = at(1_700_000_000_123_456_789n, 'none');
    assert.ok(isSameBatch(planned, at(1_700_000_000_123_456_789n, 'lz4')));
    assert.equal(isSameBatch(planned, at(1_700_000_000_123_456_790n, 'lz4')), false);
  });

  test('differ by a record more, another value, another header or another time', () => {
    const records = [0, 1, 2].map((index) => ({ timestampMs: index, key: text('k'), value: text(`v${index}`) }));
    const planned = batch({ records });
    assert.ok(isSameBatch(planned, batch({ records: [...records], codec: 'lz4' })));
    const others = [
      records.slice(0, 2),
      [...records, { timestampMs: 3, key: null, value: null }],
      [records[0]!, { ...records[1]!, value: text('v9') }, records[2]!],
      [records[0]!, { ...records[1]!, key: null }, records[2]!],
      [records[0]!, { ...records[1]!, headers: [{ key: text('h'), value: null }] }, records[2]!],
      [records[0]!, { ...records[1]!, timestampMs: 2 }, records[2]!],
    ];
    for (const [index, other] of others.entries()) {
      assert.equal(isSameBatch(planned, batch({ records: other })), false, `other ${index}`);
    }
  });
});
