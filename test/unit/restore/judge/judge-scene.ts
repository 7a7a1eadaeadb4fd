// Random frames and random tasks on them: batches of every codec with holes, transactions, markers, broker times and emptied
// batches, and timestamps that no number holds, under windows, cuts, limits and record shapes.

import fc from 'fast-check';
import { PRODUCER_CODECS, type ProducerCodec } from '../../../../src/model/codec.ts';
import type { JudgeTask, MarkerVerdict, RecordShape, Verdict } from '../../../../src/restore/judge/judge-task.ts';
import { encodeBatch, encodeMarker, type TestBatch, text } from '../../../support/record-batches.ts';
import { type FrameForm, T0 } from './judge-fixture.ts';

const PRODUCERS = [7n, 8n, 9n];

export interface Piece {
  readonly bytes: Buffer;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly codec: ProducerCodec;
}

export interface Scene {
  readonly pieces: readonly Piece[];
  readonly form: FrameForm;
  readonly change: Partial<JudgeTask> &
    Pick<JudgeTask, 'markers' | 'decidedBelow' | 'fromOffset' | 'toOffset' | 'shape'>;
}

const anyBytes = fc.option(fc.uint8Array({ maxLength: 30 }));
const KEYS = ['', 'a1', 'a2', 'b1', 'b22', '\u00e9', '\u{1f600}', 'a\n1'].map(text);
const anyKey = fc.oneof(anyBytes, fc.constantFrom(null, ...KEYS));
const HEADERS = ['', 'env', 'trace', '\u00e9'];
const anyHeaderName = fc.oneof(fc.uint8Array({ maxLength: 5 }), fc.constantFrom(...HEADERS.map(text)));
const anyHeaderValue = fc.oneof(anyBytes, fc.constantFrom('prod', 'test', '').map(text));
const anyTime = fc.integer({ min: -20, max: 20 });
/** Nanoseconds, and the ends of what 64 bits and numbers hold. */
const anyFarTime = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map((time) => BigInt(T0 + time) * 1_000_000n),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)),
);
const anyRecord = fc.record({
  hole: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(3)),
  time: anyTime,
  far: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, anyFarTime),
  key: anyKey,
  value: anyBytes,
  headers: fc.array(fc.record({ key: anyHeaderName, value: anyHeaderValue }), { maxLength: 3 }),
});
const anyData = fc.record({
  kind: fc.constant('data' as const),
  records: fc.array(anyRecord, { minLength: 1, maxLength: 6 }),
  /** Of all its records. */
  isFar: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
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

const anyPattern = fc.constantFrom('^a', '^a[0-9]$', '\\d', '^$', '^.$', '\u00e9|\ufffd', 'never');
const anyFilter = fc.record({
  keyRegex: fc.option(anyPattern, { freq: 2 }),
  header: fc.option(
    fc.record({ name: fc.constantFrom(...HEADERS), valueRegex: fc.option(fc.constantFrom('^prod$', '', 'x')) }),
    { freq: 2 },
  ),
});
const anyShape: fc.Arbitrary<RecordShape> = fc
  .record({
    partitions: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 3 }),
    sourcePartition: fc.nat(70_000),
    isTold: fc.boolean(),
    filter: fc.option(anyFilter, { freq: 2 }),
  })
  .map(({ partitions, sourcePartition, isTold, filter }) => ({
    partitions,
    unkeyedTarget: sourcePartition % (partitions ?? 1),
    provenance: isTold ? { sourcePartition } : null,
    filter,
  }));

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
      const records = plan.records.map(({ hole, time, far, value, ...rest }, index) => {
        offsetDelta += hole + 1;
        const ballast = index === 0 && plan.ballast > 0 ? NOISE.subarray(0, plan.ballast) : null;
        const exactly = far ?? (plan.isFar ? BigInt(T0 + time) * 1_000_003n : null);
        const timestamp = exactly !== null && !Number.isSafeInteger(Number(exactly)) ? { timestamp: exactly } : {};
        return { ...rest, value: ballast ?? value, offsetDelta, timestampMs: T0 + time, ...timestamp };
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

export const anyScene: fc.Arbitrary<Scene> = fc
  .record({
    plans: fc.array(anyPiece, { minLength: 1, maxLength: 10 }),
    form: fc.record({
      codec: fc.constantFrom('zstd' as const, 'lz4' as const, 'none' as const),
      isExpanded: fc.boolean(),
    }),
    verdicts: fc.array(anyVerdict, { minLength: 16, maxLength: 16 }),
    later: fc.array(fc.constantFrom(...PRODUCERS), { maxLength: 2 }),
    clip: fc.option(fc.tuple(fc.nat(30), fc.nat(60)), { freq: 2 }),
    from: fc.option(fc.integer({ min: -20, max: 10 }), { freq: 2 }),
    span: fc.option(fc.nat(30), { freq: 2 }),
    decided: fc.nat(70),
    rest: fc.record({
      judgeTransactions: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
      compression: fc.constantFrom('producer' as const, 'producer' as const, ...PRODUCER_CODECS),
      maxBatchBytes: fc.constantFrom(200, 1000, 100_000, 1_048_576, 1_048_576, 1_048_576),
      maxBatchRecords: fc.constantFrom(1, 3, 1000),
      shape: fc.option(anyShape, { freq: 2 }),
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
