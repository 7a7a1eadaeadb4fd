// What the failures of the three cloud stores have in common: how a message names the request, and what an HTTP status or a broken
// connection means in any of them. Their own error codes, and what those ask of the operator, are in the `-failures.ts` of each store.

import { BackupError, type ErrorCode } from '../../model/errors.ts';
import { failureOfProxy } from './https-agent.ts';
import type { RequestFailure } from './request-policy.ts';

/** What to make of a failure; the remedy is a sentence for the operator, or empty. */
export type Meaning = readonly [kind: RequestFailure['kind'], code: ErrorCode, remedy: string];

/** What a store said, or the lack of an answer. */
export interface StoreAnswer {
  /** The store's own code, or that of the connection, such as `ECONNREFUSED`; empty where there is none. */
  readonly code: string;
  /** HTTP status; undefined when nothing was answered. */
  readonly status: number | undefined;
  readonly message: string;
}

/** The request that failed. */
export interface FailedRequest {
  readonly operation: string;
  /** Empty where the request is about the bucket. */
  readonly key: string;
  /** `bucket NAME`, or what stands for it. */
  readonly place: string;
  /** Header of the answer. */
  readonly retryAfter: string | null | undefined;
}

export const DAMAGED: Meaning = [
  'refused',
  'STORE_CHECKSUM_MISMATCH',
  'The bytes that arrived are not those that were sent.',
];
const NO_TLS: Meaning = [
  'refused',
  'STORE_UNSUITABLE',
  'What answers there does not speak TLS: mend the port of storage.endpoint, or write http:// for a store without.',
];
/** OpenSSL's, of an answer that begins otherwise than TLS does. */
const WRONG_VERSION = /wrong version number/i;
const UNTRUSTED =
  'The certificate is not signed by an authority that is trusted here: name that authority in storage.ssl_ca_location.';
/** Node's code of a certificate that it refuses, and what there is to do. */
const CERTIFICATES: ReadonlyMap<string, string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNTRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNTRUSTED],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNTRUSTED],
  ['CERT_UNTRUSTED', UNTRUSTED],
  [
    'CERT_HAS_EXPIRED',
    'The certificate, or that of its authority, has expired: have it renewed, and check the clock of this host.',
  ],
  ['CERT_NOT_YET_VALID', 'The certificate is not valid yet: check the clock of this host.'],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'The certificate is for another host: use a name that it holds in storage.endpoint, or have the name added to it.',
  ],
]);
/** Those of OpenSSL that are met too seldom for a sentence of their own. */
const OTHER_CERTIFICATE = /^CERT_\w+$/;
/** Of whatever else has an address: a web server, the login page of a network. */
export const STRANGE: Meaning = [
  'refused',
  'STORE_UNSUITABLE',
  'This is not how such a store answers: look at storage.endpoint.',
];
const UNEXPLAINED: Meaning = ['refused', 'STORE_UNSUITABLE', ''];
const LONGEST_MESSAGE = 300;

/** Thrown by an adapter when an answer of success says nothing of what was asked: it may well not be the store's. */
export class StrangeAnswer extends Error {}

/** The failure as it is told: `PutObject a/key in bucket b: HTTP 403 AccessDenied no such permission. Grant it.` */
export function requestFailure(request: FailedRequest, answer: StoreAnswer, meaning: Meaning): RequestFailure {
  const { operation, key, place, retryAfter } = request;
  const { status, code: said, message: text } = answer;
  const [kind, code, remedy] = meaning;
  const parts = [status === undefined ? '' : `HTTP ${status}`, text.includes(said) ? '' : said, text];
  const what = parts.filter((part) => part !== '').join(' ');
  const message = `${operation} ${key === '' ? '' : `${key} in `}${place}: ${what}${remedy === '' ? '' : `. ${remedy}`}`;
  const retryAfterMs = retryAfterMsOf(retryAfter);
  return {
    kind,
    error: new BackupError(code, message, { context: key === '' ? {} : { key } }),
    // A broken service is as good as none, and what stands before it may say so in its stead.
    isAnswer: status !== undefined && (status < 500 || code === 'STORE_FULL'),
    // A status of failure is more than a page that stands in for the store.
    isStrange: meaning === STRANGE && (status === undefined || status < 400),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The first line of what was said, without the full stop that the remedy brings. */
export function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').trim().replace(/\.$/, '').slice(0, LONGEST_MESSAGE);
}

/** Why nothing could be asked over a connection: its certificate, a port without TLS, the proxy; undefined for all else. */
export function meaningOfConnection({ code, message }: StoreAnswer): Meaning | undefined {
  const certificate = CERTIFICATES.get(code);
  if (certificate !== undefined) return ['refused', 'STORE_UNSUITABLE', certificate];
  if (OTHER_CERTIFICATE.test(code)) return ['refused', 'STORE_UNSUITABLE', 'Have the certificate mended.'];
  if (WRONG_VERSION.test(message)) return NO_TLS;
  const ofProxy = failureOfProxy(message);
  if (ofProxy === undefined) return undefined;
  if (ofProxy.status === 407) {
    return ['refused', 'STORE_AUTHENTICATION_FAILED', 'Mend user and password in storage.proxy.'];
  }
  const remedy =
    ofProxy.status === undefined ? 'Check storage.proxy.' : 'Let the proxy of storage.proxy connect to that host.';
  return ['unavailable', 'STORE_UNAVAILABLE', remedy];
}

/**
 * What has no status: what {@link meaningOfConnection} knows, an answer of another one, a defect of ours, or a connection that may
 * come back.
 * @param hostRemedy what to check when there is no such host
 */
export function meaningOfSilence(answer: StoreAnswer, failure: unknown, hostRemedy: string): Meaning {
  const meaning = meaningOfConnection(answer);
  if (meaning !== undefined) return meaning;
  if (failure instanceof StrangeAnswer) return STRANGE;
  const { code } = answer;
  // A defect of ours is no weather.
  if (failure instanceof TypeError || failure instanceof RangeError || failure instanceof URIError) return UNEXPLAINED;
  const remedy = code === 'ENOTFOUND' ? `There is no such host: check ${hostRemedy}.` : '';
  return ['unavailable', 'STORE_UNAVAILABLE', remedy];
}

/** What a status means where no code of the store says more. */
export function meaningOfStatus(status: number): Meaning {
  if (status === 429 || status === 503) return ['throttled', 'STORE_UNAVAILABLE', ''];
  if (status >= 500 || status === 408) return ['unavailable', 'STORE_UNAVAILABLE', ''];
  if (status < 400 || status === 405) return STRANGE;
  return UNEXPLAINED;
}

/** How the clock of this host differs from that of the store, by the `Date` of its answer. Undefined where it has none. */
export function secondsAhead(date: string | null | undefined): number | undefined {
  const seconds = Math.round((Date.now() - Date.parse(date ?? '')) / 1000);
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** Seconds or a date (RFC 9110 10.2.3), in milliseconds from now. */
function retryAfterMsOf(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
