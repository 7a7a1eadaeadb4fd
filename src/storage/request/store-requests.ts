// What every cloud store makes its requests with: the one policy for all of them, memory for parts on their way up, and a bound
// on how many of those there are, over all objects. So memory follows from the configuration, whatever is put.

import { AdaptiveLimit } from './adaptive-limit.ts';
import { type BodyPart, PartMemory } from './body-parts.ts';
import {
  RequestPolicy,
  type RequestPolicyOptions,
  type RequestSettings,
  type RequestTerms,
  type TranslateFailure,
} from './request-policy.ts';

/** What the requests report to and live by; real time where nothing is given. */
export type RequestSurroundings = Omit<
  RequestPolicyOptions,
  'translate' | 'timeoutMs' | 'patienceMs' | 'maxConcurrency'
> & {
  /** Objects asked for by one request of a listing; the most that the store gives where it is not given. */
  readonly pageSize?: number;
};

export interface StoreRequests {
  readonly policy: RequestPolicy;
  readonly memory: PartMemory;
  /** Shared by all uploads to the store; each turn is a part in memory. */
  readonly partsInFlight: AdaptiveLimit;
}

export function createStoreRequests(
  settings: RequestSettings,
  translate: TranslateFailure,
  surroundings: RequestSurroundings,
): StoreRequests {
  const { partSizeBytes, maxPartsInFlight, requestTimeoutMs, retryTimeoutMs, maxConcurrentRequests } = settings;
  return {
    policy: new RequestPolicy({
      ...surroundings,
      translate,
      timeoutMs: requestTimeoutMs,
      patienceMs: retryTimeoutMs,
      maxConcurrency: maxConcurrentRequests,
    }),
    memory: new PartMemory(partSizeBytes, maxPartsInFlight),
    partsInFlight: new AdaptiveLimit(maxPartsInFlight),
  };
}

/** The request that carries a part. */
export interface PartRequest<T> extends RequestTerms {
  readonly operation: string;
  readonly key: string;
  /** See {@link RequestPolicy.run}; told which attempt it is, from 1. */
  readonly attempt: (signal: AbortSignal, number: number) => Promise<T>;
}

/** Sends a part, again and again while that can help, and gives its memory back. */
export async function sendPart<T>(policy: RequestPolicy, part: BodyPart, request: PartRequest<T>): Promise<T> {
  const { operation, key, attempt, ...rest } = request;
  const terms = { ...rest, bodyBytes: part.bytes.byteLength };
  let attempts = 0;
  const answer = await policy.run(operation, key, (end) => attempt(end, (attempts += 1)), terms);
  // After a request that was cut off, its socket may still read from the memory: then it is garbage.
  if (attempts === 1) part.release();
  return answer;
}
