// Reads the primitive types of Kafka's flexible protocol versions (KIP-482: compact strings and arrays with unsigned varint
// lengths, tagged fields). Byte results are views into the response, not copies. Source: Kafka's protocol guide.

import { BackupError } from '../../model/errors.ts';

export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#advance(8));
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#advance(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new BackupError('KAFKA_NOT_KAFKA', 'a length in a response is longer than 5 bytes');
  }

  /** A UUID in Kafka's text form: base64url without padding. */
  uuid(): string {
    return Buffer.from(this.#take(16)).toString('base64url');
  }

  compactString(): string {
    return this.compactNullableString() ?? '';
  }

  compactNullableString(): string | null {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? null : Buffer.from(this.#take(length)).toString('utf8');
  }

  /** A view; empty for null. */
  compactBytes(): Uint8Array {
    const length = this.unsignedVarint() - 1;
    return length <= 0 ? this.#take(0) : this.#take(length);
  }

  /** Elements in order; a null array is empty. */
  compactArray<T>(readElement: (reader: WireReader) => T): T[] {
    const count = this.unsignedVarint() - 1;
    const elements: T[] = [];
    for (let index = 0; index < count; index += 1) elements.push(readElement(this));
    return elements;
  }

  /** Skips the tagged fields, but for those that `onTag` takes: it is handed a reader over the field's bytes. */
  taggedFields(onTag?: (tag: number, field: WireReader) => void): void {
    const count = this.unsignedVarint();
    for (let index = 0; index < count; index += 1) {
      const tag = this.unsignedVarint();
      const field = this.#take(this.unsignedVarint());
      onTag?.(tag, new WireReader(field));
    }
  }

  #take(length: number): Uint8Array {
    const from = this.#advance(length);
    return this.#bytes.subarray(from, from + length);
  }

  #advance(length: number): number {
    const from = this.#position;
    if (length < 0 || from + length > this.#bytes.byteLength) {
      throw new BackupError('KAFKA_NOT_KAFKA', 'a response ends in the middle of a field');
    }
    this.#position = from + length;
    return from;
  }
}
