// What goes wrong at S3, as a BackupError: by the service's own error code, then by HTTP status, then by what the connection said
// (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; codes of MinIO and versitygw where they have their own).
// The SDK's error is not kept as the cause: it holds the request with its signature.

import { messageOf } from '../../model/errors.ts';
import {
  DAMAGED,
  firstLine,
  type Meaning,
  meaningOfSilence,
  meaningOfStatus,
  requestFailure,
  secondsAhead,
  StrangeAnswer,
  type StoreAnswer,
} from '../request/request-failure.ts';
import type { RequestFailure } from '../request/request-policy.ts';
import { CutListing } from './s3-pages.ts';

interface S3Error extends StoreAnswer {
  readonly headers: Readonly<Record<string, string>>;
}

/** Where the requests go, for messages. */
export interface S3Place {
  readonly bucket: string;
  /** As configured; null where the environment says it. */
  readonly region: string | null;
  /** What new objects are given, and needs a permission of its own. */
  readonly tagsObjects: boolean;
  readonly locksObjects: boolean;
}

const CREDENTIALS = 'Check access_key, secret_key and session_token, or those of the environment.';
const EXPIRED = 'The token has expired: get a new one, or leave the keys to the default chain, which renews them.';
const ROLE = 'Check the role (AWS_ROLE_ARN), and that its trust policy names the identity of this host.';
const NO_CHECKSUMS = 'If this store knows no checksums, set storage.checksum: when_required.';

/** On the way up, as the store found. */
const DAMAGED_SENT: Meaning = ['refused', 'STORE_CHECKSUM_MISMATCH', `${DAMAGED[2]} ${NO_CHECKSUMS}`];
/** On the way down or at rest, as the SDK found. */
const DAMAGED_READ: Meaning = [
  'refused',
  'STORE_CHECKSUM_MISMATCH',
  'If it stays so, the object is damaged in the store: bring it back from a copy.',
];
const CUT_LISTING: Meaning = [
  'refused',
  'STORE_UNSUITABLE',
  'The store does not list as S3 does, and what it leaves out would be taken for absent: bring it up to date, or use another.',
];
const NO_LOCK: Meaning = ['refused', 'STORE_UNSUITABLE', 'Enable object lock on the bucket.'];

const MEANINGS: Readonly<Record<string, Meaning>> = {
  InvalidAccessKeyId: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  SignatureDoesNotMatch: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  CredentialsProviderError: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  InvalidToken: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  XAdminUserNotFound: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  ExpiredToken: ['refused', 'STORE_AUTHENTICATION_FAILED', EXPIRED],
  ExpiredTokenException: ['refused', 'STORE_AUTHENTICATION_FAILED', EXPIRED],
  TokenRefreshRequired: ['refused', 'STORE_AUTHENTICATION_FAILED', EXPIRED],
  // Of a file that the login needs.
  ENOENT: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  EACCES: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  InvalidIdentityToken: ['refused', 'STORE_AUTHENTICATION_FAILED', ROLE],
  IDPRejectedClaim: ['refused', 'STORE_AUTHENTICATION_FAILED', ROLE],
  IDPCommunicationError: ['unavailable', 'STORE_UNAVAILABLE', ''],
  NoSuchBucket: ['refused', 'STORE_UNSUITABLE', 'Create the bucket, or mend storage.bucket.'],
  InvalidBucketName: ['refused', 'STORE_UNSUITABLE', 'Mend storage.bucket: no bucket can have this name.'],
  // Of the SDK, where bucket, region and endpoint give no address together.
  EndpointError: ['refused', 'STORE_UNSUITABLE', 'Mend storage.bucket, storage.region or storage.endpoint.'],
  NotImplemented: ['refused', 'STORE_UNSUITABLE', `The store lacks something that is needed. ${NO_CHECKSUMS}`],
  InvalidTag: ['refused', 'STORE_UNSUITABLE', 'Mend storage.tags.'],
  InvalidStorageClass: ['refused', 'STORE_UNSUITABLE', 'Mend storage.storage_class.'],
  ObjectLockConfigurationNotFoundError: NO_LOCK,
  InvalidBucketObjectLockConfiguration: NO_LOCK,
  'KMS.NotFoundException': ['refused', 'STORE_UNSUITABLE', 'Mend storage.kms_key_id: there is no such key.'],
  'KMS.DisabledException': ['refused', 'STORE_UNSUITABLE', 'Enable the KMS key of the bucket or of kms_key_id.'],
  InvalidObjectState: ['refused', 'STORE_REFUSED', 'The object was moved to an archive: restore it there first.'],
  BadDigest: DAMAGED_SENT,
  InvalidDigest: DAMAGED_SENT,
  XAmzContentSHA256Mismatch: DAMAGED_SENT,
  XAmzContentChecksumMismatch: DAMAGED_SENT,
  QuotaExceeded: ['unavailable', 'STORE_FULL', 'The quota of the bucket is used up.'],
  XMinioStorageFull: ['unavailable', 'STORE_FULL', ''],
  SlowDown: ['throttled', 'STORE_UNAVAILABLE', ''],
  TooManyRequests: ['throttled', 'STORE_UNAVAILABLE', ''],
  RequestLimitExceeded: ['throttled', 'STORE_UNAVAILABLE', ''],
  BandwidthLimitExceeded: ['throttled', 'STORE_UNAVAILABLE', ''],
  Throttling: ['throttled', 'STORE_UNAVAILABLE', ''],
  ThrottlingException: ['throttled', 'STORE_UNAVAILABLE', ''],
  NoSuchUpload: [
    'refused',
    'STORE_UNAVAILABLE',
    'The upload was aborted: by prune, or by a lifecycle rule of the bucket.',
  ],
  // A 400, but the store only did not get the body in time.
  RequestTimeout: ['unavailable', 'STORE_UNAVAILABLE', ''],
  // Someone else writes or deletes the same key at this moment.
  ConditionalRequestConflict: ['unavailable', 'STORE_UNAVAILABLE', ''],
  OperationAborted: ['unavailable', 'STORE_UNAVAILABLE', ''],
};

