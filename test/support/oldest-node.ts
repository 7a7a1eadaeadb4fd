// The oldest Node that package.json allows, fetched once into the cache. It comes through npm like everything else, but is no
// dependency: a second package with a `node` command would take the place of the first in node_modules/.bin, and nobody but
// one test needs it.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from './cache.ts';

const run = promisify(execFile);
const FETCH_TIMEOUT_MS = 5 * 60_000;

export const OLDEST_NODE = '22.18.0';

/** Of the packages as they were published, by architecture. */
const INTEGRITY: ReadonlyMap<string, string> = new Map([
  ['x64', 'sha512-ZPIlJmsQkDY/Q+VeDIuNTphYIPHYwV4T2lF7lfkmW0gFFkohycbGQYm25yhJ/Gz42eFD2wF5zwAzs9yPRAwbhg=='],
  ['arm64', 'sha512-G2s2MDAFBM2p2SCpdKDu74PpThBwzsrA9tWMn6eVfYy+k0jYhh7MIC6gK3liNC2jLCfMayrqswNwbTsrboaTVg=='],
]);

/** Makes sure that it is in the cache. @returns the path of the executable */
export async function ensureOldestNode(): Promise<string> {
  const name = `node-linux-${process.arch}`;
  const integrity = INTEGRITY.get(process.arch);
  if (process.platform !== 'linux' || integrity === undefined) throw new Error(`there is no package ${name}`);
  const directory = await cached(`${name}-${OLDEST_NODE}`, async (temporary) => {
    const options = ['--json', '--ignore-scripts', '--pack-destination', temporary];
    const { stdout } = await run('npm', ['pack', `${name}@${OLDEST_NODE}`, ...options], { timeout: FETCH_TIMEOUT_MS });
    const [{ filename }] = JSON.parse(stdout) as [{ readonly filename: string }];
    const archive = join(temporary, filename);
    const found = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (found !== integrity) throw new Error(`${name}@${OLDEST_NODE} is not what it was: ${found}`);
    await run('tar', ['-xzf', archive, '-C', temporary, '--strip-components=1']);
    await rm(archive);
  });
  return join(directory, 'bin', 'node');
}
