// An LZ4 block of any size, expanded piece by piece. The peer compresses a whole segment into one raw block behind its expanded
// size (`lz4_flex::compress_prepend_size`: u32 LE, then lz4_Block_format.md), so a decoder that wants all of it at once would need the
// memory of whole segments. What a match may refer to lies at most 64 KiB back; no more than that is kept.

import { BackupError } from '../../model/errors.ts';

const SIZE_BYTES = 4;
/** Farthest a match reaches back, and one more. */
const HISTORY_BYTES = 64 * 1024;
const PIECE_BYTES = 1024 * 1024;
const MIN_MATCH_BYTES = 4;
/** A length nibble of this goes on in further bytes. */
const LONG_LENGTH = 15;

type State = 'size' | 'token' | 'literals' | 'match-start' | 'match';

class Lz4BlockDecoder {
  /** The history, then what was expanded since the last piece. */
  readonly #output = new Uint8Array(HISTORY_BYTES + PIECE_BYTES);
  #end = 0;
  #given = 0;
  #expandedBytes = 0;
  #declaredBytes = 0;
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #state: State = 'size';
  /** Bytes still to copy in the states `literals` and `match`. */
  #left = 0;
  #matchNibble = 0;
  #distance = 0;

  /** Adds input; what was left of the input before is kept. */
  push(chunk: Uint8Array): void {
    const rest = this.#input.subarray(this.#at);
    this.#input = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /** The next piece, valid until the next call; undefined when more input is needed. @throws SOURCE_DAMAGED. */
  piece(): Uint8Array | undefined {
    while (this.#step());
    if (this.#end === this.#given) return undefined;
    const piece = this.#output.subarray(this.#given, this.#end);
    this.#given = this.#end;
    return piece;
  }

  /** @throws SOURCE_DAMAGED unless the block ended here, with the size that it declared. */
  finish(): void {
    if (this.#state !== 'token' && !(this.#state === 'match-start' && this.#at === this.#input.byteLength)) {
      throw corrupt('ends in the middle of a sequence');
    }
    if (this.#expandedBytes !== this.#declaredBytes) {
      throw corrupt(`holds ${this.#expandedBytes} bytes instead of ${this.#declaredBytes}`);
    }
  }

  /** One state's work; false when it needs input or the output is full. */
  #step(): boolean {
    switch (this.#state) {
      case 'size':
        return this.#readSize();
      case 'token':
        return this.#readToken();
      case 'literals':
        return this.#copyLiterals();
      case 'match-start':
        return this.#readMatch();
      case 'match':
        return this.#copyMatch();
    }
  }

  #readSize(): boolean {
    if (this.#input.byteLength < SIZE_BYTES) return false;
    this.#declaredBytes = Buffer.from(this.#input.buffer, this.#input.byteOffset, SIZE_BYTES).readUInt32LE(0);
    this.#at = SIZE_BYTES;
    this.#state = 'token';
    return true;
  }

  #readToken(): boolean {
    const token = this.#input[this.#at];
    if (token === undefined) return false;
    const length = this.#readLength(this.#at + 1, token >> 4);
    if (length === undefined) return false;
    this.#matchNibble = token & 0x0f;
    this.#left = length;
    this.#state = 'literals';
    return true;
  }

  #readMatch(): boolean {
    const [low, high] = [this.#input[this.#at], this.#input[this.#at + 1]];
    if (low === undefined || high === undefined) return false;
    const length = this.#readLength(this.#at + 2, this.#matchNibble);
    if (length === undefined) return false;
    this.#distance = low | (high << 8);
    if (this.#distance === 0 || this.#distance > this.#expandedBytes) throw corrupt('refers to bytes before its start');
    this.#left = length + MIN_MATCH_BYTES;
    this.#state = 'match';
    return true;
  }

  /** The length that `nibble` begins and bytes from `at` continue, and the input behind it; undefined when it is not all there. */
  #readLength(at: number, nibble: number): number | undefined {
    let [length, position] = [nibble, at];
    for (let byte = nibble === LONG_LENGTH ? 255 : 0; byte === 255; position += 1) {
      const next = this.#input[position];
      if (next === undefined) return undefined;
      byte = next;
      length += byte;
    }
    this.#at = position;
    return length;
  }

  #copyLiterals(): boolean {
    const count = Math.min(this.#left, this.#input.byteLength - this.#at, this.#room());
    this.#output.set(this.#input.subarray(this.#at, this.#at + count), this.#end);
    this.#at += count;
    return this.#copied(count, 'match-start');
  }

  #copyMatch(): boolean {
    const count = Math.min(this.#left, this.#room());
    const [output, from, to] = [this.#output, this.#end - this.#distance, this.#end];
    if (this.#distance >= count) output.copyWithin(to, from, from + count);
    // A match may reach into itself: a run repeats.
    else for (let index = 0; index < count; index += 1) output[to + index] = output[from + index] ?? 0;
    return this.#copied(count, 'token');
  }

  #copied(count: number, next: State): boolean {
    this.#end += count;
    this.#expandedBytes += count;
    if (this.#expandedBytes > this.#declaredBytes)
      throw corrupt(`expands beyond the ${this.#declaredBytes} bytes it declares`);
    this.#left -= count;
    if (this.#left > 0) return false;
    this.#state = next;
    return true;
  }

  /** Room for output; when there is none and all was given out, only the history stays. */
  #room(): number {
    if (this.#end === this.#output.byteLength && this.#given === this.#end) {
      this.#output.copyWithin(0, this.#end - HISTORY_BYTES, this.#end);
      this.#end = HISTORY_BYTES;
      this.#given = HISTORY_BYTES;
    }
    return this.#output.byteLength - this.#end;
  }
}

function corrupt(what: string): BackupError {
  return new BackupError('SOURCE_DAMAGED', `the LZ4 block ${what}`);
}

/** The expanded bytes in pieces, each valid until the next is asked for. @throws SOURCE_DAMAGED. */
export async function* expandLz4Block(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new Lz4BlockDecoder();
  for await (const chunk of chunks) {
    decoder.push(chunk);
    for (let piece = decoder.piece(); piece !== undefined; piece = decoder.piece()) yield piece;
  }
  decoder.finish();
}
