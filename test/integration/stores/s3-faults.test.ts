// The S3 store where things go wrong on the way: a real server behind a proxy that spoils single requests. Nothing is lost,
// doubled or damaged in silence, and every refusal names its remedy.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { BackupError } from '../../../src/model/errors.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { RequestSurroundings } from '../../../src/storage/request/store-requests.ts';
import type { S3Settings } from '../../../src/storage/s3/s3-client.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { type Fault, FaultProxy, type SeenRequest } from '../../support/stores/fault-proxy.ts';
import { describeTrouble, type TroubledStore } from './trouble.contract.ts';
import { s3Client, startVersitygw, type Versitygw } from '../../support/stores/versitygw.ts';

const MIB = 1024 * 1024;
const BUCKET = 'faults';

let gateway: Versitygw;
let proxy: FaultProxy;
let keys = 0;

before(async () => {
  gateway = await startVersitygw();
  await gateway.createBucket(BUCKET);
  proxy = await FaultProxy.start(gateway.endpoint, { keepHost: true });
});

after(async () => {
  await proxy?.stop();
  await gateway?.server.stop();
});

beforeEach(() => {
  proxy.decide = () => undefined;
  proxy.seen.length = 0;
  keys += 1;
});

function open(
  change: Partial<S3Settings> = {},
  requests: Partial<S3Settings['requests']> = {},
  surroundings: RequestSurroundings = {},
): S3ObjectStore {
  const settings = gateway.settings({ bucket: BUCKET, endpoint: `http://${proxy.address}`, ...change });
  return new S3ObjectStore({ ...settings, requests: { ...settings.requests, ...requests } }, surroundings);
}

/** A key of this test's own. */
function key(): string {
  return `test-${keys}/object`;
}

function content(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let position = 0; position + 4 <= sizeBytes; position += 64) bytes.writeUInt32LE(position * 7, position);
  return bytes;
}

