import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  LandingBuffers,
  MAX_RESPONSE_BYTES,
  ResponseAssembler,
} from '../../../../src/kafka/connection/response-assembler.ts';

const SEED = { seed: 20_261_120 };
const NOT_KAFKA = { name: 'BackupError', code: 'KAFKA_NOT_KAFKA' };

function framed(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.byteLength);
  return Buffer.concat([length, body]);
}

function body(size: number, fill: number): Buffer {
  return Buffer.alloc(size, fill);
}

function collect(): {
  readonly assembler: ResponseAssembler;
  readonly responses: Uint8Array[];
  readonly landing: LandingBuffers;
} {
  const responses: Uint8Array[] = [];
  const landing = new LandingBuffers();
  return { landing, responses, assembler: new ResponseAssembler(landing, (response) => responses.push(response)) };
}

describe('the assembly of responses', () => {
  test('gives the same responses however the stream is cut', () => {
    const anyBody = fc.tuple(
      fc.oneof(fc.integer({ min: 4, max: 300 }), fc.integer({ min: 60_000, max: 70_000 })),
      fc.nat(255),
    );
    fc.assert(
      fc.property(
        fc.array(anyBody, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (bodies, cuts) => {
          const wanted = bodies.map(([size, fill]) => body(size, fill));
          const bytes = Buffer.concat(wanted.map(framed));
          const { assembler, responses } = collect();
          const ends = [...cuts.map((cut) => cut % bytes.byteLength), bytes.byteLength].sort((a, b) => a - b);
          let from = 0;
          for (const to of ends) {
            const chunk = Buffer.from(bytes.subarray(from, to));
            assembler.push(chunk);
            chunk.fill(0xee);
            from = to;
          }
          assert.equal(responses.length, wanted.length);
          wanted.forEach((one, index) => assert.ok(one.equals(responses[index]!)));
        },
      ),
      { ...SEED, numRuns: 200 },
    );
  });

  test('gives the same responses when they are read to where they belong', () => {
    const sizes = fc.array(fc.integer({ min: 4, max: 400_000 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1 }), (bodies, reads) => {
        const { assembler, responses } = collect();
        const wanted = bodies.map((size, i) => body(size, i + 1));
        const bytes = Buffer.concat(wanted.map(framed));
        const readBuffer = Buffer.alloc(100_000);
        let inPlace = 0;
        for (let at = 0, i = 0; at < bytes.byteLength; i += 1) {
          const room = assembler.room();
          const target = room ?? readBuffer;
          const length = Math.min(reads[i % reads.length]!, target.byteLength, bytes.byteLength - at);
          target.set(bytes.subarray(at, at + length));
          if (room !== undefined) inPlace += length;
          assembler.push(target.subarray(0, length));
          readBuffer.fill(0xee);
          at += length;
        }
        assert.equal(responses.length, wanted.length);
        wanted.forEach((one, index) => assert.ok(one.equals(responses[index]!)));
        if (bodies.some((size) => size > 300_000)) assert.ok(inPlace > 0, 'a large response is read to its place');
      }),
      { ...SEED, numRuns: 200 },
    );
  });

  test('has no room for what a connection before has left half-received', () => {
    const { assembler } = collect();
    assembler.push(framed(body(200_000, 9)).subarray(0, 50));
    assert.equal(assembler.room()?.byteLength, 200_000 - 46);
    assembler.reset();
    assert.equal(assembler.room(), undefined);
  });

  test('takes a stream byte by byte', () => {
    const { assembler, responses } = collect();
    for (const byte of Buffer.concat([framed(body(5, 1)), framed(body(4, 2))])) assembler.push(Uint8Array.of(byte));
    assert.deepEqual(
      responses.map((one) => [...one]),
      [
        [1, 1, 1, 1, 1],
        [2, 2, 2, 2],
      ],
    );
  });

  test('hands on a response before the next one has come', () => {
    const { assembler, responses } = collect();
    assembler.push(Buffer.concat([framed(body(9, 1)), framed(body(9, 2)).subarray(0, 7)]));
    assert.equal(responses.length, 1);
  });

  const strangers: Readonly<Record<string, Buffer>> = {
    'an HTTP server': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    'a TLS alert': Buffer.from('15030300020246', 'hex'),
    'an SSH server': Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'),
    'a mail server': Buffer.from('220 mail ESMTP\r\n'),
    'a response that is too short to be one': Buffer.from('00000003000000', 'hex'),
    'a negative length': Buffer.from('ffffffff00000000', 'hex'),
    'a length of zero': Buffer.from('0000000000000000', 'hex'),
  };
  for (const [what, bytes] of Object.entries(strangers)) {
    test(`refuses ${what}, and every byte after it`, () => {
      const { assembler, responses } = collect();
      assert.throws(() => assembler.push(bytes), NOT_KAFKA);
      assert.throws(() => assembler.push(bytes), NOT_KAFKA);
      assert.deepEqual(responses, []);
      assembler.reset();
      assembler.push(framed(body(6, 1)));
      assert.equal(responses.length, 1);
    });
  }

  test('takes no memory for a response beyond the limit', () => {
    const { assembler } = collect();
    const word = Buffer.alloc(4);
    word.writeInt32BE(MAX_RESPONSE_BYTES + 1);
    const before = process.memoryUsage().arrayBuffers;
    assert.throws(() => assembler.push(word), NOT_KAFKA);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
  });

  test('forgets a half-received response when the connection is made anew', () => {
    const { assembler, responses } = collect();
    for (const cut of [2, 4, 50, 150_000]) {
      assembler.push(framed(body(200_000, 9)).subarray(0, cut));
      assembler.reset();
      assembler.push(framed(body(70_000, cut % 256)));
    }
    assert.deepEqual(
      responses.map((one) => [one.byteLength, one[0], one.at(-1)]),
      [2, 4, 50, 240].map((fill) => [70_000, fill, fill]),
    );
  });
});

