// The judge against a model of two dozen lines: random frames, random windows and shapes, and every record that should come out.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ProducerCodec } from '../../../../src/model/codec.ts';
import type { RecordFilter } from '../../../../src/model/restore/record-filter.ts';
import { type DropReason, NO_DROPS } from '../../../../src/model/restore/recovery-target.ts';
import { partitionOfKey } from '../../../../src/record/murmur2.ts';
import type { JudgeTask, RecordShape } from '../../../../src/restore/judge/judge-task.ts';
import { readBatch, type SeenRecord } from '../../../support/record-batches.ts';
import { judge, type SentBatch, taskFor } from './judge-fixture.ts';
import { anyScene, type Piece, type Scene } from './judge-scene.ts';

const SEED = 20_261_120;
const CASES = 600;

interface ExpectedRecord extends SeenRecord {
  readonly codec: ProducerCodec;
  readonly targetIndex: number;
}

interface Expected {
  readonly records: readonly ExpectedRecord[];
  readonly dropped: Record<DropReason, number>;
}

/** What a restore means, record by record (DESIGN 6). */
function model({ pieces, change: task }: Scene): Expected {
  const records: ExpectedRecord[] = [];
  const dropped = { ...NO_DROPS } as Record<DropReason, number>;
  for (const piece of pieces) {
    const reason = reasonToDrop(piece, task);
    for (const record of readBatch(piece.bytes)) {
      if (record.offset < task.fromOffset || record.offset >= task.toOffset) continue;
      const isPast = task.toMs != null && exactly(record) > task.toMs;
      const isBefore = task.fromMs != null && exactly(record) < task.fromMs;
      if (reason !== undefined) dropped[reason] += 1;
      else if (isPast || isBefore) dropped['outside-window'] += 1;
      else if (task.shape?.filter != null && !passes(record, task.shape.filter)) dropped.filtered += 1;
      else
        records.push({ ...shaped(record, task.shape), codec: piece.codec, targetIndex: targetOf(record, task.shape) });
    }
  }
  return { records, dropped };
}

function exactly({ timestamp, timestampMs }: SeenRecord): bigint {
  return timestamp ?? BigInt(timestampMs);
}

function reasonToDrop(piece: Piece, task: Scene['change']): DropReason | undefined {
  if (piece.isControl) return 'control-batch';
  if (task.judgeTransactions === false || !piece.isTransactional) return undefined;
  const marker = task.markers.find(
    ({ producerId, offset }) => producerId === piece.producerId && offset > piece.baseOffset,
  );
  if (marker === undefined) return piece.baseOffset < task.decidedBelow ? undefined : 'undecided-transaction';
  return marker.verdict === 'keep' ? undefined : marker.verdict;
}

/** The records that the tests read hold their bytes in Latin-1. */
function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

function passes({ key, headers }: SeenRecord, { keyRegex, header }: RecordFilter): boolean {
  if (keyRegex !== null && (key === null || !new RegExp(keyRegex, 'u').test(utf8(key)))) return false;
  if (header === null) return true;
  return headers.some(([name, value]) => {
    if (name !== Buffer.from(header.name).toString('latin1')) return false;
    return header.valueRegex === null || (value !== null && new RegExp(header.valueRegex, 'u').test(utf8(value)));
  });
}

function targetOf({ key }: SeenRecord, shape: RecordShape | null): number {
  if (shape === null || shape.partitions === null) return 0;
  return key === null ? shape.unkeyedTarget : partitionOfKey(Buffer.from(key, 'latin1'), shape.partitions);
}

function shaped(record: SeenRecord, shape: RecordShape | null): SeenRecord {
  if (shape === null || shape.provenance === null) return record;
  const [offset, timestamp, partition] = [Buffer.alloc(8), Buffer.alloc(8), Buffer.alloc(4)];
  offset.writeBigInt64LE(record.offset);
  timestamp.writeBigInt64LE(exactly(record));
  partition.writeInt32LE(shape.provenance.sourcePartition);
  const added: SeenRecord['headers'] = [
    ['x-original-offset', offset.toString('latin1')],
    ['x-original-timestamp', timestamp.toString('latin1')],
    ['x-source-partition', partition.toString('latin1')],
  ];
  return { ...record, headers: [...record.headers, ...added] };
}

