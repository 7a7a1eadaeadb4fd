import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import snappy from 'snappy';
import { PRODUCER_CODECS, type ProducerCodec } from '../../../src/model/codec.ts';
import { compressRecords, expandRecords, MAX_EXPANDED_BYTES } from '../../../src/record/producer-compression.ts';

const SEED = { seed: 20_261_120 };
const CORRUPT = { name: 'BackupError', code: 'BATCH_CORRUPT' };
const REAL_CODECS = PRODUCER_CODECS.filter((codec) => codec !== 'none');
const JSON_LINES = Buffer.from(
  Array.from({ length: 3000 }, (_, id) => JSON.stringify({ id, name: `order ${id % 7}` })).join('\n'),
);

/** The output of a command-line tool that is given `input`. */
function pipe(command: string, args: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(command, args, { input, maxBuffer: 64 * 1024 * 1024 });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr.toString()}`);
  return stdout;
}

for (const codec of PRODUCER_CODECS) {
  describe(`records compressed with ${codec}`, () => {
    test('come back byte for byte, from any buffer', () => {
      const piece = fc.oneof(
        fc.uint8Array({ maxLength: 4000 }),
        fc.nat(255).map((byte) => new Uint8Array(90_000).fill(byte)),
      );
      fc.assert(
        fc.property(piece, fc.nat(9), (bytes, lead) => {
          const shifted = Buffer.concat([Buffer.alloc(lead, 0xee), bytes]).subarray(lead);
          const compressed = Buffer.concat([Buffer.alloc(lead, 0xdd), compressRecords(codec, shifted)]).subarray(lead);
          assert.ok(Buffer.from(bytes).equals(expandRecords(codec, compressed)));
        }),
        { ...SEED, numRuns: 60 },
      );
    });

    test('are read from shared memory', () => {
      const compressed = compressRecords(codec, JSON_LINES);
      const shared = new Uint8Array(new SharedArrayBuffer(compressed.byteLength));
      shared.set(compressed);
      assert.ok(JSON_LINES.equals(expandRecords(codec, shared)));
      const plain = new Uint8Array(new SharedArrayBuffer(JSON_LINES.byteLength));
      plain.set(JSON_LINES);
      assert.ok(JSON_LINES.equals(expandRecords(codec, compressRecords(codec, plain))));
    });
  });
}

for (const codec of REAL_CODECS) {
  describe(`a damaged section with codec ${codec}`, () => {
    test('of other bytes is refused', () => {
      for (const garbage of [Buffer.from('this is not what it says it is'), Buffer.alloc(64, 0xff)]) {
        assert.throws(() => expandRecords(codec, garbage), CORRUPT);
      }
    });

    test('that is empty is refused', () => {
      assert.throws(() => expandRecords(codec, new Uint8Array(0)), CORRUPT);
    });

    test('cut anywhere is refused or gives no more than a part of the records', () => {
      const plain = JSON_LINES.subarray(0, 400);
      const compressed = Buffer.from(compressRecords(codec, plain));
      for (let length = 0; length < compressed.byteLength; length += 1) {
        const expanded = expandOrRefuse(codec, compressed.subarray(0, length));
        if (expanded !== undefined)
          assert.ok(plain.subarray(0, expanded.byteLength).equals(expanded), `cut at ${length}`);
      }
    });

    test('at random ends with an answer or BATCH_CORRUPT', () => {
      const compressed = Buffer.from(compressRecords(codec, JSON_LINES.subarray(0, 2000)));
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }), (changes) => {
          const damaged = Buffer.from(compressed);
          for (const [at, byte] of changes) damaged[at % damaged.byteLength] = byte;
          expandOrRefuse(codec, damaged);
        }),
        { ...SEED, numRuns: 400 },
      );
    });
  });
}

function expandOrRefuse(codec: ProducerCodec, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return expandRecords(codec, bytes);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'BATCH_CORRUPT');
    return undefined;
  }
}

describe('a bomb', () => {
  const zeros = Buffer.alloc(MAX_EXPANDED_BYTES + 1);

  test('of zstd is refused before it is expanded', () => assertRefusedCheaply('zstd', zstdCompressSync(zeros)));

  test('of gzip is refused before it is expanded', () => {
    // Level 1 keeps this test quick; members are joined, as gzip allows.
    const member = gzipSync(zeros.subarray(0, 64 * 1024 * 1024), { level: constants.Z_BEST_SPEED });
    assertRefusedCheaply('gzip', Buffer.concat([member, member, member, member, member]));
  });

  test('of lz4 is refused by its block sizes', () => {
    const frame = compressFrameSync(zeros.subarray(0, 8 * 1024 * 1024));
    const firstBlock = 7 + 4 + (frame.readUInt32LE(7) & 0x7fffffff);
    const blocks = Array<Buffer>(5000).fill(frame.subarray(7, firstBlock));
    assertRefusedCheaply('lz4', Buffer.concat([frame.subarray(0, 7), ...blocks, Buffer.alloc(4)]));
  });

  test('of snappy is refused by the lengths of its blocks, xerial or raw', () => {
    const lie = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    assertRefusedCheaply('snappy', lie);
    const header = Buffer.from('82534e415050590000000001000000010000000700', 'hex').subarray(0, 20);
    assertRefusedCheaply('snappy', Buffer.concat([header, lie]));
    const block = snappy.compressSync(zeros.subarray(0, 16 * 1024 * 1024));
    const size = Buffer.alloc(4);
    size.writeInt32BE(block.byteLength);
    const blocks = Array<Buffer>(17).fill(Buffer.concat([size, block]));
    assert.throws(() => expandRecords('snappy', Buffer.concat([header.subarray(0, 16), ...blocks])), CORRUPT);
  });

  function assertRefusedCheaply(codec: ProducerCodec, bomb: Uint8Array): void {
    const before = process.memoryUsage().rss;
    assert.throws(() => expandRecords(codec, bomb), CORRUPT);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < MAX_EXPANDED_BYTES + 64 * 1024 * 1024, `${codec} took ${grown} bytes`);
  }
});

describe('the framings of Kafka', () => {
  test('snappy: the xerial stream of the Java client, in blocks of 32 KiB', () => {
    const compressed = Buffer.from(compressRecords('snappy', JSON_LINES));
    assert.equal(compressed.subarray(0, 16).toString('hex'), '82534e4150505900'.padEnd(16, '0') + '0000000100000001');
    const first = compressed.readInt32BE(16);
    assert.equal(
      Buffer.from(snappy.uncompressSync(compressed.subarray(20, 20 + first)) as Buffer).byteLength,
      32 * 1024,
    );
  });

  test('snappy: one raw block, as librdkafka and Go clients may send it', () => {
    assert.ok(JSON_LINES.equals(expandRecords('snappy', snappy.compressSync(JSON_LINES))));
  });

  test('snappy: blocks that reach past the end, or have a negative length, are refused', () => {
    const compressed = Buffer.from(compressRecords('snappy', JSON_LINES));
    for (const length of [-1, -(2 ** 31), compressed.byteLength, 2 ** 31 - 1]) {
      const damaged = Buffer.from(compressed);
      damaged.writeInt32BE(length, 16);
      assert.throws(() => expandRecords('snappy', damaged), CORRUPT);
    }
  });

  test('lz4: independent blocks, which is all that the Java consumer reads', () => {
    const frame = Buffer.from(compressRecords('lz4', JSON_LINES));
    assert.equal(frame.readUInt32LE(0), 0x184d2204);
    assert.equal(frame.readUInt8(4) & 0xe0, 0x60);
  });

  test('gzip: what it writes, gzip reads', () => {
    assert.ok(JSON_LINES.equals(pipe('gzip', ['-dc'], compressRecords('gzip', JSON_LINES))));
    assert.ok(JSON_LINES.equals(expandRecords('gzip', pipe('gzip', ['-9c'], JSON_LINES))));
  });

  test('zstd: what it writes, zstd reads, and the other way round, streamed without a size too', () => {
    assert.ok(JSON_LINES.equals(pipe('zstd', ['-dcq'], compressRecords('zstd', JSON_LINES))));
    for (const args of [['-cq'], ['-19', '-cq', '--no-check'], ['-cq', '--no-content-size']]) {
      assert.ok(JSON_LINES.equals(expandRecords('zstd', pipe('zstd', args, JSON_LINES))));
    }
  });

  test('lz4: what it writes, lz4 reads, and the other way round, with every block size and checksum', () => {
    assert.ok(JSON_LINES.equals(pipe('lz4', ['-dc'], compressRecords('lz4', JSON_LINES))));
    for (const args of [['-B4'], ['-B5', '-BX'], ['-B7', '--content-size'], ['-9', '--no-frame-crc'], ['-BD']]) {
      assert.ok(JSON_LINES.equals(expandRecords('lz4', pipe('lz4', ['-c', ...args], JSON_LINES))), args.join(' '));
    }
  });
});
