// The judge against a model of a dozen lines: random frames, random windows, and every record that should come out.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PRODUCER_CODECS, type ProducerCodec } from '../../../src/model/codec.ts';
import { type DropReason, NO_DROPS } from '../../../src/model/recovery-target.ts';
import type { JudgeTask, MarkerVerdict, Verdict } from '../../../src/restore/judge-frame.ts';
import { encodeBatch, encodeMarker, readBatch, type SeenRecord, type TestBatch } from '../../support/record-batches.ts';
import { type FrameForm, judge, type SentBatch, T0, taskFor } from './judge-fixture.ts';

const SEED = 20_261_120;
const CASES = 400;
const PRODUCERS = [7n, 8n, 9n];

interface Piece {
  readonly bytes: Buffer;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly codec: ProducerCodec;
}

interface Scene {
  readonly pieces: readonly Piece[];
  readonly form: FrameForm;
  readonly change: Partial<JudgeTask> & Pick<JudgeTask, 'markers' | 'decidedBelow' | 'fromOffset' | 'toOffset'>;
}

const anyBytes = fc.option(fc.uint8Array({ maxLength: 30 }));
const anyTime = fc.integer({ min: -20, max: 20 });
const anyRecord = fc.record({
  hole: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(3)),
  time: anyTime,
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(fc.record({ key: fc.uint8Array({ maxLength: 5 }), value: anyBytes }), { maxLength: 2 }),
});
const anyData = fc.record({
  kind: fc.constant('data' as const),
  records: fc.array(anyRecord, { minLength: 1, maxLength: 6 }),
  /** Random bytes added to the first value: enough, at times, to make the batch worth a request of its own. */
  ballast: fc.constantFrom(0, 0, 0, 0, 0, 0, 20_000, 20_000, 300_000),
  codec: fc.constantFrom(...PRODUCER_CODECS),
  holeBefore: fc.nat(2),
  holeAtEnd: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(3)),
  producerId: fc.constantFrom(-1n, ...PRODUCERS),
  transactional: fc.boolean(),
  broker: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, anyTime),
  horizon: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, fc.integer({ min: -9999, max: 9999 })),
});
const anyMarker = fc.record({
  kind: fc.constant('marker' as const),
  producerId: fc.constantFrom(...PRODUCERS),
  outcome: fc.constantFrom('commit' as const, 'abort' as const),
  holeBefore: fc.nat(2),
});
const anyEmpty = fc.record({ kind: fc.constant('empty' as const), span: fc.nat(4), holeBefore: fc.nat(2) });
const anyPiece = fc.oneof({ weight: 6, arbitrary: anyData }, { weight: 2, arbitrary: anyMarker }, anyEmpty);
const anyVerdict = fc.constantFrom<Verdict>('keep', 'keep', 'aborted-transaction', 'decided-after-target');

type Plan = typeof anyPiece extends fc.Arbitrary<infer T> ? T : never;

