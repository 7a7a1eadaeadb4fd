// The programs under comparison: ours as users run it (the built package, `kafka-backup` on the pinned Node), the peer's
// release binary, and zstd.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, symlink } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../support/cache.ts';

const run = promisify(execFile);
const PINNED_NODE = join(projectRoot, 'node_modules', '.bin', 'node');

/** Where the peer's binary lies unless `--peer` names it, relative to the project. */
export const DEFAULT_PEER = join('..', 'shared', 'peer', 'oso-kafka-backup');

/** A backup program: ours and the peer take the same configuration keys. */
export interface Program {
  readonly name: 'ours' | 'peer';
  readonly command: string;
  /** Before the verb. */
  readonly args: readonly string[];
  /** Keys that every restore of this program needs. */
  readonly restoreKeys: Readonly<Record<string, unknown>>;
  /** After the verb, for a report that says what was read. */
  readonly restoreArgs: readonly string[];
}

export interface Programs {
  readonly ours: Program;
  /** Absent when its binary is not there. */
  readonly peer: Program | undefined;
  readonly hasZstd: boolean;
  /** Program to what it says about its version. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Builds ours and looks for the others.
 * @param directory empty; takes a copy of the built package, so that a build meanwhile does not disturb measurements
 * @param peerPath relative to the project, or absolute
 */
export async function findPrograms(directory: string, peerPath: string): Promise<Programs> {
  await run('npm', ['run', 'build'], { cwd: projectRoot }).catch((error: { stdout?: string; message: string }) => {
    throw new Error(`npm run build failed: ${error.message}\n${error.stdout ?? ''}`);
  });
  for (const part of ['dist', 'package.json']) {
    await cp(join(projectRoot, part), join(directory, part), { recursive: true });
  }
  await symlink(join(projectRoot, 'node_modules'), join(directory, 'node_modules'));
  const main = join(directory, 'dist', 'main.js');
  const node = existsSync(PINNED_NODE) ? PINNED_NODE : process.execPath;
  const ours: Program = { name: 'ours', command: node, args: [main], restoreKeys: {}, restoreArgs: ['--json'] };
  const binary = resolve(projectRoot, peerPath);
  const peer: Program | undefined = existsSync(binary)
    ? { name: 'peer', command: binary, args: [], restoreKeys: { create_topics: true }, restoreArgs: [] }
    : undefined;
  const zstd = await versionOf('zstd', ['--version']);
  const versions = {
    ours: (await versionOf(node, [main, '--version'])) ?? 'unknown version',
    peer: peer === undefined ? `not found at ${relative(projectRoot, binary)}` : await peerVersion(binary),
    zstd: zstd ?? 'not found',
  };
  return { ours, peer, hasZstd: zstd !== undefined, versions };
}

/** With what its defaults add to the comparison (`include_offset_headers`). */
async function peerVersion(binary: string): Promise<string> {
  const version = (await versionOf(binary, ['--version'])) ?? 'unknown version';
  return `${version}; by its defaults it stores two offset headers with each record, and does not fsync its files`;
}

async function versionOf(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, args);
    return stdout.trim().replaceAll('*', '').trim();
  } catch {
    return undefined;
  }
}
