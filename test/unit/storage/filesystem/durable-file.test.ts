import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { DirectWriting, DurableFile } from '../../../../src/storage/filesystem/durable-file.ts';

let directory: string;
let files = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kafka-backup-durable-'));
});
after(() => rm(directory, { recursive: true, force: true }));

/** What is in a file after its chunks were appended. */
async function written(chunks: readonly Uint8Array[], writing: DirectWriting): Promise<Buffer> {
  const path = join(directory, String((files += 1)));
  const file = await DurableFile.create(path, writing);
  try {
    for (const chunk of chunks) await file.append(chunk);
    await file.finish();
  } finally {
    await file.close();
  }
  return readFile(path);
}

/** No two neighbouring bytes, blocks or buffers are alike. */
function chunkOf(sizeBytes: number, seed: number): Uint8Array {
  const chunk = new Uint8Array(new SharedArrayBuffer(sizeBytes));
  for (let i = 0; i < sizeBytes; i += 1) chunk[i] = (i * 31 + (i >> 8) * 7 + (i >> 16) + seed) & 0xff;
  return chunk;
}

/** Counts what goes around the page cache. */
class CountedWriting extends DirectWriting {
  opened = 0;

  override async open(path: string): Promise<FileHandle | undefined> {
    const handle = await super.open(path);
    if (handle !== undefined) this.opened += 1;
    return handle;
  }
}

/** A filesystem that opens a file for direct writes and then refuses one, as some do for blocks that they find too small. */
class RefusedWriting extends DirectWriting {
  override open(): Promise<FileHandle> {
    // Linux answers EINVAL to whatever is written there that is no number.
    return open('/proc/self/oom_score_adj', constants.O_WRONLY);
  }
}

const SIZE = fc.oneof(
  fc.integer({ min: 0, max: 9000 }),
  fc.constantFrom(4095, 4096, 4097, 1_048_575, 1_048_576, 1_048_577),
  fc.integer({ min: 0, max: 3_000_000 }),
);

describe('a file written around the page cache', () => {
  test('holds the chunks one after another, whatever their sizes', async () => {
    const writing = new CountedWriting(true);
    await fc.assert(
      fc.asyncProperty(fc.array(SIZE, { maxLength: 6 }), async (sizes) => {
        const chunks = sizes.map(chunkOf);
        assert.ok((await written(chunks, writing)).equals(Buffer.concat(chunks)));
      }),
      { numRuns: 60, seed: 20_261_123 },
    );
    assert.ok(writing.opened > 0, 'the temporary directory takes direct writes');
  });

  test('is written through it where direct writes are not wanted', async () => {
    const writing = new CountedWriting(false);
    const chunks = [chunkOf(9_000_000, 1), chunkOf(9_000_000, 2), chunkOf(5, 3)];
    assert.ok((await written(chunks, writing)).equals(Buffer.concat(chunks)));
    assert.equal(writing.opened, 0);
  });

  test('is not opened a second time for less than a block', async () => {
    const writing = new CountedWriting(true);
    assert.equal((await written([chunkOf(4095, 1)], writing)).byteLength, 4095);
    assert.equal(writing.opened, 0);
  });

  test('goes through the page cache from the write on that the filesystem refuses', async () => {
    const writing = new RefusedWriting(true);
    const chunks = [chunkOf(100, 9), chunkOf(2_500_000, 1), chunkOf(70_001, 2)];
    assert.ok((await written(chunks, writing)).equals(Buffer.concat(chunks)));
  });

  test('is not tried again in a store whose filesystem cannot', async () => {
    const writing = new CountedWriting(true);
    writing.refused(Object.assign(new Error('EINVAL: invalid argument'), { code: 'EINVAL' }));
    assert.equal((await written([chunkOf(10_000, 1)], writing)).byteLength, 10_000);
    assert.equal(writing.opened, 0);
  });

  test('fails with every other error, such as a full disk', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    assert.throws(() => new DirectWriting(true).refused(full), full);
  });

  test('lends no more memory to a thousand files than to five', async () => {
    const writing = new DirectWriting(true);
    const open = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => DurableFile.create(join(directory, `many-${i}`), writing)),
    );
    const before = process.memoryUsage().arrayBuffers;
    await Promise.all(open.map((file) => file.append(chunkOf(5000, 1))));
    const grown = process.memoryUsage().arrayBuffers - before;
    await Promise.all(open.map((file) => file.close()));
    assert.ok(grown < 32 * 1024 * 1024, `${grown} bytes`);
  });
});