function assertAcceptable(
  batch: SentBatch,
  pieces: readonly Piece[],
  { maxBatchBytes, maxBatchRecords }: JudgeTask,
): void {
  const { bytes, records } = batch;
  assert.equal(bytes.readBigInt64BE(0), 0n, 'base offset');
  assert.equal(bytes.readInt32BE(12), -1, 'leader epoch');
  assert.equal(bytes.readInt8(16), 2, 'magic');
  assert.equal(bytes.readInt16BE(21) & ~7, 0, 'attributes beyond the codec');
  assert.equal(bytes.readInt32BE(23), records.length - 1, 'last offset delta');
  assert.deepEqual(
    records.map((record) => record.offset),
    records.map((_, index) => BigInt(index)),
    'dense',
  );
  const latest = records.map(exactly).reduce((max, one) => (one > max ? one : max));
  assert.equal(bytes.readBigInt64BE(35), latest, 'max timestamp');
  assert.ok(records.length > 0 && records.length === batch.recordCount);
  const passedWhole = pieces.some(
    ({ baseOffset, lastOffset }) => baseOffset === batch.sourceOffsets[0] && lastOffset === batch.sourceOffsets.at(-1),
  );
  assert.ok(
    bytes.byteLength <= maxBatchBytes || records.length === 1,
    `${bytes.byteLength} bytes, ${maxBatchBytes} allowed`,
  );
  assert.ok(
    records.length <= maxBatchRecords || (passedWhole && bytes.byteLength >= 16 * 1024),
    `${records.length} records, ${maxBatchRecords} allowed`,
  );
}

/** The batches of one target hold the records that the model has for it, in order. */
function assertTarget(batches: readonly SentBatch[], expected: readonly ExpectedRecord[], task: JudgeTask): void {
  const bare = (record: SeenRecord) => [exactly(record), record.key, record.value, record.headers];
  assert.deepEqual(batches.flatMap((batch) => batch.records).map(bare), expected.map(bare));
  let index = 0;
  for (const batch of batches) {
    const wanted = expected.slice(index, index + batch.recordCount);
    index += batch.recordCount;
    const codecs = new Set(wanted.map(({ codec }) => (task.compression === 'producer' ? codec : task.compression)));
    assert.equal(codecs.size, 1, 'records of one codec only');
    if (batch.codec !== 'none') assert.ok(codecs.has(batch.codec), 'the codec asked for');
    assert.deepEqual(
      batch.sourceOffsets,
      wanted.map(({ offset }) => offset),
    );
  }
}

function check(scene: Scene): void {
  const expected = model(scene);
  const task = taskFor(
    scene.pieces.map((piece) => piece.bytes),
    scene.change,
    scene.form,
  );
  const { result, batches } = judge(task);
  assert.deepEqual(result.dropped, expected.dropped);
  assert.equal(result.recordCount, expected.records.length);
  for (let target = 0; target < (task.shape?.partitions ?? 1); target += 1) {
    assertTarget(
      batches.filter(({ targetIndex }) => targetIndex === target),
      expected.records.filter(({ targetIndex }) => targetIndex === target),
      task,
    );
  }
  for (const batch of batches) assertAcceptable(batch, scene.pieces, task);
}

describe('judging a frame', () => {
  test(`hands on exactly the records of the model, in batches that a broker takes (${CASES} frames, seed ${SEED})`, () => {
    fc.assert(fc.property(anyScene, check), { seed: SEED, numRuns: CASES });
  });

  test(`gives the same bytes again, whatever the thread did between (seed ${SEED})`, () => {
    const judged = (scene: Scene, output: SharedArrayBuffer) => {
      const pieces = scene.pieces.map((piece) => piece.bytes);
      const { result, batches } = judge(taskFor(pieces, { ...scene.change, output }, scene.form));
      return { batches: result.batches, bytes: batches.map(({ bytes }) => bytes.toString('base64')) };
    };
    fc.assert(
      fc.property(anyScene, anyScene, (scene, other) => {
        const first = judged(scene, new SharedArrayBuffer(2 * 1024 * 1024));
        judged(other, new SharedArrayBuffer(1024));
        assert.deepEqual(judged(scene, new SharedArrayBuffer(0)), first);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
