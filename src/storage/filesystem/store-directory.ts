// Whether the directory of a store is there. The store itself makes no difference: a directory that does not exist holds no object.

import { stat } from 'node:fs/promises';

/** False when there is no such directory; what else is in the way the store tells when it is read. */
export async function isDirectoryThere(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}
