import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import type { BackupError } from '../../../../src/model/errors.ts';
import { packLines, unpackLines } from '../../../../src/catalog/checkpoint/json-lines.ts';

/** Frame_Header_Descriptor of RFC 8878; its bit 2 is Content_Checksum_flag. */
const FLAGS_AT = 4;

interface Line {
  readonly text: string;
  readonly number: bigint;
}

async function unpacked(bytes: Uint8Array, onLine: () => void = () => {}): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const fields of unpackLines(bytes, 'k')) {
    lines.push({ text: fields.string('text'), number: fields.bigint('number') });
    onLine();
  }
  return lines;
}

/** In how many turns of the thread `note` was called: with others' turns between. */
async function turnsOf<T>(work: (note: () => void) => Promise<T>): Promise<readonly [T, number]> {
  const noted = new Set<number>();
  let turn = 0;
  let isDone = false;
  const next = (): void => {
    turn += 1;
    if (!isDone) setImmediate(next);
  };
  setImmediate(next);
  const result = await work(() => noted.add(turn));
  isDone = true;
  return [result, noted.size];
}

describe('lines of JSON in a zstd frame', () => {
  const anyLine = fc.record({
    text: fc.string({ maxLength: 80_000, size: 'max' }),
    number: fc.bigInt(0n, 2n ** 63n - 1n),
  });

  test('come back as they were written, however long they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyLine, { maxLength: 30 }), async (lines) => {
        const plain = lines.map((line) => ({ ...line }));
        assert.deepEqual(await unpacked(await packLines(plain)), plain);
      }),
      { seed: 20_261_123, numRuns: 15 },
    );
  });

  test('leave the thread to others while many are written, and while they are read', async () => {
    const lines = Array.from({ length: 60_000 }, (_, index) => ({
      text: `piece ${index}`.repeat(20),
      number: BigInt(index),
    }));
    const [bytes, turnsOfWriting] = await turnsOf((note) => {
      function* noted(): Generator<Line> {
        for (const line of lines) {
          note();
          yield line;
        }
      }
      return packLines(noted());
    });
    const chunks = zstdDecompressSync(bytes).byteLength / (256 * 1024);
    assert.ok(chunks > 40 && turnsOfWriting > chunks / 2, `${turnsOfWriting} turns for ${chunks} chunks`);
    const [read, turnsOfReading] = await turnsOf((note) => unpacked(bytes, note));
    assert.ok(turnsOfReading > chunks / 2, `${turnsOfReading} turns for ${chunks} chunks`);
    assert.equal(read.length, lines.length);
  });

  test('that were damaged or cut are never read as others', async () => {
    const lines = [{ text: 'a', number: 1n }];
    const bytes = await packLines(lines);
    for (let at = 0; at < bytes.byteLength; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x04;
      // The bit that says that there is a checksum does not change what the frame holds.
      const read = await unpacked(damaged).catch(({ code }: BackupError) => code);
      assert.deepEqual(read, at === FLAGS_AT ? lines : 'CATALOG_CORRUPT', `byte ${at}`);
      await assert.rejects(unpacked(bytes.subarray(0, at)), { code: 'CATALOG_CORRUPT' }, `cut at ${at}`);
    }
  });
});