/** The answer to a HEAD has no body, so it names no more than the status. */
const UNNAMED = /^(UnknownError|BadRequest|\d*)$/;
const ABSENT: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);
const WRONG_REGION = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'TemporaryRedirect',
]);
/** How the SDK ends a body that does not have the checksum that came with it. */
const BODY_MISMATCH = /^Checksum mismatch/;
/** Node's, of what no header can hold, and the header. */
const INVALID_HEADER = /^Invalid character in header content \["([\w-]+)"\]/;
/** What of the credentials stands in which header. */
const CREDENTIAL_HEADERS: Readonly<Record<string, string>> = {
  authorization: 'access_key',
  'x-amz-security-token': 'session_token',
};
/** What the token service says of a role that may not be had. */
const ROLE_DENIED = /\bsts:Assume/;
/** What the SDK says before it asks anybody. */
const NOT_ASKED: readonly (readonly [says: RegExp, remedy: string])[] = [
  [/^Region is missing/, 'Set storage.region.'],
  [/^Region not accepted/, 'Mend storage.region, or AWS_REGION of the environment.'],
  [/^Path-style addressing cannot be used with ARN/, 'Set storage.path_style: false.'],
];

/** The parts of an error of the SDK that say what happened. */
export function s3ErrorOf(failure: unknown): S3Error {
  const error = (failure ?? {}) as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly Code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  };
  const code = [error.Code, error.code, error.name].find((each) => typeof each === 'string' && each !== 'Error');
  return {
    code: typeof code === 'string' ? code : '',
    status: error.$metadata?.httpStatusCode,
    message: firstLine(messageOf(failure)),
    headers: error.$response?.headers ?? {},
  };
}

/** True when the store says that there is no such object; a bucket or a user that is not there is something else. */
export function isAbsent(failure: unknown): boolean {
  return ABSENT.has(s3ErrorOf(failure).code);
}

/** Of what was put or is there, S3 always tells the entity tag. @throws StrangeAnswer for an answer without it */
export function assertTagged(answer: { readonly ETag?: string | undefined }): void {
  if (answer.ETag === undefined) throw new StrangeAnswer('there is no ETag in the answer');
}

/** @param key empty where the request is about the bucket */
export function translateS3(place: S3Place, failure: unknown, operation: string, key: string): RequestFailure {
  const found = s3ErrorOf(failure);
  const retryAfter = found.headers['retry-after'];
  const request = { operation, key, place: `bucket ${place.bucket}`, retryAfter };
  return requestFailure(request, found, meaningOf(found, failure, { place, operation }));
}

interface Asked {
  readonly place: S3Place;
  readonly operation: string;
}

