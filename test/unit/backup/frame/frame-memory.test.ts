import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FrameMemory } from '../../../../src/backup/frame/frame-memory.ts';

const FRAME_BYTES = 64 * 1024;
const BUDGET_BYTES = 4 * FRAME_BYTES;

describe('the memory of frames', () => {
  test('lends no more than its budget, out of memory that it makes once', () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 * FRAME_BYTES }), fc.nat()), { maxLength: 200 });
    fc.assert(
      fc.property(sizes, (steps) => {
        const memory = new FrameMemory(BUDGET_BYTES, FRAME_BYTES);
        const lent: Uint8Array[] = [];
        const slabs = new Set<ArrayBufferLike>();
        for (const [sizeBytes, given] of steps) {
          const taken = memory.take(sizeBytes);
          if (taken === undefined) for (const bytes of lent.splice(given % lent.length, 1)) memory.give(bytes);
          else lent.push(taken);
          if (taken !== undefined && sizeBytes <= FRAME_BYTES) slabs.add(taken.buffer);
          assert.equal(
            memory.lentBytes,
            lent.reduce((total, { byteLength }) => total + byteLength, 0),
          );
          assert.ok(memory.lentBytes <= BUDGET_BYTES && slabs.size <= 4);
        }
      }),
    );
  });

  test('lends a batch larger than the budget when nothing else is lent, and uses its memory again for the like', () => {
    const memory = new FrameMemory(BUDGET_BYTES, FRAME_BYTES);
    const small = memory.take(1) ?? assert.fail();
    assert.equal(memory.take(2 * BUDGET_BYTES), undefined);
    memory.give(small);
    memory.give(memory.take(2 * BUDGET_BYTES) ?? assert.fail());
    const large = memory.take(FRAME_BYTES + 1) ?? assert.fail();
    memory.give(large);
    assert.equal(memory.take(2 * FRAME_BYTES)?.buffer, large.buffer);
  });

  test('wakes whoever waits when something comes back', async () => {
    const memory = new FrameMemory(FRAME_BYTES, FRAME_BYTES);
    const taken = memory.take(FRAME_BYTES) ?? assert.fail();
    assert.equal(memory.take(1), undefined);
    const released = memory.released();
    memory.give(taken);
    await released;
    assert.notEqual(memory.take(1), undefined);
  });
});
