// What goes wrong at Azure Blob, as a BackupError: by the service's own error code, then by HTTP status, then by what the connection
// or the login said (learn.microsoft.com/rest/api/storageservices/blob-service-error-codes). The SDK's error is not kept as the
// cause: it holds the request, whose address may carry a shared access signature.

import { messageOf } from '../../model/errors.ts';
import {
  DAMAGED,
  firstLine,
  type Meaning,
  meaningOfConnection,
  meaningOfSilence,
  meaningOfStatus,
  requestFailure,
  secondsAhead,
  StrangeAnswer,
  type StoreAnswer,
} from '../request/request-failure.ts';
import type { RequestFailure } from '../request/request-policy.ts';

interface AzureError extends StoreAnswer {
  readonly header: (name: string) => string | undefined;
}

/** Where the requests go, for messages. */
export interface AzurePlace {
  readonly accountName: string;
  readonly container: string;
}

const NO_CONTAINER: Meaning = [
  'refused',
  'STORE_UNSUITABLE',
  'Create the container, restore it if it was deleted, or mend storage.container.',
];
const BEING_DELETED: Meaning = ['refused', 'STORE_UNSUITABLE', 'The container is being deleted: use another, or wait.'];
const IMMUTABLE: Meaning = ['refused', 'STORE_REFUSED', 'An immutability policy or a legal hold protects it.'];
const PERMISSIONS =
  'Grant the role Storage Blob Data Contributor, or the permissions r, a, c, w, d and l of a shared access signature';

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ContainerNotFound: NO_CONTAINER,
  ResourceNotFound: [
    'refused',
    'STORE_UNSUITABLE',
    `${NO_CONTAINER[2]} An emulator needs the name of the account in the path of storage.endpoint.`,
  ],
  ContainerBeingDeleted: BEING_DELETED,
  ContainerDisabled: ['refused', 'STORE_UNSUITABLE', 'The container was disabled: restore it, or use another.'],
  InvalidResourceName: ['refused', 'STORE_UNSUITABLE', 'Mend storage.container: no container can have this name.'],
  AccountIsDisabled: ['refused', 'STORE_UNSUITABLE', 'The storage account is disabled.'],
  BlobTypeNotSupported: ['refused', 'STORE_UNSUITABLE', 'This kind of storage account holds no block blobs.'],
  BlobArchived: ['refused', 'STORE_REFUSED', 'The blob was moved to the archive tier: rehydrate it there first.'],
  BlobImmutableDueToPolicy: IMMUTABLE,
  BlobIsImmutable: IMMUTABLE,
  LeaseIdMissing: ['refused', 'STORE_REFUSED', 'Somebody holds a lease on it: break the lease.'],
  SnapshotsPresent: ['refused', 'STORE_REFUSED', 'It has snapshots: delete those first.'],
  Md5Mismatch: DAMAGED,
  Crc64Mismatch: DAMAGED,
  AuthorizationFailure: [
    'refused',
    'STORE_AUTHORIZATION_FAILED',
    `${PERMISSIONS}, and let this host in by the network rules of the account.`,
  ],
  AuthorizationPermissionMismatch: ['refused', 'STORE_AUTHORIZATION_FAILED', `${PERMISSIONS}.`],
  KeyBasedAuthenticationNotPermitted: [
    'refused',
    'STORE_AUTHENTICATION_FAILED',
    'The account takes no account keys: leave account_key out and log in by an identity.',
  ],
  ServerBusy: ['throttled', 'STORE_UNAVAILABLE', ''],
  AccountLimitExceeded: ['throttled', 'STORE_FULL', 'The storage account has reached its limit.'],
};

/** The service's words for a key or signature that is not right, whatever the code that comes with them. */
const NOT_WHO = /^AuthenticationFailed|failed to authenticate/i;
const EXPIRED = /time frame|expir|not valid yet/i;
const LOGIN = /^(CredentialUnavailable|AuthenticationRequired|Authentication|AggregateAuthentication)Error$/;
/** The library's, before it asks anybody. */
const NO_TENANT = /^Invalid tenant id/;
/** Of a login: the network or the service that logs in, which may come back. */
const PASSING =
  /ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|network[_ ]error|endpoints_resolution|temporarily_unavailable|server_error|timed? ?out/i;
