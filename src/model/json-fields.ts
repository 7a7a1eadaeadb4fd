// Typed access to parsed JSON whose shape is not to be trusted: catalog commits, checkpoints and segment footers. Every getter
// names the field that is wrong; unknown fields are ignored, so that a later version may add some.

import { createHash } from 'node:crypto';
import { BackupError, type ErrorCode } from './errors.ts';

/** `,"contentSha256":"…"}` and the end of the line. */
const SEAL_BYTES = 85;

export class JsonFields {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #place: string;
  readonly #code: ErrorCode;

  /** `place` begins the messages, `code` is what a wrong shape is reported as. */
  constructor(value: unknown, place: string, code: ErrorCode) {
    this.#place = place;
    this.#code = code;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong('', 'an object');
    this.#value = value as Readonly<Record<string, unknown>>;
  }

  has(name: string): boolean {
    return this.#value[name] !== undefined && this.#value[name] !== null;
  }

  /** Names of all fields. */
  names(): readonly string[] {
    return Object.keys(this.#value);
  }

  string(name: string): string {
    const value = this.#value[name];
    if (typeof value !== 'string') throw this.#wrong(name, 'a string');
    return value;
  }

  /** One of `allowed`. */
  choice<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.string(name);
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw this.#wrong(name, `one of ${allowed.join(', ')}`);
    return found;
  }

  /** A safe integer, by default not negative; both bounds are inclusive. */
  integer(name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#value[name];
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw this.#wrong(
      name,
      max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer from ${min} to ${max}`,
    );
  }

  /** Any finite number. */
  number(name: string): number {
    const value = this.#value[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(name, 'a number');
    return value;
  }

  nullableInteger(name: string, min: number): number | null {
    return this.has(name) ? this.integer(name, min) : null;
  }

  boolean(name: string): boolean {
    const value = this.#value[name];
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false');
    return value;
  }

  /** A 64-bit number in decimal digits. */
  bigint(name: string): bigint {
    const value = this.#value[name];
    if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) throw this.#wrong(name, 'an integer in a string');
    return BigInt(value);
  }

  fields(name: string): JsonFields {
    return new JsonFields(this.#value[name], `${this.#place}.${name}`, this.#code);
  }

  /** Elements that are objects. */
  list(name: string): JsonFields[] {
    const value = this.#value[name];
    if (!Array.isArray(value)) throw this.#wrong(name, 'a list');
    return value.map((element, index) => new JsonFields(element, `${this.#place}.${name}[${index}]`, this.#code));
  }

  /** A list of lists, whatever these hold. */
  lists(name: string): readonly (readonly unknown[])[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || !value.every(Array.isArray)) throw this.#wrong(name, 'a list of lists');
    return value as readonly (readonly unknown[])[];
  }

  /** A list of strings. */
  texts(name: string): readonly string[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
      throw this.#wrong(name, 'a list of strings');
    return value;
  }

  /** A list of safe integers that are not negative. */
  integers(name: string): readonly number[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || !value.every((one) => Number.isSafeInteger(one) && one >= 0))
      throw this.#wrong(name, 'a list of integers >= 0');
    return value;
  }

  /** A map of strings to strings. */
  strings(name: string): Readonly<Record<string, string>> {
    const value = this.#value[name];
    if (typeof value !== 'object' || value === null) throw this.#wrong(name, 'an object of strings');
    const entries = Object.entries(value);
    if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
      throw this.#wrong(name, 'an object of strings');
    }
    return Object.fromEntries(entries);
  }

  #wrong(name: string, wanted: string): BackupError {
    return new BackupError(this.#code, `${this.#place}${name === '' ? '' : `.${name}`} is not ${wanted}`);
  }
}

/**
 * @throws `code` when `bytes` are not JSON, or are sealed and not as they were then. Without a seal they are taken as they are: earlier
 * versions wrote none.
 */
export function parseJson(bytes: Uint8Array, place: string, code: ErrorCode): JsonFields {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new BackupError(code, `${place} is not JSON`, { cause: error });
  }
  const fields = new JsonFields(value, place, code);
  if (fields.has('contentSha256') && !isAsSealed(text))
    throw new BackupError(
      code,
      `${place} was changed after it was written: it does not have the SHA-256 that it ends with`,
    );
  return fields;
}

/** JSON text with bigints as decimal strings. */
export function toJson(value: unknown, space?: number): string {
  return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? one.toString() : one), space);
}

/** The text of an object, with the SHA-256 of what stands before it as the last field. */
export function sealJson(object: string): string {
  const body = object.slice(0, object.lastIndexOf('}')).trimEnd();
  return `${body}${sealOf(body)}`;
}

function isAsSealed(text: Buffer): boolean {
  const body = text.subarray(0, -SEAL_BYTES);
  return text.subarray(body.length).toString('latin1') === sealOf(body);
}

function sealOf(body: Uint8Array | string): string {
  return `,"contentSha256":"${createHash('sha256').update(body).digest('hex')}"}\n`;
}
