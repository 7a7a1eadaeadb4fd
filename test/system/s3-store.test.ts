// A backup and its restore through the real process, with S3 for a store: what a consumer sees at the source it sees after the
// restore, however the store ended in between; and what cannot work is refused before anything is fetched.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AgentProcess } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { journeyOfManyPartitions } from '../support/journeys/many-partitions.ts';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import type { Fault, SeenRequest } from '../support/stores/fault-proxy.ts';
import {
  describeRefusals,
  journeyByUrl,
  journeyThere,
  journeyThroughOutage,
} from '../support/stores/store-journeys.ts';
import { VERSITYGW_KEYS } from '../support/stores/versitygw.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const isList = ({ method, url }: SeenRequest): boolean => method === 'GET' && url.includes('list-type=2');
const isGet = ({ method, url }: SeenRequest): boolean => method === 'GET' && !url.includes('list-type=2');
const isBeginning = ({ method, url }: SeenRequest): boolean => method === 'POST' && url.includes('uploads');
const isPart = ({ url }: SeenRequest): boolean => url.includes('partNumber=');
const isEnd = ({ method, url }: SeenRequest): boolean => method === 'POST' && url.includes('uploadId=');
const isPut = ({ method }: SeenRequest): boolean => method === 'PUT';

/** An answer of S3 in the server's stead. */
function answer(status: number, code: string, headers: Record<string, string> = {}): Fault {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said the test</Message></Error>`;
  return { kind: 'answer', status, headers: { 'content-type': 'application/xml', ...headers }, body };
}

describe('a backup in S3', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD.S3()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in parts', () =>
    journeyThere(system, cloud));

  it('waits for a store that is away at the start, and for one that is killed and comes back', () =>
    journeyThroughOutage(system, cloud));

  it('takes the memory of its budgets with hundreds of busy partitions', async (context) => {
    context.diagnostic(await journeyOfManyPartitions(system, cloud));
  });

  it('is shown by every command that takes the address of a store', () => journeyByUrl(system, cloud));

  it('is shown with credentials from the environment, as the SDK finds them', async () => {
    const env = { AWS_ACCESS_KEY_ID: VERSITYGW_KEYS.accessKey, AWS_SECRET_ACCESS_KEY: VERSITYGW_KEYS.secretKey };
    const options = { cwd: system.workspace.directory, env };
    const list = await new AgentProcess(['list', '--json', '--path', cloud.url], options).exit();
    assertExit(list, 0);
    const ids = (list.summary.backups as readonly { readonly id: string }[]).map(({ id }) => id);
    assert.ok(ids.includes('plain'), ids.join());
  });

  it('that is there already is not gone on with where new objects could not be locked', async () => {
    const keys = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of cloud.store.list('plain/')) found.push(key);
      return found;
    };
    const before = await keys();
    const store = cloud.storage({ object_lock_mode: 'COMPLIANCE', object_lock_days: 1 });
    const run = await system.workspace.backup({ backupId: 'plain', topics: ['plain'], store });
    assertExit(run, 1);
    assert.match(run.failure?.message ?? '', /^CreateMultipartUpload plain\/.*Enable object lock on the bucket/);
    assert.deepEqual(await keys(), before);
  });

  describe('that cannot be', () => {
    describeRefusals(
      () => system,
      () => cloud,
      [
        {
          what: 'a bucket that is not there',
          ...{ change: { bucket: 'nowhere' }, exitCode: 1, code: 'STORE_UNSUITABLE' },
          says: /bucket nowhere.*NoSuchBucket.*Create the bucket/,
        },
        {
          what: 'a secret that is wrong',
          ...{ change: { secret_key: 'CANARY' }, exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED' },
          says: /SignatureDoesNotMatch.*Check access_key/,
        },
        {
          what: 'an access key that nobody has',
          ...{ change: { access_key: 'nobody' }, exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED' },
          says: /Check access_key/,
        },
        {
          what: 'a token that has expired',
          fault: { fits: () => true, is: answer(400, 'ExpiredToken') },
          ...{ exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED', says: /The token has expired: get a new one/ },
        },
        {
          what: 'a bucket of another region',
          ...{ change: { region: 'eu-west-9' }, exitCode: 1, code: 'STORE_UNSUITABLE' },
          says: /^(ListObjectsV2|PutObject|GetObject) refused\/\S* in bucket backups: .*storage\.region eu-west-9: set storage\.region: us-east-1/,
        },
        {
          what: 'a store that overwrites what it was told not to',
          // Such a store answers every put with success.
          fault: { fits: isPut, is: { kind: 'answer', status: 200, headers: { etag: '"x"' } } },
          ...{ exitCode: 1, code: 'STORE_UNSUITABLE', says: /overwrites objects.*Use a store with conditional writes/ },
        },
        {
          what: 'a store that knows no conditional writes',
          fault: { fits: isPut, is: answer(501, 'NotImplemented') },
          ...{
            exitCode: 1,
            code: 'STORE_UNSUITABLE',
            says: /^PutObject refused\/.*in bucket backups.*lacks something/,
          },
        },
        {
          what: 'a store that knows no objects in parts',
          fault: { fits: isBeginning, is: answer(501, 'NotImplemented') },
          ...{
            exitCode: 1,
            code: 'STORE_UNSUITABLE',
            says: /^CreateMultipartUpload refused\/probe\.txt in bucket backups.*lacks something/,
          },
        },
        {
          what: 'a bucket without object lock, where objects are to be locked',
          change: { object_lock_mode: 'COMPLIANCE', object_lock_days: 1 },
          ...{ exitCode: 1, code: 'STORE_UNSUITABLE', says: /^PutObject refused\/.*Enable object lock on the bucket/ },
        },
        {
          what: 'a clock that is wrong',
          change: { retry_timeout_ms: 300 },
          fault: { fits: () => true, is: answer(403, 'RequestTimeTooSkewed', { date: new Date(0).toUTCString() }) },
          ...{ exitCode: 1, code: 'STORE_UNAVAILABLE', says: /clock of this host.*s ahead. Set it right/ },
        },
        {
          what: 'bytes that change on the way',
          fault: { fits: isPut, is: { kind: 'damage-request' } },
          ...{ exitCode: 13, code: 'STORE_CHECKSUM_MISMATCH', says: /^PutObject refused\/.*not those that were sent/ },
        },
        ...[
          { permission: 's3:ListBucket', operation: 'ListObjectsV2', fits: isList },
          { permission: 's3:PutObject', operation: 'PutObject', fits: isPut },
          { permission: 's3:GetObject', operation: 'GetObject', fits: isGet },
          { permission: 's3:PutObject', operation: 'CreateMultipartUpload', fits: isBeginning },
          { permission: 's3:PutObject', operation: 'UploadPart', fits: isPart },
          { permission: 's3:PutObject', operation: 'CompleteMultipartUpload', fits: isEnd },
        ].map(({ permission, operation, fits }) => ({
          what: `credentials that lack ${permission} for ${operation}`,
          fault: { fits, is: answer(403, 'AccessDenied') },
          ...{ exitCode: 12, code: 'STORE_AUTHORIZATION_FAILED' as const },
          says: new RegExp(`^${operation} refused/\\S* in bucket backups: .*AccessDenied.*need ${permission}`),
        })),
      ],
    );
  });
});
