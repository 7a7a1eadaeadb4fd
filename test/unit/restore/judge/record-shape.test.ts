import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RecordShape } from '../../../../src/restore/judge/judge-task.ts';
import { encodeBatch, text } from '../../../support/record-batches.ts';
import { judge, T0, taskFor } from './judge-fixture.ts';

const PLAIN: RecordShape = { partitions: null, unkeyedTarget: 0, provenance: null, filter: null };

function batchOf(keys: readonly (string | null)[]): Buffer {
  const records = keys.map((key, index) => ({
    timestampMs: T0 + index,
    key: key === null ? null : text(key),
    value: text(`${index}`),
    headers: [{ key: text('own'), value: null }],
  }));
  return encodeBatch({ baseOffset: 40n, records, codec: 'lz4' });
}

describe('a shape of records', () => {
  test('tells each record’s origin in the peer’s headers, behind its own', () => {
    const { batches } = judge(
      taskFor([batchOf(['k', null])], { shape: { ...PLAIN, provenance: { sourcePartition: 7 } } }),
    );
    const number = (value: bigint, bytes: number): string => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigInt64LE(value);
      return buffer.toString('latin1', 0, bytes);
    };
    assert.deepEqual(
      batches[0]?.records.map(({ headers }) => headers),
      [0n, 1n].map((index) => [
        ['own', null],
        ['x-original-offset', number(40n + index, 8)],
        ['x-original-timestamp', number(BigInt(T0) + index, 8)],
        ['x-source-partition', number(7n, 4)],
      ]),
    );
  });

  test('spreads a frame over a thousand targets, each with its records in order', () => {
    const keys = Array.from({ length: 3000 }, (_, index) => (index % 100 === 0 ? null : `key ${index % 1500}`));
    const shape = { ...PLAIN, partitions: 1000, unkeyedTarget: 999 };
    const { batches } = judge(taskFor([batchOf(keys)], { shape }));
    const targets = batches.map(({ targetIndex }) => targetIndex);
    assert.deepEqual(
      targets,
      [...new Set(targets)].sort((a, b) => a - b),
    );
    assert.equal(
      batches.reduce((total, { recordCount }) => total + recordCount, 0),
      3000,
    );
    for (const { sourceOffsets } of batches) assert.deepEqual(sourceOffsets, sourceOffsets.toSorted(ascending));
    assert.ok((batches.at(-1)?.recordCount ?? 0) >= 30, 'records without a key');
  });

  test('reads keys as UTF-8, so that a dot is one character and broken bytes match no letter', () => {
    const filter = { keyRegex: '^.$', header: null };
    const { result, batches } = judge(
      taskFor([batchOf(['\u{1f600}', 'ab', '', null])], { shape: { ...PLAIN, filter } }),
    );
    assert.deepEqual(
      batches.flatMap(({ records }) => records.map(({ value }) => value)),
      ['0'],
    );
    assert.equal(result.dropped.filtered, 3);
  });

  test('with a pattern that is no regular expression is refused by name', () => {
    const task = taskFor([batchOf(['a'])], { shape: { ...PLAIN, filter: { keyRegex: '(', header: null } } });
    assert.throws(() => judge(task), { code: 'USAGE_INVALID', message: /record filter/ });
  });
});

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : 1;
}
