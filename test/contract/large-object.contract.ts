// What every store promises of an object of the class of 5 GiB, as S3 calls the most that one request may put: it goes up by parts
// in bounded memory, is there whole or not at all, and any range of it can be read. Takes minutes and twice its size on the disk,
// so it runs when it is asked for: `npm test -- large`.

import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { keysUnder, type OpenStore } from './object-store.contract.ts';

const MIB = 1024 * 1024;
const GIB_CHUNKS = 1024;
/** Of 1 MiB each: 5.1 GiB, more than one request may put and than 32 bits can count. */
const MOST_CHUNKS = 5222;
/** Nothing of the object's size: parts on their way up, the client and what waits for the garbage collector. */
const MAX_GROWTH_BYTES = 300e6;
const NEEDED_DISK_BYTES = 12 * GIB_CHUNKS * MIB;

/** Chunks that tell their place, in memory that is used again. */
async function* body(chunks: number, seen: () => void): AsyncGenerator<Uint8Array> {
  const chunk = patterned();
  for (let index = 0; index < chunks; index += 1) {
    chunk.writeUInt32LE(index, 0);
    if (index % 64 === 0) seen();
    yield chunk;
  }
}

function patterned(): Buffer {
  const chunk = Buffer.alloc(MIB);
  for (let position = 4; position < MIB; position += 4) chunk.writeUInt32LE((position * 2_654_435_761) >>> 0, position);
  return chunk;
}

/** Bytes from `position` on, as {@link body} gives them. */
function wanted(position: number, sizeBytes: number): Buffer {
  const first = Math.floor(position / MIB);
  const chunks: Buffer[] = [];
  for (let index = first; index * MIB < position + sizeBytes; index += 1) {
    const chunk = patterned();
    chunk.writeUInt32LE(index, 0);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).subarray(position - first * MIB, position - first * MIB + sizeBytes);
}

/**
 * @param open gives an empty store with parts of a size that it is used with
 * @param chunks of 1 MiB each: fewer than {@link MOST_CHUNKS} only where the server cannot take more
 */
export function describeLargeObject(
  name: string,
  open: () => Promise<Omit<OpenStore, 'showsUploads'>>,
  chunks: number = MOST_CHUNKS,
): void {
  describe(`an object of ${(chunks / GIB_CHUNKS).toFixed(1)} GiB ${name}`, () => {
    test('goes up in bounded memory, is read in ranges, is never replaced, and goes away', async (t) => {
      const { bavail, bsize } = await statfs(tmpdir());
      assert.ok(bavail * bsize > NEEDED_DISK_BYTES, `${tmpdir()} has less than 12 GiB left`);
      const { store, close } = await open();
      t.after(close);
      await assertGoesUp(store, chunks);
      await assertReads(store, chunks);
      assert.equal(await store.putIfAbsent('large/object', [Buffer.from('another')]), 'exists');
      assert.equal((await store.head('large/object'))?.sizeBytes, chunks * MIB);
      await store.delete('large/object');
      assert.deepEqual(await keysUnder(store, 'large/'), []);
    });

    test('of which a GiB is up leaves nothing that anybody sees when it is given up', async (t) => {
      const { store, close } = await open();
      t.after(close);
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield* body(GIB_CHUNKS, () => {});
        throw new Error('the body failed');
      }
      await assert.rejects(store.putIfAbsent('given-up/object', failing()), { message: 'the body failed' });
      assert.equal(await store.head('given-up/object'), undefined);
      assert.deepEqual(await keysUnder(store, 'given-up/'), []);
      // Azure keeps the blocks until they are discarded, or for a week.
      for await (const upload of store.unfinished('given-up/')) await store.discard(upload);
      for await (const { name: left } of store.unfinished('given-up/')) assert.fail(`${left} is left`);
    });
  });
}

async function assertGoesUp(store: ObjectStore, chunks: number): Promise<void> {
  const before = process.memoryUsage().rss;
  let growth = 0;
  const measure = (): void => {
    growth = Math.max(growth, process.memoryUsage().rss - before);
  };
  const startedAt = performance.now();
  assert.equal(await store.putIfAbsent('large/object', body(chunks, measure)), 'created');
  measure();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${store.description}: up in ${seconds} s, memory grew by ${(growth / 1e6).toFixed(0)} MB`);
  assert.ok(growth < MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`);
  assert.equal((await store.head('large/object'))?.sizeBytes, chunks * MIB);
  for await (const { sizeBytes } of store.list('large/')) assert.equal(sizeBytes, chunks * MIB);
}

async function assertReads(store: ObjectStore, chunks: number): Promise<void> {
  const sizeBytes = 2 * MIB + 5;
  // The first bytes, some around what 32 bits can count, and the last ones.
  const middle = Math.min(2 ** 32, (chunks * MIB) / 2);
  for (const position of [0, middle - MIB - 2, chunks * MIB - sizeBytes]) {
    const found = await store.get('large/object', { position, sizeBytes });
    assert.ok(wanted(position, sizeBytes).equals(found!), `from ${position} on`);
  }
  const tail = await store.get('large/object', { suffixBytes: 100 });
  assert.ok(wanted(chunks * MIB - 100, 100).equals(tail!), 'the last bytes');
}
