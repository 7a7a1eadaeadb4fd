import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AdaptiveLimit } from '../../../../src/storage/request/adaptive-limit.ts';
import { cutParts, PartMemory } from '../../../../src/storage/request/body-parts.ts';
import { translateGcs } from '../../../../src/storage/gcs/gcs-failures.ts';
import { ResumableUpload, type UploadOutcome } from '../../../../src/storage/gcs/resumable-upload.ts';
import { RequestPolicy } from '../../../../src/storage/request/request-policy.ts';
import { VirtualTime } from '../request/virtual-time.ts';
import { CHUNK_UNIT_BYTES, type Mishap, UploadSession } from './upload-session.ts';

const SEED = { seed: 20_261_123 };
const PART_BYTES = 4 * CHUNK_UNIT_BYTES;

interface Trial {
  readonly session: UploadSession;
  readonly upload: ResumableUpload;
  readonly time: VirtualTime;
  readonly memory: PartMemory;
}

async function begin(mishaps: readonly Mishap[] = []): Promise<Trial> {
  const time = new VirtualTime();
  const session = new UploadSession();
  const policy = new RequestPolicy({
    translate: (...failed) => translateGcs('bucket', ...failed),
    timeoutMs: 10_000,
    patienceMs: 600_000,
    maxConcurrency: 4,
    monotonicMs: time.monotonicMs,
    wait: time.wait,
  });
  const upload = await ResumableUpload.begin({
    send: session.send,
    policy,
    partsInFlight: new AdaptiveLimit(2),
    key: 'key',
    url: '/o',
    object: {},
    params: {},
  });
  session.mishaps = [...mishaps];
  return { session, upload: upload!, time, memory: new PartMemory(PART_BYTES, 3) };
}

async function put({ upload, memory }: Trial, body: Buffer): Promise<UploadOutcome> {
  for await (const part of cutParts([body], memory)) await upload.add(part);
  return upload.outcome();
}

const BYTES = Buffer.from(Uint8Array.from({ length: 4 * PART_BYTES }, (_, index) => (index >>> 10) ^ index));

function bodyOf(sizeBytes: number): Buffer {
  return BYTES.subarray(0, sizeBytes);
}

async function assertUploaded(mishaps: readonly Mishap[], body: Buffer): Promise<UploadSession> {
  const trial = await begin(mishaps);
  const outcome = await trial.time.until(put(trial, body));
  assert.equal(outcome.status, 'fulfilled', String((outcome as PromiseRejectedResult).reason));
  assert.ok(trial.session.isComplete);
  assert.ok(body.equals(trial.session.content));
  return trial.session;
}

describe('a resumable upload', () => {
  it('sends a body in chunks, one after the other', async () => {
    const session = await assertUploaded([], bodyOf(3 * PART_BYTES + 17));
    assert.equal(session.requests, 4);
  });

  it('asks how much the store has, and sends only the rest', async () => {
    // The answer to the first chunk is lost; the question tells that all of it is there.
    assert.equal((await assertUploaded(['answer-lost'], bodyOf(PART_BYTES + 1))).requests, 3);
    // The first chunk is lost; the question tells that nothing is there.
    assert.equal((await assertUploaded(['request-lost'], bodyOf(PART_BYTES + 1))).requests, 4);
    // The answer to the last chunk is lost; the question tells that the object is complete.
    assert.equal((await assertUploaded(['none', 'answer-lost'], bodyOf(PART_BYTES + 1))).requests, 3);
  });

  it('takes a page of success for no answer, above all to the last chunk', async () => {
    assert.equal((await assertUploaded(['page-instead'], bodyOf(PART_BYTES + 1))).requests, 4);
    assert.equal((await assertUploaded(['page-behind'], bodyOf(PART_BYTES + 1))).requests, 3);
    assert.equal((await assertUploaded(['none', 'page-instead'], bodyOf(PART_BYTES + 1))).requests, 4);
    assert.equal((await assertUploaded(['none', 'page-behind'], bodyOf(PART_BYTES + 1))).requests, 3);
  });

  it('sends again what the store did not keep of a chunk', async () => {
    const session = await assertUploaded([{ keptUnits: 1 }, { keptUnits: 2 }], bodyOf(PART_BYTES + 1));
    assert.equal(session.requests, 4);
  });

  it('arrives whole, whatever happens on the way', async () => {
    const anyMishap: fc.Arbitrary<Mishap> = fc.oneof(
      fc.constantFrom<Mishap[]>('none', 'request-lost', 'answer-lost', 'page-instead', 'page-behind'),
      fc.integer({ min: 1, max: 4 }).map((keptUnits) => ({ keptUnits })),
    );
    const anySize = fc.integer({ min: PART_BYTES + 1, max: 2 * PART_BYTES + CHUNK_UNIT_BYTES });
    await fc.assert(
      fc.asyncProperty(fc.array(anyMishap, { maxLength: 8 }), anySize, async (mishaps, sizeBytes) => {
        await assertUploaded(mishaps, bodyOf(sizeBytes));
      }),
      { ...SEED, numRuns: 40 },
    );
  });

  it('cancels its session when it is given up, and not when it is done', async () => {
    const done = await begin();
    await done.time.until(put(done, bodyOf(PART_BYTES + 1)));
    await done.upload.close();
    assert.equal(done.session.isCancelled, false);
    const given = await begin();
    for await (const part of cutParts([bodyOf(2 * PART_BYTES)], given.memory)) {
      await given.upload.add(part);
      break;
    }
    await given.time.until(given.upload.close());
    assert.equal(given.session.isCancelled, true);
    assert.equal(given.session.isComplete, false);
  });
});
