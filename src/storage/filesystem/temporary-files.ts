// The temporary files of a store on a filesystem: how they are named, how those are found that a crash left behind, and what
// they tell of the clock that stamps them. Their names begin with a dot, which no key does.

import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { UnfinishedUpload } from '../object-store.ts';

const TEMPORARY = /^\.[0-9a-f]{16}\.tmp$/;

export function newTemporaryName(): string {
  return `.${randomBytes(8).toString('hex')}.tmp`;
}

/** True for what {@link newTemporaryName} makes. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** All below `root` whose path from there begins with `prefix`. Links are not followed. */
export async function findTemporaryFiles(root: string, prefix: string): Promise<UnfinishedUpload[]> {
  const found: UnfinishedUpload[] = [];
  const folders = [prefix.slice(0, prefix.lastIndexOf('/') + 1)];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of (await unlessGone(readdir(join(root, folder), { withFileTypes: true }))) ?? []) {
      const name = `${folder}${entry.name}`;
      if (entry.isDirectory()) {
        const inside = `${name}/`;
        if (inside.startsWith(prefix) || prefix.startsWith(inside)) folders.push(inside);
      } else if (entry.isFile() && isTemporaryName(entry.name) && name.startsWith(prefix)) {
        const stats = await unlessGone(lstat(join(root, name)));
        if (stats === undefined) continue;
        found.push({ name, id: '', touchedAtMs: Math.floor(stats.mtimeMs), sizeBytes: stats.size });
      }
    }
  }
  return found;
}

/**
 * The time that a new file in `directory` is stamped with: a file server's own clock. Where no file can be made, there is
 * nothing to compare, and this host's clock is the answer.
 */
export async function stampedTimeMs(directory: string): Promise<number> {
  const path = join(directory, newTemporaryName());
  try {
    const handle = await open(path, 'wx', 0o640);
    try {
      return Math.floor((await handle.stat()).mtimeMs);
    } finally {
      await handle.close();
      await unlink(path);
    }
  } catch {
    return Date.now();
  }
}

/** What a running put has finished in the meantime is no failure. */
async function unlessGone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
