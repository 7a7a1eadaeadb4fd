import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameMemory } from '../../../../src/backup/frame/frame-memory.ts';
import { OpenFrame } from '../../../../src/backup/frame/open-frame.ts';
import { splitBatches } from '../../../../src/record/batch-header.ts';
import { jsonBatch } from '../../../support/stored-backup.ts';

const BATCHES = Array.from({ length: 12 }, (_, index) => jsonBatch(BigInt(index * 10), (index % 3) + 1));
/** Of batches `from` to before `to`, back to back. */
const bytesOf = (from: number, to: number): Buffer => Buffer.concat(BATCHES.slice(from, to));

function newFrame(): { readonly frame: OpenFrame; readonly memory: FrameMemory } {
  const memory = new FrameMemory(1024 * 1024, 256 * 1024);
  return { frame: new OpenFrame(memory.take(16 * 1024) ?? assert.fail(), 0n), memory };
}

function take(frame: OpenFrame, source: Uint8Array, isWanted: (index: number) => boolean = () => true): void {
  for (const [index, header] of [...splitBatches(source)].entries()) if (isWanted(index)) frame.append(source, header);
}

const contentOf = (frame: OpenFrame): Buffer => Buffer.from(frame.memory.subarray(0, frame.filledBytes));

describe('an open frame', () => {
  test('holds what was taken in from several sources, whatever becomes of them after the flush', () => {
    const { frame } = newFrame();
    for (const [from, to] of [
      [0, 5],
      [5, 12],
    ] as const) {
      const source = bytesOf(from, to);
      take(frame, source);
      frame.flush();
      source.fill(0);
    }
    assert.ok(contentOf(frame).equals(bytesOf(0, 12)));
    assert.deepEqual([frame.batchCount, frame.recordCount, frame.lastOffset], [12, 24, 112n]);
  });

  test('leaves out what lies between the batches that were taken in, and a second flush changes nothing', () => {
    const { frame } = newFrame();
    take(frame, bytesOf(0, 12), (index) => index < 3 || (index > 4 && index < 9));
    frame.flush();
    frame.flush();
    assert.ok(contentOf(frame).equals(Buffer.concat([bytesOf(0, 3), bytesOf(5, 9)])));
  });

  test('goes on from one source to the next without a flush between them', () => {
    const { frame } = newFrame();
    take(frame, bytesOf(0, 4));
    take(frame, bytesOf(4, 6));
    frame.flush();
    assert.ok(contentOf(frame).equals(bytesOf(0, 6)));
  });

  test('keeps what is taken in and not copied yet when it grows', () => {
    const { frame, memory } = newFrame();
    const source = bytesOf(0, 12);
    take(frame, source, (index) => index < 7);
    assert.ok(frame.growFor(100 * 1024, memory));
    take(frame, source, (index) => index >= 7);
    frame.flush();
    assert.ok(contentOf(frame).equals(source));
  });
});
