// The one retry layer of the cloud stores: every request of an adapter goes through `run`, and the SDKs' own retries are off.
// A request has a time-out, is tried again only while that can help, never for longer than the patience, and waits its turn
// under a limit that follows what the store can take. What a request failed with is translated once, by the adapter.

import { BackOff, pause } from '../../model/back-off.ts';
import { BackupError, type ErrorCode, messageOf } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { type RequestCounts, totalRequests } from '../../model/request-counts.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { BodyLimit } from './body-limit.ts';
import { Circuit } from './circuit.ts';
import { joinSignals } from './joined-signal.ts';

/** What an adapter makes of an error of its SDK. */
export interface RequestFailure {
  /** Names operation, key and what the store said; thrown when nothing more is tried. */
  readonly error: BackupError;
  /** `refused` is an answer that no repetition changes; `throttled` asks for fewer requests; `unavailable` may pass. */
  readonly kind: 'refused' | 'throttled' | 'unavailable';
  /** What the store said about when to come back (Retry-After). */
  readonly retryAfterMs?: number;
  /** Of `unavailable`: the store is there, and says itself what hinders it. */
  readonly isAnswer?: boolean;
  /** Somebody else answered. Refused until the store has answered once; from then on it is no answer, and may pass. */
  readonly isStrange?: boolean;
}

/** @param operation the store's own name of the request, such as `UploadPart`; one of a closed set, since metrics carry it */
export type TranslateFailure = (failure: unknown, operation: string, key: string) => RequestFailure;

export type RequestOutcome = 'ok' | RequestFailure['kind'] | 'timed-out' | 'cancelled';

/** Told once for every request that went out, repetitions counted one by one. */
export type RequestObserver = (request: {
  readonly operation: string;
  readonly outcome: RequestOutcome;
  readonly seconds: number;
}) => void;

/** How the requests to one store fare now. */
export interface RequestTraffic {
  /** `open`: the last requests all failed without an answer, and nothing has gone well since. */
  readonly circuit: 'closed' | 'open';
  /** Requests allowed at once now. */
  readonly concurrency: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** How long nothing has been answered; 0 while the store answers. */
  readonly failingForMs: number;
  readonly lastFailure: ErrorCode | null;
  /** So far, repetitions counted one by one. */
  readonly requests: number;
}

export interface RequestPolicyOptions {
  readonly translate: TranslateFailure;
  /** Longest time for one request, its body included. */
  readonly timeoutMs: number;
  /** A request is given up so long after its first failure began, and at once when the store has been away for so long. */
  readonly patienceMs: number;
  /** Requests at once, at most. */
  readonly maxConcurrency: number;
  readonly observe?: RequestObserver;
  readonly logger?: Logger;
  /** Real time and chance where they are not given; tests own theirs. */
  readonly monotonicMs?: () => number;
  /** Resolves after so long, or at once when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** What is configured alike for every cloud store. */
export interface RequestSettings {
  /** Of one request, its body included. */
  readonly requestTimeoutMs: number;
  /** Longest time for which one request is tried again. */
  readonly retryTimeoutMs: number;
  readonly maxConcurrentRequests: number;
  readonly partSizeBytes: number;
  /** Over all objects; each holds its part in memory. */
  readonly maxPartsInFlight: number;
  /** `http://host:port`, with user and password where it needs them. */
  readonly proxy: string | null;
  /** PEM file with the authorities to trust. */
  readonly caPath: string | null;
}

/** What one request is given besides what all of them have. */
export interface RequestTerms {
  /** Gives the request up; then it ends with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Size of the object that this request makes appear. A store may join its parts before it answers, or read all of it, and S3
   * speaks of minutes (docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html): such a request has three times
   * the time of others, and a second more for every 32 MiB; the patience with it is longer by as much.
   */
  readonly joinedBytes?: number | undefined;
  /** Size of the body that goes up. Large ones have a limit of their own: see {@link BodyLimit}. */
  readonly bodyBytes?: number | undefined;
  /** Grows with what the attempts have achieved together. One that got on is an answer, and the patience begins anew with it. */
  readonly progress?: (() => number) | undefined;
}

/** Longer than a store is left alone, whatever it says. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;
const JOINING_TIMEOUTS = 3;
const JOINED_BYTES_PER_MS = (32 * 1024 * 1024) / 1000;

class TimedOut extends Error {}

/** Under the limit of all requests, and under that of large bodies where it carries one. */
interface Turn {
  readonly ofAll: number;
  readonly ofBodies: number | undefined;
  /** For the bodies before it. */
  readonly waitedMs: number;
}

interface Request {
  readonly operation: string;
  readonly key: string;
  readonly turn: Turn;
  readonly bodyBytes: number;
  readonly timeoutMs: number;
  readonly progress: () => number;
}

type Attempt<T> = (signal: AbortSignal) => Promise<T>;
type Attempted<T> = { readonly kind: 'ok'; readonly value: T } | (RequestFailure & { readonly hasAdvanced: boolean });

export class RequestPolicy {
  readonly #options: RequestPolicyOptions;
  readonly #monotonicMs: () => number;
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #limit: AdaptiveLimit;
  readonly #bodies: BodyLimit;
  readonly #circuit: Circuit;
  readonly #closing = new AbortController();
  /** Until then the store wants to be left alone. */
  #notBefore: { readonly atMs: number; readonly error: BackupError } | undefined;
  readonly #requests = new Map<string, number>();
  /** The address is right: what answers otherwise stands before the store, as a load balancer does. */
  #hasAnswered = false;

