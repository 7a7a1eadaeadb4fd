import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire, registerHooks } from 'node:module';
import { describe, test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import {
  FrameCompressor,
  FrameExpander,
  maxStoredSize,
  zstdImplementation,
} from '../../../src/compression/frame-codec.ts';
import type { SegmentCodec } from '../../../src/model/codec.ts';

const SEED = { seed: 20_261_120 };
const CORRUPT = { name: 'BackupError', code: 'OBJECT_CORRUPT' };
const CODECS: readonly SegmentCodec[] = ['zstd', 'lz4', 'none'];

type FrameCodec = typeof import('../../../src/compression/frame-codec.ts');

/** The module as it is where npm did not run zstd-napi's install script. */
async function withoutZstdNapi(): Promise<FrameCodec> {
  const { cache, resolve } = createRequire(import.meta.url);
  const loaded = resolve('zstd-napi/binding');
  const kept = cache[loaded];
  delete cache[loaded];
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith('zstd-napi')) throw new Error('no native part');
      return next(specifier, context);
    },
  });
  try {
    const specifier = '../../../src/compression/frame-codec.ts?without-zstd-napi';
    return (await import(specifier)) as FrameCodec;
  } finally {
    hooks.deregister();
    cache[loaded] = kept;
  }
}

function shared(bytes: Uint8Array): Uint8Array {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
  view.set(bytes);
  return view;
}

function compress(codec: SegmentCodec, raw: Uint8Array, { FrameCompressor: Compressor } = { FrameCompressor }): Buffer {
  const target = new Uint8Array(new SharedArrayBuffer(maxStoredSize(raw.byteLength)));
  const size = new Compressor(codec, 3).compress(shared(raw), target);
  return Buffer.from(target.subarray(0, size));
}

function expand(codec: SegmentCodec, stored: Uint8Array, rawSizeBytes: number, spareBytes = 10): Uint8Array {
  const target = new Uint8Array(new SharedArrayBuffer(rawSizeBytes + spareBytes));
  return new FrameExpander().expand(codec, shared(stored), target, rawSizeBytes);
}

function judge(command: 'zstd' | 'lz4', frame: Uint8Array): void {
  const { status, stderr } = spawnSync(command, ['-t', '-'], { input: frame });
  assert.equal(status, 0, stderr.toString());
}

const randomBytes = (size: number): Buffer =>
  Buffer.from(Uint32Array.from({ length: size / 4 }, (_, i) => (i * 2_654_435_761) >>> 0).buffer);
const STATES = ['placed', 'paid', 'shipped'];
const LINES = Buffer.from('{"order":1,"state":"shipped"}\n'.repeat(20_000));

for (const codec of CODECS) {
  describe(`a frame with codec ${codec}`, () => {
    test('comes back byte for byte through shared memory, one after the other in one compressor', () => {
      const compressor = new FrameCompressor(codec, 3);
      const expander = new FrameExpander();
      const content = fc.oneof(
        fc.uint8Array({ maxLength: 3000 }),
        fc.nat(70_000).map((size) => new Uint8Array(size).fill(7)),
      );
      fc.assert(
        fc.property(content, (raw) => {
          const target = new Uint8Array(new SharedArrayBuffer(maxStoredSize(raw.byteLength)));
          const stored = shared(target.subarray(0, compressor.compress(shared(raw), target)));
          const back = expander.expand(
            codec,
            stored,
            new Uint8Array(new SharedArrayBuffer(raw.byteLength + 3)),
            raw.byteLength,
          );
          assert.ok(Buffer.from(raw).equals(back));
        }),
        { ...SEED, numRuns: 150 },
      );
    });

    test('of random data fits into the size that is promised for it', () => {
      for (const size of [0, 4, 64, 4096, 1_048_576]) {
        const raw = randomBytes(size);
        assert.ok(raw.equals(expand(codec, compress(codec, raw), size)));
      }
    });

    test('that does not fit into its target is not written, and the compressor goes on', () => {
      const compressor = new FrameCompressor(codec, 3);
      const raw = randomBytes(4096);
      for (const size of [0, 1, 100, 4095])
        assert.equal(compressor.compress(shared(raw), new Uint8Array(size)), undefined);
      const target = new Uint8Array(maxStoredSize(raw.byteLength));
      const stored = target.subarray(0, compressor.compress(shared(raw), target));
      assert.ok(raw.equals(expand(codec, stored, raw.byteLength)));
    });

    test('that holds more or less than its footer says is refused', () => {
      const stored = compress(codec, LINES);
      for (const said of [0, 1, LINES.byteLength - 1, LINES.byteLength + 1]) {
        assert.throws(() => expand(codec, stored, said), CORRUPT, `${said}`);
        assert.throws(() => expand(codec, stored, said, LINES.byteLength + 100), CORRUPT, `${said}`);
      }
    });

    test('cut anywhere never gives other bytes', () => {
      const raw = LINES.subarray(0, 200);
      const stored = compress(codec, raw);
      for (let length = 0; length < stored.byteLength; length += 1) {
        const back = expandOrRefuse(codec, stored.subarray(0, length), raw.byteLength);
        if (back !== undefined) assert.ok(raw.equals(back), `cut at ${length}`);
      }
    });
  });
}

