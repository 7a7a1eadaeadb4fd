// Writes the primitive types of Kafka's flexible protocol versions (KIP-482). Large byte fields are kept by reference, so a
// produce request carries its batches without a copy: `chunks()` are to be written to the socket in order.

const INITIAL_BYTES = 256;

export class WireWriter {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #position = 0;
  readonly #chunks: Uint8Array[] = [];
  #chunkBytes = 0;

  get sizeBytes(): number {
    return this.#chunkBytes + this.#position;
  }

  int8(value: number): this {
    this.#reserve(1);
    this.#position = this.#buffer.writeInt8(value, this.#position);
    return this;
  }

  int16(value: number): this {
    this.#reserve(2);
    this.#position = this.#buffer.writeInt16BE(value, this.#position);
    return this;
  }

  int32(value: number): this {
    this.#reserve(4);
    this.#position = this.#buffer.writeInt32BE(value, this.#position);
    return this;
  }

  int64(value: bigint): this {
    this.#reserve(8);
    this.#position = this.#buffer.writeBigInt64BE(value, this.#position);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  unsignedVarint(value: number): this {
    this.#reserve(5);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#position] = (rest % 128) | 0x80;
      this.#position += 1;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#position] = rest;
    this.#position += 1;
    return this;
  }

  /** From Kafka's text form: base64url without padding. */
  uuid(value: string): this {
    this.#reserve(16);
    this.#position += Buffer.from(value, 'base64url').copy(this.#buffer, this.#position, 0, 16);
    return this;
  }

  /** Of the header of every request before its first flexible field: i16 length, then the bytes. */
  nullableString(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = Buffer.from(value);
    return this.int16(bytes.byteLength).#bytes(bytes);
  }

  compactNullableString(value: string | null): this {
    if (value === null) return this.unsignedVarint(0);
    const bytes = Buffer.from(value);
    return this.unsignedVarint(bytes.byteLength + 1).#bytes(bytes);
  }

  compactString(value: string): this {
    return this.compactNullableString(value);
  }

  /** Keeps `bytes` by reference: they must not change until the request was written. */
  compactBytesByReference(bytes: Uint8Array): this {
    this.unsignedVarint(bytes.byteLength + 1);
    this.#flush();
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.byteLength;
    return this;
  }

  /** `null` writes a null array, which for some requests means "all". */
  compactArray<T>(elements: readonly T[] | null, writeElement: (writer: WireWriter, element: T) => void): this {
    if (elements === null) return this.unsignedVarint(0);
    this.unsignedVarint(elements.length + 1);
    for (const element of elements) writeElement(this, element);
    return this;
  }

  /** No request of ours carries tagged fields. */
  noTaggedFields(): this {
    return this.unsignedVarint(0);
  }

  /** Everything written so far, in order. */
  chunks(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  #bytes(bytes: Buffer): this {
    this.#reserve(bytes.byteLength);
    this.#position += bytes.copy(this.#buffer, this.#position);
    return this;
  }

  #flush(): void {
    if (this.#position === 0) return;
    this.#chunks.push(this.#buffer.subarray(0, this.#position));
    this.#chunkBytes += this.#position;
    this.#buffer = this.#buffer.subarray(this.#position);
    this.#position = 0;
  }

  #reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(INITIAL_BYTES, (this.#position + bytes) * 2));
    this.#buffer.copy(larger, 0, 0, this.#position);
    this.#buffer = larger;
  }
}