const NOISE = (() => {
  let state = 1;
  return Uint8Array.from({ length: 300_000 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
})();

function build(plans: readonly Plan[]): Piece[] {
  let next = 50n;
  return plans.map((plan): Piece => {
    const baseOffset = next + BigInt(plan.holeBefore);
    const piece = buildOne(plan, baseOffset);
    next = piece.lastOffset + 1n;
    return piece;
  });
}

function buildOne(plan: Plan, baseOffset: bigint): Piece {
  const plain = { baseOffset, producerId: -1n, isTransactional: false, isControl: false, codec: 'none' as const };
  switch (plan.kind) {
    case 'empty': {
      const bytes = encodeBatch({ baseOffset, records: [], lastOffsetDelta: plan.span });
      return { ...plain, bytes, lastOffset: baseOffset + BigInt(plan.span) };
    }
    case 'marker': {
      const { producerId, outcome } = plan;
      const bytes = encodeMarker({ baseOffset, producerId, outcome, timestampMs: T0 });
      return { ...plain, bytes, lastOffset: baseOffset, producerId, isTransactional: true, isControl: true };
    }
    case 'data': {
      let offsetDelta = -1;
      const records = plan.records.map(({ hole, time, value, ...rest }, index) => {
        offsetDelta += hole + 1;
        const ballast = index === 0 && plan.ballast > 0 ? NOISE.subarray(0, plan.ballast) : null;
        return { ...rest, value: ballast ?? value, offsetDelta, timestampMs: T0 + time };
      });
      const isTransactional = plan.transactional && plan.producerId >= 0n;
      const lastOffsetDelta = offsetDelta + plan.holeAtEnd;
      const batch: TestBatch = {
        baseOffset,
        records,
        codec: plan.codec,
        lastOffsetDelta,
        producerId: plan.producerId,
        producerEpoch: 3,
        baseSequence: 17,
        leaderEpoch: 5,
        transactional: isTransactional,
        ...(plan.broker === null ? {} : { logAppendTimeMs: T0 + plan.broker }),
        ...(plan.horizon === null ? {} : { deleteHorizonMs: T0 + plan.horizon }),
      };
      const lastOffset = baseOffset + BigInt(lastOffsetDelta);
      return {
        ...plain,
        bytes: encodeBatch(batch),
        lastOffset,
        producerId: plan.producerId,
        isTransactional,
        codec: plan.codec,
      };
    }
  }
}

const anyScene: fc.Arbitrary<Scene> = fc
  .record({
    plans: fc.array(anyPiece, { minLength: 1, maxLength: 10 }),
    form: fc.record({
      codec: fc.constantFrom('zstd' as const, 'lz4' as const, 'none' as const),
      isExpanded: fc.boolean(),
    }),
    verdicts: fc.array(anyVerdict, { minLength: 16, maxLength: 16 }),
    later: fc.array(fc.constantFrom(...PRODUCERS), { maxLength: 2 }),
    clip: fc.option(fc.tuple(fc.nat(30), fc.nat(60)), { freq: 1 }),
    from: fc.option(fc.integer({ min: -20, max: 10 }), { freq: 1 }),
    span: fc.option(fc.nat(30), { freq: 1 }),
    decided: fc.nat(70),
    rest: fc.record({
      cutAtFirstPast: fc.boolean(),
      judgeTransactions: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
      compression: fc.constantFrom('producer' as const, 'producer' as const, ...PRODUCER_CODECS),
      maxBatchBytes: fc.constantFrom(200, 1000, 100_000, 1_048_576, 1_048_576, 1_048_576),
      maxBatchRecords: fc.constantFrom(1, 3, 1000),
    }),
    outputBytes: fc.constantFrom(0, 300, 1_000_000),
  })
  .map(({ plans, form, verdicts, later, clip, from, span, decided, rest, outputBytes }) => {
    const pieces = build(plans);
    const end = pieces.at(-1)!.lastOffset + 1n;
    const offsets = [
      ...pieces.filter((piece) => piece.isControl),
      ...later.map((producerId) => ({ producerId, baseOffset: end + 5n })),
    ];
    const markers = offsets.map(({ producerId, baseOffset }, index): MarkerVerdict => {
      return { producerId, offset: baseOffset, verdict: verdicts[index] ?? 'keep' };
    });
    const fromMs = from === null ? null : T0 + from;
    return {
      pieces,
      form,
      change: {
        ...rest,
        markers,
        fromMs,
        toMs: span === null ? null : (fromMs ?? T0 - 10) + span,
        decidedBelow: 50n + BigInt(decided),
        fromOffset: clip === null ? 0n : 40n + BigInt(clip[0]),
        toOffset: clip === null ? 2n ** 62n : 40n + BigInt(clip[0] + clip[1]),
        output: new SharedArrayBuffer(outputBytes),
      },
    };
  });

interface Expected {
  readonly records: readonly (SeenRecord & { readonly codec: ProducerCodec })[];
  readonly dropped: Record<DropReason, number>;
  readonly isCut: boolean;
}

/** What a restore means, record by record (DESIGN 6). */
function model({ pieces, change: task }: Scene): Expected {
  const records: (SeenRecord & { codec: ProducerCodec })[] = [];
  const dropped = { ...NO_DROPS } as Record<DropReason, number>;
  let isCut = false;
  const reasonFor = (piece: Piece): DropReason | undefined => {
    if (piece.isControl) return 'control-batch';
    if (task.judgeTransactions === false || !piece.isTransactional) return undefined;
    const marker = task.markers.find(
      ({ producerId, offset }) => producerId === piece.producerId && offset > piece.baseOffset,
    );
    if (marker === undefined) return piece.baseOffset < task.decidedBelow ? undefined : 'undecided-transaction';
    return marker.verdict === 'keep' ? undefined : marker.verdict;
  };
  for (const piece of pieces) {
    const reason = reasonFor(piece);
    for (const record of readBatch(piece.bytes)) {
      if (record.offset < task.fromOffset || record.offset >= task.toOffset) continue;
      const isPast = task.toMs != null && record.timestampMs > task.toMs;
      if (reason === undefined && isPast && task.cutAtFirstPast === true) isCut = true;
      const isBefore = task.fromMs != null && record.timestampMs < task.fromMs;
      if (reason !== undefined) dropped[reason] += 1;
      else if (isCut || isPast || isBefore) dropped['outside-window'] += 1;
      else records.push({ ...record, codec: piece.codec });
    }
  }
  return { records, dropped, isCut };
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
  assert.equal(
    Number(bytes.readBigInt64BE(35)),
    Math.max(...records.map((record) => record.timestampMs)),
    'max timestamp',
  );
  assert.ok(records.length > 0 && records.length === batch.recordCount);
  const passedWhole = pieces.some(
    ({ baseOffset, lastOffset }) => baseOffset === batch.firstSourceOffset && lastOffset === batch.lastSourceOffset,
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

function check(scene: Scene): void {
  const expected = model(scene);
  const task = taskFor(
    scene.pieces.map((piece) => piece.bytes),
    scene.change,
    scene.form,
  );
  const { result, batches } = judge(task);
  assert.deepEqual(
    batches.flatMap((batch) => batch.records).map(({ offset: _offset, ...record }) => record),
    expected.records.map(({ offset: _offset, codec: _codec, ...record }) => record),
  );
  assert.deepEqual(result.dropped, expected.dropped);
  assert.deepEqual([result.recordCount, result.isCut], [expected.records.length, expected.isCut]);
  let index = 0;
  for (const batch of batches) {
    assertAcceptable(batch, scene.pieces, task);
    const wanted = expected.records.slice(index, index + batch.recordCount);
    index += batch.recordCount;
    const codecs = new Set(wanted.map(({ codec }) => (task.compression === 'producer' ? codec : task.compression)));
    assert.equal(codecs.size, 1, 'records of one codec only');
    if (batch.codec !== 'none') assert.ok(codecs.has(batch.codec), 'the codec asked for');
    assert.ok(batch.firstSourceOffset <= wanted[0]!.offset && batch.lastSourceOffset >= wanted.at(-1)!.offset);
  }
}

describe('judging a frame', () => {
  test(`hands on exactly the records of the model, in batches that a broker takes (${CASES} frames, seed ${SEED})`, () => {
    fc.assert(fc.property(anyScene, check), { seed: SEED, numRuns: CASES });
  });
});