/** An answer of S3 in the server's stead. */
function answer(status: number, code: string, headers: Record<string, string> = {}): Fault {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said the test</Message></Error>`;
  return { kind: 'answer', status, headers: { 'content-type': 'application/xml', ...headers }, body };
}

const isPart = ({ url }: SeenRequest): boolean => url.includes('partNumber=');
const isEnd = ({ method, url }: SeenRequest): boolean => method === 'POST' && url.includes('uploadId=');
const isPut = ({ method }: SeenRequest): boolean => method === 'PUT';
const isGet = ({ method }: SeenRequest): boolean => method === 'GET';

async function assertHolds(store: ObjectStore, name: string, wanted: Buffer): Promise<void> {
  const found = await store.get(name);
  assert.ok(found !== undefined && wanted.equals(found), `${name} is what was put`);
}

describe('requests to S3', () => {
  it('are one for a small object, and two more than its parts for a large one', async () => {
    const store = open();
    await store.putIfAbsent(key(), [content(5 * MIB)]);
    assert.deepEqual(
      proxy.seen.map(({ method }) => method),
      ['PUT'],
    );
    proxy.seen.length = 0;
    await store.putIfAbsent(`${key()}-large`, [content(11 * MIB)]);
    assert.deepEqual(proxy.seen.map(({ method }) => method).toSorted(), ['POST', 'POST', 'PUT', 'PUT', 'PUT']);
  });

  it('carry no checksum headers where the store knows none', async () => {
    const store = open({ checksum: 'when_required' });
    for (const sizeBytes of [10, 6 * MIB]) {
      const bytes = content(sizeBytes);
      assert.equal(await store.putIfAbsent(`${key()}-${sizeBytes}`, [bytes]), 'created');
      await assertHolds(store, `${key()}-${sizeBytes}`, bytes);
    }
    const names = proxy.seen.flatMap(({ headers }) => Object.keys(headers));
    assert.deepEqual(
      names.filter((name) => /^x-amz-(checksum|sdk-checksum|trailer)/.test(name)),
      [],
    );
  });
});

describe('the store on S3', () => {
  const troubled = (): TroubledStore => ({
    proxy,
    open: (requests, surroundings) => open({}, requests, surroundings),
    partBytes: 5 * MIB,
    showsUploads: true,
    isWhole: isPut,
    isPart,
    takesPartsTogether: true,
    isEnd,
    busy: answer(503, 'SlowDown', { 'retry-after': '1' }),
    denied: answer(403, 'AccessDenied'),
    place: `bucket ${BUCKET}`,
    grant: /The credentials need s3:\w+/,
  });
  describeTrouble(troubled);
});

describe('a lost answer', () => {
  it('to the put of a small object leaves one object, known as our own', async () => {
    const store = open();
    proxy.once(isPut, { kind: 'lose-answer' });
    assert.equal(await store.putIfAbsent(key(), [content(1000)]), 'created');
    assert.deepEqual(
      proxy.seen.map(({ method }) => method),
      ['PUT', 'PUT', 'HEAD'],
    );
    await assertHolds(store, key(), content(1000));
    assert.equal(await store.putIfAbsent(key(), [content(1000)]), 'exists');
  });

  it('to the last request of a large object leaves one object, known as our own', async () => {
    const store = open();
    proxy.once(isEnd, { kind: 'lose-answer' });
    assert.equal(await store.putIfAbsent(key(), [content(11 * MIB)]), 'created');
    assert.equal(proxy.seen.filter(isEnd).length, 1, 'is looked for before it is asked for again');
    await assertHolds(store, key(), content(11 * MIB));
    assert.equal(await store.putIfAbsent(key(), [content(11 * MIB)]), 'exists');
    assert.deepEqual(await unfinished(), []);
  });

  it('to a part repeats the part', async () => {
    const store = open();
    proxy.once(isPart, { kind: 'lose-answer' });
    assert.equal(await store.putIfAbsent(key(), [content(16 * MIB)]), 'created');
    assert.equal(proxy.seen.filter(isPart).length, 5);
    await assertHolds(store, key(), content(16 * MIB));
  });
});

describe('the last request of a large object', () => {
  /** What S3 sends while it works: spaces. What it ends with comes behind them, under the status 200 (API_CompleteMultipartUpload). */
  const spaces = `<?xml version="1.0" encoding="UTF-8"?>\n${' '.repeat(100)}`;
  const error = (code: string): string => `<Error><Code>${code}</Code><Message>said the test</Message></Error>`;
  const ok = (body: string): Fault => ({
    kind: 'answer',
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body,
  });

  it('has failed when the error comes behind the status 200, and is asked for again', async () => {
    const troubles = {
      'an error': ok(spaces + error('InternalError')),
      'an error and a line feed': ok(`${spaces}${error('InternalError')}\n`),
      'a plea': ok(spaces + error('SlowDown')),
      'no more than spaces': ok(spaces),
      nothing: ok(''),
    };
    for (const [what, trouble] of Object.entries(troubles)) {
      const [store, name] = [open(), `${key()}-${what.replaceAll(' ', '-')}`];
      proxy.seen.length = 0;
      proxy.once(isEnd, trouble);
      assert.equal(await store.putIfAbsent(name, [content(6 * MIB)]), 'created', what);
      assert.equal(proxy.seen.filter(isEnd).length, 2, what);
      await assertHolds(store, name, content(6 * MIB));
    }
  });

  it('was too late when the status 200 is followed by a failed precondition', async () => {
    const store = open();
    async function* overtaken(): AsyncGenerator<Uint8Array> {
      yield content(6 * MIB);
      assert.equal(await store.putIfAbsent(key(), [content(10)]), 'created');
      proxy.once(isEnd, ok(spaces + error('PreconditionFailed')));
    }
    assert.equal(await store.putIfAbsent(key(), overtaken()), 'exists');
    await assertHolds(store, key(), content(10));
    assert.deepEqual(await unfinished(), []);
  });

  it('is not believed while an earlier one is still at work: the object is there when the put ends', async () => {
    const store = open({}, { requestTimeoutMs: 500 });
    let ends = 0;
    proxy.decide = (request) => {
      if (!isEnd(request)) return undefined;
      ends += 1;
      // versitygw 1.8 answers so to whoever asks again while it joins the parts.
      const done = '<CompleteMultipartUploadResult><ETag>"soon"</ETag></CompleteMultipartUploadResult>';
      return ends === 1 ? { kind: 'delay', ms: 3000 } : ok(done);
    };
    assert.equal(await store.putIfAbsent(key(), [content(11 * MIB)]), 'created');
    assert.ok(ends > 1, 'it was asked for again');
    assert.equal((await store.head(key()))?.sizeBytes, 11 * MIB);
    await assertHolds(store, key(), content(11 * MIB));
  });
});

describe('a store in trouble', () => {
  it('is waited for, however it says so', async () => {
    const troubles: Fault[] = [
      answer(503, 'SlowDown', { 'retry-after': '0' }),
      answer(429, 'TooManyRequests'),
      answer(500, 'InternalError'),
      answer(400, 'RequestTimeout'),
      answer(409, 'OperationAborted'),
      { kind: 'drop' },
    ];
    for (const [index, trouble] of troubles.entries()) {
      const store = open();
      let spoilt = 0;
      proxy.decide = () => ((spoilt += 1) <= 3 ? trouble : undefined);
      const bytes = content(6 * MIB);
      assert.equal(await store.putIfAbsent(`${key()}-${index}`, [bytes]), 'created', JSON.stringify(trouble));
      spoilt = 0;
      await assertHolds(store, `${key()}-${index}`, bytes);
    }
  });

  it('gets fewer requests at once when it asks for that', async () => {
    const store = open();
    proxy.once(isPut, answer(503, 'SlowDown'));
    await store.putIfAbsent(key(), [content(10)]);
    assert.ok(store.policy.traffic().concurrency < 16);
  });

  it('leaves no unfinished upload of a large object that failed', async () => {
    const store = open();
    proxy.decide = (request) => (isPart(request) ? answer(403, 'AccessDenied') : undefined);
    await assert.rejects(store.putIfAbsent(key(), [content(20 * MIB)]), { code: 'STORE_AUTHORIZATION_FAILED' });
    proxy.decide = () => undefined;
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield content(12 * MIB);
      throw new Error('the body failed');
    }
    await assert.rejects(store.putIfAbsent(key(), failing()), /the body failed/);
    assert.deepEqual(await unfinished(), []);
    assert.equal(await store.head(key()), undefined);
  });

  it('says once that it may not remove the parts of uploads that failed', async () => {
    const warnings: string[] = [];
    const ignore = (): void => {};
    const warn = (text: string, fields?: { readonly error?: Error }): void =>
      void warnings.push(`${text} ${fields?.error?.message}`);
    const store = open({}, {}, { logger: { debug: ignore, info: ignore, warn, error: ignore } });
    proxy.decide = ({ method }) => (method === 'DELETE' ? answer(403, 'AccessDenied') : undefined);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield content(6 * MIB);
      throw new Error('the body failed');
    }
    for (const name of ['a', 'b']) await assert.rejects(store.putIfAbsent(`${key()}/${name}`, failing()), /the body/);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /could not be removed.*s3:AbortMultipartUpload/);
    proxy.decide = () => undefined;
    for await (const upload of store.unfinished(key())) await store.discard(upload);
    assert.deepEqual(await unfinished(), []);
  });

  it('gets the end of a failed upload only when its parts have ended: one that arrives later would be kept', async () => {
    const store = open();
    let [parts, deniedAtMs, endedAtMs] = [0, 0, 0];
    proxy.decide = (request) => {
      if (request.method === 'DELETE') endedAtMs = performance.now();
      if (!isPart(request)) return undefined;
      parts += 1;
      if (parts > 1) return { kind: 'delay', ms: 400 };
      deniedAtMs = performance.now();
      return answer(403, 'AccessDenied');
    };
    await assert.rejects(store.putIfAbsent(key(), [content(11 * MIB)]), { code: 'STORE_AUTHORIZATION_FAILED' });
    assert.ok(parts > 1, `${parts} parts`);
    assert.ok(endedAtMs - deniedAtMs >= 390, `${endedAtMs - deniedAtMs} ms`);
    assert.deepEqual(await unfinished(), []);
  });

  it('is not waited for by an upload that was given up while it does not answer', async () => {
    const store = open();
    proxy.decide = (request) => (isPart(request) ? { kind: 'drop' } : undefined);
    const enough = new Error('enough');
    let givenUpAtMs = Number.NaN;
    async function* body(): AsyncGenerator<Uint8Array> {
      yield content(6 * MIB);
      while (store.policy.traffic().circuit === 'closed') await setTimeout(10);
      givenUpAtMs = performance.now();
      throw enough;
    }
    await assert.rejects(store.putIfAbsent(key(), body()), enough);
    const tookMs = performance.now() - givenUpAtMs;
    assert.ok(tookMs < 1000, `${tookMs} ms`);
    proxy.decide = () => undefined;
    const answering = open();
    for await (const upload of answering.unfinished(key())) await answering.discard(upload);
    assert.deepEqual(await unfinished(), []);
  });
});

describe('a listing that ends too early', () => {
  /** As stores answer that know only the first version of the request. */
  const cut = (name: string, what = ''): Fault => ({
    kind: 'answer',
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0"?><${name}>${what}<IsTruncated>true</IsTruncated></${name}>`,
  });
  async function all(listing: AsyncIterable<unknown>): Promise<void> {
    for await (const _ of listing);
  }
  const refused = (says: RegExp) => ({ code: 'STORE_UNSUITABLE', message: says });

  it('of objects is no listing', async () => {
    const store = open();
    proxy.decide = () => cut('ListBucketResult', `<Name>${BUCKET}</Name><Contents><Key>a/1</Key></Contents>`);
    const listed = all(store.list('a'));
    const says =
      /^ListObjectsV2 a in bucket faults: .*no NextContinuationToken\. The store does not list as S3 does, .*use another\.$/;
    await assert.rejects(listed, refused(says));
    assert.equal(proxy.seen.length, 1);
  });

  it('of uploads and of their parts neither ends nor goes on for ever', async () => {
    const store = open();
    proxy.decide = () => cut('ListMultipartUploadsResult', `<Bucket>${BUCKET}</Bucket>`);
    await assert.rejects(all(store.unfinished('a')), refused(/^ListMultipartUploads a .*no NextKeyMarker\./));
    proxy.decide = ({ url }) =>
      url.includes('uploadId=')
        ? cut('ListPartsResult', `<Bucket>${BUCKET}</Bucket>`)
        : {
            ...{ kind: 'answer', status: 200, headers: { 'content-type': 'application/xml' } },
            body: `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>${BUCKET}</Bucket><IsTruncated>false</IsTruncated><Upload><Key>a/1</Key><UploadId>u</UploadId></Upload></ListMultipartUploadsResult>`,
          };
    await assert.rejects(all(store.unfinished('a')), refused(/^ListParts a\/1 .*no NextPartNumberMarker\./));
  });
});

