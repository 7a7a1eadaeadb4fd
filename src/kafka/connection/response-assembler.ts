// Cuts a connection's byte stream into Kafka responses. kafkajs keeps every chunk and joins them at the end, which doubles the
// memory of a large fetch and leaves it to the garbage collector; here a large response is written once, into a landing
// buffer that its reader gives back, and most of it by the operating system: a socket reads straight to where it belongs. The
// buffers are shared memory, so that threads can take the records from where they landed.

import { copyBytes } from '../../model/buffer/copy-bytes.ts';
import { BackupError } from '../../model/errors.ts';

/**
 * No response is larger; a first word beyond it is not Kafka speaking ("HTTP" reads as 1.2 GB, a TLS alert as 352 MB).
 * Brokers answer at least one whole batch, and none is near this size.
 */
export const MAX_RESPONSE_BYTES = 256 * 1024 * 1024;

/** First bytes of a TLS record that refuses what it was sent (RFC 8446, 5.1). */
const TLS_ALERT = 0x15;
const TLS_VERSION_MAJOR = 3;

/** Responses below this are left to the garbage collector. */
const LANDING_THRESHOLD_BYTES = 64 * 1024;
const LANDING_ROUND_BYTES = 1024 * 1024;
/** Memory that threads have seen is free only when each of them has collected its garbage: it is better kept than dropped. */
const KEPT_LANDING_BYTES = 64 * 1024 * 1024;

/** Reusable memory for large responses, of all connections to one cluster. */
export class LandingBuffers {
  /** The largest first. */
  readonly #free: SharedArrayBuffer[] = [];
  /** Only these come back: a small response lies in memory that Node shares among its Buffers. */
  readonly #made = new WeakSet<SharedArrayBuffer>();

  /** At least `sizeBytes`, the smallest of the free ones that fits. What is not written to takes no memory. */
  acquire(sizeBytes: number): Uint8Array {
    const index = this.#free.findLastIndex((buffer) => buffer.byteLength >= sizeBytes);
    const [kept] = index < 0 ? [] : this.#free.splice(index, 1);
    const buffer = kept ?? new SharedArrayBuffer(Math.ceil(sizeBytes / LANDING_ROUND_BYTES) * LANDING_ROUND_BYTES);
    this.#made.add(buffer);
    return new Uint8Array(buffer, 0, sizeBytes);
  }

  /** Gives back what acquire returned, or any view into it; other memory is left alone. Nobody may read it afterwards. */
  release(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!(buffer instanceof SharedArrayBuffer) || !this.#made.has(buffer) || this.#free.includes(buffer)) return;
    this.#free.push(buffer);
    this.#free.sort((a, b) => b.byteLength - a.byteLength);
    let keptBytes = 0;
    const kept = this.#free.filter(({ byteLength }) => (keptBytes += byteLength) <= KEPT_LANDING_BYTES).length;
    this.#free.length = Math.max(1, kept);
  }
}

/** Takes chunks, which it copies unless they lie where {@link room} said, and hands on each whole response without its length word. */
export class ResponseAssembler {
  readonly #landing: LandingBuffers;
  readonly #onResponse: (response: Uint8Array) => void;
  readonly #lengthWord = Buffer.alloc(4);
  #lengthFilled = 0;
  #response: Uint8Array | undefined;
  #filled = 0;

  constructor(landing: LandingBuffers, onResponse: (response: Uint8Array) => void) {
    this.#landing = landing;
    this.#onResponse = onResponse;
  }

  /** Forgets a half-received response: the connection was made anew. */
  reset(): void {
    if (this.#response !== undefined) this.#landing.release(this.#response);
    this.#response = undefined;
    this.#lengthFilled = 0;
  }

  /** Where the next bytes of the stream belong, while a large response is under way. Push what was read into it, and nothing before. */
  room(): Uint8Array | undefined {
    const rest = this.#response?.subarray(this.#filled);
    return rest !== undefined && rest.byteLength >= LANDING_THRESHOLD_BYTES ? rest : undefined;
  }

  /** @throws KAFKA_NOT_KAFKA when the stream cannot be Kafka's. */
  push(chunk: Uint8Array): void {
    let position = 0;
    while (position < chunk.byteLength) {
      position = this.#response === undefined ? this.#takeLength(chunk, position) : this.#takeBody(chunk, position);
    }
  }

  #takeLength(chunk: Uint8Array, position: number): number {
    let at = position;
    while (this.#lengthFilled < 4 && at < chunk.byteLength) {
      this.#lengthWord[this.#lengthFilled] = chunk[at] ?? 0;
      this.#lengthFilled += 1;
      at += 1;
    }
    if (this.#lengthFilled < 4) return at;
    const sizeBytes = this.#lengthWord.readInt32BE(0);
    if (sizeBytes < 4 || sizeBytes > MAX_RESPONSE_BYTES) {
      const beginning = JSON.stringify(this.#lengthWord.toString('latin1'));
      const isTls = this.#lengthWord[0] === TLS_ALERT && this.#lengthWord[1] === TLS_VERSION_MAJOR;
      const text = isTls ? 'the listener speaks TLS' : `the answer begins with ${beginning}`;
      throw new BackupError('KAFKA_NOT_KAFKA', text);
    }
    this.#lengthFilled = 0;
    this.#filled = 0;
    this.#response =
      sizeBytes < LANDING_THRESHOLD_BYTES ? Buffer.allocUnsafe(sizeBytes) : this.#landing.acquire(sizeBytes);
    return at;
  }

  #takeBody(chunk: Uint8Array, position: number): number {
    const response = this.#response;
    if (response === undefined) return position;
    const taken = Math.min(chunk.byteLength - position, response.byteLength - this.#filled);
    const isInPlace = chunk.buffer === response.buffer && chunk.byteOffset === response.byteOffset + this.#filled;
    if (!isInPlace) copyBytes(chunk, { start: position, end: position + taken }, response, this.#filled);
    this.#filled += taken;
    if (this.#filled === response.byteLength) {
      this.#response = undefined;
      this.#onResponse(response);
    }
    return position + taken;
  }
}
