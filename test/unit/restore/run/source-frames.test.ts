import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SharedBufferPool } from '../../../../src/compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import type { SegmentSummary } from '../../../../src/model/segment/segment.ts';
import { judgeFrame } from '../../../../src/restore/judge/judge-frame.ts';
import type { JudgeTask } from '../../../../src/restore/judge/judge-task.ts';
import type { PartitionRestorePlan } from '../../../../src/restore/restore-plan.ts';
import { LargeFrames } from '../../../../src/restore/run/large-frames.ts';
import { type FrameContext, type SourceFrame, SourceFrames } from '../../../../src/restore/run/source-frames.ts';
import { batchSettings } from '../../../../src/restore/journal/make-intent.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { encodeBatch } from '../../../support/record-batches.ts';
import { startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';
import { SETTINGS } from './run-fixture.ts';

const FRAMES = 12;
const POOLED_BYTES = 1000;
const RECORD_BYTES = 10_000;
/** Some three frames with their stored bytes. */
const LIMIT_BYTES = 80_000;
const JUDGING: WorkerPool = {
  threads: 2,
  run: async (_kind, task) => judgeFrame(task as JudgeTask) as never,
  usage: () => ({ queued: 0, utilization: 0 }),
  close: async () => {},
};

type Frames = AsyncGenerator<SourceFrame>;

describe('frames that are read ahead, larger than the buffers of the pools', () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  let stored: SegmentSummary;
  before(async () => {
    workers = startWorkers(1);
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    const frames = Array.from({ length: FRAMES }, (_, index) => {
      const records = [{ timestampMs: T0, key: null, value: new Uint8Array(RECORD_BYTES) }];
      return [encodeBatch({ baseOffset: BigInt(index), records })];
    });
    stored = await backup.segment(frames, { codec: 'none' });
  });
  after(() => workers.close());

  function contextOf(): FrameContext {
    return {
      store: backup.store,
      workers: JUDGING,
      stored: new SharedBufferPool(POOLED_BYTES, 3),
      outputs: new SharedBufferPool(POOLED_BYTES, 8),
      large: new LargeFrames(LIMIT_BYTES),
      settings: { ...batchSettings(SETTINGS), brokerCodec: null },
    };
  }

  function read(context: FrameContext, segment: SegmentSummary = stored): Frames {
    const plan: PartitionRestorePlan = {
      source: segment,
      recoveryTarget: { cut: 'timestamp' },
      segments: [{ segment, fromOffset: 0n, toOffset: BigInt(FRAMES) }],
      transactionalSegments: [],
      decidedBelow: 0n,
      cutBelow: null,
      cutBefore: [],
      gaps: [],
      isKnown: true,
      missing: [],
      lostSince: null,
    };
    return new SourceFrames({ plan, shape: null, context, isBehind: () => false }).read();
  }

  /** Undefined when it does not come. */
  async function nextOf(next: Promise<IteratorResult<SourceFrame>>): Promise<SourceFrame | undefined> {
    const idle = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 100));
    const result = await Promise.race([next, idle]);
    return result === undefined || result.done === true ? undefined : result.value;
  }

  function release(frame: SourceFrame | undefined): void {
    assert.ok(frame?.kind === 'judged');
    frame.release();
  }

  test('are read only as far as their memory is given back', async () => {
    const frames = read(contextOf());
    const held: SourceFrame[] = [];
    let waiting = frames.next();
    for (let next = await nextOf(waiting); next !== undefined; next = await nextOf(waiting)) {
      held.push(next);
      waiting = frames.next();
    }
    assert.equal(held.length, 3);
    for (let index = held.length; index < FRAMES; index += 1) {
      release(held.shift());
      held.push((await waiting).value);
      waiting = frames.next();
    }
    for (const frame of held) release(frame);
    assert.equal((await waiting).done, true);
  });

  test('of lanes that share the memory come all, one at a time at least, and are let go when a lane fails', async () => {
    const context = contextOf();
    const lanes = [read(context), read(context), read(context)];
    const first = await Promise.all(lanes.map((lane) => nextOf(lane.next())));
    for (const frame of first) release(frame);
    await lanes[0]!.return(undefined);
    for (const lane of lanes.slice(1)) {
      let count = 1;
      for await (const frame of lane) {
        release(frame);
        count += 1;
      }
      assert.equal(count, FRAMES);
    }
  });

  test('are refused when they hold another number of records than their footer says', async () => {
    const forged = await backup.forge(stored, (footer) => ({
      ...footer,
      frames: footer.frames.map((frame, index) => ({ ...frame, recordCount: index === 0 ? 2 : frame.recordCount })),
    }));
    await assert.rejects(read(contextOf(), forged).next(), {
      code: 'OBJECT_CORRUPT',
      message: /the frame at offset 0 holds 1 records, and 2 by its footer/,
    });
  });
});
