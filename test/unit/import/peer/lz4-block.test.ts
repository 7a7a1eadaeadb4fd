import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compressSync } from 'lz4-napi';
import { expandLz4Block } from '../../../../src/import/peer/lz4-block.ts';

const SEED = { seed: 20_261_123, numRuns: 200 };

async function* cut(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.byteLength; from += chunkBytes) yield bytes.subarray(from, from + chunkBytes);
}

async function expand(bytes: Uint8Array, chunkBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of expandLz4Block(cut(bytes, chunkBytes))) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** Words that repeat near and far, and noise that does not: runs, overlapping matches, long literals. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc
        .constantFrom('order', 'shipped', 'aaaaaaaaaaaaaaaaaaaaaaaaa', '{"state":"', 'xy')
        .map((word) => Buffer.from(word)),
      fc.uint8Array({ maxLength: 400 }).map((noise) => Buffer.from(noise)),
      fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, length]) => Buffer.alloc(length, byte)),
    ),
    { maxLength: 60 },
  )
  .map((parts) => Buffer.concat(parts));

describe('an LZ4 block', () => {
  test('expands to what was compressed, however its bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(anyBytes, fc.integer({ min: 1, max: 500 }), async (bytes, chunkBytes) => {
        assert.deepEqual(await expand(compressSync(bytes), chunkBytes), bytes);
      }),
      SEED,
    );
  });

  test('expands beyond the size of a piece, with matches across its borders', async () => {
    const line = Buffer.from(Array.from({ length: 60_000 }, (_, index) => (index * index * 31) % 251));
    const bytes = Buffer.concat(
      Array.from({ length: 60 }, (_, index) => Buffer.concat([line, Buffer.from(`-${index}-`)])),
    );
    assert.ok(bytes.byteLength > 3 * 1024 * 1024);
    assert.deepEqual(await expand(compressSync(bytes), 1000), bytes);
    const noise = Buffer.from(Array.from({ length: 2_500_000 }, (_, index) => Math.imul(index, 2_654_435_761) >>> 24));
    assert.deepEqual(await expand(compressSync(noise), 1024 * 1024), noise);
  });

  test('that is cut short anywhere is an error', async () => {
    const whole = compressSync(Buffer.from('{"state":"shipped"}'.repeat(40) + 'the end of it all, without any match'));
    for (let length = 0; length < whole.byteLength; length += 1) {
      await assert.rejects(expand(whole.subarray(0, length), 7), { code: 'SOURCE_DAMAGED' }, `${length} bytes`);
    }
  });

  test('that expands to more than it declares ends there', async () => {
    const whole = Buffer.from(compressSync(Buffer.alloc(1_000_000, 7)));
    whole.writeUInt32LE(1000);
    await assert.rejects(expand(whole, 64), /expands beyond the 1000 bytes it declares/);
  });

  test('that refers to bytes before its start is an error', async () => {
    // One literal, then a match two bytes back.
    const block = Buffer.from([5, 0, 0, 0, 0x10, 0x61, 2, 0]);
    await assert.rejects(expand(block, 64), /before its start/);
  });
});