function meaningOf(found: S3Error, failure: unknown, { place, operation }: Asked): Meaning {
  const { code, status, message, headers } = found;
  if (failure instanceof CutListing) return CUT_LISTING;
  if (BODY_MISMATCH.test(message)) return DAMAGED_READ;
  if (Object.hasOwn(MEANINGS, code)) return MEANINGS[code] ?? DAMAGED;
  if (code === 'RequestTimeTooSkewed') return skewed(headers['date']);
  if (WRONG_REGION.has(code) || status === 301 || status === 307) return wrongRegion(found, place);
  const unsendable = CREDENTIAL_HEADERS[INVALID_HEADER.exec(message)?.[1] ?? ''];
  if (unsendable !== undefined) return brokenCredential(unsendable);
  const notAsked = status === undefined ? NOT_ASKED.find(([says]) => says.test(message)) : undefined;
  if (notAsked !== undefined) return ['refused', 'STORE_UNSUITABLE', notAsked[1]];
  if (ROLE_DENIED.test(message)) return ['refused', 'STORE_AUTHENTICATION_FAILED', ROLE];
  if (status === 400 && operation === 'HeadObject' && UNNAMED.test(code)) return unnamed(found, place);
  if (status === undefined) {
    return meaningOfSilence(found, failure, 'storage.endpoint, storage.region and storage.bucket');
  }
  if (status === 401) return ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS];
  if (status === 403) return ['refused', 'STORE_AUTHORIZATION_FAILED', permissionFor(operation, place)];
  if (status === 404 && operation === 'ListObjectsV2') {
    return ['refused', 'STORE_UNSUITABLE', 'Check storage.bucket and storage.endpoint.'];
  }
  // The status goes out before the work is done, and what should follow never came.
  if (status === 200 && operation === 'CompleteMultipartUpload') return ['unavailable', 'STORE_UNAVAILABLE', ''];
  if (status === 507) return ['unavailable', 'STORE_FULL', ''];
  if (status === 501)
    return ['refused', 'STORE_UNSUITABLE', `The store lacks something that is needed. ${NO_CHECKSUMS}`];
  if (status < 500 && /object ?lock/i.test(message)) return NO_LOCK;
  if (status < 500 && /checksum/i.test(message)) return ['refused', 'STORE_UNSUITABLE', NO_CHECKSUMS];
  return meaningOfStatus(status);
}

/** @param key of `storage` */
function brokenCredential(key: string): Meaning {
  const remedy = `It holds a line break or another character that is no part of one: mend ${key}, or the one of the environment.`;
  return ['refused', 'STORE_AUTHENTICATION_FAILED', remedy];
}

/** The SDK corrects its own clock by the answer, so the next attempt may well be let in. */
function skewed(date: string | undefined): Meaning {
  const seconds = secondsAhead(date);
  const by = seconds === undefined ? '' : `: it is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`;
  return [
    'unavailable',
    'STORE_UNAVAILABLE',
    `The clock of this host differs from that of the store${by}. Set it right.`,
  ];
}

/** S3 answers 400 to a HEAD by a token that has ended, and by whoever takes the bucket to be in another region. */
function unnamed(found: S3Error, place: S3Place): Meaning {
  const region = found.headers['x-amz-bucket-region'];
  if (region !== undefined && place.region !== null && region !== place.region) return wrongRegion(found, place);
  return ['refused', 'STORE_AUTHENTICATION_FAILED', `Most likely: ${EXPIRED}`];
}

function wrongRegion({ headers, message }: S3Error, { region }: S3Place): Meaning {
  const right = headers['x-amz-bucket-region'] ?? /expecting ['"]([a-z0-9-]+)['"]/.exec(message)?.[1];
  const configured = region === null ? 'the region of the environment' : `storage.region ${region}`;
  const remedy =
    right === undefined
      ? `The bucket is not in ${configured}: set storage.region, or mend storage.endpoint.`
      : `The bucket is not in ${configured}: set storage.region: ${right}.`;
  return ['refused', 'STORE_UNSUITABLE', remedy];
}

/** Those whose requests say what the new object is to be. */
const CREATING = new Set(['PutObject', 'CreateMultipartUpload']);
const PERMISSIONS: Readonly<Record<string, string>> = {
  PutObject: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListParts: 's3:ListMultipartUploadParts',
  GetObject: 's3:GetObject, and s3:ListBucket so that absent objects can be told from hidden ones',
  HeadObject: 's3:GetObject, and s3:ListBucket so that absent objects can be told from hidden ones',
  ListObjectsV2: 's3:ListBucket',
  DeleteObject: 's3:DeleteObject',
};

function permissionFor(operation: string, { tagsObjects, locksObjects }: S3Place): string {
  const needed = [PERMISSIONS[operation] ?? 'this permission'];
  if (tagsObjects && CREATING.has(operation)) needed.push('s3:PutObjectTagging for storage.tags');
  if (locksObjects && CREATING.has(operation)) needed.push('s3:PutObjectRetention for storage.object_lock_mode');
  return `The credentials need ${needed.join(', ')}; encryption with KMS also needs kms:GenerateDataKey and kms:Decrypt.`;
}
