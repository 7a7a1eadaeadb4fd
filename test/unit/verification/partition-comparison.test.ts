import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BackupError } from '../../../src/model/errors.ts';
import type { ProducerCodec } from '../../../src/model/codec.ts';
import { PartitionComparison } from '../../../src/verification/partition-comparison.ts';
import { TargetReader } from '../../../src/verification/target-reader.ts';
import { encodeBatch, encodeMarker, type TestBatch, type TestRecord, text } from '../../support/record-batches.ts';
import { LogInMemory } from './log-in-memory.ts';

const SEED = { seed: 20_261_123, numRuns: 400 };
const T0 = 1_700_000_000_000;
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const NEVER = new AbortController().signal;

const anyBytes = fc.option(fc.uint8Array({ maxLength: 40 }));
const anyRecord: fc.Arbitrary<TestRecord> = fc.record({
  timestampMs: fc.integer({ min: T0, max: T0 + 1000 }),
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(fc.record({ key: fc.uint8Array({ maxLength: 5 }), value: anyBytes }), { maxLength: 2 }),
});
const anyCodec = fc.constantFrom<ProducerCodec>('none', 'gzip', 'snappy', 'lz4', 'zstd');

/** Cut into batches of the sizes given, in turn. */
function batched(
  records: readonly TestRecord[],
  sizes: readonly number[],
  codec: ProducerCodec,
  startOffset = 0n,
): TestBatch[] {
  const batches: TestBatch[] = [];
  for (let at = 0; at < records.length; ) {
    const size = sizes[batches.length % sizes.length]!;
    batches.push({ baseOffset: startOffset + BigInt(at), records: records.slice(at, at + size), codec });
    at += size;
  }
  return batches;
}

interface Setting {
  readonly log: LogInMemory;
  readonly startOffset?: bigint;
  readonly recordCount: number;
  readonly fetchBytes?: number;
  readonly patienceMs?: number;
}

function comparisonWith({
  log,
  startOffset = 0n,
  recordCount,
  fetchBytes = 300,
  patienceMs = 10_000,
}: Setting): PartitionComparison {
  const end = startOffset + BigInt(recordCount);
  const reader = new TargetReader({
    log,
    partition: { topic: 'restored', topicId: 'id', partition: 0 },
    fromOffset: startOffset,
    endOffset: log.endOffset < end ? log.endOffset : end,
    fetchBytes,
    patience: {
      work: 'the verification',
      patienceMs,
      signal: NEVER,
      logger: SILENT,
      monotonicMs: () => performance.now(),
      wait: async () => {},
    },
  });
  return new PartitionComparison({ topic: 'restored', partition: 0, startOffset, recordCount }, reader, log.endOffset);
}

/** Hands over the plan's records, in batches as a judge makes them, from source offset 1000 on. */
async function expectAll(comparison: PartitionComparison, records: readonly TestRecord[], sizes = [7]): Promise<void> {
  for (const batch of batched(records, sizes, 'none')) {
    const runs = [{ firstSourceOffset: 1000n + batch.baseOffset, count: batch.records.length }];
    await comparison.expect(encodeBatch({ ...batch, baseOffset: 0n }), 3, runs);
  }
  comparison.finish();
}

const CHANGES: readonly (readonly [field: string, change: (record: TestRecord) => Partial<TestRecord>])[] = [
  ['timestamp', ({ timestampMs }) => ({ timestampMs: timestampMs + 1 })],
  ['key', ({ key }) => ({ key: key === null ? text('') : null })],
  ['value', ({ value }) => ({ value: value === null ? text('') : Buffer.concat([value, text('x')]) })],
  ['headers', ({ headers = [] }) => ({ headers: [...headers, { key: text('h'), value: null }] })],
];