  constructor(options: RequestPolicyOptions) {
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    this.#wait = options.wait ?? pause;
    this.#limit = new AdaptiveLimit(options.maxConcurrency);
    this.#bodies = new BodyLimit(options.maxConcurrency, options.timeoutMs);
    this.#circuit = new Circuit(options.logger);
  }

  /**
   * Makes one request, again and again while that can help. Expected answers (absent, exists) are values of `attempt`; what it
   * throws goes to the adapter's translation, except a BackupError, which is passed on as it is.
   * @param attempt sends the request once; it must end soon after its signal aborts, and touch no memory after that
   * @throws what the translation made of the last failure; STORE_UNAVAILABLE when the policy is closed
   */
  async run<T>(operation: string, key: string, attempt: Attempt<T>, terms: RequestTerms = {}): Promise<T> {
    const { random = Math.random } = this.#options;
    const { timeoutMs, patienceMs } = this.#timesOf(terms);
    const { progress = () => 0, bodyBytes = 0 } = terms;
    const backOff = new BackOff(random);
    let troubleSinceMs: number | undefined;
    const ended = joinSignals([this.#closing.signal, ...(terms.signal === undefined ? [] : [terms.signal])]);
    try {
      for (;;) {
        await this.#leaveAlone(patienceMs, ended.signal);
        const turn = await this.#turnOf(bodyBytes, ended.signal);
        const startedAtMs = this.#monotonicMs();
        // Whoever lets others go first is no closer to giving up.
        if (troubleSinceMs !== undefined) troubleSinceMs += turn.waitedMs;
        const attempted = await this.#once(
          { operation, key, turn, timeoutMs, progress, bodyBytes },
          attempt,
          ended.signal,
        );
        if (attempted.kind === 'ok') return attempted.value;
        if (attempted.kind === 'refused') throw attempted.error;
        const nowMs = this.#monotonicMs();
        if (attempted.hasAdvanced) backOff.reset();
        troubleSinceMs = attempted.hasAdvanced ? nowMs : (troubleSinceMs ?? startedAtMs);
        // Those that were told the same do not all come back at the same moment.
        const toldMs = Math.min(attempted.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS) * (1 + random() / 4);
        const delayMs = Math.max(backOff.nextDelayMs(), toldMs);
        const boundMs = patienceMs + this.#chanceMs();
        if (nowMs + delayMs - troubleSinceMs > boundMs || this.#circuit.failingForMs(nowMs) > boundMs) {
          if (toldMs > 0) this.#notBefore = { atMs: nowMs + toldMs, error: attempted.error };
          const tried = `${attemptsText(backOff.attempts)} in ${secondsText(nowMs - troubleSinceMs)}`;
          throw givenUp(attempted.error, tried + restText(attempted.retryAfterMs));
        }
        this.#options.logger?.debug('a request to the store is tried again', {
          operation,
          key,
          attempt: backOff.attempts,
          delayMs: Math.round(delayMs),
          error: attempted.error,
        });
        await this.#wait(delayMs, ended.signal);
      }
    } finally {
      ended.release();
    }
  }

