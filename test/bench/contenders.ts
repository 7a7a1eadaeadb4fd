// What is run and measured: backups and restores by ours and the peer with equal configurations, and zstd on the bare bytes.
// Every backup gets a store of its own; a restore reads a backup that its program made before, and writes a topic of its own.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BenchStore, FILESYSTEM, type StorePlace } from './bench-store.ts';
import { type Invocation, type Measured, measureProgram, settle, sizeOfDirectory } from './measure.ts';
import type { Program, Programs } from './programs.ts';
import type { FilledTopic, TopicName, Workbench } from './workbench.ts';

const MIB = 1024 * 1024;
const BACKUP_ID = 'bench';

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

/** A one-shot backup of one topic, into the workbench's store unless told. */
export function backupContender(
  bench: Workbench,
  program: Program,
  topic: TopicName,
  options: BackupOptions & { readonly name?: string; readonly store?: BenchStore },
): Contender {
  return {
    name: options.name ?? program.name,
    run: async (directory) => {
      const place = (options.store ?? bench.store).place(directory);
      try {
        const cost = await measureProgram(await backupInvocation(bench, program, { topic, place, directory, options }));
        return { ...cost, storedBytes: await place.sizeBytes() };
      } finally {
        await place.clear();
      }
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

export interface RestoreOptions {
  readonly name?: string;
  /** What to restore of the topic; all of it unless given. */
  readonly window?: TimeWindow;
  /** Of the backup that is restored. */
  readonly segmentMaxBytes?: number;
}

/** Both ends inclusive. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /** How many records of the topic have a timestamp in it. */
  readonly records: number;
}

/** The first run makes the program's own zstd-3 backup of a topic; each run restores it into a topic of its own. */
export function restoreContender(
  bench: Workbench,
  program: Program,
  topic: FilledTopic,
  { name = program.name, window, segmentMaxBytes }: RestoreOptions = {},
): Contender {
  return {
    name,
    run: async (directory) => {
      const store = await bench.kept(`${program.name}-backup-of-${topic.name}-${segmentMaxBytes ?? 'usual'}`, (kept) =>
        backUp(bench, program, { topic: topic.name, directory: kept, segmentMaxBytes }),
      );
      const target = bench.newTopicName('restored');
      const restore = {
        topic_mapping: { [topic.name]: target },
        max_concurrent_partitions: 4,
        ...(window === undefined ? {} : { time_window_start: window.fromMs, time_window_end: window.toMs }),
        ...program.restoreKeys,
      };
      const { storage } = FILESYSTEM.place(store);
      const config = { mode: 'restore', target: kafka(bench, topic.name), storage, restore };
      try {
        const run = await invocation(program, 'restore', { directory, config });
        const cost = await measureProgram(run);
        await expectRecords(bench, target, window?.records ?? topic.records);
        return { ...cost, storedBytes: null, ...(await bytesRead(program, run, store)) };
      } finally {
        await bench.probe.deleteTopic(target).catch(() => {});
      }
    },
  };
}

async function backUp(
  bench: Workbench,
  program: Program,
  {
    topic,
    directory,
    segmentMaxBytes,
  }: { readonly topic: TopicName; readonly directory: string; readonly segmentMaxBytes: number | undefined },
): Promise<string> {
  const options: BackupOptions = { compression: 'zstd', ...(segmentMaxBytes === undefined ? {} : { segmentMaxBytes }) };
  const place = FILESYSTEM.place(directory);
  await measureProgram(await backupInvocation(bench, program, { topic, place, directory, options }));
  await settle();
  return directory;
}

/** What ours says that it read of the backup, and its share of the segments' bytes. The peer counts nothing. */
async function bytesRead(
  program: Program,
  { logFile }: Invocation,
  directory: string,
): Promise<Pick<Measured, 'readBytes' | 'readShare'>> {
  if (program.name === 'peer') return {};
  const lines = (await readFile(logFile, 'utf8')).split('\n');
  const summary = lines.find((line) => line.startsWith('{"message_type":"summary"'));
  if (summary === undefined) throw new Error('the restore printed no summary');
  const job = JSON.parse(summary) as { readonly report: { readonly last_attempt: { readonly bytes_read: number } } };
  const readBytes = job.report.last_attempt.bytes_read;
  return { readBytes, readShare: readBytes / (await sizeOfDirectory(join(directory, 'store', BACKUP_ID, 'data'))) };
}

async function expectRecords(bench: Workbench, topic: string, records: number): Promise<void> {
  const ends = [...(await bench.probe.endOffsets(topic)).values()];
  const restored = ends.reduce((total, end) => total + end, 0n);
  if (restored !== BigInt(records)) throw new Error(`restored ${restored} of ${records} records`);
}

interface BackupRun {
  readonly topic: string;
  readonly place: StorePlace;
  readonly directory: string;
  readonly options: BackupOptions;
  /** Follow the topic instead of stopping at its end. */
  readonly continuous?: boolean;
  /** Further sections of the configuration. */
  readonly sections?: Readonly<Record<string, unknown>>;
}

/** Writes the configuration of a backup and says how to run it. */
export function backupInvocation(bench: Workbench, program: Program, backup: BackupRun): Promise<Invocation> {
  const { topic, place, directory, options, continuous = false, sections = {} } = backup;
  const keys = {
    compression: options.compression,
    ...(options.compression === 'zstd' ? { compression_level: options.level ?? 3 } : {}),
    ...(continuous ? { continuous } : { stop_at_current_offsets: true }),
    segment_max_bytes: options.segmentMaxBytes ?? 128 * MIB,
    max_concurrent_partitions: 4,
    ...options.keys,
  };
  const { storage } = place;
  const config = { mode: 'backup', source: kafka(bench, topic), storage, backup: keys, ...sections };
  return invocation(program, 'backup', { directory, config });
}

async function invocation(
  program: Program,
  verb: 'backup' | 'restore',
  { directory, config }: { readonly directory: string; readonly config: object },
): Promise<Invocation> {
  const file = join(directory, `${verb}.yaml`);
  // JSON is YAML.
  await writeFile(file, `${JSON.stringify({ backup_id: BACKUP_ID, ...config }, null, 2)}\n`);
  const args = [...program.args, verb, '--config', file, ...(verb === 'restore' ? program.restoreArgs : [])];
  return { command: program.command, args, directory, logFile: join(directory, `${verb}.log`) };
}

function kafka(bench: Workbench, topic: string): object {
  return { bootstrap_servers: [bench.broker.bootstrap], topics: { include: [topic] } };
}

/** One of each program. */
export function pairOf({ ours, peer }: Programs, contender: (program: Program) => Contender): Contender[] {
  return peer === undefined ? [contender(ours)] : [contender(ours), contender(peer)];
}
