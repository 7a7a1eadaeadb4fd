import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { FrameExpander } from '../../../src/compression/frame-codec.ts';
import { SharedBufferPool } from '../../../src/compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { decodeCommit, encodeCommit } from '../../../src/catalog/commit.ts';
import { NO_REQUESTS } from '../../../src/model/request-counts.ts';
import { readFooter, readFrame } from '../../../src/segment/segment-reader.ts';
import { VERIFY_FRAME } from '../../../src/segment/verify-frame.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { encodeMarker, encodeSpread, shared } from '../../support/record-batches.ts';
import {
  bytesOf,
  frameOf,
  IDENTITY,
  jsonBatch,
  KEY,
  openWriter,
  OUTPUTS,
  sealAt,
  startWorkers,
  T0,
  writeSegment,
} from './segment-fixture.ts';

const OBJECT_CORRUPT = { name: 'BackupError', code: 'OBJECT_CORRUPT' };

let workers: WorkerPool;
before(() => {
  workers = startWorkers();
});
after(() => workers.close());

/** `count` frames of different sizes, so that the threads finish them out of order. */
function unevenFrames(count: number) {
  let baseOffset = 100n;
  return Array.from({ length: count }, (_, index) => {
    const records = index % 3 === 0 ? 4000 : 3;
    const frame = frameOf([
      jsonBatch(baseOffset, records),
      jsonBatch(baseOffset + BigInt(records), 2, { codec: 'lz4' }),
    ]);
    baseOffset += BigInt(records) + 2n;
    return frame;
  });
}

/** Every buffer of the pool can be had at once: none was lost. */
async function assertAllReturned(outputs: SharedBufferPool): Promise<void> {
  const all = Promise.all(Array.from({ length: OUTPUTS }, () => outputs.acquire()));
  const outcome = await Promise.race([all.then(() => 'all'), setTimeout(3000, 'some are lost', { ref: false })]);
  assert.equal(outcome, 'all');
}

/** A store whose puts fail after so many chunks. */
class FailingStore extends MemoryObjectStore {
  readonly #afterChunks: number;

  constructor(afterChunks: number) {
    super();
    this.#afterChunks = afterChunks;
  }

