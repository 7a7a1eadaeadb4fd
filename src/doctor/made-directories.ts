// A store on a filesystem makes the directories of what it creates, and keeps them. Those that were not there before the doctor
// came are removed again: a path that is mistyped must not be there afterwards because somebody looked at it.

import { rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** `directory` and those above it that are not there, the innermost first. */
export async function missingDirectories(directory: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let path = directory; await isMissing(path); path = dirname(path)) missing.push(path);
  return missing;
}

/** What holds anything by now stays, and with it all that is above. */
export async function removeEmpty(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    const isRemoved = await rmdir(directory).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
    );
    if (!isRemoved) return;
  }
}

function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}
