// Transactions across segments, held against what really happened: a log is written by simulated producers, cut into segments,
// clipped, given a gap, and every batch that is asked about must get the outcome of its own transaction.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PartitionTarget } from '../../../../src/model/restore/recovery-target.ts';
import type { SegmentSummary, TransactionMarker, TransactionStart } from '../../../../src/model/segment/segment.ts';
import { TransactionIndex, type TransactionSource } from '../../../../src/restore/plan/transaction-index.ts';
import { footerOf, segmentOf } from '../segment-facts.ts';

const SEED = 20_261_121;
const CASES = 1000;
const T0 = 1_700_000_000_000;

type Outcome = 'commit' | 'abort';

interface Batch {
  readonly kind: 'data';
  readonly offset: bigint;
  readonly producerId: bigint;
  readonly transaction: Transaction;
}

interface Marker extends TransactionMarker {
  readonly kind: 'marker';
}

interface Transaction {
  readonly firstOffset: bigint;
  marker: Marker | null;
}

type Entry = Batch | Marker | { readonly kind: 'plain'; readonly offset: bigint };

/** A log, one entry an offset, with every transaction's true end. */
function write(steps: readonly (readonly [producer: number, act: 'data' | 'plain' | Outcome])[]): Entry[] {
  const open = new Map<bigint, Transaction>();
  return steps.map(([producer, act], index): Entry => {
    const offset = BigInt(index);
    const producerId = BigInt(producer);
    const transaction = open.get(producerId);
    if (act === 'plain' || (act !== 'data' && transaction === undefined)) return { kind: 'plain', offset };
    if (act === 'data') {
      const under = transaction ?? { firstOffset: offset, marker: null };
      open.set(producerId, under);
      return { kind: 'data', offset, producerId, transaction: under };
    }
    const marker: Marker = { kind: 'marker', producerId, offset, outcome: act, timestampMs: T0 + index };
    if (transaction !== undefined) transaction.marker = marker;
    open.delete(producerId);
    return marker;
  });
}

interface Stored {
  readonly source: TransactionSource;
  readonly footers: ReadonlyMap<string, ReturnType<typeof footerOf>>;
  readonly segments: readonly SegmentSummary[];
}

/** Segments between the `cuts`; those whose index is `lost` are a gap instead. */
function store(
  entries: readonly Entry[],
  cuts: readonly number[],
  lost: number | null,
  target: PartitionTarget,
): Stored {
  const edges = [...new Set([0, ...cuts.filter((cut) => cut < entries.length), entries.length])].sort((a, b) => a - b);
  const footers = new Map<string, ReturnType<typeof footerOf>>();
  const segments: SegmentSummary[] = [];
  const gaps: TransactionSource['gaps'][number][] = [];
  edges.slice(0, -1).forEach((from, index) => {
    const to = edges[index + 1]!;
    if (index === lost && index > 0) {
      const identity = { topic: 't', topicId: 'id', partition: 0 };
      gaps.push({
        ...identity,
        baseOffset: BigInt(from),
        lastOffset: BigInt(to - 1),
        reason: 'retention',
        detectedAtMs: T0,
        timeline: 0,
      });
      return;
    }
    const part = entries.slice(from, to);
    const segment = segmentOf(BigInt(from), BigInt(to), {
      isTransactional: part.some(({ kind }) => kind !== 'plain'),
      decidedOffset: lastStableOffset(entries, to),
    });
    segments.push(segment);
    footers.set(segment.key, footerOf(segment, factsOf(part)));
  });
  const current = segments.map((segment) => ({
    segment,
    fromOffset: segment.baseOffset,
    toOffset: segment.nextOffset,
  }));
  const source = {
    transactionalSegments: current.filter(({ segment }) => segment.isTransactional),
    decidedBelow: segments.at(-1)?.decidedOffset ?? 0n,
    gaps,
    recoveryTarget: target,
  };
  return { source, footers, segments };
}

/** As the broker tells it when the high watermark is `end`. */
function lastStableOffset(entries: readonly Entry[], end: number): bigint {
  const undecided = entries
    .slice(0, end)
    .filter((entry) => entry.kind === 'data' && (entry.transaction.marker?.offset ?? 2n ** 62n) >= BigInt(end));
  return undecided[0]?.kind === 'data' ? undecided[0].transaction.firstOffset : BigInt(end);
}

function factsOf(part: readonly Entry[]) {
  const open = new Set<bigint>();
  const starts: TransactionStart[] = [];
  for (const entry of part) {
    if (entry.kind === 'marker') open.delete(entry.producerId);
    if (entry.kind !== 'data' || open.has(entry.producerId)) continue;
    open.add(entry.producerId);
    starts.push({ producerId: entry.producerId, firstOffset: entry.offset, recordCount: null });
  }
  return { starts, markers: part.filter((entry) => entry.kind === 'marker') };
}

/** What must become of a batch. */
function truth({ offset, transaction: { marker } }: Batch, { source }: Stored): string {
  const { toMs, toOffset } = source.recoveryTarget;
  const gap = source.gaps.find(({ baseOffset }) => baseOffset > offset);
  if (marker === null || (gap !== undefined && marker.offset >= gap.baseOffset)) return 'undecided-transaction';
  if (marker.outcome === 'abort') return 'aborted-transaction';
  const isLate =
    (toMs !== undefined && marker.timestampMs > toMs) || (toOffset !== undefined && marker.offset >= toOffset);
  return isLate ? 'decided-after-target' : 'keep';
}

