import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ErrorCode } from '../../../../src/model/errors.ts';
import { translateAzure } from '../../../../src/storage/azure/azure-failures.ts';
import type { RequestFailure } from '../../../../src/storage/request/request-policy.ts';

const PLACE = { accountName: 'account', container: 'backups' };

interface Answer {
  readonly status?: number;
  readonly code?: string;
  readonly message?: string;
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error as the SDK throws it. */
function failure({ status, code, message = 'said the service', name = 'RestError', headers = {} }: Answer): Error {
  const answered = { ...headers, ...(status === undefined || code === undefined ? {} : { 'x-ms-error-code': code }) };
  const response = status === undefined ? {} : { response: { headers: new Headers(answered) } };
  return Object.assign(new Error(message), { name, code, statusCode: status, ...response });
}

function assertMeans(answer: Answer, kind: RequestFailure['kind'], code: ErrorCode, ...says: readonly RegExp[]): void {
  const found = translateAzure(PLACE, failure(answer), 'PutBlob', 'some/key');
  assert.deepEqual([found.kind, found.error.code], [kind, code], found.error.message);
  assert.match(found.error.message, /^PutBlob some\/key in container backups of account account: /);
  for (const pattern of says) assert.match(found.error.message, pattern);
  assert.equal(found.error.context.key, 'some/key');
  assert.equal(found.error.cause, undefined);
}

describe('a failure of Azure', () => {
  test('that may pass is told from one that stays', () => {
    for (const status of [408, 500, 502, 504]) assertMeans({ status }, 'unavailable', 'STORE_UNAVAILABLE');
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'REQUEST_SEND_ERROR']) {
      assertMeans({ code }, 'unavailable', 'STORE_UNAVAILABLE', new RegExp(code));
    }
    assertMeans({ code: 'ENOTFOUND' }, 'unavailable', 'STORE_UNAVAILABLE', /no such host.*storage\.account_name/);
    for (const code of ['ServerBusy', '']) assertMeans({ status: 503, code }, 'throttled', 'STORE_UNAVAILABLE');
    assertMeans({ status: 429 }, 'throttled', 'STORE_UNAVAILABLE');
    assertMeans({ status: 400, code: 'InvalidInput' }, 'refused', 'STORE_UNSUITABLE', /HTTP 400 InvalidInput said/);
    const said =
      'write EPROTO 403D:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:x.c:77:';
    assertMeans({ code: 'EPROTO', message: said }, 'refused', 'STORE_UNSUITABLE', /does not speak TLS: mend the port/);
    assertMeans({ code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'refused', 'STORE_UNSUITABLE', /ssl_ca_location/);
    assertMeans({ code: 'CERT_HAS_EXPIRED' }, 'refused', 'STORE_UNSUITABLE', /has expired: have it renewed/);
    const login = { code: 'ERR_TLS_CERT_ALTNAME_INVALID', name: 'AuthenticationError' };
    assertMeans(login, 'refused', 'STORE_UNSUITABLE', /for another host/);
    const defect = translateAzure(PLACE, new TypeError('x is undefined'), 'PutBlob', '');
    assert.equal(defect.kind, 'refused');
    assert.match(defect.error.message, /^PutBlob container backups of account account: x is undefined/);
  });

  test('of the container, the permission, the policy or the bytes names its remedy', () => {
    assertMeans({ status: 409, code: 'ContainerBeingDeleted' }, 'refused', 'STORE_UNSUITABLE', /being deleted/);
    const gone = /Create the container, restore it if it was deleted, or mend storage\.container\./;
    for (const code of ['ContainerNotFound', 'ResourceNotFound']) {
      assertMeans({ status: 404, code }, 'refused', 'STORE_UNSUITABLE', gone);
    }
    // What Azurite makes of an endpoint without the account.
    const unnamed = { status: 404, code: 'ResourceNotFound' };
    assertMeans(unnamed, 'refused', 'STORE_UNSUITABLE', /the name of the account in the path of storage\.endpoint\.$/);
    const roles = /Storage Blob Data Contributor/;
    const mismatch = { status: 403, code: 'AuthorizationPermissionMismatch' };
    assertMeans(mismatch, 'refused', 'STORE_AUTHORIZATION_FAILED', roles);
    assertMeans(
      { status: 403, code: 'AuthorizationFailure' },
      'refused',
      'STORE_AUTHORIZATION_FAILED',
      /network rules/,
    );
    assertMeans({ status: 403 }, 'refused', 'STORE_AUTHORIZATION_FAILED', roles);
    const immutable = { status: 409, code: 'BlobImmutableDueToPolicy' };
    assertMeans(immutable, 'refused', 'STORE_REFUSED', /immutability policy/);
    assertMeans({ status: 400, code: 'Md5Mismatch' }, 'refused', 'STORE_CHECKSUM_MISMATCH', /that were sent\.$/);
    assertMeans({ status: 503, code: 'AccountLimitExceeded' }, 'throttled', 'STORE_FULL');
  });

  test('of the login is one of the credentials, unless the login could not be reached', () => {
    assertMeans({ status: 401 }, 'refused', 'STORE_AUTHENTICATION_FAILED');
    assertMeans({ status: 403, code: 'AuthenticationFailed' }, 'refused', 'STORE_AUTHENTICATION_FAILED', /account_key/);
    const refused = { name: 'AuthenticationRequiredError', message: 'invalid_client: AADSTS7000215' };
    assertMeans(refused, 'refused', 'STORE_AUTHENTICATION_FAILED', /AADSTS7000215.*client_secret/);
    const absent = { name: 'CredentialUnavailableError', message: 'No identity was found' };
    assertMeans(absent, 'refused', 'STORE_AUTHENTICATION_FAILED', /identity of this host/);
    for (const message of ['', 'network_error: getaddrinfo ENOTFOUND login', 'temporarily_unavailable: Error(s)']) {
      assertMeans({ name: 'AuthenticationRequiredError', message }, 'unavailable', 'STORE_UNAVAILABLE');
    }
  });

  test('for the clock tells by how much it is wrong', () => {
    const date = new Date(Date.now() - 3_600_000).toUTCString();
    const skewed = { status: 403, code: 'AuthenticationFailed', headers: { date } };
    assertMeans(skewed, 'refused', 'STORE_AUTHENTICATION_FAILED', /360\d s ahead of that of the store: set it right/);
    const message = 'Signature not valid in the specified time frame';
    const late = { status: 403, code: 'AuthenticationFailed', headers: { date: new Date().toUTCString() }, message };
    assertMeans(late, 'refused', 'STORE_AUTHENTICATION_FAILED', /shared access signature is not valid at this time/);
  });

  test('carries how long the service asks to be left alone', () => {
    const busy = failure({ status: 503, code: 'ServerBusy', headers: { 'retry-after': '7' } });
    assert.equal(translateAzure(PLACE, busy, 'PutBlob', 'k').retryAfterMs, 7000);
    assert.equal(translateAzure(PLACE, failure({ status: 503 }), 'PutBlob', 'k').retryAfterMs, undefined);
  });
});