describe('a broken download', () => {
  it('goes on where it broke off, on the same object', async () => {
    const store = open();
    const bytes = content(3 * MIB);
    await store.putIfAbsent(key(), [bytes]);
    for (const [range, from] of [
      [undefined, 0],
      [{ position: 1000, sizeBytes: 2 * MIB }, 1000],
      [{ suffixBytes: 2 * MIB }, MIB],
    ] as const) {
      proxy.seen.length = 0;
      let cuts = 0;
      proxy.decide = (request) =>
        isGet(request) && (cuts += 1) <= 2 ? { kind: 'cut-answer', afterBytes: 500_000 } : undefined;
      const into = new Uint8Array(new SharedArrayBuffer(3 * MIB));
      const found = await store.get(key(), range, into);
      const end = range === undefined || 'suffixBytes' in range ? bytes.byteLength : from + range.sizeBytes;
      assert.ok(bytes.subarray(from, end).equals(Buffer.from(found!)), JSON.stringify(range));
      const [, second, third] = proxy.seen;
      assert.equal(second?.headers.range, `bytes=${from + 500_000}-${end - 1}`);
      assert.equal(third?.headers.range, `bytes=${from + 1_000_000}-${end - 1}`);
      assert.match(third?.headers['if-match'] ?? '', /\w+/);
    }
  });
});

