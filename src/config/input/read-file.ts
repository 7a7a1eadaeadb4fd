// Reading of the configuration file and of files that hold one secret. Sizes are bounded whatever the path names, and every
// failure says what was tried and what to do.

import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';

export type FileText =
  | { readonly kind: 'ok'; readonly text: string; readonly worldReadable: boolean }
  | { readonly kind: 'failed'; readonly message: string; readonly suggestion: string };

/** Reads UTF-8 text of at most `maxBytes`. */
export function readText(path: string, maxBytes: number): FileText {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    return refusal(error);
  }
  try {
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) return failed('this is a directory.', 'Name the file itself.');
    const bytes = readUpTo(descriptor, maxBytes + 1);
    if (bytes.length > maxBytes)
      return failed(`the file is larger than ${maxBytes} bytes.`, 'Check that it is the right file.');
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text.includes('\0')) return failed('the file contains NUL bytes, so it is not text.', 'Save it as UTF-8.');
    return { kind: 'ok', text, worldReadable: stats.isFile() && (stats.mode & 0o004) !== 0 };
  } catch (error) {
    return refusal(error);
  } finally {
    closeSync(descriptor);
  }
}

/** Why the file cannot be read by this process, or null when it can. */
export function whyUnreadable(path: string): string | null {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isDirectory() ? 'this is a directory. Name the file itself.' : null;
  } catch (error) {
    const { message, suggestion } = refusal(error);
    return `${message} ${suggestion}`;
  }
}

type Failure = Extract<FileText, { kind: 'failed' }>;

function readUpTo(descriptor: number, limit: number): Buffer {
  const buffer = Buffer.alloc(limit);
  let filled = 0;
  while (filled < limit) {
    const count = readSync(descriptor, buffer, filled, limit - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

function failed(message: string, suggestion: string): Failure {
  return { kind: 'failed', message, suggestion };
}

function refusal(error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return failed('there is no such file.', 'Check the path; a relative one starts at the working directory.');
    case 'EACCES':
    case 'EPERM':
      return failed('this user may not read the file.', 'Check its owner and mode, and those of its directories.');
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return failed('the file is not UTF-8 text.', 'Save it as UTF-8.');
    default:
      return failed(`the file cannot be read (${code === '' ? 'unknown error' : code}).`, 'Check the path.');
  }
}
