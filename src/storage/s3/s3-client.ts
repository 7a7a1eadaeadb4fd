// The AWS SDK as this project uses it: one attempt for each request (retries are the request policy's), checksums only as asked
// for, connections with time-outs, credentials from the configuration or from the SDK's default chain, which renews them.

import { Agent } from 'node:http';
import { S3Client } from '@aws-sdk/client-s3';
import { createHttpsAgent } from '../request/https-agent.ts';
import type { RequestSettings } from '../request/request-policy.ts';

/** How to reach one bucket. */
export interface S3Settings {
  readonly bucket: string;
  /** In front of every key, without a slash at either end; empty for none. */
  readonly prefix: string;
  /** Null: what the SDK finds in the environment. */
  readonly region: string | null;
  /** Null: AWS. */
  readonly endpoint: string | null;
  readonly pathStyle: boolean;
  /** Null: environment, profile, web identity, container and instance role, in this order. */
  readonly credentials: {
    readonly accessKey: string;
    readonly secretKey: string;
    readonly sessionToken: string | null;
  } | null;
  readonly checksum: 'when_supported' | 'when_required';
  readonly serverSideEncryption: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | null;
  readonly kmsKeyId: string | null;
  readonly storageClass:
    | 'STANDARD'
    | 'STANDARD_IA'
    | 'ONEZONE_IA'
    | 'INTELLIGENT_TIERING'
    | 'GLACIER_IR'
    | 'REDUCED_REDUNDANCY'
    | null;
  readonly tags: ReadonlyMap<string, string>;
  readonly objectLock: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly days: number } | null;
  readonly requests: RequestSettings;
}

const CONNECT_TIMEOUT_MS = 10_000;
const ACCELERATE_HOST = /^s3-accelerate(\.dualstack)?\.amazonaws\.com$/;

/** @param hear told the `Date` of every answer of the store */
export function createS3Client(settings: S3Settings, hear: (date: string | undefined) => void): S3Client {
  const { region, credentials, checksum, pathStyle } = settings;
  const { proxy, caPath, maxConcurrentRequests, requestTimeoutMs } = settings.requests;
  const checksums = checksum === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED';
  const maxSockets = maxConcurrentRequests;
  const client = new S3Client({
    ...(region === null ? {} : { region }),
    ...endpointOf(settings.endpoint),
    forcePathStyle: pathStyle,
    maxAttempts: 1,
    // A part is hardly ever refused before its body, and asking first costs each of them a round trip.
    expectContinueHeader: false,
    requestChecksumCalculation: checksums,
    // Only where it is asked for: a store may send the checksum of a whole object with a part of it.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      // For logins, which go over the same connections: everybody waits for one that is under way, so that it must end although
      // whoever began it has given up. Requests to the store have their time from the request policy.
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs),
      httpAgent: new Agent({ keepAlive: true, maxSockets }),
      httpsAgent: createHttpsAgent({ proxy, caPath, maxSockets }),
    },
    ...(credentials === null
      ? {}
      : {
          credentials: {
            accessKeyId: credentials.accessKey,
            secretAccessKey: credentials.secretKey,
            ...(credentials.sessionToken === null ? {} : { sessionToken: credentials.sessionToken }),
          },
        }),
  });
  client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      hear((answer.response as { readonly headers?: Readonly<Record<string, string>> }).headers?.['date']);
      return answer;
    },
    // Next to the connection: what follows throws for an answer that is a refusal.
    { step: 'deserialize', priority: 'low', name: 'hearDate' },
  );
  return client;
}

/** Transfer Acceleration is written as an endpoint, but for the SDK it is a way to AWS's own. */
function endpointOf(endpoint: string | null) {
  if (endpoint === null) return {};
  const accelerate = ACCELERATE_HOST.exec(new URL(endpoint).hostname);
  if (accelerate === null) return { endpoint };
  return { useAccelerateEndpoint: true, useDualstackEndpoint: accelerate[1] !== undefined };
}
