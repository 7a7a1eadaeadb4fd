// The key file of a service account of Google Cloud, looked at before anything starts. What the parsers say is not told: it may show
// what they were given.

import { createPrivateKey } from 'node:crypto';
import { readText } from './read-file.ts';

const LARGEST_KEY_FILE = 64 * 1024;

/** Why nobody can log in with the file, or null when its form is right. */
export function whyNoKeyFile(path: string): string | null {
  const read = readText(path, LARGEST_KEY_FILE);
  if (read.kind === 'failed') return `${read.message} ${read.suggestion}`;
  return isKeyFile(read.text) ? null : 'this is not the key file of a service account.';
}

function isKeyFile(text: string): boolean {
  try {
    const { type, client_email: email, private_key: key }: Record<string, unknown> = JSON.parse(text);
    if (type !== 'service_account' || typeof email !== 'string' || typeof key !== 'string') return false;
    createPrivateKey(key);
    return true;
  } catch {
    return false;
  }
}
