// The one git-ignored folder for everything that tests download or build: jars, class files, servers.
// An entry is built in a temporary directory beside it and appears by rename, so that it is either complete or
// absent; a lock file keeps two processes from doing the same work, but nothing is wrong if they do.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOCK_POLL_MS = 100;
const LOCK_TIMEOUT_MS = 10 * 60_000;

/** Absolute path of the project: the folder that holds package.json. */
export const projectRoot = resolve(import.meta.dirname, '..', '..');

/** Absolute path of the cache: `KAFKA_BACKUP_CACHE`, or `.cache` at the project root. It may not exist yet. */
export const cacheRoot = resolve(process.env.KAFKA_BACKUP_CACHE ?? join(projectRoot, '.cache'));

/**
 * Returns the absolute path of a cache entry, building it first if it is absent.
 * @param name one path segment; everything the content depends on (version, hash) must be part of it
 * @param build fills the empty directory it is given; when it throws, nothing is kept
 */
export async function cached(name: string, build: (directory: string) => Promise<void>): Promise<string> {
  const entry = join(cacheRoot, name);
  if (existsSync(entry)) return entry;
  await mkdir(cacheRoot, { recursive: true });
  const release = await acquireLock(join(cacheRoot, `${name}.lock`));
  try {
    if (existsSync(entry)) return entry;
    const temporary = await mkdtemp(join(cacheRoot, `.${name}-`));
    try {
      await build(temporary);
      await rename(temporary, entry);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      if (!existsSync(entry)) throw error;
    }
    return entry;
  } finally {
    await release();
  }
}

async function acquireLock(path: string): Promise<() => Promise<void>> {
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (holderIsGone(path)) await rm(path, { force: true });
    else if (Date.now() > deadline) throw new Error(`waited ${LOCK_TIMEOUT_MS} ms for ${path}`);
    else await sleep(LOCK_POLL_MS);
  }
}

function holderIsGone(path: string): boolean {
  let pid: number;
  try {
    pid = Number(readFileSync(path, 'utf8'));
  } catch {
    return false;
  }
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
