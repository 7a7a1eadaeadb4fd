// 5.1 GiB in one resumable upload, to a session that keeps no byte: it only holds every chunk against what Google's documentation
// asks of it (cloud.google.com/storage/docs/performing-resumable-uploads), since no server for tests can hold as much.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/record/crc32c.ts';
import type { GcsRequest, GcsResponse } from '../../src/storage/gcs/gcs-client.ts';
import { crc32cText } from '../../src/storage/gcs/gcs-download.ts';
import { translateGcs } from '../../src/storage/gcs/gcs-failures.ts';
import { type ObjectResource, ResumableUpload } from '../../src/storage/gcs/resumable-upload.ts';
import { AdaptiveLimit } from '../../src/storage/request/adaptive-limit.ts';
import { cutParts, PartMemory } from '../../src/storage/request/body-parts.ts';
import { RequestPolicy } from '../../src/storage/request/request-policy.ts';

const MIB = 1024 * 1024;
const CHUNK_UNIT_BYTES = 256 * 1024;
const CHUNKS = 5222;
const PART_BYTES = 8 * MIB;
const MAX_GROWTH_BYTES = 300e6;
const GENERATION = '1764500000000000';

class CountingSession {
  storedBytes = 0;
  crc = 0;
  /** The answer to the chunk that goes past so many bytes is lost. */
  losesAnswerAt = 2 ** 32;
  questions = 0;

  readonly send = async ({ method, body = [], headers = {} }: GcsRequest): Promise<GcsResponse> => {
    if (method === 'POST') return { status: 200, headers: new Headers({ location: 'http://store/session' }), data: '' };
    assert.equal(method, 'PUT');
    const [, from, , last, total] = /^bytes (\d+|\*)(-(\d+))?\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
    if (from === '*') this.questions += 1;
    else this.#take(body, Number(from), Number(last), total !== '*');
    if (this.storedBytes > this.losesAnswerAt) {
      this.losesAnswerAt = Infinity;
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    }
    if (Number(total) === this.storedBytes) {
      assert.equal(headers['x-goog-hash'], `crc32c=${crc32cText(this.crc)}`);
      const data: ObjectResource = { size: total!, crc32c: crc32cText(this.crc), generation: GENERATION };
      return { status: 200, headers: new Headers(), data };
    }
    return { status: 308, headers: new Headers({ range: `bytes=0-${this.storedBytes - 1}` }), data: '' };
  };

  #take(body: readonly Buffer[], from: number, last: number, isLast: boolean): void {
    assert.equal(from, this.storedBytes);
    for (const bytes of body) {
      this.crc = crc32c(bytes, this.crc);
      this.storedBytes += bytes.byteLength;
    }
    assert.equal(last + 1, this.storedBytes);
    assert.ok(isLast || this.storedBytes % CHUNK_UNIT_BYTES === 0);
  }
}

test('5.1 GiB go up in one session, chunk after chunk, in bounded memory, a lost answer behind 4 GiB included', async () => {
  const session = new CountingSession();
  const policy = new RequestPolicy({
    translate: (...failed) => translateGcs('bucket', ...failed),
    timeoutMs: 60_000,
    patienceMs: 120_000,
    maxConcurrency: 4,
  });
  const upload = await ResumableUpload.begin({
    send: session.send,
    policy,
    partsInFlight: new AdaptiveLimit(4),
    key: 'key',
    url: '/o',
    object: {},
    params: {},
  });
  const before = process.memoryUsage().rss;
  let [growth, wanted] = [0, 0];
  function* body(): Generator<Buffer> {
    const chunk = Buffer.alloc(MIB, 7);
    for (let index = 0; index < CHUNKS; index += 1) {
      chunk.writeUInt32LE(index, 0);
      wanted = crc32c(chunk, wanted);
      growth = Math.max(growth, process.memoryUsage().rss - before);
      yield chunk;
    }
  }
  for await (const part of cutParts(body(), new PartMemory(PART_BYTES, 4))) assert.ok(await upload?.add(part));
  const outcome = await upload?.outcome();
  assert.deepEqual(outcome, {
    kind: 'created',
    resource: { size: String(CHUNKS * MIB), crc32c: crc32cText(wanted), generation: GENERATION },
  });
  assert.equal(session.questions, 1);
  assert.ok(growth < MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`);
});
