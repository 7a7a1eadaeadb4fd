// How many large bodies may go up at once. They share one link: on a narrow one each of them times out although the link carries
// all it can, and then they go one at a time. A further one is let beside them only where the pace shows that none would time out:
// so a narrow link is not tried out by time-outs, each of which wastes what has gone up.

import { AdaptiveLimit } from './adaptive-limit.ts';

/** What is smaller is no load: neither bounded here nor a measure of the link. */
const SMALLEST_BYTES = 64 * 1024;

/** A body that was sent. */
export interface SentBody {
  readonly bytes: number;
  /** Until its request ended. */
  readonly tookMs: number;
  readonly ended: 'ok' | 'timed-out' | 'otherwise';
}

export class BodyLimit {
  readonly #limit: AdaptiveLimit;
  readonly #max: number;
  readonly #timeoutMs: number;
  /** The largest that timed out since the limit was whole; 0 for none. */
  #timedOutBytes = 0;

  /**
   * @param max at least 1
   * @param timeoutMs of a request that does no more than carry a body
   */
  constructor(max: number, timeoutMs: number) {
    this.#limit = new AdaptiveLimit(max);
    this.#max = max;
    this.#timeoutMs = timeoutMs;
  }

  static bounds(bytes: number): boolean {
    return bytes >= SMALLEST_BYTES;
  }

  /** Bodies have timed out, and the limit is not whole again. */
  get isNarrowed(): boolean {
    return this.#timedOutBytes > 0;
  }

  get waiting(): number {
    return this.#limit.waiting;
  }

  /** As that of {@link AdaptiveLimit}. */
  acquire(signal?: AbortSignal): Promise<number> {
    return this.#limit.acquire(signal);
  }

  release(turn: number, body: SentBody): void {
    const { current, inFlight } = this.#limit;
    if (body.ended === 'timed-out') this.#timedOutBytes = Math.max(this.#timedOutBytes, body.bytes);
    else if (current === this.#max) this.#timedOutBytes = 0;
    const mayGrow = body.ended === 'ok' && inFlight >= current && this.#hasRoom(body, current);
    this.#limit.release(turn, body.ended === 'timed-out' ? 'one' : mayGrow ? 'more' : 'same');
  }

  /** Whether the largest body would come through beside one more, at the pace of this one. */
  #hasRoom({ bytes, tookMs }: SentBody, current: number): boolean {
    const largestMs = tookMs * Math.max(1, this.#timedOutBytes / bytes);
    return (largestMs * (current + 1)) / current <= this.#timeoutMs;
  }

  /** Sends away everyone who waits. */
  rejectWaiting(reason: unknown): void {
    this.#limit.rejectWaiting(reason);
  }
}
