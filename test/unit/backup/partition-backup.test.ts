import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { FrameMemory } from '../../../src/backup/frame/frame-memory.ts';
import { PartitionBackup, type PartitionContext } from '../../../src/backup/partition-backup.ts';
import { UploadBudget } from '../../../src/backup/upload-budget.ts';
import { PartitionRoster } from '../../../src/backup/roster/partition-roster.ts';
import { TrackedPartition } from '../../../src/backup/roster/tracked-partition.ts';
import type { CatalogAction } from '../../../src/catalog/commit.ts';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { maxStoredSize } from '../../../src/compression/frame-codec.ts';
import { SharedBufferPool } from '../../../src/compression/shared-buffer-pool.ts';
import type { TaskKind, WorkerPool } from '../../../src/compression/worker-pool.ts';
import { retained } from '../../../src/model/buffer/retained-memory.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import { packFrame, type PackTask } from '../../../src/segment/pack-frame.ts';
import type { SealLimits, SealReason } from '../../../src/segment/seal-policy.ts';
import { readFooter, readFrame } from '../../../src/segment/segment-reader.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { IDENTITY, jsonBatch, OUTPUTS } from '../segment/segment-fixture.ts';

const FRAME_BYTES = 64 * 1024;
const TEN = 10;
/** Of the default: ten whole frames. */
const BUDGET_FRAMES = 10;

/** One thread that is slower than whoever feeds it. */
class SlowWorkers implements WorkerPool {
  readonly threads = 1;
  #last: Promise<unknown> = Promise.resolve();

