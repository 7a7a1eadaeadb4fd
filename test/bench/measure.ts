// Runs one program to its end and measures it from outside: wall and CPU seconds, peak resident memory, bytes it left.
// CPU is what bash's `time` reports: user plus system of the program with all its threads and waited children, from
// the kernel's own accounts. Memory is VmHWM of the program's one process, read every 20 ms: it is a high-water mark,
// so only growth in the last 20 ms can be missed.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const SAMPLE_MS = 20;
const SETTLE_MS = 500;
const RUN_LIMIT_MS = 15 * 60_000;
const LOG_TAIL_CHARACTERS = 1000;

/** USER_HZ: the unit of times in /proc, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The inner shell says its process id on descriptor 3 and becomes the program; the times come on descriptor 4. */
const WRAPPER = `
TIMEFORMAT='%3R %3U %3S'
exec 5>&2
{ time bash -c 'echo $$ >&3; exec "$@" 2>&5 3>&- 4>&- 5>&-' bench "$@"; } 2>&4
`;

const run = promisify(execFile);

export interface Invocation {
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Takes what the program prints. */
  readonly logFile: string;
}

/** What one run cost. */
export interface Measured {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  /** Size of what the run left behind; null where it leaves nothing. */
  readonly storedBytes: number | null;
  /** What a restore read of its backup, where its program says so. */
  readonly readBytes?: number;
  /** The same as a share of the bytes of all segments. */
  readonly readShare?: number;
}

type Cost = Pick<Measured, 'wallSeconds' | 'cpuSeconds' | 'peakRssBytes'>;

/** CPU seconds used so far by a process and its threads, and its resident bytes now and at most. */
export interface ProcessUse {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

/** Runs a program to its end. @throws with the tail of its log unless it exits with 0 */
export async function measureProgram(invocation: Invocation): Promise<Cost> {
  const program = await startProgram(invocation);
  return program.ended;
}

export interface RunningProgram {
  readonly pid: number;
  /** Rejects unless the program exits with 0. */
  readonly ended: Promise<Cost>;
}

/** Without what a machine asks of every Node process: to trust more certificates, say, costs 20 ms of CPU at each start. */
const ENVIRONMENT = { ...process.env, LC_ALL: 'C', NODE_OPTIONS: undefined, NODE_EXTRA_CA_CERTS: undefined };

/** Starts a program; it is killed when this process ends or after 15 minutes. */
export async function startProgram(invocation: Invocation): Promise<RunningProgram> {
  const { command, args, directory, logFile } = invocation;
  const log = openSync(logFile, 'a');
  const wrapper = spawn('bash', ['-c', WRAPPER, 'bench', command, ...args], {
    stdio: ['ignore', log, log, 'pipe', 'pipe'],
    cwd: directory,
    env: ENVIRONMENT,
  });
  closeSync(log);
  const times = text(pipeOf(wrapper, 4));
  const pid = Number(await firstChunk(pipeOf(wrapper, 3)));
  if (!Number.isInteger(pid) || pid <= 0) throw new Error(`${command} did not start\n${tailOf(logFile)}`);
  return { pid, ended: watch(wrapper, { pid, times, logFile, command }) };
}

interface Watched {
  readonly pid: number;
  readonly times: Promise<string>;
  readonly logFile: string;
  readonly command: string;
}

async function watch(wrapper: ChildProcess, { pid, times, logFile, command }: Watched): Promise<Cost> {
  let peakRssBytes = 0;
  const sample = (): void => {
    peakRssBytes = Math.max(peakRssBytes, readUse(pid)?.peakRssBytes ?? 0);
  };
  const end = (): void => endProcess(pid);
  const sampling = setInterval(sample, SAMPLE_MS);
  const limit = setTimeout(end, RUN_LIMIT_MS);
  process.once('exit', end);
  try {
    const [code] = (await once(wrapper, 'close')) as [number | null];
    const match = /^([\d.]+) ([\d.]+) ([\d.]+)$/m.exec(await times);
    if (code !== 0 || match === null) throw new Error(`${command} ended with ${code}\n${tailOf(logFile)}`);
    const [, wall, user, system] = match;
    return { wallSeconds: Number(wall), cpuSeconds: Number(user) + Number(system), peakRssBytes };
  } finally {
    clearInterval(sampling);
    clearTimeout(limit);
    process.off('exit', end);
  }
}

/** What a process has used so far; undefined when it is gone. */
export function readUse(pid: number): ProcessUse | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const counters = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const kibibytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
    // After the command's name, which may hold spaces, utime and stime are the 12th and 13th field (proc(5)).
    const fields = counters.slice(counters.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return {
      cpuSeconds: ticks / TICKS_PER_SECOND,
      rssBytes: kibibytes('VmRSS') * 1024,
      peakRssBytes: kibibytes('VmHWM') * 1024,
    };
  } catch {
    return undefined;
  }
}

/** Writes dirty pages out and waits a moment, so that no run pays for the one before. */
export async function settle(): Promise<void> {
  await run('sync');
  await sleep(SETTLE_MS);
}

/** Sum of the sizes of all files below a directory. */
export async function sizeOfDirectory(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const sizes = entries.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name)));
  return (await Promise.all(sizes)).reduce((total, { size }) => total + size, 0);
}

function pipeOf(child: ChildProcess, descriptor: number): NodeJS.ReadableStream {
  const pipe = child.stdio[descriptor];
  if (pipe === null || pipe === undefined || !('readable' in pipe)) throw new Error(`no pipe ${descriptor}`);
  return pipe;
}

/** The wrapper keeps its own end open until the program ends, so the end of the pipe cannot be waited for. */
async function firstChunk(pipe: NodeJS.ReadableStream): Promise<string> {
  for await (const chunk of pipe) return String(chunk);
  return '';
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function tailOf(logFile: string): string {
  return readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS);
}
