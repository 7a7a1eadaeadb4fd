import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ByteRange } from '../../../../src/storage/object-store.ts';
import {
  type DownloadAnswer,
  type DownloadRequest,
  parseContentRange,
  parseRange,
  RangedDownload,
} from '../../../../src/storage/request/ranged-download.ts';

const BYTES = Buffer.from(Uint8Array.from({ length: 1000 }, (_, index) => index ^ (index >> 8)));
const NEVER = new AbortController().signal;

/** What a store answers, and where its body breaks off: after so many bytes, or never. */
function answerOf(request: DownloadRequest, breaksAfter = Infinity): DownloadAnswer | 'beyond' {
  const [start, end] = boundsOf(request.range);
  if (start >= end) return 'beyond';
  const bytes = BYTES.subarray(start, end);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, Math.min(bytes.byteLength, breaksAfter));
    if (breaksAfter < bytes.byteLength) throw Object.assign(new Error('cut'), { code: 'ECONNRESET' });
  }
  const contentRange = request.range === undefined ? undefined : `bytes ${start}-${end - 1}/${BYTES.byteLength}`;
  return {
    contentRange,
    contentLength: end - start,
    version: 'v1',
    body: Readable.from(body(), { objectMode: false }),
  };
}

function boundsOf(range: string | undefined): [number, number] {
  const suffix = /^bytes=-(\d+)$/.exec(range ?? '')?.[1];
  if (suffix !== undefined) return [Math.max(0, BYTES.byteLength - Number(suffix)), BYTES.byteLength];
  const [, from = '0', to = '999'] = /^bytes=(\d+)-(\d+)$/.exec(range ?? 'bytes=0-999') ?? [];
  return [Number(from), Math.min(BYTES.byteLength, Number(to) + 1)];
}

function wantedOf(range: ByteRange | undefined): Buffer {
  if (range === undefined) return BYTES;
  if ('suffixBytes' in range) return BYTES.subarray(-range.suffixBytes);
  return BYTES.subarray(range.position, range.position + range.sizeBytes);
}

/** Asks again after every break, as the request policy does. */
async function arrive(download: RangedDownload): Promise<Buffer> {
  for (;;) {
    try {
      assert.equal(await download.proceed(NEVER), 'done');
      return Buffer.from(download.bytes());
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'ECONNRESET') throw error;
    }
  }
}

/** A download whose second answer is not what it should be. */
function spoilt(second: DownloadAnswer | 'absent' | 'beyond' | 'changed'): RangedDownload {
  let asked = 0;
  const ask = async (request: DownloadRequest) => ((asked += 1) === 1 ? answerOf(request, 300) : second);
  return new RangedDownload({
    ask,
    operation: 'GetObject',
    name: 'a/key',
    range: { position: 100, sizeBytes: 500 },
    into: undefined,
  });
}

