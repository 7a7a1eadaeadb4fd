import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ErrorCode } from '../../../../src/model/errors.ts';
import { isObjectAbsent, translateGcs } from '../../../../src/storage/gcs/gcs-failures.ts';
import type { RequestFailure } from '../../../../src/storage/request/request-policy.ts';

interface Answer {
  readonly status?: number;
  readonly reason?: string;
  readonly code?: string;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As answers to requests for bytes come. */
  readonly isText?: boolean;
}

/** An error as the SDK throws it. */
function failure({ status, reason, code, message = 'said the store', headers = {}, isText = false }: Answer): Error {
  if (status === undefined) return Object.assign(new Error(message), code === undefined ? {} : { code });
  const data = { error: { code: status, message, errors: [{ reason, message }] } };
  const response = { status, headers: new Headers(headers), data: isText ? JSON.stringify(data) : data };
  return Object.assign(new Error(`Request failed with status code ${status}`), { response, code: 'ERR_BAD_RESPONSE' });
}

function assertMeans(answer: Answer, kind: RequestFailure['kind'], code: ErrorCode, ...says: readonly RegExp[]): void {
  const found = translateGcs('backups', failure(answer), 'InsertObject', 'some/key');
  assert.deepEqual([found.kind, found.error.code], [kind, code], found.error.message);
  assert.match(found.error.message, /^InsertObject some\/key in bucket backups: /);
  for (const pattern of says) assert.match(found.error.message, pattern);
  assert.equal(found.error.context.key, 'some/key');
  assert.equal(found.error.cause, undefined);
}

describe('a failure of Google Cloud Storage', () => {
  test('that may pass is told from one that stays', () => {
    for (const status of [408, 500, 502, 504]) assertMeans({ status }, 'unavailable', 'STORE_UNAVAILABLE');
    assertMeans({ status: 503 }, 'throttled', 'STORE_UNAVAILABLE');
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ETIMEDOUT']) {
      assertMeans({ code }, 'unavailable', 'STORE_UNAVAILABLE', new RegExp(code));
    }
    assertMeans({ code: 'ENOTFOUND' }, 'unavailable', 'STORE_UNAVAILABLE', /no such host.*storage\.endpoint/);
    assertMeans({ status: 429 }, 'throttled', 'STORE_UNAVAILABLE');
    for (const reason of ['rateLimitExceeded', 'userRateLimitExceeded']) {
      assertMeans({ status: 403, reason }, 'throttled', 'STORE_UNAVAILABLE');
    }
    assertMeans({ status: 400, reason: 'invalid' }, 'refused', 'STORE_UNSUITABLE', /HTTP 400 invalid said the store/);
    const said =
      'write EPROTO 403D:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:x.c:77:';
    assertMeans({ code: 'EPROTO', message: said }, 'refused', 'STORE_UNSUITABLE', /does not speak TLS: mend the port/);
    assertMeans({ code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'refused', 'STORE_UNSUITABLE', /ssl_ca_location/);
    assert.equal(translateGcs('b', new TypeError('x is undefined'), 'InsertObject', 'k').kind, 'refused');
  });

  test('of the bucket, the permission, the policy or the bytes names its remedy', () => {
    const noBucket = { status: 404, message: 'The specified bucket does not exist.' };
    assertMeans(noBucket, 'refused', 'STORE_UNSUITABLE', /storage\.bucket/);
    assertMeans({ status: 404, reason: 'notFound' }, 'refused', 'STORE_UNSUITABLE', /Create the bucket, or mend/);
    // Of whatever else is at the end of a wrong path.
    const other = { status: 404, message: 'Not Found' };
    assertMeans(other, 'refused', 'STORE_UNSUITABLE', /Check storage\.bucket and storage\.endpoint\./);
    assertMeans({ status: 403, reason: 'forbidden' }, 'refused', 'STORE_AUTHORIZATION_FAILED', /roles\/storage/);
    assertMeans({ status: 403, reason: 'retentionPolicyNotMet' }, 'refused', 'STORE_REFUSED', /retention policy/);
    const damaged = { status: 400, message: 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C' };
    assertMeans(damaged, 'refused', 'STORE_CHECKSUM_MISMATCH', /that were sent\.$/);
    assertMeans({ status: 403, reason: 'quotaExceeded' }, 'throttled', 'STORE_FULL');
  });

  test('of the login is one of the credentials', () => {
    assertMeans({ status: 401, reason: 'authError' }, 'refused', 'STORE_AUTHENTICATION_FAILED', /default credentials/);
    const message = 'Could not load the default credentials. Browse to https://example for more information.';
    assertMeans({ message }, 'refused', 'STORE_AUTHENTICATION_FAILED', /Could not load/);
    const away = 'request to https://oauth2.googleapis.com/token failed, reason: getaddrinfo ENOTFOUND oauth2';
    const remedy = /ENOTFOUND oauth2\. The service that logs in does not answer\.$/;
    assertMeans({ code: 'ENOTFOUND', message: away }, 'unavailable', 'STORE_UNAVAILABLE', remedy);
  });

  test('is read alike from a document and from the text of one', () => {
    const absent = { status: 404, message: 'No such object: backups/some/key' };
    const noBucket = { status: 404, message: 'The specified bucket does not exist.' };
    for (const isText of [false, true]) {
      assert.equal(isObjectAbsent(failure({ ...absent, isText })), true);
      assert.equal(isObjectAbsent(failure({ ...noBucket, isText })), false);
    }
    assert.equal(isObjectAbsent(failure({ status: 403 })), false);
  });

  test('carries how long the store asks to be left alone', () => {
    const busy = failure({ status: 429, headers: { 'retry-after': '7' } });
    assert.equal(translateGcs('b', busy, 'InsertObject', 'k').retryAfterMs, 7000);
    assert.equal(translateGcs('b', failure({ status: 429 }), 'InsertObject', 'k').retryAfterMs, undefined);
  });
});