describe('a whole object whose download broke off', () => {
  it('is held against its checksum all the same, which no range asks for', async () => {
    const store = open();
    await store.putIfAbsent(key(), [content(MIB)]);
    proxy.seen.length = 0;
    proxy.decide = (request) => {
      if (!isGet(request)) return undefined;
      const isFirst = request.headers.range === undefined;
      return isFirst ? { kind: 'cut-answer', afterBytes: 500_000 } : { kind: 'damage-answer' };
    };
    await assert.rejects(store.get(key()), { code: 'STORE_CHECKSUM_MISMATCH', message: /CRC-32/ });
    const modes = proxy.seen.map(({ headers }) => [headers.range !== undefined, headers['x-amz-checksum-mode']]);
    assert.deepEqual(modes, [
      [false, 'ENABLED'],
      [true, undefined],
    ]);
  });
});

describe('bytes that change on the way', () => {
  it('to the store are refused by it, and nothing is kept', async () => {
    const store = open();
    for (const [fits, sizeBytes] of [
      [isPut, 1000],
      [isPart, 11 * MIB],
    ] as const) {
      proxy.once(fits, { kind: 'damage-request' });
      await assert.rejects(store.putIfAbsent(key(), [content(sizeBytes)]), { code: 'STORE_CHECKSUM_MISMATCH' });
      assert.equal(await store.head(key()), undefined);
    }
    assert.deepEqual(await unfinished(), []);
  });

  it('from the store are an error, and are not asked for again', async () => {
    const store = open();
    for (const sizeBytes of [1000, 6 * MIB]) {
      const name = `${key()}-${sizeBytes}`;
      await store.putIfAbsent(name, [content(sizeBytes)]);
      proxy.seen.length = 0;
      proxy.once(isGet, { kind: 'damage-answer' });
      await assert.rejects(store.get(name), { code: 'STORE_CHECKSUM_MISMATCH' });
      assert.equal(proxy.seen.length, 1);
    }
  });
});