describe('a download', () => {
  test('is the bytes that were asked for, wherever and however often it breaks off', async () => {
    const ranges = fc.oneof(
      fc.constant(undefined),
      fc.record({ suffixBytes: fc.integer({ min: 1, max: 1200 }) }),
      fc.record({ position: fc.nat({ max: 1100 }), sizeBytes: fc.integer({ min: 1, max: 1200 }) }),
    );
    const breaks = fc.array(fc.nat({ max: 700 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(ranges, breaks, fc.boolean(), async (range, breakPoints, isGiven) => {
        const rest = [...breakPoints];
        const versions: (string | undefined)[] = [];
        const ask = async (request: DownloadRequest) => {
          versions.push(request.version);
          return answerOf(request, rest.shift());
        };
        const into = isGiven ? new Uint8Array(1200) : undefined;
        const found = await arrive(new RangedDownload({ ask, operation: 'GetObject', name: 'a/key', range, into }));
        assert.ok(wantedOf(range).equals(found));
        assert.ok(versions.every((version, index) => version === (index === 0 ? undefined : 'v1')));
      }),
      { seed: 20_261_123 },
    );
  });

  test('is refused where it goes on elsewhere, or with another object', async () => {
    const elsewhere = answerOf({ range: 'bytes=0-499', version: 'v1' });
    const fromTheBeginning = answerOf({ range: undefined, version: 'v1' });
    const tooMuch = answerOf({ range: 'bytes=400-900', version: 'v1' });
    for (const [second, says] of [
      [elsewhere, /did not go on where the body had broken off/],
      [fromTheBeginning, /did not go on where the body had broken off/],
      [tooMuch, /sent more than it said/],
      ['changed', /changed while it was read/],
      ['beyond', /changed while it was read/],
    ] as const) {
      await assert.rejects(arrive(spoilt(second)), { code: 'STORE_UNSUITABLE', message: says });
    }
  });

  test('is refused where the first answer is another range than was asked for', async () => {
    const ask = async () => answerOf({ range: undefined, version: undefined });
    const download = new RangedDownload({
      ask,
      operation: 'GetObject',
      name: 'a/key',
      range: { position: 1, sizeBytes: 9 },
      into: undefined,
    });
    await assert.rejects(download.proceed(NEVER), { code: 'STORE_UNSUITABLE', message: /^GetObject a\/key: / });
  });

  test('is held against what the store tells of a whole object, and only of a whole one', async () => {
    const verified: number[] = [];
    const ask = async (request: DownloadRequest) => ({
      ...(answerOf(request, verified.length === 0 ? 300 : Infinity) as DownloadAnswer),
      verify: (bytes: Uint8Array) => void verified.push(bytes.byteLength),
    });
    for (const range of [undefined, { position: 0, sizeBytes: 2000 }, { suffixBytes: 2000 }, { suffixBytes: 999 }]) {
      await arrive(new RangedDownload({ ask, operation: 'GetObject', name: 'a/key', range, into: undefined }));
    }
    assert.deepEqual(verified, [1000, 1000, 1000]);
  });

  test('is held against what the store tells of a range, all of it, however often it broke off', async () => {
    const verified: Buffer[] = [];
    let asked = 0;
    const ask = async (request: DownloadRequest) => {
      asked += 1;
      const number = asked;
      const verifyRange = (bytes: Uint8Array): void => {
        assert.equal(number, 1, 'the first answer was asked for all of it');
        verified.push(Buffer.from(bytes));
      };
      return { ...(answerOf(request, number < 3 ? 100 : Infinity) as DownloadAnswer), verifyRange };
    };
    const range = { position: 100, sizeBytes: 500 };
    await arrive(new RangedDownload({ ask, operation: 'GetObject', name: 'a/key', range, into: undefined }));
    assert.deepEqual([asked, verified], [3, [BYTES.subarray(100, 600)]]);
  });

  test('asks for nothing more where an answer failed behind its last byte', async () => {
    let asked = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      yield BYTES;
      throw Object.assign(new Error('cut'), { code: 'ECONNRESET' });
    }
    const ask = async () => {
      asked += 1;
      const { contentRange, contentLength, version } = answerOf({
        range: undefined,
        version: undefined,
      }) as DownloadAnswer;
      return { contentRange, contentLength, version, body: Readable.from(body(), { objectMode: false }) };
    };
    const download = new RangedDownload({
      ask,
      operation: 'GetObject',
      name: 'a/key',
      range: undefined,
      into: undefined,
    });
    assert.ok(BYTES.equals(await arrive(download)));
    assert.equal(asked, 1);
  });

  test('ends with its signal, and writes nothing after that', async () => {
    const ending = new AbortController();
    const into = new Uint8Array(1000);
    async function* body(): AsyncGenerator<Uint8Array> {
      yield BYTES.subarray(0, 10);
      ending.abort(new Error('the time is over'));
      yield BYTES.subarray(10);
    }
    const ask = async () => ({
      ...{ contentRange: undefined, contentLength: 1000, version: undefined },
      body: Readable.from(body(), { objectMode: false }),
    });
    const download = new RangedDownload({ ask, operation: 'GetObject', name: 'a/key', range: undefined, into });
    await assert.rejects(download.proceed(ending.signal), { message: 'the time is over' });
    assert.equal(into[11], 0);
  });
});

test('a content range may leave the size of the object open', () => {
  assert.deepEqual(parseContentRange('bytes 5-9/20'), { start: 5, end: 10, total: 20 });
  assert.deepEqual(parseContentRange('bytes 5-9/*'), { start: 5, end: 10, total: Number.NaN });
  assert.equal(parseContentRange('bytes */20'), undefined);
  assert.equal(parseContentRange(null), undefined);
});

test('says so where the store does not tell how much is to come', async () => {
  const whole = answerOf({ range: undefined, version: undefined }) as DownloadAnswer;
  const ask = async () => ({ ...whole, contentLength: undefined });
  const download = new RangedDownload({
    ask,
    operation: 'GetObject',
    name: 'a/key',
    range: undefined,
    into: undefined,
  });
  await assert.rejects(download.proceed(NEVER), {
    code: 'STORE_UNSUITABLE',
    message:
      /^GetObject a\/key: the answer has no Content-Length\. Let nothing .* compress bodies or send them in chunks$/,
  });
});

test('an object larger than all that is read whole is damaged, and not taken in', async () => {
  const whole = answerOf({ range: undefined, version: undefined }) as DownloadAnswer;
  const options = { operation: 'GetObject', name: 'a/key', range: undefined, into: undefined };
  const download = new RangedDownload({ ask: async () => ({ ...whole, contentLength: 3 * 1024 ** 3 }), ...options });
  await assert.rejects(download.proceed(NEVER), { code: 'OBJECT_CORRUPT', message: /^a\/key has 3221225472 bytes/ });
  assert.ok(whole.body.destroyed);
});

test('what is asked for is a range from a position', () => {
  assert.deepEqual(parseRange('bytes=5-9'), { position: 5, sizeBytes: 5 });
  for (const other of [undefined, 'bytes=-5', 'bytes=5-'])
    assert.throws(() => parseRange(other), /is no range from a position/);
});
