import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ErrorCode } from '../../../../src/model/errors.ts';
import type { RequestFailure } from '../../../../src/storage/request/request-policy.ts';
import { isAbsent, translateS3 } from '../../../../src/storage/s3/s3-failures.ts';

const PLACE = { bucket: 'b', region: 'eu-west-1', tagsObjects: false, locksObjects: false };

/** An error as the SDK throws it. */
function failure(name: string, status?: number, message = 'said S3', headers: Record<string, string> = {}): Error {
  const answered = status === undefined ? {} : { $metadata: { httpStatusCode: status }, $response: { headers } };
  return Object.assign(new Error(message), { name }, answered);
}

/** An error of the connection. */
function broken(code: string): Error {
  return Object.assign(new Error(`${code} 10.0.0.1:443`), { code });
}

/** As Node ends a TLS connection to a server that answers in plain text. */
function withoutTls(): Error {
  const said = 'error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:';
  return Object.assign(new Error(`write EPROTO 403D88F2237F0000:${said}../deps/openssl/x.c:77:`), { code: 'EPROTO' });
}

type Case = readonly [failure: unknown, kind: RequestFailure['kind'], code: ErrorCode, says: RegExp];

const CASES: readonly Case[] = [
  [failure('SlowDown', 503), 'throttled', 'STORE_UNAVAILABLE', /HTTP 503 SlowDown/],
  [failure('Unknown', 503), 'throttled', 'STORE_UNAVAILABLE', /HTTP 503/],
  [failure('Unknown', 429), 'throttled', 'STORE_UNAVAILABLE', /HTTP 429/],
  [failure('InternalError', 500), 'unavailable', 'STORE_UNAVAILABLE', /InternalError/],
  [failure('Unknown', 502), 'unavailable', 'STORE_UNAVAILABLE', /HTTP 502/],
  [failure('RequestTimeout', 400), 'unavailable', 'STORE_UNAVAILABLE', /RequestTimeout/],
  [broken('ECONNREFUSED'), 'unavailable', 'STORE_UNAVAILABLE', /ECONNREFUSED/],
  [broken('ECONNRESET'), 'unavailable', 'STORE_UNAVAILABLE', /ECONNRESET/],
  [broken('ENOTFOUND'), 'unavailable', 'STORE_UNAVAILABLE', /no such host: check storage\.endpoint/],
  [failure('TimeoutError'), 'unavailable', 'STORE_UNAVAILABLE', /TimeoutError/],
  [broken('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'refused', 'STORE_UNSUITABLE', /authority in storage\.ssl_ca_location/],
  [broken('CERT_HAS_EXPIRED'), 'refused', 'STORE_UNSUITABLE', /443\. The certificate, .* has expired: have it renewed/],
  [broken('CERT_NOT_YET_VALID'), 'refused', 'STORE_UNSUITABLE', /443\. .*not valid yet: check the clock/],
  [broken('ERR_TLS_CERT_ALTNAME_INVALID'), 'refused', 'STORE_UNSUITABLE', /a name that it holds in storage\.endpoint/],
  [broken('CERT_REVOKED'), 'refused', 'STORE_UNSUITABLE', /443\. Have the certificate mended/],
  [new TypeError('x is not a function'), 'refused', 'STORE_UNSUITABLE', /x is not a function/],
  [failure('AccessDenied', 403), 'refused', 'STORE_AUTHORIZATION_FAILED', /s3:PutObject/],
  [failure('InvalidAccessKeyId', 403), 'refused', 'STORE_AUTHENTICATION_FAILED', /Check access_key/],
  [failure('ExpiredToken', 400), 'refused', 'STORE_AUTHENTICATION_FAILED', /has expired/],
  [failure('CredentialsProviderError'), 'refused', 'STORE_AUTHENTICATION_FAILED', /those of the environment/],
  [failure('IDPCommunicationError', 400), 'unavailable', 'STORE_UNAVAILABLE', /IDPCommunicationError/],
  [failure('InvalidIdentityToken', 400), 'refused', 'STORE_AUTHENTICATION_FAILED', /AWS_ROLE_ARN.*trust policy/],
  [failure('Unknown', 401), 'refused', 'STORE_AUTHENTICATION_FAILED', /Check access_key/],
  [failure('NoSuchBucket', 404), 'refused', 'STORE_UNSUITABLE', /Create the bucket/],
  [failure('Error', undefined, 'Region is missing'), 'refused', 'STORE_UNSUITABLE', /Set storage\.region/],
  [
    failure('Error', undefined, 'Region not accepted: region="eu west" is not a valid hostname component.'),
    'refused',
    'STORE_UNSUITABLE',
    /Mend storage\.region, or AWS_REGION/,
  ],
  [
    failure('Error', undefined, 'Path-style addressing cannot be used with ARN buckets'),
    'refused',
    'STORE_UNSUITABLE',
    /Set storage\.path_style: false/,
  ],
  [failure('EndpointError', undefined, 'Invalid ARN'), 'refused', 'STORE_UNSUITABLE', /Mend storage\.bucket/],
  [new URIError('URI malformed'), 'refused', 'STORE_UNSUITABLE', /URI malformed/],
  [failure('Error', undefined, 'socket hang up'), 'unavailable', 'STORE_UNAVAILABLE', /socket hang up/],
  [failure('NotImplemented', 501), 'refused', 'STORE_UNSUITABLE', /checksum: when_required/],
  [failure('KMS.DisabledException', 400), 'refused', 'STORE_UNSUITABLE', /Enable the KMS key/],
  [
    failure('BadDigest', 400),
    'refused',
    'STORE_CHECKSUM_MISMATCH',
    /not those that were sent\. If this store knows no .*when_required/,
  ],
  [failure('InvalidObjectState', 403), 'refused', 'STORE_REFUSED', /moved to an archive: restore it there first/],
  [withoutTls(), 'refused', 'STORE_UNSUITABLE', /wrong version number.*does not speak TLS: mend the port/],
  [
    failure('Error', undefined, 'Checksum mismatch: expected "a" but received "b"'),
    'refused',
    'STORE_CHECKSUM_MISMATCH',
    /received "b"\. If it stays so, the object is damaged in the store: bring it back from a copy/,
  ],
  [failure('QuotaExceeded', 403), 'unavailable', 'STORE_FULL', /quota/],
  [failure('Unknown', 507), 'unavailable', 'STORE_FULL', /HTTP 507/],
  [failure('Whatever', 418), 'refused', 'STORE_UNSUITABLE', /HTTP 418 Whatever said S3/],
  [
    failure('PermanentRedirect', 301, 'wrong endpoint', { 'x-amz-bucket-region': 'us-west-2' }),
    'refused',
    'STORE_UNSUITABLE',
    /not in storage\.region eu-west-1: set storage\.region: us-west-2/,
  ],
  [
    failure('AuthorizationHeaderMalformed', 400, "the region 'eu-west-1' is wrong; expecting 'eu-north-1'"),
    'refused',
    'STORE_UNSUITABLE',
    /set storage\.region: eu-north-1/,
  ],
];

describe('an error of S3', () => {
  for (const [thrown, kind, code, says] of CASES) {
    test(`${String(thrown)} is ${kind}, ${code}, and says ${says}`, () => {
      const translated = translateS3(PLACE, thrown, 'PutObject', 'id/backup.json');
      assert.deepEqual([translated.kind, translated.error.code], [kind, code]);
      assert.match(translated.error.message, /^PutObject id\/backup\.json in bucket b: /);
      assert.match(translated.error.message, says);
      assert.deepEqual(translated.error.context, { key: 'id/backup.json' });
      // The SDK's error holds the signed request.
      assert.equal(translated.error.cause, undefined);
    });
  }

  test('of a HEAD, which has no body, is most likely one of the token or of the region', () => {
    const head = (headers: Record<string, string>) =>
      translateS3(PLACE, failure('UnknownError', 400, 'UnknownError', headers), 'HeadObject', 'a').error;
    assert.equal(head({}).code, 'STORE_AUTHENTICATION_FAILED');
    assert.match(head({}).message, /Most likely: The token has expired/);
    assert.equal(head({ 'x-amz-bucket-region': 'eu-west-1' }).code, 'STORE_AUTHENTICATION_FAILED');
    assert.match(head({ 'x-amz-bucket-region': 'eu-north-1' }).message, /set storage\.region: eu-north-1/);
  });

  test('that denies a new object names what its tags and its lock need', () => {
    const denied = (operation: string, of: Partial<typeof PLACE>): string =>
      translateS3({ ...PLACE, ...of }, failure('AccessDenied', 403), operation, 'a').error.message;
    for (const operation of ['PutObject', 'CreateMultipartUpload']) {
      assert.doesNotMatch(denied(operation, {}), /Tagging|Retention/);
      assert.match(denied(operation, { tagsObjects: true }), /s3:PutObject, s3:PutObjectTagging for storage\.tags;/);
      assert.match(denied(operation, { locksObjects: true }), /s3:PutObject, s3:PutObjectRetention for .*lock_mode;/);
    }
    assert.doesNotMatch(denied('GetObject', { tagsObjects: true, locksObjects: true }), /Tagging|Retention/);
  });

  test('says when to come back, in seconds or by a date', () => {
    const wait = (header: string): number | undefined =>
      translateS3(PLACE, failure('SlowDown', 503, '', { 'retry-after': header }), 'GetObject', 'a').retryAfterMs;
    assert.equal(wait('7'), 7000);
    const byDate = wait(new Date(Date.now() + 60_000).toUTCString());
    assert.ok(byDate !== undefined && byDate > 50_000 && byDate <= 60_000);
    assert.equal(wait(new Date(0).toUTCString()), 0);
    assert.equal(wait('soon'), undefined);
  });

  test('that may pass is an answer where the store says itself what hinders it', () => {
    const isAnswer = (error: Error): boolean | undefined => translateS3(PLACE, error, 'PutObject', 'a').isAnswer;
    const said = [
      ['XMinioStorageFull', 507] as const,
      ['RequestTimeTooSkewed', 403] as const,
      ['OperationAborted', 409] as const,
    ];
    for (const [name, status] of said) assert.equal(isAnswer(failure(name, status)), true, name);
    for (const error of [failure('InternalError', 500), failure('Unknown', 502), broken('ECONNRESET')]) {
      assert.equal(isAnswer(error), false, error.message);
    }
  });

  test('that there is no such object is an answer, that there is no such bucket or user is none', () => {
    assert.equal(isAbsent(failure('NoSuchKey', 404)), true);
    assert.equal(isAbsent(failure('NotFound', 404)), true);
    for (const name of ['NoSuchBucket', 'XAdminUserNotFound', 'NoSuchUpload']) {
      assert.equal(isAbsent(failure(name, 404)), false, name);
    }
  });
});