async function check(stored: Stored, entries: readonly Entry[], isWanted: (index: number) => boolean): Promise<void> {
  const index = new TransactionIndex(stored.source, async ({ key }) => stored.footers.get(key)!);
  for (const [at, segment] of stored.segments.entries()) {
    if (!isWanted(at)) continue;
    const footer = await index.enter(segment);
    assert.equal(footer.description.baseOffset, segment.baseOffset);
    // Frames of three offsets.
    for (let base = segment.baseOffset; base < segment.nextOffset; base += 3n) {
      const last = base + 2n < segment.nextOffset ? base + 2n : segment.nextOffset - 1n;
      const { markers, decidedBelow } = index.decisionsFor({ baseOffset: base, lastOffset: last });
      for (const entry of entries.slice(Number(base), Number(last) + 1)) {
        if (entry.kind !== 'data') continue;
        const marker = markers.find((one) => one.producerId === entry.producerId && one.offset > entry.offset);
        const found = marker?.verdict ?? (entry.offset < decidedBelow ? 'keep' : 'undecided-transaction');
        assert.equal(found, truth(entry, stored), `the batch at ${entry.offset} of producer ${entry.producerId}`);
      }
    }
  }
}

const anySteps = fc.array(
  fc.tuple(
    fc.nat(3),
    fc.constantFrom(
      'data' as const,
      'data' as const,
      'data' as const,
      'plain' as const,
      'commit' as const,
      'abort' as const,
    ),
  ),
  { minLength: 30, maxLength: 60 },
);

describe('a transaction index', () => {
  test(`gives every batch the end of its own transaction (${CASES} logs, seed ${SEED})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        anySteps,
        fc.array(fc.nat(60), { minLength: 3, maxLength: 12 }),
        fc.option(fc.integer({ min: 1, max: 5 }), { freq: 2 }),
        fc.record({ toMs: fc.option(fc.nat(60), { freq: 2 }), toOffset: fc.option(fc.nat(60), { freq: 2 }) }),
        fc.infiniteStream(fc.boolean()),
        async (steps, cuts, lost, { toMs, toOffset }, wanted) => {
          const entries = write(steps);
          const stored = store(entries, cuts, lost, {
            cut: 'timestamp',
            ...(toMs === null ? {} : { toMs: T0 + toMs }),
            ...(toOffset === null ? {} : { toOffset: BigInt(toOffset) }),
          });
          const isWanted = stored.segments.map(() => wanted.next().value ?? true);
          await check(stored, entries, (at) => isWanted[at] === true);
        },
      ),
      { seed: SEED, numRuns: CASES },
    );
  });

  /** `count` segments of ten entries: a transaction of producer 0 in each, and what `also` puts at their ends. */
  function chain(count: number, also: (segment: number) => 'plain' | readonly [number, 'data' | Outcome]): Stored {
    const steps = Array.from({ length: count }, (_, segment) => {
      const last = also(segment);
      const own = Array.from({ length: 8 }, () => [0, 'data'] as const);
      return [...own, [0, 'commit'] as const, last === 'plain' ? ([9, 'plain'] as const) : last];
    }).flat();
    const cuts = Array.from({ length: count }, (_, segment) => segment * 10);
    return store(write(steps), cuts, null, { cut: 'timestamp' });
  }

  async function footersReadFor(stored: Stored, wanted: readonly number[]): Promise<string[]> {
    const read: string[] = [];
    const index = new TransactionIndex(stored.source, async ({ key }) => {
      read.push(key);
      return stored.footers.get(key)!;
    });
    for (const at of wanted) await index.enter(stored.segments[at]!);
    return read;
  }

  test('reads one footer for a segment in which every transaction ends', async () => {
    const stored = chain(1000, () => 'plain');
    assert.deepEqual(await footersReadFor(stored, [400]), [stored.segments[400]!.key]);
  });

  test('reads on to the end of a transaction that is open, and each footer once', async () => {
    const stored = chain(1000, (segment) => (segment === 403 ? [5, 'commit'] : segment < 403 ? [5, 'data'] : 'plain'));
    const expected = [400, 401, 402, 403].map((at) => stored.segments[at]!.key);
    assert.deepEqual(await footersReadFor(stored, [400, 401, 402]), expected);
  });

  test('searches once for the end of a transaction that hangs for good', async () => {
    const stored = chain(200, (segment) => (segment < 50 ? [5, 'data'] : 'plain'));
    const read = await footersReadFor(
      stored,
      Array.from({ length: 50 }, (_, at) => at),
    );
    assert.ok(read.length <= 200 + 50, `${read.length} footers`);
  });

  test('takes a batch whose marker compaction removed as committed, and looks no further than the stable offset', async () => {
    const stored = chain(1000, () => 'plain');
    const footers = new Map(
      [...stored.footers].map(([key, footer]) => [
        key,
        { ...footer, transactions: { ...footer.transactions, markers: [] } },
      ]),
    );
    const index = new TransactionIndex(stored.source, async ({ key }) => {
      assert.equal(key, stored.segments[400]!.key);
      return footers.get(key)!;
    });
    await index.enter(stored.segments[400]!);
    const { markers, decidedBelow } = index.decisionsFor({ baseOffset: 4000n, lastOffset: 4009n });
    assert.deepEqual(markers, []);
    assert.ok(decidedBelow > 4009n);
  });
});