  traffic(): RequestTraffic {
    return {
      circuit: this.#circuit.isOpen ? 'open' : 'closed',
      concurrency: this.#limit.current,
      inFlight: this.#limit.inFlight,
      waiting: this.#limit.waiting + this.#bodies.waiting,
      failingForMs: this.#circuit.failingForMs(this.#monotonicMs()),
      lastFailure: this.#circuit.lastFailure,
      requests: totalRequests(this.#requests),
    };
  }

  /** All that ended so far, repetitions counted one by one: just those that the observer was told of. */
  get requests(): RequestCounts {
    return this.#requests;
  }

  /** Ends every request under way and takes no new one. */
  close(): void {
    this.#closing.abort(new BackupError('STORE_UNAVAILABLE', 'the store was closed'));
  }

  #timesOf({ joinedBytes }: RequestTerms): { readonly timeoutMs: number; readonly patienceMs: number } {
    const { timeoutMs, patienceMs } = this.#options;
    if (joinedBytes === undefined) return { timeoutMs, patienceMs };
    const longerMs = (JOINING_TIMEOUTS - 1) * timeoutMs + Math.ceil(joinedBytes / JOINED_BYTES_PER_MS);
    return { timeoutMs: timeoutMs + longerMs, patienceMs: patienceMs + longerMs };
  }