/** The service refuses what was signed longer ago. */
const MAX_SKEW_SECONDS = 900;

/** The parts of an error of the SDK that say what happened. */
export function azureErrorOf(failure: unknown): AzureError {
  const error = (failure ?? {}) as {
    readonly statusCode?: unknown;
    readonly code?: unknown;
    readonly details?: { readonly authenticationErrorDetail?: unknown };
    readonly response?: { readonly headers?: { get(name: string): string | undefined } };
  };
  const header = (name: string): string | undefined => error.response?.headers?.get(name);
  const code = header('x-ms-error-code') ?? error.code;
  const detail = error.details?.authenticationErrorDetail;
  const said = [firstLine(messageOf(failure)), typeof detail === 'string' ? detail : ''];
  return {
    code: typeof code === 'string' ? code : '',
    status: typeof error.statusCode === 'number' ? error.statusCode : undefined,
    message: firstLine(said.join(' ')),
    header,
  };
}

/** @param key empty where the request is about the container */
export function translateAzure(place: AzurePlace, failure: unknown, operation: string, key: string): RequestFailure {
  const found = azureErrorOf(failure);
  const at = `container ${place.container} of account ${place.accountName}`;
  const request = { operation, key, place: at, retryAfter: found.header('retry-after') };
  return requestFailure(request, found, meaningOf(found, failure));
}

function meaningOf(found: AzureError, failure: unknown): Meaning {
  const { code, status, message } = found;
  if (status === 401 || (status === 403 && NOT_WHO.test(`${code} ${message}`))) return notWho(found);
  if (Object.hasOwn(MEANINGS, code)) return MEANINGS[code] ?? DAMAGED;
  if (failure instanceof Error && LOGIN.test(failure.name)) return meaningOfConnection(found) ?? notLoggedIn(found);
  if (status === undefined && NO_TENANT.test(message)) {
    const remedy = 'Mend storage.tenant_id, or AZURE_TENANT_ID of the environment.';
    return ['refused', 'STORE_AUTHENTICATION_FAILED', remedy];
  }
  if (status === undefined) return meaningOfSilence(found, failure, 'storage.account_name and storage.endpoint');
  if (status === 403) return ['refused', 'STORE_AUTHORIZATION_FAILED', `${PERMISSIONS}.`];
  if (status === 404) return ['refused', 'STORE_UNSUITABLE', 'Check storage.container and storage.endpoint.'];
  return meaningOfStatus(status);
}

function notWho({ message, header }: AzureError): Meaning {
  const seconds = secondsAhead(header('date')) ?? 0;
  const by = `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} that of the store`;
  const remedy =
    Math.abs(seconds) > MAX_SKEW_SECONDS
      ? `The clock of this host is ${by}: set it right.`
      : EXPIRED.test(message)
        ? 'The shared access signature is not valid at this time: get a new one.'
        : 'Check account_name and account_key or sas_token, and when the signature expires.';
  return ['refused', 'STORE_AUTHENTICATION_FAILED', remedy];
}

function notLoggedIn({ status, code, message }: AzureError): Meaning {
  const isBroken = status === undefined ? code !== '' : status >= 500;
  // For a minute after a failure of that service the library makes no request, and says nothing either.
  if (isBroken || message === '' || PASSING.test(message)) {
    return ['unavailable', 'STORE_UNAVAILABLE', 'The service that logs in does not answer.'];
  }
  const remedy = 'Check tenant_id, client_id and client_secret, or the identity of this host.';
  return ['refused', 'STORE_AUTHENTICATION_FAILED', remedy];
}

/** Of a blob that is there, Azure always tells the entity tag. @throws StrangeAnswer for an answer without it */
export function assertTagged({ etag }: { readonly etag?: string }): void {
  if (etag === undefined) throw new StrangeAnswer('there is no ETag in the answer');
}