  run<Task, Result>(_kind: TaskKind<Task, Result>, task: Task): Promise<Result> {
    const result = this.#last.then(async () => {
      for (let turn = 0; turn < 5; turn += 1) await setImmediate();
      return packFrame(task as PackTask) as Result;
    });
    this.#last = result.catch(() => {});
    return result;
  }

  usage(): { readonly queued: number; readonly utilization: number } {
    return { queued: 0, utilization: 1 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const UNLIMITED: SealLimits = { maxBytes: 1 << 30, maxIntervalMs: 1 << 30, maxRecords: null };

interface Rig {
  readonly store: MemoryObjectStore;
  readonly memory: FrameMemory;
  readonly backups: readonly PartitionBackup[];
  readonly segments: readonly SegmentSummary[];
  readonly reasons: readonly SealReason[];
}

/** `uploads`: without one, a store that takes objects as they come. */
function openRig(
  partitions: number,
  uploads = new UploadBudget(1, 0),
  { limits = UNLIMITED, monotonicMs = () => 0 }: { limits?: SealLimits; monotonicMs?: () => number } = {},
): Rig {
  const store = new MemoryObjectStore();
  const workers = new SlowWorkers();
  const memory = new FrameMemory(BUDGET_FRAMES * FRAME_BYTES, FRAME_BYTES);
  const roster = new PartitionRoster(partitions, () => {});
  const segments: SegmentSummary[] = [];
  const reasons: SealReason[] = [];
  const context: PartitionContext = {
    layout: new ObjectLayout('b'),
    store,
    workers,
    outputs: new SharedBufferPool(maxStoredSize(FRAME_BYTES), OUTPUTS),
    memory,
    uploads,
    settings: { codec: 'zstd', level: 1 },
    limits,
    recompress: 'never',
    monotonicMs,
    wallMs: () => 0,
    queue: (action: CatalogAction) => {
      if (action.kind === 'segment') segments.push(action.segment);
    },
    relieveMemory: () => roster.relieveMemory(memory),
    relieveUploads: () => roster.relieveUploads(uploads),
    onSealed: (reason) => reasons.push(reason),
  };
  const backups = Array.from({ length: partitions }, (_, partition) => {
    const resume = { nextOffset: 0n, leaderEpoch: -1, timeline: 0 };
    const backup = new PartitionBackup({ ...IDENTITY, partition }, resume, context);
    roster.add(
      new TrackedPartition({
        backup,
        leader: 0,
        endOffset: undefined,
        committedOffset: backup.nextOffset,
        heldToMs: null,
        foundAtMs: 0,
      }),
    );
    return backup;
  });
  return { store, memory, backups, segments, reasons };
}

/** Feeds every partition in turn, an answer of many one-record batches at a time, as a broker that is never waited for. */
async function feed(backups: readonly PartitionBackup[], answers: number, batches: number): Promise<void> {
  const positions = { highWatermark: 1_000_000n, lastStableOffset: 1_000_000n, logStartOffset: 0n };
  for (let answer = 0; answer < answers; answer += 1) {
    const from = answer * batches;
    const records = Buffer.concat(Array.from({ length: batches }, (_, index) => jsonBatch(BigInt(from + index), 1)));
    for (const backup of backups) await backup.append(records, positions);
  }
  for (const backup of backups) backup.seal('end');
  for (const backup of backups) await backup.settled();
}

async function frameSizes({ store, segments }: Rig): Promise<number[][]> {
  const footers = await Promise.all(segments.map((segment) => readFooter(store, segment)));
  return footers.map(({ frames }) => frames.map(({ rawSizeBytes }) => rawSizeBytes));
}

describe('a partition that is filled faster than it is packed', () => {
  it('waits for memory instead of cutting its frames into splinters', async () => {
    const rig = openRig(4);
    await feed(rig.backups, 40, 200);
    for (const sizes of await frameSizes(rig)) {
      const splinters = sizes.slice(0, -1).filter((size) => size < FRAME_BYTES / 2);
      assert.equal(splinters.length, 0, `frames of ${sizes.join(', ')} bytes`);
    }
  });

  it('gets on when more partitions have open frames than there is memory for whole ones', {
    timeout: 60_000,
  }, async () => {
    const rig = openRig(BUDGET_FRAMES * 3);
    await feed(rig.backups, 6, 100);
    assert.equal(rig.segments.length, BUDGET_FRAMES * 3);
    for (const { recordCount } of rig.segments) assert.equal(recordCount, 600);
  });

  it('gets on when several brokers fill partitions that hold all memory in open frames', {
    timeout: 60_000,
  }, async () => {
    const partitions = BUDGET_FRAMES * 16;
    const rig = openRig(partitions);
    const brokers = [0, 1, 2].map((broker) => rig.backups.filter((_, index) => index % 3 === broker));
    await Promise.all(brokers.map((backups) => feed(backups, 6, 40)));
    assert.equal(rig.segments.length, partitions);
    for (const { recordCount } of rig.segments) assert.equal(recordCount, 240);
  });
});

/** All batches of a segment. */
async function bytesOf(store: ObjectStore, segment: SegmentSummary): Promise<Buffer> {
  const { frames } = await readFooter(store, segment);
  const stored = await Promise.all(frames.map((frame) => readFrame(store, segment, frame)));
  return Buffer.concat(stored.map((frame) => zstdDecompressSync(frame)));
}

describe('a partition whose answers lie in shared memory', () => {
  const BATCHES = Array.from({ length: 400 }, (_, index) => jsonBatch(BigInt(index * TEN), TEN));
  const END = BigInt(BATCHES.length * TEN);
  const positions = { highWatermark: END, lastStableOffset: END, logStartOffset: 0n };

  /** Hands the batches over in answers of about `answerBytes`, each in memory that is wiped once nobody retains it. */
  async function feedShared(backup: PartitionBackup, answerBytes: number): Promise<{ answers: number; wiped: number }> {
    const all = Buffer.concat(BATCHES);
    const count = { answers: 0, wiped: 0 };
    while (backup.nextOffset < END) {
      const from = BATCHES.slice(0, Number(backup.nextOffset) / TEN).reduce(
        (sum, { byteLength }) => sum + byteLength,
        0,
      );
      const rest = all.subarray(from, from + answerBytes);
      const records = new Uint8Array(new SharedArrayBuffer(rest.byteLength));
      records.set(rest);
      const memory = retained(() => {
        records.fill(0);
        count.wiped += 1;
      });
      count.answers += 1;
      await backup.append(records, positions, undefined, memory);
      memory.release();
    }
    backup.seal('end');
    await backup.settled();
    return count;
  }

  for (const [answers, answerBytes] of [
    ['of a whole frame', FRAME_BYTES],
    ['of more than two frames', FRAME_BYTES * 2.3],
    ['of a small part of a frame', FRAME_BYTES / 10],
  ] as const) {
    it(`stores answers ${answers} as they came, and gives their memory back`, async () => {
      const rig = openRig(1);
      const { answers: count, wiped } = await feedShared(rig.backups[0]!, Math.floor(answerBytes));
      assert.equal(wiped, count);
      assert.equal(rig.memory.lentBytes, 0);
      const segment = rig.segments[0]!;
      assert.equal(segment.recordCount, Number(END));
      assert.ok((await bytesOf(rig.store, segment)).equals(Buffer.concat(BATCHES)));
    });
  }

  it('makes a frame of each answer that fills one nearly, instead of copying it', async () => {
    const rig = openRig(1);
    const { answers } = await feedShared(rig.backups[0]!, FRAME_BYTES);
    const [sizes] = await frameSizes(rig);
    assert.equal(sizes?.length, answers);
    assert.ok(
      sizes.slice(0, -1).every((size) => size > FRAME_BYTES * 0.75),
      `frames of ${sizes.join(', ')} bytes`,
    );
  });
});

describe('a partition that goes back to what is durable while its batches wait for memory', () => {
  it('leaves nothing of them behind', { timeout: 60_000 }, async () => {
    const rig = openRig(1);
    const [backup] = rig.backups;
    assert.ok(backup !== undefined);
    const positions = { highWatermark: 1000n, lastStableOffset: 1000n, logStartOffset: 0n };
    const batches = [0n, 10n, 20n, 30n].map((offset) => jsonBatch(offset, 10));
    const others: Uint8Array[] = [];
    for (let taken = rig.memory.take(1024); taken !== undefined; taken = rig.memory.take(1024)) others.push(taken);
    const waiting = backup.append(Buffer.concat(batches.slice(2)), positions);
    await setImmediate();
    const reset = backup.reset();
    for (const taken of others) rig.memory.give(taken);
    await Promise.all([waiting, reset]);
    assert.deepEqual([backup.openFrameBytes, rig.memory.lentBytes], [0, 0]);
    await backup.append(Buffer.concat(batches), positions);
    backup.seal('end');
    await backup.settled();
    const [segment] = rig.segments;
    assert.ok(segment !== undefined);
    const { frames } = await readFooter(rig.store, segment);
    assert.deepEqual([frames[0]?.baseOffset, segment.recordCount], [0n, 40]);
  });
});

/** Notes the most that was held. */
class WatchedBudget extends UploadBudget {
  mostHeldBytes = 0;

  override get isSpent(): boolean {
    this.mostHeldBytes = Math.max(this.mostHeldBytes, this.heldBytes);
    return super.isSpent;
  }
}

describe('partitions whose store holds parts in memory', () => {
  const BUDGET_BYTES = FRAME_BYTES;

  it('seals the largest segments early when the upload budget is spent', { timeout: 60_000 }, async () => {
    const uploads = new WatchedBudget(BUDGET_BYTES, 1 << 30);
    const { backups, segments, reasons } = openRig(8, uploads);
    await feed(backups, 20, 200);
    assert.ok(reasons.filter((reason) => reason === 'memory').length >= 8, reasons.join());
    // Beside the budget: what was taken in before it was spent.
    const limit = BUDGET_BYTES + 2 * BUDGET_FRAMES * FRAME_BYTES;
    assert.ok(uploads.mostHeldBytes > 0 && uploads.mostHeldBytes <= limit, `${uploads.mostHeldBytes} of ${limit}`);
    assert.equal(uploads.heldBytes, 0);
    for (const { identity } of backups) {
      const own = segments.filter(({ partition }) => partition === identity.partition);
      assert.equal(
        own.reduce((total, { recordCount }) => total + recordCount, 0),
        4000,
      );
    }
  });

  it('holds up to a part of each segment', () => {
    const uploads = new UploadBudget(100, 60);
    const [one, other] = [uploads.open(), uploads.open()];
    one.grow(29);
    other.grow(20);
    assert.deepEqual([uploads.heldBytes, uploads.isSpent], [98, false]);
    other.grow(21);
    assert.equal(uploads.isSpent, true);
    one.grow(130);
    assert.deepEqual([one.heldBytes, uploads.heldBytes], [60, 102]);
    other.end();
    one.end();
    one.grow(20);
    assert.equal(uploads.heldBytes, 0);
  });

  it('gives back what a partition held that begins again', { timeout: 60_000 }, async () => {
    const uploads = new UploadBudget(1 << 30, 1 << 30);
    const { backups } = openRig(1, uploads);
    const positions = { highWatermark: 1000n, lastStableOffset: 1000n, logStartOffset: 0n };
    await backups[0]!.append(jsonBatch(0n, 500), positions);
    backups[0]!.closeFrame();
    while (uploads.heldBytes === 0) await setTimeout(1);
    await backups[0]!.reset();
    assert.equal(uploads.heldBytes, 0);
  });
});

describe('what a partition knows of its transactions', () => {
  /** An answer with the ten records from `from` on. */
  function answer(
    backup: PartitionBackup,
    from: number,
    highWatermark: number,
    lastStableOffset: number,
  ): Promise<void> {
    const positions = {
      logStartOffset: 0n,
      highWatermark: BigInt(highWatermark),
      lastStableOffset: BigInt(lastStableOffset),
    };
    return backup.append(jsonBatch(BigInt(from), TEN), positions);
  }

  async function decidedOffset(
    backup: PartitionBackup,
    segments: readonly SegmentSummary[],
  ): Promise<bigint | undefined> {
    backup.seal('end');
    await backup.settled();
    return segments.at(-1)?.decidedOffset;
  }

  it('rests on markers below a watermark that was read after it, never on those that only its own answer knew', async () => {
    const { backups, segments } = openRig(1);
    const backup = backups[0]!;
    await answer(backup, 0, 10, 8);
    assert.equal(await decidedOffset(backup, segments), 0n);
    // The watermark has moved between the broker's two looks: what decides offsets up to 25 lies above 20.
    await answer(backup, 10, 20, 25);
    assert.equal(await decidedOffset(backup, segments), 8n);
    await answer(backup, 20, 40, 38);
    assert.equal(await decidedOffset(backup, segments), 8n);
    await answer(backup, 30, 40, 40);
    assert.equal(await decidedOffset(backup, segments), 25n);
    await answer(backup, 40, 50, 50);
    assert.equal(await decidedOffset(backup, segments), 40n);
  });

  it('is at the end of a backup what it was at its start, however the log goes on', async () => {
    const { backups, segments } = openRig(1);
    const backup = backups[0]!;
    backup.observeStart({ highWatermark: 20n, lastStableOffset: 18n });
    await answer(backup, 0, 500, 400);
    assert.equal(await decidedOffset(backup, segments), 0n);
    await answer(backup, 10, 600, 600);
    assert.equal(await decidedOffset(backup, segments), 18n);
  });

  it('does not rest on the watermark of a new leader that lags behind, nor on a log that was cut since', async () => {
    const { backups, segments } = openRig(1);
    const backup = backups[0]!;
    await answer(backup, 0, 30, 30);
    await answer(backup, 10, 20, 20);
    assert.equal(await decidedOffset(backup, segments), 0n);
    await answer(backup, 20, 30, 30);
    assert.equal(await decidedOffset(backup, segments), 30n);
    await backup.truncateTo(10n);
    await answer(backup, 10, 20, 20);
    assert.equal(await decidedOffset(backup, segments), 0n);
    await answer(backup, 20, 30, 30);
    assert.equal(await decidedOffset(backup, segments), 20n);
  });

  it('does not rest on the end of a log that was cut before it was stored', async () => {
    const { backups, segments } = openRig(1);
    const backup = backups[0]!;
    await answer(backup, 0, 30, 30);
    // What was taken in is not durable: the log that has grown since agrees with all that is, and its transaction is open.
    await backup.reset();
    for (const from of [0, 10, 20, 30]) await answer(backup, from, 40, 5);
    assert.equal(await decidedOffset(backup, segments), 5n);
  });
});

describe('a partition seals its segment', () => {
  const positions = { highWatermark: 10_000n, lastStableOffset: 10_000n, logStartOffset: 0n };

  /** `count` batches of `records` each in one answer, from `from` on. */
  function answer(backup: PartitionBackup, from: number, count: number, records = 1): Promise<void> {
    const batches = Array.from({ length: count }, (_, index) => jsonBatch(BigInt(from + index * records), records));
    return backup.append(Buffer.concat(batches), positions);
  }

  it('at so many records, within an answer and across answers, and the rest at the end', async () => {
    const { backups, segments, reasons } = openRig(1, undefined, { limits: { ...UNLIMITED, maxRecords: 100 } });
    const backup = backups[0]!;
    await answer(backup, 0, 250);
    await answer(backup, 250, 180);
    assert.deepEqual(reasons, ['records', 'records', 'records', 'records']);
    backup.seal('end');
    await backup.settled();
    const counts = segments.map(({ recordCount }) => recordCount);
    assert.deepEqual(counts, [100, 100, 100, 100, 30]);
    assert.equal(reasons.at(-1), 'end');
  });

  it('behind the batch that reaches the number of records: no batch is cut', async () => {
    const { backups, segments } = openRig(1, undefined, { limits: { ...UNLIMITED, maxRecords: 100 } });
    await answer(backups[0]!, 0, 8, 40);
    backups[0]!.seal('end');
    await backups[0]!.settled();
    const counts = segments.map(({ recordCount }) => recordCount);
    assert.deepEqual(counts, [120, 120, 80]);
  });

  it('at so many bytes before compression', async () => {
    const batchBytes = jsonBatch(1000n, 1).byteLength;
    const limits = { ...UNLIMITED, maxBytes: 10 * batchBytes };
    const { backups, segments, reasons } = openRig(1, undefined, { limits });
    await answer(backups[0]!, 1000, 35);
    assert.deepEqual(reasons, ['size', 'size', 'size']);
    backups[0]!.seal('end');
    await backups[0]!.settled();
    const sizes = segments.map(({ rawSizeBytes }) => rawSizeBytes / batchBytes);
    assert.deepEqual(sizes, [10, 10, 10, 5]);
  });

  it('when its oldest record has been held for so long, across answers, and not again while it holds none', async () => {
    let nowMs = 0;
    const limits = { ...UNLIMITED, maxIntervalMs: 1000 };
    const { backups, segments, reasons } = openRig(1, undefined, { limits, monotonicMs: () => nowMs });
    const backup = backups[0]!;
    await answer(backup, 0, 5);
    nowMs = 999;
    await answer(backup, 5, 5);
    backup.sealIfDue();
    assert.deepEqual(reasons, []);
    nowMs = 1000;
    backup.sealIfDue();
    assert.deepEqual(reasons, ['interval']);
    nowMs = 5000;
    backup.sealIfDue();
    await answer(backup, 10, 1);
    nowMs = 5999;
    backup.sealIfDue();
    assert.deepEqual(reasons, ['interval']);
    nowMs = 6000;
    backup.sealIfDue();
    await backup.settled();
    assert.deepEqual(reasons, ['interval', 'interval']);
    const counts = segments.map(({ recordCount }) => recordCount);
    assert.deepEqual(counts, [10, 1]);
  });
});
