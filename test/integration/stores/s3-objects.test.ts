// What new objects in S3 are, and what becomes of deleted ones: in a bucket with object lock, and so with versions, on a real server
// that keeps them. Between it and the store stands a proxy, which sees what the store asks for.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import type { RequestSurroundings } from '../../../src/storage/request/store-requests.ts';
import type { S3Settings } from '../../../src/storage/s3/s3-client.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { FaultProxy } from '../../support/stores/fault-proxy.ts';
import { s3Client, startVersitygw, type Versitygw } from '../../support/stores/versitygw.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const BUCKET = 'plain';
const LOCKED_BUCKET = 'locked';

describe('objects in S3', { timeout: 120_000 }, () => {
  let gateway: Versitygw;
  let proxy: FaultProxy;
  let keys = 0;

  before(async () => {
    gateway = await startVersitygw();
    await gateway.createBucket(BUCKET);
    await gateway.createBucket(LOCKED_BUCKET, { objectLock: true });
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

  function open(change: Partial<S3Settings>, surroundings: RequestSurroundings = {}): S3ObjectStore {
    return new S3ObjectStore(gateway.settings({ endpoint: `http://${proxy.address}`, ...change }), surroundings);
  }

  /** A key of this test's own. */
  function key(): string {
    return `test-${keys}/object`;
  }

  it('are what the configuration says: tags, metadata and a lock until its day', async () => {
    const days = 3;
    const store = open({
      bucket: LOCKED_BUCKET,
      tags: new Map([
        ['team', 'data + co'],
        ['cost:center', '4/2'],
      ]),
      objectLock: { mode: 'GOVERNANCE', days },
    });
    const client = s3Client(gateway.endpoint);
    for (const sizeBytes of [10, 6 * MIB]) {
      const of = { Bucket: LOCKED_BUCKET, Key: `${key()}-${sizeBytes}` };
      assert.equal(await store.putIfAbsent(of.Key, [Buffer.alloc(sizeBytes, 'x')]), 'created');
      const { TagSet } = await client.send(new GetObjectTaggingCommand(of));
      assert.deepEqual(
        new Map(TagSet?.map(({ Key, Value }) => [Key, Value])),
        new Map([
          ['team', 'data + co'],
          ['cost:center', '4/2'],
        ]),
      );
      const { Retention } = await client.send(new GetObjectRetentionCommand(of));
      assert.equal(Retention?.Mode, 'GOVERNANCE');
      const until = Retention.RetainUntilDate!.getTime() - Date.now();
      assert.ok(Math.abs(until - days * 86_400_000) < 60_000);
      assert.equal((await client.send(new HeadObjectCommand(of))).ContentLength, sizeBytes);
    }
    client.destroy();
  });

  it('are locked by the clock of the store, as its last answer told it, whatever the host takes for the time', async () => {
    const warnings: string[] = [];
    const ignore = (): void => {};
    const logger = { debug: ignore, info: ignore, warn: (text: string) => void warnings.push(text), error: ignore };
    for (const sizeBytes of [10, 6 * MIB]) {
      const objectLock = { mode: 'GOVERNANCE', days: 1 } as const;
      const store = open({ bucket: LOCKED_BUCKET, objectLock }, { logger });
      const headers = { 'content-type': 'application/xml', date: new Date(Date.now() + HOUR_MS).toUTCString() };
      proxy.once(({ method }) => method === 'GET', {
        kind: 'answer',
        status: 200,
        headers,
        body: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
      });
      for await (const _ of store.list('a')) break;
      assert.equal(await store.putIfAbsent(`${key()}-${sizeBytes}`, [Buffer.alloc(sizeBytes, 'x')]), 'created');
      const hoursAhead = proxy.seen
        .map((request) => Date.parse(String(request.headers['x-amz-object-lock-retain-until-date'])) - Date.now())
        .filter((aheadMs) => !Number.isNaN(aheadMs))
        .map((aheadMs) => Math.round(aheadMs / HOUR_MS) - 24);
      // The store itself refuses the first one, which is signed for an hour ahead, and tells its own time with that.
      assert.deepEqual(hoursAhead, [1, 0]);
      proxy.seen.length = 0;
    }
    assert.equal(warnings.length, 2);
    for (const warning of warnings) assert.match(warning, /clock of this host is 3(599|600) s behind/);
  });

  it('are tried out in parts where there is one already, with the same headers', async () => {
    const isThere = Promise.resolve();
    const bytes = Buffer.alloc(10, 'x');
    const plain = open({ bucket: BUCKET });
    await plain.putIfAbsent(key(), [bytes]);
    const objectLock = { mode: 'COMPLIANCE', days: 1 } as const;
    const locking = open({ bucket: BUCKET, objectLock });
    assert.equal(await locking.putIfAbsent(key(), [bytes]), 'exists');
    await assert.rejects(locking.putInParts(key(), bytes, isThere), {
      code: 'STORE_UNSUITABLE',
      message: /^CreateMultipartUpload test-.*Enable object lock on the bucket/,
    });
    const locked = open({ bucket: LOCKED_BUCKET, objectLock, tags: new Map([['team', 'data']]) });
    assert.equal(await locked.putIfAbsent(key(), [bytes]), 'created');
    assert.equal(await locked.putInParts(key(), bytes, isThere), 'exists');
    // What was tried out is given up by then, for which nobody waits before.
    await locked.close();
    for (const store of [plain, open({ bucket: LOCKED_BUCKET })]) {
      for await (const { name } of store.unfinished('test-')) assert.fail(`${name} stayed behind`);
    }
  });

  it('are only hidden when they are deleted where the bucket keeps versions, and the answer says so', async () => {
    const client = s3Client(gateway.endpoint);
    for (const [bucket, deletion, sizes] of [
      [BUCKET, 'deleted', []],
      [LOCKED_BUCKET, 'hidden', [10]],
    ] as const) {
      const store = open({ bucket });
      await store.putIfAbsent(key(), [Buffer.alloc(10, 'x')]);
      assert.equal(await store.delete(key()), deletion);
      assert.equal(await store.head(key()), undefined);
      const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key() }));
      assert.deepEqual(
        Versions.map(({ Size }) => Size),
        sizes,
      );
    }
    client.destroy();
  });
});