describe('a restored partition', () => {
  test('is equal, however its batches are cut, compressed and fetched', async () => {
    const shape = fc.record({
      records: fc.array(anyRecord, { minLength: 1, maxLength: 60 }),
      sizes: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 }),
      plannedSizes: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 }),
      codec: anyCodec,
      startOffset: fc.bigInt({ min: 0n, max: 1_000_000n }),
      fetchBytes: fc.integer({ min: 1, max: 3000 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ records, sizes, plannedSizes, codec, startOffset, fetchBytes }) => {
        const log = new LogInMemory(batched(records, sizes, codec, startOffset));
        const comparison = comparisonWith({ log, startOffset, recordCount: records.length, fetchBytes });
        await expectAll(comparison, records, plannedSizes);
        assert.equal(comparison.difference, undefined);
        assert.deepEqual(
          [comparison.compared, comparison.deleted, comparison.absent, log.held],
          [records.length, 0, 0, 0],
        );
      }),
      SEED,
    );
  });

  test('is different at the first record with another timestamp, key, value or header', async () => {
    const shape = fc.record({
      records: fc.array(anyRecord, { minLength: 1, maxLength: 40 }),
      changes: fc.array(fc.tuple(fc.nat(), fc.nat({ max: CHANGES.length - 1 })), { minLength: 1, maxLength: 3 }),
      size: fc.integer({ min: 1, max: 20 }),
      codec: anyCodec,
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ records, changes, size, codec }) => {
        const there = [...records];
        const fields = new Map<number, string>();
        for (const [at, which] of changes) {
          const index = at % records.length;
          const [field, change] = CHANGES[which]!;
          there[index] = { ...records[index]!, ...change(records[index]!) };
          fields.set(index, field);
        }
        const first = Math.min(...fields.keys());
        const comparison = comparisonWith({
          log: new LogInMemory(batched(there, [size], codec)),
          recordCount: records.length,
        });
        await expectAll(comparison, records);
        const { offset, field, sourcePartition, sourceOffset } = comparison.difference ?? assert.fail('no difference');
        assert.deepEqual([offset, field], [BigInt(first), fields.get(first)]);
        assert.deepEqual([sourcePartition, sourceOffset], [3, 1000n + BigInt(first)]);
        assert.equal(comparison.compared, first);
      }),
      SEED,
    );
  });

  test('that has lost records is compared in those that are left, and tells deleted ones from absent ones', async () => {
    const shape = fc.record({
      records: fc.array(anyRecord, { minLength: 1, maxLength: 40 }),
      kept: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
      logStart: fc.nat({ max: 40 }),
      size: fc.integer({ min: 1, max: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ records, kept, logStart, size }) => {
        const count = records.length;
        const batches = batched(records, [size], 'none').map((batch) => ({
          ...batch,
          lastOffsetDelta: batch.records.length - 1,
          records: batch.records
            .map((record, index) => ({ ...record, offsetDelta: index }))
            .filter((_, index) => kept[Number(batch.baseOffset) + index]),
        }));
        const log = new LogInMemory(batches);
        log.logStartOffset = BigInt(Math.min(logStart, count));
        const comparison = comparisonWith({ log, recordCount: count });
        await expectAll(comparison, records);
        const deleted = Math.min(logStart, count);
        const left = records.filter((_, index) => index >= deleted && kept[index]).length;
        assert.equal(comparison.difference, undefined);
        assert.deepEqual(
          [comparison.deleted, comparison.compared, comparison.absent],
          [deleted, left, count - deleted - left],
        );
      }),
      SEED,
    );
  });

  const ten: readonly TestRecord[] = Array.from({ length: 10 }, (_, index) => ({
    timestampMs: T0 + index,
    key: text(`k${index}`),
    value: text('v'),
  }));

  test('is different where its log ends too early, or holds the end of a transaction', async () => {
    const short = comparisonWith({ log: new LogInMemory(batched(ten.slice(0, 6), [4], 'none')), recordCount: 10 });
    await expectAll(short, ten);
    assert.deepEqual([short.difference?.offset, short.difference?.field], [6n, 'record']);
    assert.match(short.difference?.found ?? '', /the log ends at offset 6/);
    const end = encodeMarker({ baseOffset: 4n, producerId: 7n, outcome: 'commit', timestampMs: T0 });
    const foreign = new LogInMemory([
      ...batched(ten.slice(0, 4), [4], 'none'),
      end,
      ...batched(ten.slice(5), [5], 'none', 5n),
    ]);
    const mixed = comparisonWith({ log: foreign, recordCount: 10 });
    await expectAll(mixed, ten);
    assert.deepEqual([mixed.difference?.offset, mixed.difference?.found], [4n, 'the end of a transaction']);
  });

  test('is different when the restore reported more than the plan makes', async () => {
    const comparison = comparisonWith({ log: new LogInMemory(batched(ten, [10], 'none')), recordCount: 10 });
    await expectAll(comparison, ten.slice(0, 8));
    assert.deepEqual(
      [comparison.difference?.offset, comparison.difference?.found],
      [8n, '10, as the restore reported'],
    );
  });

  test('has the broker\u2019s time as its timestamp where the broker stamped', async () => {
    const stamped = batched(ten, [10], 'none').map((batch) => ({ ...batch, logAppendTimeMs: T0 + 3 }));
    const comparison = comparisonWith({ log: new LogInMemory(stamped), recordCount: 10 });
    await expectAll(comparison, ten);
    assert.deepEqual([comparison.difference?.offset, comparison.difference?.field], [0n, 'timestamp']);
    assert.deepEqual([comparison.difference?.expected, comparison.difference?.found], [String(T0), String(T0 + 3)]);
  });

  test('never shows what was in a key or value', async () => {
    const there = ten.map((record) => ({ ...record, value: text('secret-of-the-target') }));
    const comparison = comparisonWith({ log: new LogInMemory(batched(there, [10], 'none')), recordCount: 10 });
    await expectAll(
      comparison,
      ten.map((record) => ({ ...record, value: text('secret-of-the-backup') })),
    );
    const { expected, found } = comparison.difference!;
    assert.match(`${expected} ${found}`, /^20 bytes, sha256 [0-9a-f]{16} 20 bytes, sha256 [0-9a-f]{16}$/);
    assert.notEqual(expected, found);
  });

  test('is read through trouble that passes, and not past a refusal', async () => {
    const log = new LogInMemory(batched(ten, [3], 'none'));
    log.troubles.push('transient', 'stale-metadata', 'transient');
    const comparison = comparisonWith({ log, recordCount: 10 });
    await expectAll(comparison, ten);
    assert.deepEqual([comparison.compared, log.held], [10, 0]);
    const refused = new LogInMemory(batched(ten, [3], 'none'));
    refused.troubles.push('denied');
    await assert.rejects(expectAll(comparisonWith({ log: refused, recordCount: 10 }), ten), {
      code: 'KAFKA_AUTHORIZATION_FAILED',
    });
    const away = new LogInMemory(batched(ten, [3], 'none'));
    away.troubles.push(...Array.from({ length: 50 }, () => 'transient' as const));
    const impatient = comparisonWith({ log: away, recordCount: 10, patienceMs: -1 });
    await assert.rejects(expectAll(impatient, ten), (error: BackupError) => error.code === 'KAFKA_REQUEST_FAILED');
    assert.equal(away.held, 0);
  });
});
