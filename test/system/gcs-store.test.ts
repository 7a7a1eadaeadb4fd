// A backup and its restore through the real process, with Google Cloud Storage for a store: what a consumer sees at the source it
// sees after the restore, however the store ended in between; and what cannot work is refused before anything is
// fetched.
import { after, before, describe, it } from 'node:test';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import type { Fault, SeenRequest } from '../support/stores/fault-proxy.ts';
import {
  describeRefusals,
  journeyByUrl,
  journeyThere,
  journeyThroughOutage,
} from '../support/stores/store-journeys.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const isPut = ({ url }: SeenRequest): boolean => url.includes('uploadType=');
const isBeginning = ({ method, url }: SeenRequest): boolean =>
  method === 'POST' && url.includes('uploadType=resumable');
const isGet = ({ url }: SeenRequest): boolean => url.includes('alt=media');
const isList = ({ url }: SeenRequest): boolean => url.includes('maxResults=');

/** An answer of Google in the server's stead. */
function answer(status: number, reason: string, message: string): Fault {
  const body = JSON.stringify({ error: { code: status, message, errors: [{ reason, message }] } });
  return { kind: 'answer', status, headers: { 'content-type': 'application/json' }, body };
}

describe('a backup in Google Cloud Storage', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD['Google Cloud Storage']()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in chunks', () =>
    journeyThere(system, cloud));

  it('waits for a store that is away at the start, and for one that ends and comes back', () =>
    journeyThroughOutage(system, cloud));

  it('is shown by every command that takes the address of a store', () => journeyByUrl(system, cloud));

  describe('that cannot be', () => {
    describeRefusals(
      () => system,
      () => cloud,
      [
        {
          what: 'a bucket that is not there',
          ...{ change: { bucket: 'nowhere' }, exitCode: 1, code: 'STORE_UNSUITABLE' },
          says: /bucket nowhere.*404.*Create the bucket/,
        },
        {
          what: 'a key file that is not there',
          change: { endpoint: null, allow_http: null, service_account_path: '/no/such/key.json' },
          ...{ exitCode: 2, code: 'CONFIG_INVALID', says: /storage\.service_account_path +there is no such file/ },
        },
        {
          what: 'a token that has expired',
          fault: { fits: () => true, is: answer(401, 'authError', 'Invalid Credentials') },
          ...{ exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED', says: /HTTP 401.*service_account_path/ },
        },
        {
          what: 'bytes that change on the way',
          fault: { fits: isGet, is: { kind: 'damage-answer' } },
          ...{
            exitCode: 13,
            code: 'STORE_CHECKSUM_MISMATCH',
            says: /^GetObject refused\/probe\.txt.*do not have the CRC-32C/,
          },
        },
        ...[
          { operation: 'ListObjects', fits: isList },
          { operation: 'InsertObject', fits: isPut },
          { operation: 'GetObject', fits: isGet },
          { operation: 'StartResumableUpload', fits: isBeginning },
        ].map(({ operation, fits }) => ({
          what: `credentials that may not ${operation}`,
          fault: { fits, is: answer(403, 'forbidden', 'no such access') },
          ...{ exitCode: 12, code: 'STORE_AUTHORIZATION_FAILED' as const },
          says: new RegExp(`^${operation} refused/\\S* in bucket backups: .*roles/storage.objectUser`),
        })),
      ],
    );
  });
});
