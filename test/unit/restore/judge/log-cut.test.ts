// Restores to an instant against a model that knows every record of the log: transactions that straddle the place where the log is
// cut, markers whose clock is behind or ahead of their neighbours', timestamps in any order, batches with holes, cut into segments
// and frames anywhere. From the plan to the judged batches everything is the agent's own. And what a plan says that it drops for
// transactions is held against what is dropped.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readCatalog } from '../../../../src/catalog/catalog-reader.ts';
import { SharedBufferPool } from '../../../../src/compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { PRODUCER_CODECS } from '../../../../src/model/codec.ts';
import {
  addDrops,
  type Cut,
  type DropCounts,
  type Isolation,
  NO_DROPS,
} from '../../../../src/model/restore/recovery-target.ts';
import { planRestore } from '../../../../src/restore/plan/plan-restore.ts';
import { estimate } from '../../../../src/restore/plan/forecast/plan-estimate.ts';
import {
  countTransactionDrops,
  type TransactionDrops,
} from '../../../../src/restore/plan/forecast/transaction-drops.ts';
import { RESTORE_ALL } from '../../../../src/restore/restore-job.ts';
import { type PartitionRestorePlan, sourcesOf } from '../../../../src/restore/restore-plan.ts';
import { LargeFrames } from '../../../../src/restore/run/large-frames.ts';
import { SourceFrames } from '../../../../src/restore/run/source-frames.ts';
import { readFooter } from '../../../../src/segment/segment-reader.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { encodeBatch, encodeMarker, readBatch, text } from '../../../support/record-batches.ts';
import { startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';

const SEED = 20_261_130;
const CASES = 800;
const POOL_BUFFER_BYTES = 64 * 1024;

interface LogRecord {
  readonly offset: bigint;
  /** From {@link T0}. */
  readonly time: number;
}

type Entry =
  | { readonly kind: 'data'; readonly records: readonly LogRecord[]; readonly producerId: bigint | null }
  | {
      readonly kind: 'marker';
      readonly records: readonly LogRecord[];
      readonly producerId: bigint;
      readonly outcome: 'commit' | 'abort';
    };

interface Target {
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly fromOffset: bigint | null;
  readonly toOffset: bigint | null;
  readonly cut: Cut;
  readonly isolation: Isolation;
}

/** What a restore to the target holds (DESIGN 6), in the order of the log. */
function model(log: readonly Entry[], { fromMs, toMs, fromOffset, toOffset, cut, isolation }: Target): string[] {
  const isAsked = ({ offset }: LogRecord): boolean => offset >= (fromOffset ?? 0n) && offset < (toOffset ?? 2n ** 62n);
  const isPast = ({ time }: LogRecord): boolean => toMs !== null && time > toMs;
  const firstPast = log.flatMap(({ records }) => records).find(isPast);
  const cutOffset = cut === 'log' && firstPast !== undefined ? firstPast.offset : 2n ** 62n;
  const isReached = (record: LogRecord): boolean =>
    record.offset < cutOffset && record.offset < (toOffset ?? 2n ** 62n) && (cut === 'log' || !isPast(record));
  return log.flatMap((entry, index) => {
    if (entry.kind === 'marker') return [];
    const end = log.slice(index).find(({ kind, producerId }) => kind === 'marker' && producerId === entry.producerId);
    const isVisible =
      entry.producerId === null ||
      isolation === 'read_uncommitted' ||
      (end?.kind === 'marker' && end.outcome === 'commit' && isReached(end.records[0]!));
    if (!isVisible) return [];
    return entry.records
      .filter((record) => isAsked(record) && isReached(record) && record.time >= (fromMs ?? -Infinity))
      .map((record) => `${valueOf(record)} ${record.time}`);
  });
}

function valueOf({ offset, time }: LogRecord): string {
  return `offset ${offset} at ${time}`;
}

function encode(entry: Entry, codec: (typeof PRODUCER_CODECS)[number]): Buffer {
  const [first] = entry.records;
  const baseOffset = first!.offset;
  if (entry.kind === 'marker') {
    const { producerId, outcome } = entry;
    return encodeMarker({ baseOffset, producerId, outcome, timestampMs: T0 + first!.time });
  }
  const records = entry.records.map((record) => ({
    timestampMs: T0 + record.time,
    key: null,
    value: text(valueOf(record)),
    offsetDelta: Number(record.offset - baseOffset),
  }));
  const { producerId } = entry;
  const transaction = { producerId: producerId ?? -1n, producerEpoch: 0, baseSequence: 0, transactional: true };
  return encodeBatch({ baseOffset, records, codec, ...(producerId === null ? {} : transaction) });
}

/** As the broker tells it when the log ends with the first `count` entries. */
function lastStableOffset(log: readonly Entry[], count: number, end: bigint): bigint {
  const open = new Map<bigint, bigint>();
  for (const { kind, producerId, records } of log.slice(0, count)) {
    if (kind === 'marker') open.delete(producerId);
    else if (producerId !== null && !open.has(producerId)) open.set(producerId, records[0]!.offset);
  }
  return [...open.values()].reduce((low, offset) => (offset < low ? offset : low), end);
}

const anyTime = fc.integer({ min: 0, max: 20 });
const anyStep = fc.record({
  producer: fc.integer({ min: -1, max: 2 }),
  act: fc.constantFrom('data', 'data', 'data', 'commit', 'commit', 'abort'),
  times: fc.array(anyTime, { minLength: 1, maxLength: 3 }),
  hole: fc.constantFrom(0, 0, 0, 1, 3),
  codec: fc.constantFrom(...PRODUCER_CODECS),
  endsFrame: fc.boolean(),
  endsSegment: fc.boolean(),
  isExpanded: fc.boolean(),
});
/** Null in three of four cases. */
function rarely(arbitrary: fc.Arbitrary<number>): fc.Arbitrary<number | null> {
  return fc.oneof({ arbitrary: fc.constant(null), weight: 3 }, { arbitrary, weight: 1 });
}

const anyDisorder = fc.constantFrom(0, 2, 20);
const anyTarget = fc
  .record({
    from: rarely(fc.integer({ min: 0, max: 20 })),
    to: fc.option(fc.integer({ min: 0, max: 25 }), { freq: 5 }),
    fromShare: rarely(fc.nat(99)),
    toShare: rarely(fc.nat(99)),
    cut: fc.constantFrom<Cut>('log', 'log', 'timestamp'),
    isolation: fc.constantFrom<Isolation>('read_committed', 'read_committed', 'read_uncommitted'),
  })
  .map(({ from, to, ...rest }) => ({
    ...rest,
    fromMs: from,
    toMs: to === null || from === null ? to : Math.max(from, to),
  }));

/** Offsets somewhere in a log with this end, the right way round. */
function limitsWithin(
  end: bigint,
  { fromShare, toShare }: { readonly fromShare: number | null; readonly toShare: number | null },
): [bigint | null, bigint | null] {
  const at = (share: number | null): bigint | null => (share === null ? null : (end * BigInt(share)) / 99n);
  const [from, to] = [at(fromShare), at(toShare)];
  return [from, to !== null && from !== null && to < from ? from : to];
}
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** Time goes on with the steps; `disorder` says by how much records may be before others that are older. */
function write(steps: readonly Step[], disorder: number): Entry[] {
  const open = new Set<bigint>();
  let next = 0n;
  return steps.map(({ producer, act, times, hole }, step): Entry => {
    const producerId = producer < 0 ? null : BigInt(producer);
    const place = (time: number): LogRecord => {
      const record = { offset: next, time: (time % (disorder + 1)) + step };
      next += BigInt(1 + hole);
      return record;
    };
    if (act !== 'data' && producerId !== null && open.delete(producerId)) {
      return { kind: 'marker', records: [place(times[0]!)], producerId, outcome: act as 'commit' | 'abort' };
    }
    if (producerId !== null) open.add(producerId);
    return { kind: 'data', records: times.map(place), producerId };
  });
}

describe('a restore to an instant', () => {
  let workers: WorkerPool;
  before(() => {
    workers = startWorkers(1);
  });
  after(() => workers.close());

  async function backUp(log: readonly Entry[], steps: readonly Step[]): Promise<TestBackup> {
    const backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe(1);
    let frames: Buffer[][] = [[]];
    for (const [index, { codec, endsFrame, endsSegment, isExpanded }] of steps.entries()) {
      frames.at(-1)!.push(encode(log[index]!, codec));
      const next = log[index + 1];
      if (endsSegment || next === undefined) {
        const nextOffset = next?.records[0]!.offset ?? log[index]!.records.at(-1)!.offset + 1n;
        const decidedOffset = lastStableOffset(log, index + 1, nextOffset);
        const expansion = isExpanded ? 'always' : 'never';
        const segment = await backup.segment(frames, { nextOffset, decidedOffset, expansion });
        await backup.commit({ kind: 'segment', segment });
        frames = [[]];
      } else if (endsFrame) frames.push([]);
    }
    return backup;
  }

  async function planOf(backup: TestBackup, { fromMs, toMs, fromOffset, toOffset, cut, isolation }: Target) {
    const recoveryTarget = {
      ...(fromMs === null ? {} : { fromMs: T0 + fromMs }),
      ...(toMs === null ? {} : { toMs: T0 + toMs }),
      cut,
    };
    const isLimited = fromOffset !== null || toOffset !== null;
    const offsets = isLimited ? [{ topic: 'orders', partition: 0, fromOffset, toOffset }] : [];
    const request = { ...RESTORE_ALL, target: 'default', recoveryTarget, offsets };
    const settings = { isolation, replicationFactor: -1, topicConfigs: {}, nowMs: T0 + 1_000_000 };
    return planRestore(await readCatalog(backup.store, backup.layout), 'b', request, settings);
  }

  async function restored(backup: TestBackup, plan: PartitionRestorePlan, isolation: Isolation): Promise<Restored> {
    const settings = {
      isolation,
      replicationFactor: -1,
      topicConfigs: {},
      compression: 'producer' as const,
      maxBatchBytes: 1_048_576,
      brokerCodec: null,
      maxBatchRecords: 1000,
      maxWholeRecords: 1_000_000,
    };
    const [stored, outputs] = [new SharedBufferPool(POOL_BUFFER_BYTES, 4), new SharedBufferPool(POOL_BUFFER_BYTES, 8)];
    const context = { store: backup.store, workers, stored, outputs, large: new LargeFrames(), settings };
    const frames = new SourceFrames({ plan, shape: null, context, isBehind: () => false });
    const values: string[] = [];
    let dropped = NO_DROPS;
    for await (const frame of frames.read()) {
      if (frame.kind === 'counted') assert.fail('nothing is at the target');
      for (const { position, sizeBytes } of frame.result.batches) {
        const records = readBatch(Buffer.from(frame.bytes, position, sizeBytes));
        values.push(...records.map(({ value, timestampMs }) => `${value} ${timestampMs - T0}`));
      }
      dropped = addDrops(dropped, frame.result.dropped);
      frame.release();
    }
    return { values, dropped };
  }

  test(`holds the log that was there then (${CASES} logs, seed ${SEED})`, async () => {
    let decisive = 0;
    const kinds = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { minLength: 1, maxLength: 20 }),
        anyDisorder,
        anyTarget,
        async (steps, disorder, target) => {
          const log = write(steps, disorder);
          const end = log.at(-1)!.records.at(-1)!.offset + 1n;
          const [fromOffset, toOffset] = limitsWithin(end, target);
          const wanted = { ...target, fromOffset, toOffset };
          const backup = await backUp(log, steps);
          const plan = await planOf(backup, wanted);
          const source = sourcesOf(plan.topics[0]!)[0]!;
          const found = await restored(backup, source, wanted.isolation);
          assert.deepEqual(found.values, model(log, wanted));
          const said = await countTransactionDrops(source, wanted.isolation, (one) => readFooter(backup.store, one));
          for (const kind of assertSaid(said, found)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
          const isByTime = target.cut === 'timestamp' || target.toMs === null;
          if (isByTime && fromOffset === null && toOffset === null) assertExact(said);
          const { records, isExact } = estimate(source, true, said);
          if (isExact) assert.equal(records, found.values.length);
          if (target.cut === 'log' && !isSame(found.values, model(log, { ...wanted, cut: 'timestamp' }))) decisive += 1;
        },
      ),
      { seed: SEED, numRuns: CASES },
    );
    assert.ok(decisive > CASES / 30, `the way of cutting decided in ${decisive} cases`);
    assert.deepEqual([...kinds.keys()].sort(), ['at-most', 'exact']);
    for (const [kind, count] of kinds) assert.ok(count > CASES / 20, `${count} counts above 0 are ${kind}`);
  });
});

interface Restored {
  readonly values: readonly string[];
  readonly dropped: DropCounts;
}

function assertExact(said: TransactionDrops): void {
  for (const { kind } of Object.values(said)) assert.equal(kind, 'exact', 'no window blurs what transactions drop');
}

/** Returns the kinds of the counts above 0. */
function assertSaid(said: TransactionDrops, { dropped }: Restored): string[] {
  return (Object.keys(said) as (keyof TransactionDrops)[]).flatMap((reason) => {
    const count = said[reason];
    if (count.kind === 'exact') assert.equal(dropped[reason], count.records, reason);
    else if (count.kind === 'at-most') assert.ok(dropped[reason] <= count.records, reason);
    else assert.fail(`${reason} is ${count.kind}`);
    return count.records > 0 ? [count.kind] : [];
  });
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.join() === other.join();
}
