// How the programs under comparison are run: ours as users run it (the built package, `kafka-backup` on the pinned
// Node), the peer with an equal configuration, and zstd on the bare bytes. Every run gets a store of its own.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../support/cache.ts';
import { type Invocation, type Measured, measureProgram, settle, sizeOfDirectory } from './measure.ts';
import type { FilledTopic, TopicName, Workbench } from './workbench.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const PINNED_NODE = join(projectRoot, 'node_modules', '.bin', 'node');
const BACKUP_ID = 'bench';

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
}

export interface Programs {
  readonly ours: Program;
  /** Absent when its binary is not there. */
  readonly peer: Program | undefined;
  readonly hasZstd: boolean;
  /** Program to what it says about its version. */
  readonly versions: Readonly<Record<string, string>>;
}

/** One row of a table: something that is run, alternating with others. */
export interface Contender {
  readonly name: string;
  /** Runs once in an empty directory, which the caller removes. @throws when the program fails */
  readonly run: (directory: string) => Promise<Measured>;
}

export interface BackupOptions {
  readonly compression: 'zstd' | 'lz4';
  readonly level?: number;
  readonly segmentMaxBytes?: number;
  /** Further keys of `backup`. */
  readonly keys?: Readonly<Record<string, unknown>>;
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
  const ours: Program = { name: 'ours', command: node, args: [main], restoreKeys: {} };
  const binary = resolve(projectRoot, peerPath);
  const peer: Program | undefined = existsSync(binary)
    ? { name: 'peer', command: binary, args: [], restoreKeys: { create_topics: true } }
    : undefined;
  const zstd = await versionOf('zstd', ['--version']);
  const versions = {
    ours: (await versionOf(node, [main, '--version'])) ?? 'unknown version',
    peer: peer === undefined ? `not found at ${relative(projectRoot, binary)}` : await peerVersion(binary),
    zstd: zstd ?? 'not found',
  };
  return { ours, peer, hasZstd: zstd !== undefined, versions };
}

/** A one-shot backup of one topic. */
export function backupContender(
  bench: Workbench,
  program: Program,
  topic: TopicName,
  options: BackupOptions & { readonly name?: string },
): Contender {
  return {
    name: options.name ?? program.name,
    run: async (directory) => {
      const store = join(directory, 'store');
      const cost = await measureProgram(await backupInvocation(bench, program, { topic, store, directory, options }));
      return { ...cost, storedBytes: await sizeOfDirectory(store) };
    },
  };
}

/** zstd with two threads on the topic's record batches in one file. */
export async function zstdContender(bench: Workbench, topic: FilledTopic): Promise<Contender> {
  const raw = join(await bench.directory('raw'), 'batches.log');
  await bench.copyLog(topic.name, raw);
  return {
    name: 'zstd -3 -T2',
    run: async (directory) => {
      const out = join(directory, 'out');
      await mkdir(out);
      const args = ['-3', '-T2', '-q', '-f', raw, '-o', join(out, 'batches.zst')];
      const cost = await measureProgram({ command: 'zstd', args, directory, logFile: join(directory, 'log') });
      return { ...cost, storedBytes: await sizeOfDirectory(out) };
    },
  };
}

/** The first run makes the program's own zstd-3 backup of a topic; each run restores it into a topic of its own. */
export function restoreContender(bench: Workbench, program: Program, topic: FilledTopic): Contender {
  let origin: Promise<string> | undefined;
  let restores = 0;
  return {
    name: program.name,
    run: async (directory) => {
      origin ??= backUpOnce(bench, program, topic.name);
      const store = await origin;
      restores += 1;
      const target = `restored-${program.name}-${restores}`;
      const topic_mapping = { [topic.name]: target };
      const restore = { topic_mapping, max_concurrent_partitions: 4, ...program.restoreKeys };
      const config = { mode: 'restore', target: kafka(bench, topic.name), restore };
      try {
        const cost = await measureProgram(await invocation(program, 'restore', { directory, store, config }));
        await expectRecords(bench, target);
        return { ...cost, storedBytes: null };
      } finally {
        await bench.probe.deleteTopic(target).catch(() => {});
      }
    },
  };
}

/** @returns the store, which stays until the end */
async function backUpOnce(bench: Workbench, program: Program, topic: TopicName): Promise<string> {
  const directory = await bench.directory(`${program.name}-restore-origin`);
  const store = join(directory, 'store');
  const options: BackupOptions = { compression: 'zstd' };
  await measureProgram(await backupInvocation(bench, program, { topic, store, directory, options }));
  await settle();
  return store;
}

async function expectRecords(bench: Workbench, topic: string): Promise<void> {
  const ends = [...(await bench.probe.endOffsets(topic)).values()];
  const restored = ends.reduce((total, end) => total + end, 0n);
  if (restored !== BigInt(bench.records)) throw new Error(`restored ${restored} of ${bench.records} records`);
}

interface BackupRun {
  readonly topic: string;
  readonly store: string;
  readonly directory: string;
  readonly options: BackupOptions;
  /** Follow the topic instead of stopping at its end. */
  readonly continuous?: boolean;
  /** Further sections of the configuration. */
  readonly sections?: Readonly<Record<string, unknown>>;
}

/** Writes the configuration of a backup and says how to run it. */
export function backupInvocation(bench: Workbench, program: Program, backup: BackupRun): Promise<Invocation> {
  const { topic, store, directory, options, continuous = false, sections = {} } = backup;
  const keys = {
    compression: options.compression,
    ...(options.compression === 'zstd' ? { compression_level: options.level ?? 3 } : {}),
    ...(continuous ? { continuous } : { stop_at_current_offsets: true }),
    segment_max_bytes: options.segmentMaxBytes ?? 128 * MIB,
    max_concurrent_partitions: 4,
    ...options.keys,
  };
  const config = { mode: 'backup', source: kafka(bench, topic), backup: keys, ...sections };
  return invocation(program, 'backup', { directory, store, config });
}

async function invocation(
  program: Program,
  verb: 'backup' | 'restore',
  paths: { readonly directory: string; readonly store: string; readonly config: object },
): Promise<Invocation> {
  const { directory, store, config } = paths;
  const file = join(directory, `${verb}.yaml`);
  // JSON is YAML.
  const whole = { backup_id: BACKUP_ID, storage: { backend: 'filesystem', path: store }, ...config };
  await writeFile(file, `${JSON.stringify(whole, null, 2)}\n`);
  const args = [...program.args, verb, '--config', file];
  return { command: program.command, args, directory, logFile: join(directory, `${verb}.log`) };
}

function kafka(bench: Workbench, topic: string): object {
  return { bootstrap_servers: [bench.broker.bootstrap], topics: { include: [topic] } };
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
