// What goes wrong at Google Cloud Storage, as a BackupError: by HTTP status and the reason in the answer's body
// (cloud.google.com/storage/docs/json_api/v1/status-codes), or by what the connection or the login said. The SDK's error is not
// kept as the cause: it holds the request with its token.

import { messageOf } from '../../model/errors.ts';
import {
  DAMAGED,
  firstLine,
  type Meaning,
  meaningOfConnection,
  meaningOfSilence,
  meaningOfStatus,
  requestFailure,
  type StoreAnswer,
  STRANGE,
} from '../request/request-failure.ts';
import type { RequestFailure } from '../request/request-policy.ts';

/** An answer of the store or of the token service; its code is the reason in the answer, such as `rateLimitExceeded`. */
interface GcsError extends StoreAnswer {
  readonly retryAfter: string | null;
}

const CREDENTIALS = 'Check service_account_path, or the application default credentials.';
const PERMISSIONS = 'Grant the role Storage Object User (roles/storage.objectUser) on the bucket.';
const NO_BUCKET = 'Create the bucket, or mend storage.bucket.';

const MEANINGS: Readonly<Record<string, Meaning>> = {
  rateLimitExceeded: ['throttled', 'STORE_UNAVAILABLE', ''],
  userRateLimitExceeded: ['throttled', 'STORE_UNAVAILABLE', ''],
  invalid_grant: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  invalid_client: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  unauthorized_client: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  accountDisabled: ['refused', 'STORE_UNSUITABLE', 'The account or its billing is disabled.'],
  userProjectMissing: ['refused', 'STORE_UNSUITABLE', 'Buckets where the requester pays are not supported.'],
  retentionPolicyNotMet: ['refused', 'STORE_REFUSED', 'The retention policy of the bucket still protects it.'],
  objectUnderActiveHold: ['refused', 'STORE_REFUSED', 'A hold on the object protects it.'],
  quotaExceeded: ['throttled', 'STORE_FULL', 'A quota of the project is used up.'],
  ENOENT: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
  EACCES: ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS],
};

const LOGIN_AWAY: Meaning = ['unavailable', 'STORE_UNAVAILABLE', 'The service that logs in does not answer.'];
/** Of a request to one of the hosts that hand out tokens. */
const TO_LOGIN = /^request to https:\/\/(oauth2|sts|iamcredentials)\.googleapis\.com\//;
const NO_SUCH_BUCKET = /bucket does not exist/i;
const CHECKSUM = /crc32c|md5|checksum/i;
/** What the HTTP client does not follow: the store sends nobody elsewhere. */
const REDIRECTED = /^(maximum redirect reached|Cannot follow redirect)/;
const CLOCK = /reasonable timeframe|short-lived token|iat and exp/i;

interface Answer {
  readonly error?: string | { readonly message?: string; readonly errors?: readonly { readonly reason?: string }[] };
  readonly error_description?: string;
}

/** The parts of an error that say what happened. */
export function gcsErrorOf(failure: unknown): GcsError {
  const error = (failure ?? {}) as {
    readonly code?: unknown;
    readonly cause?: { readonly code?: unknown };
    readonly response?: {
      readonly status?: number;
      readonly headers?: { get(name: string): string | null };
      readonly data?: unknown;
    };
  };
  const { response } = error;
  const answer = answerOf(response?.data);
  const said = typeof answer.error === 'object' ? answer.error : undefined;
  const codes = [said?.errors?.[0]?.reason, answer.error, error.cause?.code, error.code];
  const message = said?.message ?? answer.error_description ?? (messageOf(failure) || 'no reason was given');
  return {
    status: response?.status,
    code: codes.find((code) => typeof code === 'string') ?? '',
    message: firstLine(message),
    retryAfter: response?.headers?.get('retry-after') ?? null,
  };
}

/** True for an object that is not there; where its bucket is missing, nothing can be said of what it holds. */
export function isObjectAbsent(failure: unknown): boolean {
  const { status, message } = gcsErrorOf(failure);
  return status === 404 && !NO_SUCH_BUCKET.test(message);
}

/** @param key empty where the request is about the bucket */
export function translateGcs(bucket: string, failure: unknown, operation: string, key: string): RequestFailure {
  const found = gcsErrorOf(failure);
  const request = { operation, key, place: `bucket ${bucket}`, retryAfter: found.retryAfter };
  return requestFailure(request, found, meaningOf(found, failure));
}

function meaningOf(found: GcsError, failure: unknown): Meaning {
  const { status, code, message } = found;
  if (CLOCK.test(message)) return ['refused', 'STORE_AUTHENTICATION_FAILED', 'Set the clock of this host right.'];
  if (Object.hasOwn(MEANINGS, code)) return MEANINGS[code] ?? DAMAGED;
  if (status === undefined && REDIRECTED.test(message)) return STRANGE;
  if (status === undefined) {
    if (code !== '' && TO_LOGIN.test(message)) return meaningOfConnection(found) ?? LOGIN_AWAY;
    const silence = meaningOfSilence(found, failure, 'storage.endpoint');
    // What has a code came from the connection; what has none, from the library that logs in.
    const isLogin = code === '' && silence[0] === 'unavailable';
    return isLogin ? ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS] : silence;
  }
  // Where an object is not there, that is an answer and no failure.
  if (status === 404) {
    const isOfBucket = code === 'notFound' || NO_SUCH_BUCKET.test(message);
    return ['refused', 'STORE_UNSUITABLE', isOfBucket ? NO_BUCKET : 'Check storage.bucket and storage.endpoint.'];
  }
  if (status === 401) return ['refused', 'STORE_AUTHENTICATION_FAILED', CREDENTIALS];
  if (status === 403) return ['refused', 'STORE_AUTHORIZATION_FAILED', PERMISSIONS];
  if (status === 400 && CHECKSUM.test(message)) return DAMAGED;
  return meaningOfStatus(status);
}

/** An answer to a request for bytes comes as text. */
function answerOf(data: unknown): Answer {
  if (typeof data !== 'string') return data !== null && typeof data === 'object' ? (data as Answer) : {};
  try {
    const parsed: unknown = JSON.parse(data);
    return parsed !== null && typeof parsed === 'object' ? (parsed as Answer) : { error: { message: data } };
  } catch {
    return { error: { message: data } };
  }
}
