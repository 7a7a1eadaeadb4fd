// Cuts the expanded bytes of a peer's segment into whole records and checks what they say of themselves. Records that lie within
// one piece are not copied; memory is the largest record.

import { BackupError } from '../model/errors.ts';
import { viewOf } from '../record/batch-header.ts';
import { PEER_RECORD } from './peer/peer-record.ts';

/** No record is larger: a Kafka batch has at most 2 GiB, brokers allow far less, and a damaged length must not fill the memory. */
const MAX_RECORD_BYTES = 256 * 1024 * 1024;

export class RecordSplitter {
  readonly #key: string;
  /** The beginning of a record that goes on in the next piece. */
  #rest: Uint8Array = new Uint8Array(0);
  #restBytes = 0;
  /** Of the first byte that is not in a whole record yet, in the expanded bytes. */
  #position = 0;
  #recordCount = 0;
  #firstOffset: bigint | undefined;
  #lastOffset = -1n;

  /** `key` is the file's, for messages. */
  constructor(key: string) {
    this.#key = key;
  }

  /** The whole records that `piece` completes, back to back; a view that is valid until the next call. @throws SOURCE_DAMAGED. */
  split(piece: Uint8Array): Uint8Array {
    const bytes = this.#join(piece);
    const view = viewOf(bytes);
    let end = 0;
    while (end + PEER_RECORD.length <= bytes.byteLength) {
      const sizeBytes = PEER_RECORD.length + view.getUint32(end, true);
      if (sizeBytes < PEER_RECORD.smallest || sizeBytes > MAX_RECORD_BYTES) {
        throw this.#corrupt(end, `has a length of ${sizeBytes} bytes`);
      }
      if (end + sizeBytes > bytes.byteLength) break;
      this.#count(view.getBigInt64(end + PEER_RECORD.offset, true), end);
      end += sizeBytes;
    }
    this.#keep(bytes, end);
    this.#position += end;
    return bytes.subarray(0, end);
  }

  /** Holds what was found against the head of the file. @throws SOURCE_DAMAGED. */
  finish(said: { readonly firstOffset: bigint; readonly lastOffset: bigint; readonly recordCount: number }): void {
    if (this.#restBytes > 0) throw this.#corrupt(0, 'is cut short');
    if (
      this.#recordCount !== said.recordCount ||
      this.#firstOffset !== said.firstOffset ||
      this.#lastOffset !== said.lastOffset
    ) {
      const found = `${this.#recordCount} records of offsets ${this.#firstOffset ?? '-'} to ${this.#lastOffset}`;
      const head = `${said.recordCount} of ${said.firstOffset} to ${said.lastOffset}`;
      throw new BackupError('SOURCE_DAMAGED', `${this.#key}, byte 8: the file holds ${found}, its head says ${head}`, {
        context: { key: this.#key },
      });
    }
  }

  #count(offset: bigint, at: number): void {
    if (offset <= this.#lastOffset) throw this.#corrupt(at, `has offset ${offset} behind offset ${this.#lastOffset}`);
    this.#firstOffset ??= offset;
    this.#lastOffset = offset;
    this.#recordCount += 1;
  }

  #join(piece: Uint8Array): Uint8Array {
    if (this.#restBytes === 0) return piece;
    const needed = this.#restBytes + piece.byteLength;
    if (needed > this.#rest.byteLength) this.#grow(needed);
    this.#rest.set(piece, this.#restBytes);
    return this.#rest.subarray(0, needed);
  }

  #grow(neededBytes: number): void {
    const larger = new Uint8Array(Math.max(neededBytes, this.#rest.byteLength * 2));
    larger.set(this.#rest.subarray(0, this.#restBytes));
    this.#rest = larger;
  }

  /** What follows `end` waits for the next piece. It is copied out of the way: whole records before it are still to be read. */
  #keep(bytes: Uint8Array, end: number): void {
    const isWaiting = bytes.buffer === this.#rest.buffer && end === 0;
    this.#restBytes = bytes.byteLength - end;
    if (isWaiting) return;
    this.#rest = new Uint8Array(Math.max(this.#restBytes * 2, 64 * 1024));
    this.#rest.set(bytes.subarray(end));
  }

  #corrupt(at: number, what: string): BackupError {
    const place = `${this.#key}, byte ${this.#position + at} of its records, expanded`;
    return new BackupError('SOURCE_DAMAGED', `${place}: record ${this.#recordCount + 1} ${what}`, {
      context: { key: this.#key },
    });
  }
}
