// The grammar of keys: relative, no empty, `.` or `..` element, no element that begins with a dot (those are a filesystem's own
// temporary files). Checked at the border of every store, so that nothing read from a catalog leaves its root.

import { BackupError } from '../model/errors.ts';

const MAX_KEY_BYTES = 1024;
const ELEMENT = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,254}$/;

/** True when `key` is one that this program may have made. */
export function isObjectKey(key: string): boolean {
  return key.length <= MAX_KEY_BYTES && key.split('/').every((element) => ELEMENT.test(element));
}

/** @throws OBJECT_CORRUPT when `key` is not one that this program makes. */
export function assertObjectKey(key: string): void {
  if (!isObjectKey(key))
    throw new BackupError('OBJECT_CORRUPT', `${JSON.stringify(key.slice(0, 200))} is not a key of a backup`);
}

/** @throws OBJECT_CORRUPT when no key begins with `prefix`, which may end in the middle of a name and may be empty. */
export function assertKeyPrefix(prefix: string): void {
  if (prefix !== '') assertObjectKey(prefix.endsWith('/') ? `${prefix}x` : prefix);
}

/** What stands in front of every key below `prefix`, which has no slash at either end: empty, or ends with a slash. */
export function folderOf(prefix: string): string {
  return prefix === '' ? '' : `${prefix}/`;
}
