// A file system with little room: a tmpfs of its own where the test may mount one.
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FILLER = 'filler';

export interface SmallDisk {
  readonly path: string;
  /** Gives the room back that was taken at first. */
  makeRoom(): Promise<void>;
  /** Unmounts it; nothing may run in it. */
  remove(): Promise<void>;
}

/**
 * Mounts a disk of `sizeBytes` of which `freeBytes` are left until {@link SmallDisk.makeRoom}.
 * @returns undefined where mounting is not allowed
 */
export async function mountSmallDisk(
  path: string,
  sizeBytes: number,
  freeBytes: number,
): Promise<SmallDisk | undefined> {
  await mkdir(path);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  } catch {
    return undefined;
  }
  await writeFile(join(path, FILLER), Buffer.alloc(sizeBytes - freeBytes));
  return {
    path,
    makeRoom: () => rm(join(path, FILLER)),
    remove: async () => void (await run('umount', [path])),
  };
}
