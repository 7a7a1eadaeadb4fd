// Turns the fields of a log line into plain JSON data: bigint as decimal text, errors as code, message and hint, bytes as
// their size only. Whatever is called like a secret, or looks like one inside a URL, is hidden here, so that no call site
// has to remember it. Depth, width and length are bounded: a log line is never larger than what it describes.

import { BackupError, messageOf } from '../model/errors.ts';
import type { LogFields } from '../model/logger.ts';

const HIDDEN = '[hidden]';
const MAX_DEPTH = 5;
const MAX_ENTRIES = 64;
const MAX_TEXT_LENGTH = 4096;

/** Key names of secrets. Names of files that hold one (`token_file`, `keyPath`) are not secrets. */
const SECRET_NAME =
  /passw|passphrase|secret|token|credential|authorization|cookie|jaas|signature|private_?key|access_?key|account_?key|api_?key|key_?material|connection_?string/i;
const FILE_NAME = /(file|path|name|type|count|mechanism)$/i;

/** Renders every field; the result holds only what JSON can carry and is owned by the caller. */
export function renderFields(fields: LogFields): Record<string, unknown> {
  return renderObject(fields, 0);
}

/** Hides user information and signatures inside URLs, and cuts texts that are longer than a log line should be. */
export function renderText(text: string): string {
  const cut = text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}...` : text;
  return cut
    .replaceAll(/:\/\/[^\s/@]*@/g, `://${HIDDEN}@`)
    .replaceAll(/\b(sig|signature|x-amz-signature|x-goog-signature|accountkey)=[^&\s;]+/gi, `$1=${HIDDEN}`);
}

/**
 * Control characters, line breaks and bidirectional overrides as `\uXXXX`: a topic name or an error text from elsewhere
 * can neither steer the operator's terminal nor forge a second line.
 */
export function escapeControls(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** {@link escapeControls} on every string and key of rendered fields. */
export function escapeFields(value: unknown): unknown {
  if (typeof value === 'string') return escapeControls(value);
  if (Array.isArray(value)) return value.map(escapeFields);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [escapeControls(key), escapeFields(inner)]));
}

function renderObject(object: object, depth: number): Record<string, unknown> {
  const rendered: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object).slice(0, MAX_ENTRIES)) {
    if (value === undefined || typeof value === 'function') continue;
    rendered[key] = isSecretName(key) && value !== null ? HIDDEN : renderValue(value, depth);
  }
  return rendered;
}

function isSecretName(key: string): boolean {
  return SECRET_NAME.test(key) && !FILE_NAME.test(key);
}

function renderValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return renderText(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Error) return renderError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `<${value.byteLength} bytes>`;
  if (depth >= MAX_DEPTH) return '...';
  if (value instanceof Map)
    return renderObject(Object.fromEntries([...value].map(([key, inner]) => [keyText(key), inner])), depth + 1);
  if (Array.isArray(value) || value instanceof Set) return renderList([...value], depth + 1);
  return renderObject(value, depth + 1);
}

/** An object as a key has a text of its own, or none. */
function keyText(key: unknown): string {
  return typeof key === 'object' && key !== null ? JSON.stringify(renderValue(key, MAX_DEPTH - 1)) : String(key);
}

function renderList(values: readonly unknown[], depth: number): unknown[] {
  const shown = values.slice(0, MAX_ENTRIES).map((value) => renderValue(value, depth));
  return values.length > shown.length ? [...shown, `... ${values.length - shown.length} more`] : shown;
}

/** An expected failure is told by its code and remedy; anything else is a defect, whose stack is worth its space. */
function renderError(error: Error, depth: number): Record<string, unknown> {
  const cause = error.cause === undefined ? {} : { cause: renderText(messageOf(error.cause)) };
  if (error instanceof BackupError) {
    const where = depth < MAX_DEPTH ? renderObject(error.context, depth + 1) : {};
    return { code: error.code, message: renderText(error.message), hint: error.kind.hint, ...where, ...cause };
  }
  const stack = (error.stack ?? '').split('\n    at ').slice(1, 11).map(renderText);
  return { type: error.name, message: renderText(error.message), ...cause, stack };
}