describe('landing buffers', () => {
  const MIB = 1024 * 1024;

  test('are used again for the next large response', () => {
    const { assembler, responses, landing } = collect();
    assembler.push(framed(body(300_000, 1)));
    const first = responses[0]!;
    landing.release(first.subarray(10, 20));
    assembler.push(framed(body(400_000, 2)));
    assert.equal(responses[1]!.buffer, first.buffer);
    assert.equal(responses[1]!.byteLength, 400_000);
    assembler.push(framed(body(400_000, 3)));
    assert.notEqual(responses[2]!.buffer, first.buffer, 'not while it is being read');
  });

  test('of a half-received response are used again', () => {
    const { assembler, responses, landing } = collect();
    assembler.push(framed(body(300_000, 1)).subarray(0, 1000));
    assembler.reset();
    const kept = landing.acquire(100);
    landing.release(kept);
    assembler.push(framed(body(300_000, 2)));
    assert.equal(responses[0]!.buffer, kept.buffer);
  });

  test('lend the smallest that fits, so that the large one is there when it is needed', () => {
    const landing = new LandingBuffers();
    const [large, small] = [landing.acquire(10 * MIB), landing.acquire(MIB)];
    landing.release(large);
    landing.release(small);
    assert.equal(landing.acquire(MIB / 2).buffer, small.buffer);
    assert.equal(landing.acquire(9 * MIB).buffer, large.buffer);
  });

  test('keep 64 MiB, the largest first, and nothing twice', () => {
    const landing = new LandingBuffers();
    const lent = [1, 32, 2, 16, 8, 8].map((size) => landing.acquire(size * MIB));
    for (const one of [...lent, ...lent]) landing.release(one);
    const again = [1, 2, 9, 17, 8].map((size) => landing.acquire(size * MIB));
    const reused = again.map((one) => lent.findIndex((kept) => kept.buffer === one.buffer));
    assert.deepEqual(reused, [5, 4, 3, 1, -1]);
  });

  test('keep one that is larger than that, since the next answer may be as large', () => {
    const landing = new LandingBuffers();
    const lent = landing.acquire(100 * MIB);
    landing.release(lent);
    assert.equal(landing.acquire(100 * MIB).buffer, lent.buffer);
  });

  test('never lend the memory of small responses, which Node shares among its Buffers', () => {
    const { assembler, responses, landing } = collect();
    const foreign = new Set<ArrayBufferLike>();
    for (const size of [4, 4000, 65_535]) {
      assembler.push(framed(body(size, 1)));
      const response = responses.pop()!;
      foreign.add(response.buffer);
      landing.release(response);
    }
    for (const size of [65_536, 8192, 4]) assert.ok(!foreign.has(landing.acquire(size).buffer), `${size}`);
  });
});