describe('a refusal', () => {
  const put = (store: ObjectStore) => store.putIfAbsent(key(), [content(10)]);
  const list = async (store: ObjectStore) => {
    for await (const _ of store.list('a')) break;
  };

  async function assertRefused(run: () => Promise<unknown>, code: string, ...says: readonly RegExp[]): Promise<void> {
    await assert.rejects(run, (error) => {
      assert.ok(error instanceof BackupError, String(error));
      assert.equal(error.code, code, error.message);
      for (const pattern of says) assert.match(error.message, pattern);
      assert.doesNotMatch(`${error.message}${String(error.cause)}`, /secret-key|CANARY/);
      return true;
    });
  }

  it('of the credentials names them', async () => {
    const wrong = { accessKey: 'test-access-key', secretKey: 'CANARY', sessionToken: null };
    await assertRefused(
      () => put(open({ credentials: wrong })),
      'STORE_AUTHENTICATION_FAILED',
      /SignatureDoesNotMatch/,
    );
    const unknown = { accessKey: 'nobody', secretKey: 'CANARY', sessionToken: null };
    await assertRefused(() => put(open({ credentials: unknown })), 'STORE_AUTHENTICATION_FAILED', /Check access_key/);
    proxy.decide = () => answer(400, 'ExpiredToken');
    await assertRefused(() => put(open()), 'STORE_AUTHENTICATION_FAILED', /The token has expired/);
  });

  it('of a bucket that is not there names it', async () => {
    const store = open({ bucket: 'nowhere' });
    for (const run of [() => put(store), () => list(store), () => store.get('a')]) {
      await assertRefused(run, 'STORE_UNSUITABLE', /in bucket nowhere|bucket nowhere/, /Create the bucket/);
    }
  });

  it('of another region names the right one', async () => {
    proxy.decide = () => answer(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-central-1' });
    await assertRefused(
      () => list(open()),
      'STORE_UNSUITABLE',
      /^ListObjectsV2 a in bucket faults: .*storage\.region us-east-1: set storage\.region: eu-central-1/,
    );
  });

  it('for the clock names by how much it is wrong', async () => {
    const store = open({}, { retryTimeoutMs: 300 });
    proxy.decide = () => answer(403, 'RequestTimeTooSkewed', { date: new Date(Date.now() - 3_600_000).toUTCString() });
    await assertRefused(() => list(store), 'STORE_UNAVAILABLE', /3600 s ahead|3601 s ahead/, /Set it right/);
  });

  it('of object lock in a bucket without it says so', async () => {
    const store = open({ objectLock: { mode: 'COMPLIANCE', days: 1 } });
    await assertRefused(() => put(store), 'STORE_UNSUITABLE', /Enable object lock/);
  });
});

/** Keys of uploads that were begun and neither ended nor given up. */
async function unfinished(): Promise<(string | undefined)[]> {
  const client = s3Client(gateway.endpoint);
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  client.destroy();
  return Uploads.map(({ Key }) => Key);
}
