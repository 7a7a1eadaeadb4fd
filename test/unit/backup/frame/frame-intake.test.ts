import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { FrameIntake } from '../../../../src/backup/frame/frame-intake.ts';
import { FrameMemory } from '../../../../src/backup/frame/frame-memory.ts';
import { type RetainedMemory, retained } from '../../../../src/model/buffer/retained-memory.ts';
import { BackupError } from '../../../../src/model/errors.ts';
import { BatchCursor } from '../../../../src/record/batch-cursor.ts';
import type { RawFrame } from '../../../../src/segment/segment-writer.ts';
import { jsonBatch } from '../../segment/segment-fixture.ts';

const FRAME_BYTES = 64 * 1024;
const BATCH = jsonBatch(0n, 10);

/** What was closed waits to be packed until `fail` is called. */
function openIntake() {
  const memory = new FrameMemory(4 * FRAME_BYTES, FRAME_BYTES);
  const closed: RawFrame[] = [];
  const packing = Promise.withResolvers<never>();
  const intake = new FrameIntake({
    memory,
    relieveMemory: () => {},
    recompress: 'never',
    codec: 'zstd',
    pack: (frame) => {
      closed.push(frame);
      return packing.promise;
    },
  });
  const fail = async (): Promise<void> => {
    packing.reject(new BackupError('INTERRUPTED', 'given up'));
    await setImmediate();
  };
  return { memory, closed, intake, fail };
}

/** So many batches back to back in memory that threads can read, and whether it was given back. */
function sharedBatches(count: number): { records: Uint8Array; source: RetainedMemory; isGivenBack: () => boolean } {
  const records = new Uint8Array(new SharedArrayBuffer(BATCH.byteLength * count));
  for (let at = 0; at < records.byteLength; at += BATCH.byteLength) records.set(BATCH, at);
  let isGivenBack = false;
  const source = retained(() => {
    isGivenBack = true;
  });
  return { records, source, isGivenBack: () => isGivenBack };
}

function takeAll(intake: FrameIntake, records: Uint8Array, source: RetainedMemory | undefined): void {
  intake.enter(source);
  const header = new BatchCursor(records);
  while (header.next()) {
    assert.ok(intake.makeRoomFor(header, records.byteLength - header.position));
    intake.append(records, header);
  }
  intake.leave();
}

const NEARLY_A_FRAME = Math.floor((FRAME_BYTES * 0.9) / BATCH.byteLength);

describe('the intake of a partition', () => {
  it('closes a frame that an answer fills nearly where it lies, and retains the answer until it is packed', async () => {
    const { memory, closed, intake, fail } = openIntake();
    const { records, source, isGivenBack } = sharedBatches(NEARLY_A_FRAME);
    takeAll(intake, records, source);
    source.release();
    assert.equal(closed[0]?.raw.buffer, records.buffer);
    assert.deepEqual([intake.openBytes, isGivenBack()], [0, false]);
    await fail();
    assert.deepEqual([memory.lentBytes, isGivenBack()], [0, true]);
  });

  it('copies what fills a small part of a frame, and what lies in memory that nobody may keep', async () => {
    for (const [count, isRetainable] of [
      [3, true],
      [NEARLY_A_FRAME, false],
    ] as const) {
      const { memory, closed, intake, fail } = openIntake();
      const { records, source, isGivenBack } = sharedBatches(count);
      const expected = Buffer.from(records);
      takeAll(intake, records, isRetainable ? source : undefined);
      source.release();
      records.fill(0);
      assert.deepEqual([closed.length, isGivenBack()], [0, true]);
      intake.close();
      assert.ok(Buffer.from(closed[0]?.raw ?? []).equals(expected));
      await fail();
      assert.equal(memory.lentBytes, 0);
    }
  });

  it('has no room when memory is spent, and has it again after what others hold was given back', async () => {
    const { memory, intake } = openIntake();
    const others = Array.from({ length: 4 }, () => memory.take(FRAME_BYTES) ?? assert.fail());
    const header = new BatchCursor(BATCH);
    assert.ok(header.next());
    assert.equal(intake.makeRoomFor(header, BATCH.byteLength), false);
    const released = intake.untilMemoryIsReleased();
    memory.give(others[0] ?? assert.fail());
    await released;
    assert.ok(intake.makeRoomFor(header, BATCH.byteLength));
  });

  it('forgets a frame that is discarded, and hands an empty one to nobody', () => {
    const { memory, closed, intake } = openIntake();
    takeAll(intake, BATCH, undefined);
    intake.discard();
    const header = new BatchCursor(BATCH);
    assert.ok(header.next());
    assert.ok(intake.makeRoomFor(header, BATCH.byteLength));
    intake.close();
    assert.deepEqual([closed.length, intake.openBytes, memory.lentBytes], [0, 0, 0]);
  });
});