  override async putIfAbsent(_key: string, chunks: AsyncIterable<Uint8Array>): Promise<'created' | 'exists'> {
    let taken = 0;
    if (this.#afterChunks > 0) {
      for await (const _chunk of chunks) {
        taken += 1;
        if (taken === this.#afterChunks) break;
      }
    }
    throw new BackupError('STORE_UNAVAILABLE', 'the store went away');
  }
}

describe('a segment', () => {
  test('of timestamps that no number holds can be committed, read and verified', async () => {
    const store = new MemoryObjectStore();
    const frames = [
      frameOf([encodeSpread(100n, -(2n ** 53n - 1n), [0n, -4n]), jsonBatch(102n, 3)]),
      frameOf([
        encodeSpread(105n, 0n, [0n, -(2n ** 60n)]),
        encodeSpread(107n, -(2n ** 53n - 1n), [0n, 2n ** 53n + 3n]),
      ]),
      frameOf([encodeSpread(109n, 2n ** 60n, [0n, 1n])]),
    ];
    const summary = await writeSegment(frames, { workers, store });
    assert.equal(summary.minTimestampMs, null);
    const commit = {
      version: 1,
      previousSha256: '',
      writer: 'w',
      committedAtMs: T0,
      requests: NO_REQUESTS,
      actions: [{ kind: 'segment' as const, segment: summary }],
    };
    assert.deepEqual(decodeCommit(encodeCommit(commit), 'c').actions, commit.actions);
    const footer = await readFooter(store, summary);
    for (const entry of footer.frames) {
      const stored = (await bytesOf(store)).subarray(entry.position, entry.position + entry.storedSizeBytes);
      // Earlier versions looked for no bound beside a timestamp that no number holds.
      for (const frame of [entry, { ...entry, minTimestampMs: null }]) {
        const { differences } = await workers.run(VERIFY_FRAME, { stored: shared(stored), codec: 'zstd', frame });
        assert.deepEqual(differences, []);
      }
    }
    assert.deepEqual(
      footer.frames.map(({ minTimestampMs }) => minTimestampMs),
      [null, null, Number.MAX_SAFE_INTEGER],
    );
  });

  for (const codec of ['zstd', 'lz4', 'none'] as const) {
    test(`with codec ${codec} says the same in its summary, its footer and its bytes`, async () => {
      const store = new MemoryObjectStore();
      const frames = unevenFrames(9);
      const summary = await writeSegment(frames, { workers, store, settings: { codec, level: 3 } });
      const object = await bytesOf(store);
      const root = object.subarray(object.byteLength - summary.footerSizeBytes);
      assert.equal(summary.footerSha256, createHash('sha256').update(root).digest('hex'));
      assert.equal(summary.storedSizeBytes, object.byteLength);
      const footer = await readFooter(store, summary);
      const { key, storedSizeBytes, footerSizeBytes, footerSha256, ...description } = summary;
      assert.deepEqual(footer.description, description);
      assert.deepEqual([key, typeof footerSha256], [KEY, 'string']);
      assert.equal(footer.bodySizeBytes + footerSizeBytes, storedSizeBytes);
      assert.deepEqual(description, {
        ...IDENTITY,
        codec,
        baseOffset: 95n,
        nextOffset: frames.at(-1)!.lastOffset + 1n,
        recordCount: frames.reduce((sum, frame) => sum + frame.recordCount, 0),
        batchCount: 18,
        minTimestampMs: null,
        maxTimestampMs: T0 + Number(frames.at(-1)!.lastOffset),
        rawSizeBytes: frames.reduce((sum, frame) => sum + frame.raw.byteLength, 0),
        frameCount: 9,
        timestampType: 'CreateTime',
        leaderEpoch: 0,
        isTransactional: false,
        decidedOffset: frames.at(-1)!.lastOffset,
        maxBatchSizeBytes: description.maxBatchSizeBytes,
        maxIndivisibleBatchSizeBytes: description.maxIndivisibleBatchSizeBytes,
        capturedAtMs: T0 + 9999,
        reachedLogEnd: true,
        timeline: 2,
      });
      const expander = new FrameExpander();
      for (const [index, entry] of footer.frames.entries()) {
        const stored = await readFrame(store, summary, entry);
        const raw = expander.expand(codec, stored, new Uint8Array(entry.rawSizeBytes), entry.rawSizeBytes);
        const source = frames[index]!;
        assert.ok(Buffer.from(new Uint8Array(source.raw)).equals(raw), `frame ${index} is in its place`);
        assert.deepEqual(
          [entry.baseOffset, entry.lastOffset, entry.recordCount],
          [source.baseOffset, source.lastOffset, source.recordCount],
        );
        const { differences } = await workers.run(VERIFY_FRAME, { stored: shared(stored), codec, frame: entry });
        assert.deepEqual(differences, []);
      }
    });
  }

  for (const codec of ['zstd', 'lz4'] as const) {
    test(`is accepted by ${codec} -t, footer and all, and ${codec} -dc gives the bare log`, async () => {
      const store = new MemoryObjectStore();
      const frames = unevenFrames(4);
      await writeSegment(frames, { workers, store, settings: { codec, level: 1 } });
      const input = await bytesOf(store);
      const judged = spawnSync(codec, ['-t', '-'], { input });
      assert.equal(judged.status, 0, judged.stderr.toString());
      const { stdout } = spawnSync(codec, ['-dc', '-'], { input, maxBuffer: 64 * 1024 * 1024 });
      assert.ok(Buffer.concat(frames.map((frame) => new Uint8Array(frame.raw))).equals(stdout));
    });
  }

  test('gathers transactions, epochs and codecs across its frames', async () => {
    const store = new MemoryObjectStore();
    const transactional = (baseOffset: bigint, producerId: bigint, leaderEpoch: number): Buffer =>
      jsonBatch(baseOffset, 2, { producerId, transactional: true, leaderEpoch, codec: 'gzip' });
    const frames = [
      frameOf([transactional(100n, 7n, 1), transactional(102n, 8n, 1)]),
      frameOf([transactional(104n, 7n, 1)]),
      frameOf([
        encodeMarker({ baseOffset: 106n, producerId: 7n, outcome: 'commit', timestampMs: T0 }),
        transactional(107n, 7n, 2),
      ]),
    ];
    const summary = await writeSegment(frames, { workers, store });
    const footer = await readFooter(store, summary);
    assert.deepEqual(footer.transactions, {
      starts: [
        { producerId: 7n, firstOffset: 100n, recordCount: 2 },
        { producerId: 8n, firstOffset: 102n, recordCount: 2 },
        { producerId: 7n, firstOffset: 104n, recordCount: 2 },
        { producerId: 7n, firstOffset: 107n, recordCount: 2 },
      ],
      markers: [{ producerId: 7n, offset: 106n, timestampMs: T0, outcome: 'commit' }],
    });
    assert.deepEqual(footer.producerCodecs, [{ baseOffset: 100n, codec: 'gzip' }]);
    assert.deepEqual([footer.leaderEpochs.map((entry) => entry.epoch), summary.leaderEpoch], [[1, 0, 2], 2]);
    assert.equal(summary.isTransactional, true);
  });

  test('of frames that do not fit into the pool\u2019s buffers comes out the same', async () => {
    const small = new MemoryObjectStore();
    const large = new MemoryObjectStore();
    const [a, b] = await Promise.all([
      writeSegment(unevenFrames(3), { workers, store: small, outputBytes: 100 }),
      writeSegment(unevenFrames(3), { workers, store: large }),
    ]);
    assert.equal(a.footerSha256, b.footerSha256);
  });

  test('of more frames than there are buffers passes through them', async () => {
    const outputs = new SharedBufferPool(1024 * 1024, OUTPUTS);
    await writeSegment(unevenFrames(OUTPUTS * 5), { workers, outputs });
    await assertAllReturned(outputs);
  });
});

describe('a segment that fails', () => {
  test('because one frame is damaged leaves no object, and gives every buffer back', async () => {
    const store = new MemoryObjectStore();
    const outputs = new SharedBufferPool(1024 * 1024, OUTPUTS);
    const writer = openWriter({ workers, store, outputs });
    const frames = unevenFrames(8);
    frames[4]!.raw[100]! ^= 1;
    const results = await Promise.allSettled(frames.map((frame) => writer.addFrame(frame)));
    assert.equal((results[4] as PromiseRejectedResult).reason.code, 'BATCH_CORRUPT');
    await assert.rejects(writer.seal(sealAt(999_999n)), { code: 'BATCH_CORRUPT' });
    assert.equal((writer.failure as BackupError).code, 'BATCH_CORRUPT');
    assert.equal(await store.head(KEY), undefined);
    await assertAllReturned(outputs);
  });

  for (const afterChunks of [0, 1, 3]) {
    test(`because the store went away after ${afterChunks} frames gives every buffer back, those of later frames too`, async () => {
      const outputs = new SharedBufferPool(1024 * 1024, OUTPUTS);
      const writer = openWriter({ workers, store: new FailingStore(afterChunks), outputs });
      const frames = unevenFrames(OUTPUTS * 4);
      const early = frames.slice(0, 5).map((frame) => writer.addFrame(frame));
      await Promise.allSettled(early);
      while (writer.failure === undefined) await setTimeout(5);
      for (const late of frames.slice(5)) await assert.rejects(writer.addFrame(late), { code: 'STORE_UNAVAILABLE' });
      await assert.rejects(writer.seal(sealAt(999_999n)), { code: 'STORE_UNAVAILABLE' });
      await assertAllReturned(outputs);
    });
  }

  test('because its key is taken leaves the other object as it is', async () => {
    const store = new MemoryObjectStore();
    await store.putIfAbsent(KEY, [Buffer.from('other')]);
    const outputs = new SharedBufferPool(1024 * 1024, OUTPUTS);
    await assert.rejects(writeSegment(unevenFrames(3), { workers, store, outputs }), { code: 'STORE_REFUSED' });
    assert.equal((await bytesOf(store)).toString(), 'other');
    await assertAllReturned(outputs);
  });

  test('because it was given up leaves no object, before and after its first frame', async () => {
    const store = new MemoryObjectStore();
    const outputs = new SharedBufferPool(1024 * 1024, OUTPUTS);
    const empty = openWriter({ workers, store, outputs });
    empty.abort();
    await assert.rejects(empty.addFrame(unevenFrames(1)[0]!), { code: 'INTERRUPTED' });
    const writer = openWriter({ workers, store, outputs });
    const results = unevenFrames(6).map((frame) => writer.addFrame(frame));
    writer.abort();
    await Promise.allSettled(results);
    await assertAllReturned(outputs);
    assert.equal(await store.head(KEY), undefined);
  });

  test('at a seal without frames ends the process rather than write an object without bounds', async () => {
    await assert.rejects(openWriter({ workers }).seal(sealAt(95n)), /invariant broken/);
  });
});

describe('reading a segment', () => {
  test('finds a change of any byte, in whichever frame or in the footer', async () => {
    const origin = new MemoryObjectStore();
    const frames = [frameOf([jsonBatch(100n, 5)]), frameOf([jsonBatch(105n, 5)])];
    const summary = await writeSegment(frames, { workers, store: origin });
    const object = await bytesOf(origin);
    const { frames: entries } = await readFooter(origin, summary);
    for (let at = 0; at < object.byteLength; at += 1) {
      const damaged = Buffer.from(object);
      damaged[at]! ^= 0x10;
      const store = new MemoryObjectStore();
      await store.putIfAbsent(KEY, [damaged]);
      const isIn = (position: number, sizeBytes: number): boolean => at >= position && at < position + sizeBytes;
      for (const entry of entries) {
        const read = readFrame(store, summary, entry);
        if (isIn(entry.position, entry.storedSizeBytes)) await assert.rejects(read, OBJECT_CORRUPT, `byte ${at}`);
        else await read;
      }
      if (at >= summary.storedSizeBytes - summary.footerSizeBytes)
        await assert.rejects(readFooter(store, summary), OBJECT_CORRUPT);
    }
  });

  test('finds an object that was cut, at any length, and one that is not there', async () => {
    const origin = new MemoryObjectStore();
    const summary = await writeSegment([frameOf([jsonBatch(100n, 5)])], { workers, store: origin });
    const object = await bytesOf(origin);
    const { frames } = await readFooter(origin, summary);
    for (let length = 0; length < object.byteLength; length += 1) {
      const store = new MemoryObjectStore();
      await store.putIfAbsent(KEY, [object.subarray(0, length)]);
      await assert.rejects(readFooter(store, summary), OBJECT_CORRUPT);
      if (length < frames[0]!.storedSizeBytes)
        await assert.rejects(readFrame(store, summary, frames[0]!), OBJECT_CORRUPT);
    }
    const none = new MemoryObjectStore();
    await assert.rejects(readFooter(none, summary), { code: 'OBJECT_MISSING' });
    await assert.rejects(readFrame(none, summary, frames[0]!), { code: 'OBJECT_MISSING' });
  });

  test('uses the memory it is given where that is large enough, and its own where not', async () => {
    const store = new MemoryObjectStore();
    const summary = await writeSegment([frameOf([jsonBatch(100n, 5)])], { workers, store });
    const [frame] = (await readFooter(store, summary)).frames;
    const into = new Uint8Array(new SharedArrayBuffer(frame!.storedSizeBytes));
    assert.equal((await readFrame(store, summary, frame!, into)).buffer, into.buffer);
    const own = await readFrame(store, summary, frame!, new Uint8Array(3));
    assert.ok(Buffer.from(into).equals(own));
  });

  test('deep verification says in words what a frame does not have in common with the footer', async () => {
    const store = new MemoryObjectStore();
    const summary = await writeSegment([frameOf([jsonBatch(100n, 5)])], { workers, store });
    const [frame] = (await readFooter(store, summary)).frames;
    const stored = shared(await readFrame(store, summary, frame!));
    const wrong = {
      ...frame!,
      recordCount: 4,
      batchCount: 2,
      baseOffset: 99n,
      lastOffset: 105n,
      minTimestampMs: 1,
      maxTimestampMs: 2,
    };
    const { differences } = await workers.run(VERIFY_FRAME, { stored, codec: 'zstd', frame: wrong });
    assert.equal(differences.length, 6);
    assert.match(differences[0]!, /record count is 5, the footer says 4/);
    const larger = { ...frame!, rawSizeBytes: frame!.rawSizeBytes + 1 };
    await assert.rejects(workers.run(VERIFY_FRAME, { stored, codec: 'zstd', frame: larger }), OBJECT_CORRUPT);
  });
});
