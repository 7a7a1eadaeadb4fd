// A backup and its restore through the real process, with Azure Blob for a store: what a consumer sees at the source it sees after
// the restore, however the store ended in between; and what cannot work is refused before anything is fetched.
import { after, before, describe, it } from 'node:test';
import { type CloudStore, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { azuriteSignature } from '../support/stores/azurite.ts';
import type { Fault, SeenRequest } from '../support/stores/fault-proxy.ts';
import {
  describeRefusals,
  journeyByUrl,
  journeyThere,
  journeyThroughOutage,
} from '../support/stores/store-journeys.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const isList = ({ url }: SeenRequest): boolean => url.includes('comp=list');
const isGet = ({ method, url }: SeenRequest): boolean => method === 'GET' && !url.includes('comp=list');
const isBlock = ({ url }: SeenRequest): boolean => /comp=block(&|$)/.test(url);
const isCommit = ({ url }: SeenRequest): boolean => url.includes('comp=blocklist');
const isPut = ({ method }: SeenRequest): boolean => method === 'PUT';

/** An answer of Azure in the server's stead. */
function answer(status: number, code: string): Fault {
  return { kind: 'answer', status, headers: { 'x-ms-error-code': code } };
}

describe('a backup in Azure Blob', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let cloud: CloudStore;

  before(async () => {
    [system, cloud] = await Promise.all([SystemFixture.start(), START_CLOUD['Azure Blob']()]);
  });

  after(async () => {
    await system?.stop();
    await cloud?.stop();
  });

  it('is restored as it was: small segments in one request each, large ones in blocks', () =>
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
          what: 'a container that is not there',
          ...{ change: { container_name: 'nowhere' }, exitCode: 1, code: 'STORE_UNSUITABLE' },
          says: /^(ListBlobs|PutBlob|GetBlob) refused\/\S* in container nowhere.*ContainerNotFound.*Create the container, restore it if it was deleted/,
        },
        {
          what: 'a container that is being deleted',
          fault: { fits: () => true, is: answer(409, 'ContainerBeingDeleted') },
          ...{ exitCode: 1, code: 'STORE_UNSUITABLE', says: /container backups.*being deleted: use another, or wait/ },
        },
        {
          what: 'a key that is wrong',
          ...{ change: { account_key: 'CANARY==' }, exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED' },
          says: /Check account_name and account_key/,
        },
        {
          what: 'a key that is none',
          ...{ change: { account_key: 'CANARY, not Base64' }, exitCode: 2, code: 'CONFIG_INVALID' },
          says: /storage\.account_key +the value is not Base64/,
        },
        {
          what: 'an identity where there is no TLS',
          ...{ change: { account_key: null }, exitCode: 2, code: 'CONFIG_INVALID' },
          says: /storage\.endpoint +no identity logs in at an endpoint without TLS/,
        },
        {
          what: 'a shared access signature that is wrong',
          change: {
            account_key: null,
            sas_token: '?sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=CANARY%3D',
          },
          ...{ exitCode: 12, code: 'STORE_AUTHENTICATION_FAILED', says: /sas_token/ },
        },
        ...['rcl', 'racl'].map((permissions) => ({
          what: `a shared access signature that lets in small objects only (${permissions})`,
          change: {
            account_key: null,
            sas_token: azuriteSignature('backups', permissions, new Date(Date.now() + 3_600_000)),
          },
          ...{ exitCode: 12, code: 'STORE_AUTHORIZATION_FAILED' as const },
          says: /^PutBlock refused\/probe\.txt in container backups .*permissions r, a, c, w, d and l/,
        })),
        {
          what: 'bytes that change on the way',
          fault: { fits: isPut, is: { kind: 'damage-request' } },
          ...{ exitCode: 13, code: 'STORE_CHECKSUM_MISMATCH', says: /^PutBlob refused\/.*not those that were sent/ },
        },
        ...[
          { operation: 'ListBlobs', fits: isList },
          { operation: 'PutBlob', fits: isPut },
          { operation: 'GetBlob', fits: isGet },
          { operation: 'PutBlock', fits: isBlock },
          { operation: 'PutBlockList', fits: isCommit },
        ].map(({ operation, fits }) => ({
          what: `credentials that may not ${operation}`,
          fault: { fits, is: answer(403, 'AuthorizationPermissionMismatch') },
          ...{ exitCode: 12, code: 'STORE_AUTHORIZATION_FAILED' as const },
          says: new RegExp(`^${operation} refused/\\S* in container backups .*Storage Blob Data Contributor`),
        })),
      ],
    );
  });
});