  async #once<T>(request: Request, attempt: Attempt<T>, ended: AbortSignal): Promise<Attempted<T>> {
    const { operation, timeoutMs, progress } = request;
    const startedAtMs = this.#monotonicMs();
    const progressBefore = progress();
    const told = (outcome: RequestOutcome): void => {
      this.#requests.set(operation, (this.#requests.get(operation) ?? 0) + 1);
      this.#options.observe?.({ operation, outcome, seconds: (this.#monotonicMs() - startedAtMs) / 1000 });
    };
    try {
      const value = await this.#timed(attempt, timeoutMs, ended);
      this.#hasAnswered = true;
      this.#circuit.answered(this.#monotonicMs(), null);
      this.#release(request, 'ok', startedAtMs);
      told('ok');
      return { kind: 'ok', value };
    } catch (error) {
      if (ended.aborted) {
        this.#release(request, 'cancelled', startedAtMs);
        told('cancelled');
        throw ended.reason;
      }
      const failure = this.#failureOf(error, request);
      const hasAdvanced = progress() > progressBefore;
      this.#note(failure, failure.isAnswer === true || hasAdvanced, startedAtMs);
      const outcome = error instanceof TimedOut ? 'timed-out' : failure.kind;
      this.#release(request, outcome, startedAtMs);
      told(outcome);
      return { ...failure, hasAdvanced };
    }
  }

  /** @throws the signal's reason when it aborts first */
  async #turnOf(bodyBytes: number, ended: AbortSignal): Promise<Turn> {
    const askedAtMs = this.#monotonicMs();
    const ofBodies = BodyLimit.bounds(bodyBytes) ? await this.#bodies.acquire(ended) : undefined;
    const waitedMs = this.#monotonicMs() - askedAtMs;
    try {
      return { ofAll: await this.#limit.acquire(ended), ofBodies, waitedMs };
    } catch (error) {
      if (ofBodies !== undefined) this.#bodies.release(ofBodies, { bytes: bodyBytes, tookMs: 0, ended: 'otherwise' });
      throw error;
    }
  }

  /** Added to the patience once bodies have timed out beside each other: the first one alone may meet what they left on the link. */
  #chanceMs(): number {
    return this.#bodies.isNarrowed ? this.#options.timeoutMs : 0;
  }

  #release({ turn, bodyBytes: bytes }: Request, outcome: RequestOutcome, startedAtMs: number): void {
    const { ofAll, ofBodies } = turn;
    // What timed out on a slow link fares better with fewer neighbours; a large body, with fewer of its kind.
    const isTooMuch = outcome === 'throttled' || (outcome === 'timed-out' && ofBodies === undefined);
    this.#limit.release(ofAll, outcome === 'ok' ? 'more' : isTooMuch ? 'less' : 'same');
    if (ofBodies === undefined) return;
    const ended = outcome === 'ok' || outcome === 'timed-out' ? outcome : 'otherwise';
    this.#bodies.release(ofBodies, { bytes, tookMs: this.#monotonicMs() - startedAtMs, ended });
  }

  /** Ends when the attempt ends, the time is over or `ended` aborts, whichever is first. */
  async #timed<T>(attempt: Attempt<T>, timeoutMs: number, ended: AbortSignal): Promise<T> {
    const cancel = new AbortController();
    const timer = new AbortController();
    const stop = (): void => cancel.abort(ended.reason);
    ended.addEventListener('abort', stop, { once: true });
    const cancelled = new Promise<never>((_resolve, reject) => {
      cancel.signal.addEventListener('abort', () => reject(cancel.signal.reason), { once: true });
    });
    void this.#wait(timeoutMs, timer.signal).then(() => {
      if (!timer.signal.aborted) cancel.abort(new TimedOut(`no answer within ${timeoutMs / 1000} s`));
    });
    try {
      return await Promise.race([attempt(cancel.signal), cancelled]);
    } finally {
      timer.abort();
      ended.removeEventListener('abort', stop);
    }
  }

  #failureOf(error: unknown, { operation, key, bodyBytes }: Request): RequestFailure {
    if (error instanceof BackupError) return { kind: 'refused', error };
    if (!(error instanceof TimedOut)) {
      const failure = this.#options.translate(error, operation, key);
      return failure.isStrange === true && this.#hasAnswered ? unanswered(failure.error) : failure;
    }
    const message = `${operation} ${key}: ${error.message}${bodyText(bodyBytes)}`;
    return {
      kind: 'unavailable',
      error: new BackupError('STORE_UNAVAILABLE', message, { context: { key }, cause: error }),
    };
  }

  #note({ kind, error }: RequestFailure, isAnswer: boolean, startedAtMs: number): void {
    const nowMs = this.#monotonicMs();
    if (kind !== 'unavailable' || isAnswer) {
      this.#circuit.answered(nowMs, kind === 'unavailable' ? error.code : null);
      return;
    }
    this.#circuit.unanswered(error, startedAtMs, nowMs);
    // Whoever waits behind requests that cannot succeed should hear of it as soon as those do.
    if (this.#circuit.failingForMs(nowMs) <= this.#options.patienceMs + this.#chanceMs()) return;
    this.#bodies.rejectWaiting(error);
    this.#limit.rejectWaiting(error);
  }

  /** Waits until the store may be asked again. @throws what the store has said, where that is further away than the patience */
  async #leaveAlone(patienceMs: number, ended: AbortSignal): Promise<void> {
    if (this.#notBefore === undefined) return;
    const { atMs, error } = this.#notBefore;
    const restMs = atMs - this.#monotonicMs();
    if (restMs > patienceMs) throw givenUp(error, `it wants to be left alone for another ${secondsText(restMs)}`);
    if (restMs > 0) await this.#wait(restMs, ended);
  }
}

/** Of an answer that somebody else gave. */
function unanswered({ message, context }: BackupError): RequestFailure {
  return { kind: 'unavailable', error: new BackupError('STORE_UNAVAILABLE', message, { context }) };
}

function givenUp(error: BackupError, why: string): BackupError {
  return new BackupError(error.code, `${messageOf(error)} (${why})`, { context: error.context, cause: error.cause });
}

function bodyText(bytes: number): string {
  return BodyLimit.bounds(bytes) ? `, its body of ${(bytes / 1024 / 1024).toFixed(1)} MiB included` : '';
}

function attemptsText(attempts: number): string {
  return `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
}

function restText(retryAfterMs = 0): string {
  return retryAfterMs === 0 ? '' : `; it wants to be left alone for ${secondsText(retryAfterMs)}`;
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
