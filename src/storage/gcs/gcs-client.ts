// The SDK of Google Cloud Storage as this project uses it: its credentials and its authenticated requests, over our own connections
// and with one attempt for each (retries are the request policy's). Its methods for objects are not used: they go through a second
// HTTP client, which cannot be given authorities, cannot be cut off, and destroys the connections of all downloads when one breaks.

import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Agent, globalAgent } from 'node:http';
import { Readable } from 'node:stream';
import { Storage } from '@google-cloud/storage';
import { type AuthClient, GoogleAuth, JWT, PassThroughClient } from 'google-auth-library';
import { BackupError } from '../../model/errors.ts';
import { createHttpsAgent } from '../request/https-agent.ts';
import type { RequestSettings } from '../request/request-policy.ts';

/** How to reach one bucket. */
export interface GcsSettings {
  readonly bucket: string;
  /** In front of every key, without a slash at either end; empty for none. */
  readonly prefix: string;
  /** Null: Google's own. Without TLS nothing is told of who we are: that is for emulators. */
  readonly endpoint: string | null;
  /** Key file of a service account; null: the application default credentials. */
  readonly serviceAccountPath: string | null;
  readonly requests: RequestSettings;
}

export interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the endpoint, or a whole address that the store gave out. */
  readonly url: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent one after the other, and not copied. */
  readonly body?: readonly Buffer[];
  readonly responseType: 'json' | 'stream';
  /** Statuses that are answers, besides those of success. */
  readonly answers?: readonly number[];
  readonly signal: AbortSignal;
}

export interface GcsResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** A parsed document, or a stream. */
  readonly data: unknown;
}

/** Sends one request once. Throws what the SDK throws. */
export type SendGcsRequest = (request: GcsRequest) => Promise<GcsResponse>;

/** No more than objects. */
const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write';

/** Requests for objects name no project; left out, credentials of another cloud would ask the resource manager, beyond their scope. */
const NO_PROJECT = 'none';

/**
 * Makes no request.
 * @param hear told the `Date` of the store's answers, refusals aside
 * @throws CONFIG_INVALID for a key file that is none
 */
export function createGcsClient(settings: GcsSettings, hear: (date: string | null) => void): SendGcsRequest {
  const { endpoint } = settings;
  const authClient = authClientOf(settings, connectionsOf(settings));
  const storage = new Storage({
    ...(endpoint === null ? {} : { apiEndpoint: endpoint }),
    authClient,
    retryOptions: { autoRetry: false, maxRetries: 0 },
  });
  return async ({ url, headers = {}, body, answers = [], ...request }) => {
    const answer = await storage.authClient.request({
      ...request,
      url: url.startsWith('/') ? `${storage.apiEndpoint}${url}` : url,
      headers: {
        'user-agent': 'kafka-backup-agent',
        ...headers,
        ...(body === undefined ? {} : { 'content-length': String(sizeOf(body)) }),
      },
      // Of a body that is no stream, the HTTP client makes one whose errors nobody hears: a request that is given up just then
      // would end the process (node-fetch 3.3, abort before send).
      ...(body === undefined ? {} : { data: Readable.from(body, { objectMode: false }) }),
      validateStatus: (status: number) => (status >= 200 && status < 300) || answers.includes(status),
      retry: false,
      // The request policy's.
      timeout: 0,
    });
    hear(answer.headers.get('date'));
    return answer;
  };
}

function sizeOf(body: readonly Buffer[]): number {
  return body.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

interface Connections {
  /** Of a login: everybody waits for one that is under way, so that it must end although whoever began it has given up. */
  readonly timeout: number;
  /** Of a login too: the request policy asks again. */
  readonly retryConfig: { readonly retry: 0 };
  readonly agent?: (url: URL) => Agent;
}

/** Where nothing is configured, what the environment says of proxies is left to the SDK. */
function connectionsOf({ requests }: GcsSettings): Connections {
  const { proxy, caPath, maxConcurrentRequests, requestTimeoutMs } = requests;
  const login = { timeout: requestTimeoutMs, retryConfig: { retry: 0 } } as const;
  if (proxy === null && caPath === null) return login;
  const agent = createHttpsAgent({ proxy, caPath, maxSockets: maxConcurrentRequests });
  // The host's own token service is asked without TLS and without a proxy.
  return { ...login, agent: ({ protocol }) => (protocol === 'https:' ? agent : globalAgent) };
}

/** Without a key file, what looks for the application default credentials when it is first asked. */
function authClientOf(settings: GcsSettings, transporterOptions: Connections): AuthClient | GoogleAuth {
  const { endpoint, serviceAccountPath } = settings;
  if (endpoint?.startsWith('http:') === true) return new PassThroughClient();
  if (serviceAccountPath === null) {
    return new GoogleAuth({ scopes: [SCOPE], projectId: NO_PROJECT, clientOptions: { transporterOptions } });
  }
  const { email, key } = readKeyFile(serviceAccountPath);
  return new JWT({ email, key, scopes: [SCOPE], transporterOptions });
}

/** Other kinds of credentials can name any host to be sent to, so they are taken from the environment only. */
function readKeyFile(path: string): { readonly email: string; readonly key: string } {
  try {
    const {
      type,
      client_email: email,
      private_key: key,
    }: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'));
    if (type !== 'service_account' || typeof email !== 'string' || typeof key !== 'string') throw new Error();
    createPrivateKey(key);
    return { email, key };
  } catch {
    // What the parsers say may show what they were given.
    const message = `storage.service_account_path ${path} is not the key file of a service account`;
    throw new BackupError('CONFIG_INVALID', message);
  }
}