function expandOrRefuse(codec: SegmentCodec, stored: Uint8Array, rawSizeBytes: number): Uint8Array | undefined {
  try {
    return expand(codec, stored, rawSizeBytes);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'OBJECT_CORRUPT');
    return undefined;
  }
}

describe('a zstd frame', () => {
  test('with any bit flipped is refused by its own checksum, or still holds the same bytes', () => {
    const raw = LINES.subarray(0, 300);
    const stored = compress('zstd', raw);
    for (let bit = 0; bit < stored.byteLength * 8; bit += 1) {
      const flipped = Buffer.from(stored);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const back = expandOrRefuse('zstd', flipped, raw.byteLength);
      if (back !== undefined) assert.ok(raw.equals(back), `bit ${bit}`);
    }
  });

  test('carries its content size and a checksum, and zstd -t accepts it', () => {
    const stored = compress('zstd', LINES);
    judge('zstd', stored);
    const descriptor = stored.readUInt8(4);
    assert.ok((descriptor & 0x04) !== 0, 'content checksum');
    assert.ok(descriptor >> 6 !== 0 || (descriptor & 0x20) !== 0, 'content size');
  });

  test("of level 3 takes no more room than by the library's own parameters for it", () => {
    const random = fc.sample(fc.nat(1_000_000), { numRuns: 30_000, ...SEED });
    const orders = random.map(
      (n, i) => `{"order":${i},"customer":"c-${n % 5003}","cents":${n},"state":"${STATES[n % 3]}"}\n`,
    );
    const raw = Buffer.from(orders.join(''));
    const byLibrary = zstdCompressSync(raw, {
      params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    const stored = compress('zstd', raw);
    assert.ok(stored.byteLength <= byLibrary.byteLength, `${stored.byteLength}, ${byLibrary.byteLength}`);
  });

  test('is written and read alike by zstd-napi and by node:zlib', async () => {
    assert.equal(zstdImplementation, 'zstd-napi');
    const zlib = await withoutZstdNapi();
    assert.equal(zlib.zstdImplementation, 'node:zlib');
    for (const raw of [LINES, randomBytes(100_000), Buffer.alloc(0)]) {
      const byNapi = compress('zstd', raw);
      const byZlib = compress('zstd', raw, zlib);
      judge('zstd', byZlib);
      assert.ok(raw.equals(expand('zstd', byZlib, raw.byteLength)));
      const target = new Uint8Array(new SharedArrayBuffer(raw.byteLength + 1));
      assert.ok(raw.equals(new zlib.FrameExpander().expand('zstd', shared(byNapi), target, raw.byteLength)));
      assert.throws(() => new zlib.FrameExpander().expand('zstd', byNapi, target, raw.byteLength + 1), CORRUPT);
      assert.throws(
        () => new zlib.FrameExpander().expand('zstd', byNapi.subarray(0, 9), target, raw.byteLength),
        CORRUPT,
      );
    }
  });

  test('that would expand past what its footer says is refused by both implementations', async () => {
    const bomb = compress('zstd', Buffer.alloc(64 * 1024 * 1024));
    assert.ok(bomb.byteLength < 10_000);
    const zlib = await withoutZstdNapi();
    for (const expander of [new FrameExpander(), new zlib.FrameExpander()]) {
      assert.throws(() => expander.expand('zstd', bomb, new Uint8Array(1000), 1000), CORRUPT);
    }
  });
});

describe('an LZ4 frame', () => {
  const RANDOM = randomBytes(5 * 1024 * 1024);
  for (const [name, raw] of [
    ['one byte', RANDOM.subarray(0, 1)],
    ['text', LINES],
    ['bytes that cannot be compressed', RANDOM.subarray(0, 100_000)],
    ['a whole block', Buffer.alloc(4 * 1024 * 1024, 'abc')],
    ['more than a block, compressed and not', Buffer.concat([Buffer.alloc(4 * 1024 * 1024, 'abc'), RANDOM])],
  ] as const) {
    test(`of ${name} is accepted by lz4 -t, and gives it back`, () => {
      const stored = compress('lz4', raw);
      judge('lz4', stored);
      assert.ok(raw.equals(expand('lz4', stored, raw.byteLength)));
    });
  }

  test('that does not fit says so, wherever the room ends', () => {
    const raw = shared(LINES.subarray(0, 300));
    const compressor = new FrameCompressor('lz4', 0);
    const size = compressor.compress(raw, new Uint8Array(new SharedArrayBuffer(1000))) ?? assert.fail();
    for (let room = 0; room < size; room += 1) {
      assert.equal(compressor.compress(raw, new Uint8Array(new SharedArrayBuffer(room))), undefined);
    }
    assert.equal(compressor.compress(raw, new Uint8Array(new SharedArrayBuffer(size))), size);
  });
});
