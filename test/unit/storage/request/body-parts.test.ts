import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cutParts, PartMemory } from '../../../../src/storage/request/body-parts.ts';

const SEED = { seed: 20_261_123 };

describe('a body cut into parts', () => {
  test('is the same bytes, in full parts and a last one that is empty only when the body is', async () => {
    const anyBody = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(anyBody, fc.integer({ min: 1, max: 33 }), async (chunks, partBytes) => {
        const parts: Buffer[] = [];
        let lasts = 0;
        for await (const { bytes, isLast, release } of cutParts(chunks, new PartMemory(partBytes, 2, 3))) {
          assert.ok(isLast || bytes.byteLength === partBytes);
          lasts += isLast ? 1 : 0;
          parts.push(Buffer.from(bytes));
          release();
        }
        const whole = Buffer.concat(chunks);
        assert.ok(Buffer.concat(parts).equals(whole));
        assert.equal(lasts, 1);
        assert.equal(parts.length, Math.max(1, Math.ceil(whole.byteLength / partBytes)));
      }),
      { ...SEED, numRuns: 300 },
    );
  });

  test('is read before the next chunk is asked for, from shared memory too', async () => {
    async function* reusing(): AsyncGenerator<Uint8Array> {
      const chunk = new Uint8Array(new SharedArrayBuffer(3));
      for (const fill of [1, 2, 3]) yield chunk.fill(fill);
      chunk.fill(9);
    }
    const parts: string[] = [];
    for await (const { bytes } of cutParts(reusing(), new PartMemory(4, 1))) parts.push(bytes.join(''));
    assert.deepEqual(parts, ['1112', '2233', '3']);
  });

  test('is ended when nobody wants the rest, and passes on what it fails with', async () => {
    let isEnded = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(10);
      } finally {
        isEnded = true;
      }
    }
    for await (const _ of cutParts(endless(), new PartMemory(4, 1))) break;
    assert.ok(isEnded);
    const failure = new Error('the body failed');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
      throw failure;
    }
    await assert.rejects(
      async () => {
        for await (const _ of cutParts(failing(), new PartMemory(4, 1)));
      },
      (error) => error === failure,
    );
  });
});

describe('the memory of parts', () => {
  test('is used again, and no more of it is kept than was said', () => {
    const memory = new PartMemory(8, 1);
    const [first, second] = [memory.take(8), memory.take(8)];
    assert.notEqual(first, second);
    memory.give(first);
    memory.give(second);
    assert.equal(memory.take(8), first);
    assert.notEqual(memory.take(8), second);
  });

  test('is shared for twice as many whole parts as may lie idle, and for no other', () => {
    const memory = new PartMemory(8, 1, 2);
    const isShared = ({ buffer }: Buffer): boolean => buffer instanceof SharedArrayBuffer;
    assert.deepEqual(
      [4, 8, 8, 8].map((sizeBytes) => isShared(memory.take(sizeBytes))),
      [false, true, true, false],
    );
  });

  test('grows with the first part of a body, and is whole for the others', async () => {
    const memory = new PartMemory(10, 4, 2);
    const sizes: number[] = [];
    for await (const { bytes } of cutParts([Buffer.alloc(3)], memory)) sizes.push(bytes.buffer.byteLength);
    for await (const { bytes } of cutParts(Array(11).fill(Buffer.alloc(1)), memory)) {
      sizes.push(bytes.buffer.byteLength);
    }
    assert.deepEqual(sizes, [4, 10, 10]);
    assert.equal(memory.take(9).byteLength, 10);
  });
});
